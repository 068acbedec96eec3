package inspect

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lotse/dicom"
	"lotse/internal/importer"
)

func slice(n int, attrs ...attr) mem {
	return mem{path: fmt.Sprintf("IMG/%d", n), data: newCT(n).set(attrs...).file()}
}

func TestPatientsAreKeptApart(t *testing.T) {
	id := func(s string) attr { return str(patientID, "LO", s) }
	name := func(s string) attr { return str(patientName, "PN", s) }
	study := func(s string) attr { return str(studyInstanceUID, "UI", s) }
	in := run(t,
		slice(1, study("1.1")),
		slice(2, study("1.1"), id("4711 ")),
		slice(3, study("1.2"), str(patientIssuer, "LO", "ELSEWHERE")),
		slice(4, study("1.3"), id(""), name("Doe^Jane")),
		slice(5, study("1.3"), id(""), name("DOE^JANE^")),
		slice(6, study("1.4"), id(""), name("Doe^John")),
		slice(7, study("1.1"), id("0815"), name("Other^One")),
	)
	got := []string{}
	for _, p := range in.Patients {
		n := 0
		for _, st := range p.Studies {
			for _, se := range st.Series {
				n += len(se.Instances)
			}
		}
		got = append(got, fmt.Sprintf("%s/%s/%s:%d", p.ID, p.Issuer, p.Name, n))
	}
	want := []string{"4711//Muster^Max:2", "4711/ELSEWHERE/Muster^Max:1", "//Doe^Jane:2", "//Doe^John:1", "0815//Other^One:1"}
	if !slices.Equal(got, want) {
		t.Errorf("patients %q, want %q", got, want)
	}
	if f := finding(in, importer.FindingSeveralPatients); f == nil || f.Count != 5 || f.Item != -1 {
		t.Errorf("several patients: %+v", f)
	}
	if f := finding(in, importer.FindingTwoPatientsStudy); f == nil || f.Severity != importer.Serious || f.Item != 6 {
		t.Errorf("two patients in a study: %+v", f)
	}
	if f := finding(in, importer.FindingMissingPatientID); f == nil || f.Item != 3 || f.Count != 2 {
		t.Errorf("missing ID: %+v", f)
	}
}

func TestOneIDWithDifferentPersons(t *testing.T) {
	in := run(t, slice(1), slice(2, str(patientBirthDate, "DA", "19800101")))
	if f := finding(in, importer.FindingSeveralPatients); len(in.Patients) != 1 || f == nil || f.Severity != importer.Serious || f.Item != 0 {
		t.Errorf("birth dates: %+v", f)
	}
	in = run(t, slice(1), slice(2, str(patientName, "PN", "Muster^Maria")))
	if f := finding(in, importer.FindingSeveralPatients); f == nil || f.Severity != importer.Warning {
		t.Errorf("names: %+v", f)
	}
	in = run(t, slice(1), slice(2, str(patientName, "PN", "MUSTER^MAX^^")), slice(3, str(patientBirthDate, "DA", ""), str(patientName, "PN", "")))
	if f := finding(in, importer.FindingSeveralPatients); f != nil {
		t.Errorf("spellings: %+v", f)
	}
}

