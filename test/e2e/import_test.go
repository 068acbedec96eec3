package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"lotse/test/peer"
	"lotse/test/samples"
)

var local = []string{"--patient-id", "4711", "--patient-name", "Müller^Jörg", "--patient-birth-date", "1970-01-01",
	"--patient-sex", "M", "--issuer", "KLINIKUM", "--accession", "A-1", "--institution", "Klinikum Musterstadt"}

func args(fixed []string, more ...string) []string {
	return append(append([]string{}, more...), fixed...)
}

// pydicom runs a small script over files and returns what it prints.
func pydicom(t *testing.T, script string, files ...string) string {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", append([]string{"-W", "ignore", "-c", "import sys, pydicom, hashlib\n" + script}, files...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pydicom: %v\n%s", err, errs.String())
	}
	return string(out)
}

const describe = `
for f in sys.argv[1:]:
    d = pydicom.dcmread(f, force=True)
    body = d.PixelData if "PixelData" in d else d.EncapsulatedDocument
    print("|".join([d.SOPClassUID, str(d.PatientID), str(d.PatientName), str(d.PatientBirthDate), str(d.PatientSex),
        str(d.IssuerOfPatientID), str(d.AccessionNumber), str(d.StudyInstanceUID),
        str(len(d.OriginalAttributesSequence)) if "OriginalAttributesSequence" in d else "-",
        hashlib.sha256(body).hexdigest()]))
`

func pixelDigests(t *testing.T, zip string) map[string]bool {
	t.Helper()
	dir := t.TempDir()
	peer.Run(t, "unzip", "-q", zip, "-d", dir)
	images, err := filepath.Glob(filepath.Join(dir, "STUD01", "*", "*"))
	if err != nil || len(images) != 3 {
		t.Fatalf("images %v, %v", images, err)
	}
	out := pydicom(t, `
for f in sys.argv[1:]:
    print(hashlib.sha256(pydicom.dcmread(f).PixelData).hexdigest())`, images...)
	digests := map[string]bool{}
	for _, d := range strings.Fields(out) {
		digests[d] = true
	}
	return digests
}

// checkDelivered holds what a destination has against the demonstration exam.
func checkDelivered(t *testing.T, files []string) {
	t.Helper()
	if len(files) != 5 {
		t.Fatalf("the destination has %d objects, want 3 images, a report and a picture: %v", len(files), files)
	}
	want := pixelDigests(t, samples.File(t, "dlx-demo/patcd.zip"))
	classes := map[string]int{}
	studies := map[string]bool{}
	same := 0
	for _, line := range strings.Split(strings.TrimSpace(pydicom(t, describe, files...)), "\n") {
		f := strings.Split(line, "|")
		classes[f[0]]++
		studies[f[7]] = true
		if got := strings.Join(f[1:7], "|"); got != "4711|Müller^Jörg|19700101|M|KLINIKUM|A-1" {
			t.Errorf("patient %s", got)
		}
		if want[f[9]] {
			same++
		}
	}
	if same != 3 {
		t.Errorf("%d of 3 images have their pixel data", same)
	}
	if classes["1.2.840.10008.5.1.4.1.1.104.1"] != 1 || classes["1.2.840.10008.5.1.4.1.1.7"] != 4 || len(studies) != 1 {
		t.Errorf("classes %v in %d studies", classes, len(studies))
	}
}

func TestLinkToStoreSCP(t *testing.T) {
	p, scp := startPortal(t), peer.StoreSCP(t, "+xa", "+B")
	rec := lotse(t, args(local, "import", p.link("BIRTH-1"), "--birth-date", "1.1.1970", "--to", "dicom://SINK@"+scp.Addr(), "--json")...).want(t, 0).receipt(t)
	checkDelivered(t, scp.Files(t))
	if rec.Totals.Delivered != 5 || rec.Totals.CameIn != 6 && rec.Totals.CameIn != 7 {
		t.Errorf("totals %+v", rec.Totals)
	}
	documents := documentDigests(t)
	for _, it := range rec.Items {
		switch {
		case it.Fate != "delivered" && (it.Reason == "" || it.Sentence == "" || strings.HasPrefix(it.Sentence, "reason.")):
			t.Errorf("%s: %s without a reason in words: %q %q", it.Path, it.Fate, it.Reason, it.Sentence)
		case it.Kind == "document" && it.Digest != documents[path.Base(it.Path)]:
			t.Errorf("%s: digest %s is not the one of the document", it.Path, it.Digest)
		case it.Kind == "instance" && (it.Before == "" || it.Before != it.After || len(it.Changes) == 0 || it.Digest == ""):
			t.Errorf("%s: %+v", it.Path, it)
		}
	}
	for _, f := range scp.Files(t) {
		if out, err := peer.Try(t, "dciodvfy", f); err == nil && strings.Contains(out, "Error") {
			t.Logf("dciodvfy %s:\n%s", filepath.Base(f), out)
		}
	}
}

