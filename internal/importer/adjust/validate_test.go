package adjust

import (
	"errors"
	"strings"
	"testing"

	"lotse/dicom"
	"lotse/internal/importer"
)

func TestValidateRefuses(t *testing.T) {
	long := strings.Repeat("x", 65)
	set := func(keyword string, values ...string) func(*importer.Decision) {
		return func(d *importer.Decision) {
			tag, err := dicom.ParseTag(keyword)
			if err != nil {
				t.Fatal(err)
			}
			d.Set = append(d.Set, importer.Assignment{Tag: tag, Values: values})
		}
	}
	patient := func(f func(p *importer.LocalPatient)) func(*importer.Decision) {
		return func(d *importer.Decision) { f(&d.Patient) }
	}
	for name, c := range map[string]struct {
		edit    func(*importer.Decision)
		keyword string
		rule    Rule
	}{
		"SOP instance":        {set("SOPInstanceUID", "1.2"), "SOPInstanceUID", RuleIdentity},
		"frame of reference":  {set("FrameOfReferenceUID", "1.2"), "FrameOfReferenceUID", RuleIdentity},
		"file meta":           {set("TransferSyntaxUID", "1.2"), "TransferSyntaxUID", RuleFileMeta},
		"sequence":            {set("OriginalAttributesSequence", "x"), "OriginalAttributesSequence", RuleReserved},
		"other sequence":      {set("RequestAttributesSequence", "x"), "RequestAttributesSequence", RuleSequence},
		"character set":       {set("SpecificCharacterSet", "ISO_IR 100"), "SpecificCharacterSet", RuleReserved},
		"binary":              {set("Rows", "5"), "Rows", RuleBinary},
		"pixel data":          {set("PixelData", "5"), "PixelData", RuleBinary},
		"private":             {set("0009,1001", "5"), "(0009,1001)", RuleUnknown},
		"private creator":     {set("0009,0010", "5"), "(0009,0010)", RuleUnknown},
		"not in dictionary":   {set("0008,0003", "5"), "(0008,0003)", RuleUnknown},
		"group length":        {set("0010,0000", "5"), "(0010,0000)", RuleUnknown},
		"no values":           {set("PatientID"), "PatientID", RuleEmpty},
		"two of one":          {set("StudyID", "1", "2"), "StudyID", RuleMultiplicity},
		"one of three":        {set("ImagePositionPatient", "1"), "ImagePositionPatient", RuleMultiplicity},
		"backslash":           {set("StudyDescription", `a\b`), "StudyDescription", RuleBackslash},
		"code in lower case":  {set("BodyPartExamined", "head"), "BodyPartExamined", RuleRepertoire},
		"umlaut in a code":    {set("BodyPartExamined", "SCHÄDEL"), "BodyPartExamined", RuleRepertoire},
		"code too long":       {set("BodyPartExamined", "ABCDEFGHIJKLMNOPQ"), "BodyPartExamined", RuleLength},
		"day that is none":    {set("StudyDate", "20230229"), "StudyDate", RuleFormat},
		"date with dots":      {set("StudyDate", "2023.01."), "StudyDate", RuleFormat},
		"hour 24":             {set("StudyTime", "240000"), "StudyTime", RuleFormat},
		"fraction of minutes": {set("StudyTime", "1200.5"), "StudyTime", RuleFormat},
		"no decimal":          {set("PatientWeight", "1,5"), "PatientWeight", RuleFormat},
		"infinite":            {set("PatientWeight", "Inf"), "PatientWeight", RuleFormat},
		"integer too great":   {set("InstanceNumber", "2147483648"), "InstanceNumber", RuleFormat},
		"age":                 {set("PatientAge", "45"), "PatientAge", RuleFormat},
		"zone":                {set("AcquisitionDateTime", "20240101+99"), "AcquisitionDateTime", RuleFormat},
		"application entity":  {set("StationAETitle", "ÄE"), "StationAETitle", RuleRepertoire},
		"escape":              {set("StudyDescription", "a\x1b(J"), "StudyDescription", RuleControl},
		"C1 control":          {set("StudyDescription", "a\u0085"), "StudyDescription", RuleControl},
		"not UTF-8":           {set("StudyDescription", "a\xe4"), "StudyDescription", RuleText},
		"text too long":       {set("ImageComments", strings.Repeat("x", 10241)), "ImageComments", RuleLength},
		"name too long":       {patient(func(p *importer.LocalPatient) { p.Name = &long }), "PatientName", RuleLength},
		"name of two":         {patient(func(p *importer.LocalPatient) { p.Name = ptr(`A\B`) }), "PatientName", RuleBackslash},
		"name of four groups": {patient(func(p *importer.LocalPatient) { p.Name = ptr(`A=B=C=D`) }), "PatientName", RuleFormat},
		"seven name parts":    {patient(func(p *importer.LocalPatient) { p.Name = ptr(`A^B^C^D^E^F`) }), "PatientName", RuleFormat},
		"line in a name":      {patient(func(p *importer.LocalPatient) { p.Name = ptr("A\nB") }), "PatientName", RuleControl},
		"id too long":         {patient(func(p *importer.LocalPatient) { p.ID = &long }), "PatientID", RuleLength},
		"empty id":            {patient(func(p *importer.LocalPatient) { p.ID = ptr("") }), "PatientID", RuleEmpty},
		"birth date":          {patient(func(p *importer.LocalPatient) { p.BirthDate = ptr("1950-01-01") }), "PatientBirthDate", RuleLength},
		"sex":                 {patient(func(p *importer.LocalPatient) { p.Sex = ptr("X") }), "PatientSex", RuleSexValues},
		"accession":           {func(d *importer.Decision) { d.Accession = ptr("12345678901234567") }, "AccessionNumber", RuleLength},
		"station":             {func(d *importer.Decision) { d.Station = "a station of the house" }, "Station", RuleLength},
		"institution":         {func(d *importer.Decision) { d.Institution = `a\b` }, "Institution", RuleBackslash},
		"foreign issuer":      {func(d *importer.Decision) { d.ForeignIssuer = long }, "ForeignIssuer", RuleLength},
		"no time":             {func(d *importer.Decision) { d.At = importer.Decision{}.At }, "At", RuleEmpty},
		"twice": {func(d *importer.Decision) {
			d.Patient.ID = ptr("a")
			set("PatientID", "b")(d)
		}, "PatientID", RuleTwice},
	} {
		t.Run(name, func(t *testing.T) {
			d := &importer.Decision{At: decisionTime()}
			c.edit(d)
			err := Validate(d)
			var invalid *InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("error %v", err)
			}
			if invalid.Keyword != c.keyword || invalid.Rule != c.rule {
				t.Errorf("%s breaks %s, want %s, %s", invalid.Keyword, invalid.Rule, c.keyword, c.rule)
			}
			if invalid.Rule == RuleLength && invalid.Limit == 0 {
				t.Error("the error does not say how long it may be")
			}
			if _, err := NewPlanner(d); !errors.As(err, &invalid) {
				t.Error("a planner is made of it", err)
			}
		})
	}
}