func TestOrder(t *testing.T) {
	at := func(n int, date, series, instance string) mem {
		return slice(n, str(studyInstanceUID, "UI", "1.5."+strings.Trim(date, ".")+"9"), str(studyDate, "DA", date),
			str(seriesInstanceUID, "UI", "1.6."+strings.Trim(date, ".")+"."+series+"9"), str(seriesNumber, "IS", series), str(instanceNumber, "IS", instance))
	}
	in := run(t, at(0, "20240201", "10", "1"), at(1, "20240201", "9", "2"), at(2, "20240201", "9", "10"), at(3, "20240201", "9", "1"),
		at(4, "20230101", "1", "1"), at(5, "", "1", "1"), at(6, "20240201", "9", ""), at(7, "20240201", "", "1"), at(8, "20240201", "9", "1"))
	got := []int32{}
	for _, st := range in.Patients[0].Studies {
		for _, se := range st.Series {
			for _, i := range se.Instances {
				got = append(got, i.Item)
			}
		}
	}
	if want := []int32{4, 3, 8, 1, 2, 6, 0, 7, 5}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestFields(t *testing.T) {
	in := run(t, slice(1,
		str(patientName, "PN", "M\xfcller^J\xf6rg"), str(accessionNumber, "SH", "A1"), str(studyID, "SH", "S1"),
		str(institutionName, "LO", "Haus"), str(referringName, "PN", "Arzt^Anna"), str(seriesDescription, "LO", "axial"),
		str(seriesDate, "DA", "20240103"), str(bodyPart, "CS", "CHEST"), str(numberOfFrames, "IS", "12")),
		mem{path: "r/Befund vom 3.1.pdf", data: []byte(pdf)})
	p := in.Patients[0]
	st := p.Studies[0]
	se := st.Series[0]
	if p.Name != "Müller^Jörg" || p.ID != "4711" || p.BirthDate != "19700131" || p.Sex != "M" {
		t.Errorf("patient %+v", p)
	}
	if st.UID != "1.2.3" || st.Date != "20240102" || st.Time != "1011" || st.Description != "Thorax" || st.Accession != "A1" ||
		st.ID != "S1" || st.Institution != "Haus" || st.Referring != "Arzt^Anna" {
		t.Errorf("study %+v", st)
	}
	if se.UID != "1.2.3.1" || se.Modality != "CT" || se.Number != "1" || se.Description != "axial" || se.Date != "20240103" || se.BodyPart != "CHEST" {
		t.Errorf("series %+v", se)
	}
	want := importer.Instance{SOPClass: ctClass, SOPInstance: "1.2.3.1.1", TransferSyntax: dicom.ExplicitVRLittleEndian, OnePass: true, Frames: 12}
	if se.Instances[0] != want {
		t.Errorf("instance %+v", se.Instances[0])
	}
	if d := in.Documents[0]; d.Study != st || d.Title != "Befund vom 3.1" || d.Type != "application/pdf" || d.Item != 1 {
		t.Errorf("document %+v", d)
	}
	if len(in.Findings) != 0 {
		t.Errorf("findings %+v", in.Findings)
	}
}

func TestDocumentWithSeveralStudies(t *testing.T) {
	in := run(t, slice(1), slice(2, str(studyInstanceUID, "UI", "1.9")), mem{path: "x.pdf", data: []byte(pdf)})
	if d := in.Documents[0]; d.Study != nil {
		t.Errorf("study %+v", d.Study)
	}
}

func TestCharacterSets(t *testing.T) {
	none := str(dicom.SpecificCharacterSet, "CS", "")
	umlaut := str(patientName, "PN", "M\xfcller^Max")
	nested := items(0x00400275, []attr{str(0x00321060, "LO", "Sch\xe4del")})
	in := run(t,
		slice(1, none, umlaut), slice(2, none, umlaut), slice(3, none),
		slice(4, none, nested, str(studyInstanceUID, "UI", "1.8")),
		slice(5, str(dicom.SpecificCharacterSet, "CS", "ISO_IR 192"), str(institutionName, "LO", "Sch\xe4fer"), str(studyInstanceUID, "UI", "1.9")),
		slice(6, none, attr{0x00091001, "LO", []byte("\xe4\xf6")}, str(0x00090010, "LO", "X"), str(studyInstanceUID, "UI", "1.10")),
		slice(7, nested, str(studyInstanceUID, "UI", "1.11")),
	)
	var got []string
	for _, f := range in.Findings {
		if f.Code == importer.FindingCharsetUndeclared || f.Code == importer.FindingCharsetWrong {
			got = append(got, fmt.Sprint(f.Code, f.Item, f.Count, f.Severity))
		}
	}
	want := []string{"charset-undeclared0 2warning", "charset-undeclared3 0warning", "charset-wrong4 0warning"}
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], " 2 ", " 2")
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("findings %q, want %q", got, want)
	}
	if in.Patients[0].Name != "Müller^Max" {
		t.Errorf("name %q", in.Patients[0].Name)
	}
}

// Text inside a sequence that is too large for memory counts, too.
func TestCharacterSetInLargeSequence(t *testing.T) {
	big := make([][]attr, 2000)
	for i := range big {
		big[i] = []attr{str(0x0040A160, "UT", strings.Repeat("plain ", 8))}
	}
	big[1999] = []attr{str(0x0040A160, "UT", "Lungengef\xe4\xdfe ")}
	sr := newCT(1).set(str(dicom.SOPClassUID, "UI", srClass), str(dicom.SpecificCharacterSet, "CS", ""), items(0x0040A730, big...)).
		without(dicom.PixelData, rows, bitsAllocated, 0x00280011)
	in := run(t, mem{path: "sr", data: sr.file()})
	if f := finding(in, importer.FindingCharsetUndeclared); f == nil {
		t.Errorf("findings %+v", in.Findings)
	}
	if i := in.Patients[0].Studies[0].Series[0].Instances[0]; i.OnePass || i.Frames != 0 {
		t.Errorf("instance %+v", i)
	}
}