// documentDigests are the SHA-256 of the documents on the demonstration medium.
func documentDigests(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	peer.Run(t, "unzip", "-q", samples.File(t, "dlx-demo/patcd.zip"), "-d", dir)
	out := map[string]string{}
	for _, f := range filesBelow(t, filepath.Join(dir, "IHE_PDI")) {
		out[filepath.Base(f)] = digest(t, f)
	}
	return out
}

func TestLinkToOrthanc(t *testing.T) {
	p, orthanc := startPortal(t), peer.Orthanc(t, nil)
	lotse(t, args(local, "import", p.link("BIRTH-1"), "--birth-date", "1970-01-01", "--to", "dicom://ORTHANC@"+orthanc.DICOMAddr())...).want(t, 0)
	dir := t.TempDir()
	var files []string
	for _, id := range orthanc.Instances(t) {
		f := filepath.Join(dir, id)
		if err := os.WriteFile(f, orthanc.File(t, id), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	checkDelivered(t, files)
}

func TestLinkToFolder(t *testing.T) {
	p := startPortal(t)
	for _, token := range []string{"BIRTH-1", "SLOW-1", "CUT-1", "RENEW-1"} {
		t.Run(token, func(t *testing.T) {
			dir := t.TempDir()
			lotse(t, args(local, "import", p.link(token), "--birth-date", "19700101", "--to", "dir:"+dir)...).want(t, 0)
			checkDelivered(t, filesBelow(t, dir))
		})
	}
}

func TestPortalAnswers(t *testing.T) {
	p := startPortal(t)
	dir := "dir:" + t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"password", []string{p.link("PASS-1"), "--password", "132-238-252"}, 0, ""},
		{"custom", []string{p.link("CUSTOM-1"), "--answer", "d=29.2.2024", "--answer", "s=Königsallee"}, 0, ""},
		{"shape 1", []string{strings.Replace(p.link("BIRTH-1"), "/view?token=", "/other/base/v1/token/", 1), "--birth-date", "1970-01-01"}, 0, ""},
		{"wrong", []string{p.link("BIRTH-1"), "--birth-date", "1971-01-01"}, 3, "does not know"},
		{"unknown link", []string{p.link("NONE-1"), "--birth-date", "1970-01-01"}, 3, "does not know"},
		{"expired", []string{p.link("EXPIRED-1"), "--birth-date", "1970-01-01"}, 4, "expired"},
		{"no answer", []string{p.link("BIRTH-1")}, 5, "[birth] What is the birth date?"},
		{"not DLX", []string{strings.Replace(p.link(""), "/view?token=", "/plain", 1)}, 1, ""},
		{"portal down", []string{"http://127.0.0.1:1/view?token=x"}, 1, ""},
		{"http", []string{"http://portal.example/view?token=x"}, 2, "https"},
		{"not a date", []string{p.link("BIRTH-1"), "--birth-date", "30.2.1970"}, 2, ""},
		{"no file", []string{"/nowhere/at/all"}, 2, ""},
		{"select none", []string{p.link("BIRTH-1"), "--birth-date", "1970-01-01", "--select", "Knie"}, 2, ""},
		{"select one", []string{p.link("BIRTH-1"), "--birth-date", "1970-01-01", "--select", "Befund", "--patient-name", "A^B"}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := lotse(t, append([]string{"import", "--to", dir, "--patient-id", "1"}, c.args...)...).want(t, c.code)
			if c.code == 0 {
				return
			}
			if lines := strings.Split(strings.TrimSpace(r.err), "\n"); len(lines) != 2 && c.code != 5 {
				t.Errorf("%d lines, want what happened and what to do:\n%s", len(lines), r.err)
			}
			if !strings.Contains(r.err, c.says) {
				t.Errorf("%q is not in: %s", c.says, r.err)
			}
			for _, secret := range []string{"BIRTH-1", "NONE-1", "EXPIRED-1", "1971", "19710101", "token="} {
				if strings.Contains(r.err, secret) {
					t.Errorf("the message gives %s away: %s", secret, r.err)
				}
			}
		})
	}
}

func TestSources(t *testing.T) {
	zip := samples.File(t, "dlx-demo/patcd.zip")
	work := t.TempDir()
	peer.Run(t, "unzip", "-q", zip, "-d", filepath.Join(work, "cd"))
	peer.Run(t, "zip", "-q", "-j", filepath.Join(work, "outer.zip"), zip)
	p := startPortal(t)
	peer.Run(t, "qrencode", "-s", "5", "-o", filepath.Join(work, "letter.png"), p.link("BIRTH-1"))
	for name, src := range map[string][]string{
		"zip": {zip}, "folder": {filepath.Join(work, "cd")}, "nested": {filepath.Join(work, "outer.zip")},
		"picture": {filepath.Join(work, "letter.png"), "--birth-date", "1970-01-01"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lotse(t, args(local, append([]string{"import", "--to", "dir:" + dir}, src...)...)...).want(t, 0)
			checkDelivered(t, filesBelow(t, dir))
		})
	}
}