func TestValidateAccepts(t *testing.T) {
	long := strings.Repeat("ä", 64)
	for keyword, value := range map[string]string{
		"PatientName": "Müller^Änne^^Dr.^jr.=山田^太郎=やまだ^たろう", "StudyDescription": long,
		"StudyDate": "20240229", "StudyTime": "235960.123456", "AcquisitionDateTime": "20240101120000.5+0200",
		"PatientWeight": "-1.5E+3", "InstanceNumber": "-3", "PatientAge": "045Y", "BodyPartExamined": "HEAD_1 A",
		"ImageComments": "two\r\nlines with \\ a backslash", "StationAETitle": "Store scp", "RetrieveURL": "https://a.example/x",
		"PatientBirthDate": "", "PatientSex": "", "IssuerOfPatientID": "HOUSE",
	} {
		tag, err := dicom.ParseTag(keyword)
		if err != nil {
			t.Fatal(err)
		}
		d := &importer.Decision{At: decisionTime(), Set: []importer.Assignment{{Tag: tag, Values: []string{value}}}}
		if err := Validate(d); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestFitsVM(t *testing.T) {
	for _, c := range []struct {
		vm   string
		n    int
		fits bool
	}{{"1", 1, true}, {"1", 2, false}, {"3", 0, true}, {"1-n", 9, true}, {"2-n", 1, false}, {"2-2n", 4, true},
		{"2-2n", 3, false}, {"3-3n", 6, true}, {"1-3", 3, true}, {"1-3", 4, false}, {"", 7, true}} {
		if got := fitsVM(c.vm, c.n); got != c.fits {
			t.Errorf("%d values in %q: %v", c.n, c.vm, got)
		}
	}
}

// TestErrorsKeepSilent: no error repeats a value.
func TestErrorsKeepSilent(t *testing.T) {
	secret := strings.Repeat("Secret", 20)
	d := &importer.Decision{At: decisionTime(), Patient: importer.LocalPatient{Name: &secret}}
	if err := Validate(d); err == nil || strings.Contains(err.Error(), "Secret") {
		t.Error(err)
	}
}