func TestDoubles(t *testing.T) {
	other := newCT(1).set(attr{dicom.PixelData, "OW", make([]byte, 512)}).file()
	meta := append(dicom.FileMeta(ctClass, "1.2.3.1.1", dicom.ExplicitVRLittleEndian)[:140], newCT(1).file()[140:]...)
	meta[5] = 'x' // in the preamble
	in := run(t, slice(1), slice(2), mem{path: "again", data: meta}, mem{path: "other", data: other}, mem{path: "other again", data: other},
		mem{path: "bare", data: newCT(1).body()})
	want := []string{"instance", "instance", "duplicate", "conflict", "conflict", "duplicate"}
	for i, w := range want {
		if got := fate(in, i); got != w {
			t.Errorf("item %d: %s, want %s", i, got, w)
		}
	}
	if f := finding(in, importer.FindingDuplicate); f == nil || f.Severity != importer.Info || f.Item != 2 || f.Count != 2 {
		t.Errorf("duplicate: %+v", f)
	}
	if f := finding(in, importer.FindingConflict); f == nil || f.Severity != importer.Serious || f.Item != 3 || f.Count != 2 {
		t.Errorf("conflict: %+v", f)
	}
}

// A copy that cannot be read to its end is not called the same.
func TestDoubleUnreadable(t *testing.T) {
	data := newCT(1).set(attr{dicom.PixelData, "OW", make([]byte, 100<<10)}).file()
	p := &pack{stream: true, files: []mem{{path: "1", data: data}, {path: "2", data: data, failAt: 60000}}}
	in := runPack(t, p)
	if got := fate(in, 1); got != "unreadable" {
		t.Errorf("the copy is %s", got)
	}
	if finding(in, importer.FindingUnreadable) == nil {
		t.Error("no finding")
	}
}

func TestUIDs(t *testing.T) {
	in := run(t, slice(1, str(studyInstanceUID, "UI", "1.02.3")), slice(2, str(dicom.SOPInstanceUID, "UI", "1.2.abc")),
		slice(3, str(seriesInstanceUID, "UI", "")), slice(4))
	f := finding(in, importer.FindingBadUID)
	if in.Instances() != 4 || f == nil || f.Count != 3 || f.Severity != importer.Warning ||
		f.Detail != "StudyInstanceUID: 1, SOPInstanceUID: 1, SeriesInstanceUID: 1" {
		t.Errorf("%d instances, %+v", in.Instances(), f)
	}
}

func TestReadLeniently(t *testing.T) {
	in := run(t, mem{path: "bare", data: newCT(1).body()}, slice(2), mem{path: "lent", data: newCT(3).without(dicom.SOPClassUID).file()})
	var got []string
	for _, f := range in.Findings {
		if f.Code == importer.FindingRepaired {
			got = append(got, fmt.Sprint(f.Severity, " ", f.Item, " ", f.Detail))
		}
	}
	want := []string{"warning 2 identity-from-file-meta", "info 0 no-preamble: 1, no-file-meta: 1, transfer-syntax-missing: 1"}
	if !slices.Equal(got, want) {
		t.Errorf("findings %q, want %q", got, want)
	}
}

func TestNothingToImport(t *testing.T) {
	if f := finding(run(t), importer.FindingNoImages); f == nil || f.Severity != importer.Serious {
		t.Errorf("empty package: %+v", f)
	}
	if f := finding(run(t, mem{path: "x", data: []byte(pdf)}), importer.FindingNoImages); f == nil || f.Severity != importer.Warning {
		t.Errorf("documents only: %+v", f)
	}
	if f := finding(run(t, slice(1)), importer.FindingNoImages); f != nil {
		t.Errorf("images: %+v", f)
	}
}

func TestPDFs(t *testing.T) {
	in := run(t, slice(1), mem{path: "a.pdf", data: []byte("%PDF-1.5\n1 0 obj <<>> endobj")},
		mem{path: "b.pdf", data: []byte("%PDF-1.5\ntrailer << /Encrypt 5 0 R >>\n%%EOF\n")})
	if len(in.Documents) != 2 {
		t.Fatalf("documents %+v", in.Documents)
	}
	if f := finding(in, importer.FindingTruncated); f == nil || f.Item != 1 || f.Severity != importer.Warning {
		t.Errorf("cut off: %+v", f)
	}
	if f := finding(in, importer.FindingUnreadable); f == nil || f.Item != 2 || f.Severity != importer.Warning {
		t.Errorf("encrypted: %+v", f)
	}
}