func TestWithoutDecisionNothingIsTouched(t *testing.T) {
	zip := samples.File(t, "dlx-demo/patcd.zip")
	work, dir := t.TempDir(), t.TempDir()
	peer.Run(t, "unzip", "-q", zip, "-d", work)
	lotse(t, "import", zip, "--to", "dir:"+dir).want(t, 0)
	have := map[string]bool{}
	for _, f := range filesBelow(t, dir) {
		have[digest(t, f)] = true
	}
	images, err := filepath.Glob(filepath.Join(work, "STUD01", "*", "*"))
	if err != nil || len(images) != 3 {
		t.Fatal(images, err)
	}
	for _, f := range images {
		if !have[digest(t, f)] {
			t.Errorf("%s did not arrive byte for byte", f)
		}
	}
}

func digest(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestDryRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not-made")
	rec := lotse(t, args(local, "import", samples.File(t, "dlx-demo/patcd.zip"), "--to", "dir:"+dir, "--dry-run", "--json")...).want(t, 0).receipt(t)
	if _, err := os.Stat(dir); err == nil {
		t.Error("a dry run wrote to the destination")
	}
	if !rec.DryRun || rec.Totals.Planned != 5 || len(rec.Items) == 0 {
		t.Errorf("%+v", rec.Totals)
	}
	words := lotse(t, args(local, "import", samples.File(t, "dlx-demo/patcd.zip"), "--dry-run")...).want(t, 0)
	if !strings.Contains(words.out, "Müller^Jörg") || !strings.Contains(words.out, "Mustermann^Max") {
		t.Errorf("the changes are not shown:\n%s", words.out)
	}
}

func TestReceiptFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "receipt.json")
	lotse(t, "import", samples.File(t, "dlx-demo/patcd.zip"), "--to", "dir:"+t.TempDir(), "--receipt", file).want(t, 0)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	b, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(b, []byte(`"items"`)) {
		t.Error("no receipt in the file", err)
	}
}

func TestDestinationTrouble(t *testing.T) {
	zip := samples.File(t, "dlx-demo/patcd.zip")
	if r := lotse(t, "import", zip, "--to", "pacs:104").want(t, 2); !strings.Contains(r.err, "dicom://") {
		t.Error(r.err)
	}
	lotse(t, "import", zip).want(t, 2)
	lotse(t, "import", zip, "--to", "dir:/proc/nowhere").want(t, 1)
	scp := peer.StoreSCP(t, "+xi") // takes uncompressed objects only
	rec := lotse(t, "import", zip, "--to", "dicom://SINK@"+scp.Addr(), "--json").want(t, 1).receipt(t)
	if rec.Totals.Failed != 4 || rec.Totals.Delivered != 1 {
		t.Errorf("JPEGs were not refused and the PDF delivered: %+v", rec.Totals)
	}
	for _, it := range rec.Items {
		if it.Fate == "failed" && it.Reason != "not-accepted" {
			t.Errorf("%s: %s", it.Path, it.Reason)
		}
	}
}

func TestValues(t *testing.T) {
	zip := samples.File(t, "dlx-demo/patcd.zip")
	for _, bad := range [][]string{
		{"--patient-birth-date", "19701331"}, {"--patient-sex", "male"}, {"--patient-name", "A\\B"}, {"--accession", "12345678901234567"},
		{"--set", "SOPInstanceUID=1.2"}, {"--set", "NoSuchKeyword=1"}, {"--set", "PatientID"}, {"--set", "PixelData=1"},
	} {
		lotse(t, append([]string{"import", zip, "--to", "dir:" + t.TempDir()}, bad...)...).want(t, 2)
	}
	dir := t.TempDir()
	lotse(t, "import", zip, "--to", "dir:"+dir, "--set", "StudyDescription=Übernahme", "--patient-id", "1").want(t, 0)
	out := pydicom(t, `
for f in sys.argv[1:]:
    print(pydicom.dcmread(f).StudyDescription)`, filesBelow(t, dir)...)
	if got := strings.Count(out, "Übernahme"); got != 5 {
		t.Errorf("%d of 5:\n%s", got, out)
	}
}

// TestLegalBasis: the ground stands in the receipt, treatment unless another one is said.
func TestLegalBasis(t *testing.T) {
	zip := samples.File(t, "dlx-demo/patcd.zip")
	for basis, args := range map[string][]string{"treatment": nil, "consent": {"--legal-basis", "consent"}} {
		r := lotse(t, append([]string{"import", zip, "--to", "dir:" + t.TempDir(), "--json"}, args...)...).want(t, 0)
		if !strings.Contains(r.out, `"legal_basis": "`+basis+`"`) && !strings.Contains(r.out, `"legal_basis":"`+basis+`"`) {
			t.Errorf("%s is not in the receipt:\n%s", basis, r.out)
		}
	}
	lotse(t, "import", zip, "--to", "dir:"+t.TempDir(), "--legal-basis", "because").want(t, 2)
}
