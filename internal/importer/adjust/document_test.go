package adjust

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lotse/dicom"
	"lotse/internal/importer"
)

// opener opens bytes again and again.
func opener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

func testPDF() []byte {
	return []byte("%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n" +
		"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 120 80]/Contents 4 0 R>>endobj\n" +
		"4 0 obj<</Length 32>>stream\n1 0 0 rg 10 10 60 30 re f       \nendstream endobj\n" +
		"trailer<</Root 1 0 R>>\n%%EOF\n")
}

// study is an instance's data set as it came in, in ISO_IR 100.
func study(t *testing.T) *dicom.Dataset {
	b, err := parseDataset(t, `(0008,0005) CS ISO_IR 100
(0008,0016) UI 1.2.840.10008.5.1.4.1.1.2
(0008,0018) UI 1.2.3.4
(0008,0020) DA 20240102
(0008,0030) TM 101112
(0008,0050) SH FA-77
(0008,0090) PN Arzt^\xc4nne
(0008,1030) LO Sch\xe4del
(0008,1032) SQ
> item
>(0008,0100) SH CTH
>(0008,0102) SH 99FOREIGN
>(0008,0104) LO CT
(0010,0010) PN M\xfcller^Anne
(0010,0020) LO F-1
(0010,0021) LO FOREIGN
(0010,0030) DA 1950.01.03
(0010,0040) CS F
(0010,1002) SQ
> item
>(0010,0020) LO OLD-\xc4
>(0010,0021) LO ELSEWHERE
>(0010,0022) CS TEXT
(0020,000D) UI 1.2.3
(0020,000E) UI 1.2.3.1
(0020,0010) SH S1
(0038,0010) LO VISIT-9
`).Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	r, err := dicom.NewReader(bytes.NewReader(b), int64(len(b)), dicom.ReadOptions{Syntax: dicom.ExplicitVRLittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	ds, _, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// convert makes an object, checks what every object must be, and returns its
// bytes.
func convert(t *testing.T, kind string, b []byte, d *importer.Decision, study *dicom.Dataset) (*Made, []byte) {
	t.Helper()
	m, err := Convert(importer.Document{Item: 7, Type: kind, Title: `Befund\ "Schädel".pdf`}, opener(b), int64(len(b)), d, study, 2)
	if err != nil {
		t.Fatal(err)
	}
	var out, again bytes.Buffer
	if n, err := m.WriteTo(&out); err != nil || n != m.Size || int64(out.Len()) != m.Size {
		t.Fatalf("%d bytes written, size %d: %v", n, m.Size, err)
	}
	if _, err := m.WriteTo(&again); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Error("the object is another the second time", err)
	}
	r, err := dicom.NewReader(bytes.NewReader(out.Bytes()), m.Size, dicom.ReadOptions{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	ds, err := r.Scan(nil)
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[dicom.Tag]string{dicom.SOPClassUID: m.SOPClass, dicom.SOPInstanceUID: m.SOPInstance,
		tagStudyUID: m.Study, tagSeriesUID: m.Series, 0x00080064: "WSD", 0x00280301: "YES", 0x00080023: "20240517",
		0x00200011: "9002", 0x0008103E: `Befund/ "Schädel".pdf`} {
		if got := ds.String(tag); got != want {
			t.Errorf("%s is %q, want %q", dicom.KeywordOrTag(tag), got, want)
		}
	}
	if r.Syntax().UID != m.TransferSyntax {
		t.Errorf("transfer syntax %s, said to be %s", r.Syntax().UID, m.TransferSyntax)
	}
	if items := ds.Items(tagEquipment); len(items) != 1 || items[0].String(tagManufacturer) != "Lotse" {
		t.Error("no contributing equipment")
	}
	noErrors(t, out.Bytes())
	return m, out.Bytes()
}

// noErrors asks dciodvfy for any error.
func noErrors(t *testing.T, b []byte) {
	t.Helper()
	if _, err := exec.LookPath("dciodvfy"); err != nil {
		t.Log("dciodvfy is not installed: not validated")
		return
	}
	lines, alive := validatorErrors(t, temporary(t, t.TempDir(), b))
	if !alive || len(lines) > 0 {
		t.Errorf("dciodvfy: %v", lines)
	}
}

func scan(t *testing.T, b []byte) *dicom.Dataset {
	r, err := dicom.NewReader(bytes.NewReader(b), int64(len(b)), dicom.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ds, err := r.Scan(nil)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// TestDocumentTakesOverTheStudy: patient and study are those of the instance, as
// the decision makes them.
func TestDocumentTakesOverTheStudy(t *testing.T) {
	m, b := convert(t, "application/pdf", testPDF(), unscheduled(), study(t))
	ds := scan(t, b)
	for tag, want := range map[dicom.Tag]string{tagStudyUID: "1.2.3", 0x00080020: "20240102", 0x00080030: "101112",
		0x00080090: "Arzt^Änne", 0x00200010: "S1", 0x00081030: "Schädel", tagAccession: "", tagPatientName: "Šimunić^Änne",
		tagPatientID: "L-42", tagPatientIDIssuer: "HOUSE", tagBirthDate: "19500103", tagSex: "F", tagCharset: utf8Term} {
		if got := ds.String(tag); got != want || !ds.Has(tag) {
			t.Errorf("%s is %q, want %q", dicom.KeywordOrTag(tag), got, want)
		}
	}
	others := ds.Items(tagOtherPatientIDs)
	if len(others) != 2 || others[0].String(tagPatientID) != "OLD-Ä" || others[1].String(tagPatientID) != "F-1" {
		t.Error("the other patient IDs are wrong")
	}
	for _, tag := range []dicom.Tag{tagProcedureCodes, tagAdmission, tagOriginal} {
		if ds.Has(tag) {
			t.Errorf("%s is there", tag)
		}
	}
	other, _ := convert(t, "image/png", encodePNG(t, scene(8, 8)), unscheduled(), study(t))
	if m.Study != other.Study || m.SOPClass != EncapsulatedPDF || other.SOPClass != SecondaryCapture {
		t.Error("the study or the classes are wrong")
	}
}

// TestStudyIsConsistent: an adjusted image and the documents of its study agree on
// patient and study.
func TestStudyIsConsistent(t *testing.T) {
	if _, err := exec.LookPath("dcentvfy"); err != nil {
		t.Skip("dcentvfy (dicom3tools) is not installed")
	}
	data, head := ctHead(t)
	p, err := NewPlanner(unscheduled())
	if err != nil {
		t.Fatal(err)
	}
	_, image, err := adjustFile(p, data)
	if err != nil {
		t.Fatal(err)
	}
	_, pdf := convert(t, "application/pdf", testPDF(), unscheduled(), head)
	_, picture := convert(t, "image/png", encodePNG(t, scene(8, 8)), unscheduled(), head)
	dir := t.TempDir()
	out, err := exec.Command("dcentvfy", temporary(t, dir, image), temporary(t, dir, pdf), temporary(t, dir, picture)).CombinedOutput()
	if err != nil || strings.Contains(string(out), "Error") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDocumentOfNoStudy goes into a new study of the decided patient, one for all.
func TestDocumentOfNoStudy(t *testing.T) {
	d := unscheduled()
	d.Patient.Name, d.Institution = ptr("Doe^Jane"), ""
	m, b := convert(t, "application/pdf", testPDF(), d, nil)
	ds := scan(t, b)
	if ds.String(0x00080020) != "20240517" || ds.String(tagPatientID) != "L-42" || !ds.Has(tagAccession) {
		t.Error("study or patient are wrong")
	}
	doc := importer.Document{Item: 8, Type: "application/pdf", Title: "plain"}
	second, err := Convert(doc, opener(testPDF()), -1, d, nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	if second.Study != m.Study || second.Series == m.Series || second.SOPInstance == m.SOPInstance {
		t.Error("the second document has the wrong study, series or instance")
	}
	d.UIDKey = []byte("another import")
	third, err := Convert(doc, opener(testPDF()), -1, d, nil, 3)
	if err != nil || third.Study == m.Study || third.SOPInstance == second.SOPInstance {
		t.Error("another import has the same UIDs", err)
	}
	var out bytes.Buffer
	if _, err := third.WriteTo(&out); err != nil || scan(t, out.Bytes()).Has(tagCharset) {
		t.Error("ASCII needs no character set", err)
	}
	noErrors(t, out.Bytes())
}

// TestPDFRoundTrip: DCMTK takes the same PDF out again, of odd and even length.
func TestPDFRoundTrip(t *testing.T) {
	for _, pdf := range [][]byte{testPDF(), append(testPDF(), '\n')} {
		_, b := convert(t, "application/pdf", pdf, unscheduled(), nil)
		ds := scan(t, b)
		if n, _ := ds.Int(0x00420015); n != len(pdf) {
			t.Errorf("Encapsulated Document Length %d, want %d", n, len(pdf))
		}
		implicit(t, b, pdf)
		if _, err := exec.LookPath("dcm2pdf"); err != nil {
			t.Skip("dcm2pdf (dcmtk) is not installed")
		}
		dir := t.TempDir()
		out := filepath.Join(dir, "out.pdf")
		if text, err := exec.Command("dcm2pdf", temporary(t, dir, b), out).CombinedOutput(); err != nil {
			t.Fatal(err, string(text))
		}
		got, err := os.ReadFile(out)
		if err != nil || !bytes.Equal(bytes.TrimRight(got, "\x00"), pdf) {
			t.Error("another PDF comes out", err)
		}
	}
}

// implicit: a destination may want the object in Implicit VR.
func implicit(t *testing.T, b, pdf []byte) {
	r, err := dicom.NewReader(bytes.NewReader(b), int64(len(b)), dicom.ReadOptions{Threshold: 64})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := r.Rewrite(&out, dicom.Rewrite{Syntax: dicom.ImplicitVRLittleEndian, File: true}); err != nil {
		t.Fatal(err)
	}
	e := scan(t, out.Bytes()).Get(dicom.EncapsulatedDocument)
	if e == nil || !bytes.Equal(e.Bytes()[:len(pdf)], pdf) || e.Len()%2 == 1 {
		t.Error("the PDF does not survive Implicit VR")
	}
	noErrors(t, out.Bytes())
}

// TestSizeMustHold: a document that is shorter than claimed, or not as long as it
// was when it is sent, is an error, and never a wrong object.
func TestSizeMustHold(t *testing.T) {
	doc := importer.Document{Type: "application/pdf"}
	_, err := Convert(doc, opener(testPDF()), int64(len(testPDF())+2), unscheduled(), nil, 1)
	var open *importer.OpenError
	if !errors.As(err, &open) || open.Reason != importer.ReasonTruncated {
		t.Error(err)
	}
	for _, later := range [][]byte{append(testPDF(), "more"...), testPDF()[:100]} {
		now := testPDF()
		changing := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(now)), nil }
		m, err := Convert(doc, changing, -1, unscheduled(), nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		now = later
		if _, err := m.WriteTo(io.Discard); err == nil {
			t.Errorf("%d bytes instead of %d are taken", len(later), len(testPDF()))
		}
	}
}

// TestUIDsOfDocuments: they are the same again for the same document, and never
// for another one at the same place.
func TestUIDsOfDocuments(t *testing.T) {
	made := func(pdf []byte, seq int) *Made {
		m, err := Convert(importer.Document{Type: "application/pdf"}, opener(pdf), -1, unscheduled(), study(t), seq)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := made(testPDF(), 1)
	if again := made(testPDF(), 1); again.SOPInstance != m.SOPInstance || again.Series != m.Series {
		t.Error("the same document gets other UIDs")
	}
	for _, other := range []*Made{made(append(testPDF(), '\n'), 1), made(testPDF(), 2)} {
		if other.SOPInstance == m.SOPInstance || other.Series == m.Series || other.Study != m.Study {
			t.Error("another document gets the same UIDs")
		}
	}
}

// TestLine: names of files become lines of text.
func TestLine(t *testing.T) {
	for in, want := range map[string]string{"a\nb\\c\xff": "ab/c", "  x ": "x", strings.Repeat("ä", 70): strings.Repeat("ä", 64)} {
		if got := line(in, 64); got != want {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}