// dicomdir makes one that lists files.
func dicomdir(class string, files ...string) []byte {
	records := make([][]attr, 0, len(files))
	for _, f := range files {
		inUse := []byte{0xFF, 0xFF}
		if name, idle := strings.CutPrefix(f, "idle:"); idle {
			f, inUse = name, []byte{0, 0}
		}
		records = append(records, []attr{{recordInUse, "US", inUse}, str(0x00041430, "CS", "IMAGE"), str(recordFileID, "CS", f)})
	}
	records = append(records, []attr{str(0x00041430, "CS", "PATIENT")})
	body := encode([]attr{str(0x00041130, "CS", "DISC"), {0x00041200, "UL", binary.LittleEndian.AppendUint32(nil, 400)}, items(recordSequence, records...)})
	return append(dicom.FileMeta(class, "1.2.9", dicom.ExplicitVRLittleEndian), body...)
}

func TestDirectories(t *testing.T) {
	many := make([]string, 3000) // too large for memory
	for i := range many {
		many[i] = fmt.Sprintf(`IMG\GONE%04d`, i)
	}
	in := run(t, slice(1), slice(2), mem{path: "IMG/three.1", data: newCT(3).file()},
		mem{path: "DICOMDIR", data: dicomdir(mediaDirectory, `IMG\1`, `img\2`, `IMG\THREE.1`, `IMG\4`, `IMG\4`, `idle:IMG\5`, `OTHER\6`)},
		mem{path: "sub/index.bin", data: dicomdir(ctClass, `../IMG/1`, `IMG/1`)},
		mem{path: "big", data: dicomdir(mediaDirectory, many...)},
		mem{path: "x/DICOMDIR", data: []byte("not one")},
		mem{path: "y/DICOMDIR", data: dicomdir(mediaDirectory, `A`, `B`)[:420]},
		mem{path: "z/DICOMDIR", data: newCT(9).file()},
	)
	for i, want := range []string{3: "dicomdir", 4: "dicomdir", 5: "dicomdir", 6: "document-unfit", 7: "dicomdir", 8: "instance"} {
		if got := fate(in, i); want != "" && got != want {
			t.Errorf("item %d: %s, want %s", i, got, want)
		}
	}
	got := map[string]bool{}
	for _, f := range in.Findings {
		detail, _, _ := strings.Cut(f.Detail, " at byte")
		got[fmt.Sprint(f.Code, " ", f.Severity, " ", f.Item, " ", f.Count, " ", detail[:min(len(detail), 70)])] = true
	}
	for _, want := range []string{
		"listed-but-absent warning 3 2 IMG/4, OTHER/6",
		"listed-but-absent warning 4 2 ../IMG/1, IMG/1",
		"listed-but-absent warning 5 3000 IMG/GONE0000, IMG/GONE0001, IMG/GONE0002, IMG/GONE0003, IMG/GONE0004, ",
		"dicomdir-broken info 4 0 another SOP class, separators other than the backslash, references tha",
		"dicomdir-broken warning 6 0 cannot be read as DICOM",
		"dicomdir-broken warning 7 0 truncated",
	} {
		if !got[want] {
			t.Errorf("no finding %q in %v", want, got)
		}
	}
}

func TestWrappedMedium(t *testing.T) {
	in := run(t,
		mem{path: "Disc/IMG/1", data: newCT(1).file()},
		mem{path: "Disc/start.exe", data: []byte("MZ\x00\x00")},
		mem{path: "Disc/README.TXT", data: []byte("This disc")},
		mem{path: "Disc/report.pdf", data: []byte(pdf)},
		mem{path: "Disc/Viewer/lib.dll", data: []byte("MZ\x00\x00")},
		mem{path: "Disc/Viewer/manual/help.pdf", data: []byte(pdf)},
		mem{path: "Disc/Viewer/Befunde/b.pdf", data: []byte(pdf)},
		mem{path: "Disc/inner.zip!/index.htm", data: []byte("<html>")},
		mem{path: "Disc/inner.zip!/start.exe", data: []byte("MZ\x00\x00")},
		mem{path: "Disc/inner.zip!/report.pdf", data: []byte(pdf)})
	for i, want := range []string{"instance", "program", "index-page", "document", "program", "viewer-data", "document",
		"index-page", "program", "document"} {
		if got := fate(in, i); got != want {
			t.Errorf("item %d: %s, want %s", i, got, want)
		}
	}
}
