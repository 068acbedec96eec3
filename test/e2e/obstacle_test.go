package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lotse/test/samples"
)

// twoSentences fails unless what happened and what to do are all there is.
func (r run) twoSentences(t *testing.T) run {
	t.Helper()
	if n := strings.Count(r.err, "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, r.err)
	}
	return r
}

// The receipt's name is checked before anything is delivered; the file is its
// owner's alone, also when it was there before, and keeps its content when there is
// no receipt.
func TestReceiptName(t *testing.T) {
	zip, dir := samples.File(t, "dlx-demo/patcd.zip"), t.TempDir()
	lotse(t, "import", zip, "--to", "dir:"+dir+"/out", "--receipt", dir+"/no/where.json").want(t, 2).twoSentences(t)
	if files := filesBelow(t, dir); len(files) > 0 {
		t.Errorf("delivered without a receipt: %v", files)
	}
	name := filepath.Join(dir, "receipt.json")
	lotse(t, "import", dir+"/none.zip", "--to", "dir:"+dir+"/out", "--receipt", name).want(t, 2)
	if _, err := os.Stat(name); err == nil {
		t.Error("a receipt of nothing")
	}
	if err := os.WriteFile(name, []byte(strings.Repeat("old", 100_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	lotse(t, "import", dir+"/none.zip", "--to", "dir:"+dir+"/out", "--receipt", name).want(t, 2)
	if b, err := os.ReadFile(name); err != nil || !strings.HasPrefix(string(b), "oldold") {
		t.Error("what was there is lost")
	}
	lotse(t, "import", zip, "--to", "dir:"+dir+"/out", "--receipt", name).want(t, 0)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if rec := (run{out: string(b)}).receipt(t); rec.Totals.Delivered != 5 {
		t.Errorf("%+v", rec.Totals)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("others can read the receipt", err)
	}
}

func TestNoTemporaryFile(t *testing.T) {
	zip, dir := samples.File(t, "dlx-demo/patcd.zip"), t.TempDir()
	r := lotse(t, "import", zip, "--to", "dir:"+dir, "--temp-dir", dir+"/none").want(t, 1).twoSentences(t)
	if !strings.Contains(r.err, "temporary file") {
		t.Error(r.err)
	}
}

// An unset variable of a script is not the folder one is in.
func TestEmptySource(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/letter.pdf", []byte("%PDF-1.4"), 0o600); err != nil {
		t.Fatal(err)
	}
	lotseIn(t.Context(), t, dir, "import", "", "--to", "dir:"+dir+"/out").want(t, 2).twoSentences(t)
}

// The same medium twice is one exam: nothing is delivered twice, documents neither.
func TestSameMediumTwice(t *testing.T) {
	zip, dir := samples.File(t, "dlx-demo/patcd.zip"), t.TempDir()
	rec := lotse(t, "import", zip, zip, "--to", "dir:"+dir, "--json").want(t, 0).receipt(t)
	if rec.Totals.CameIn != 12 || rec.Totals.Delivered != 5 || len(filesBelow(t, dir)) != 5 {
		t.Errorf("%+v", rec.Totals)
	}
	sent := map[string]bool{}
	for _, it := range rec.Items {
		if it.Fate == "delivered" && sent[it.Instance] {
			t.Errorf("%s was delivered twice", it.Path)
		}
		sent[it.Instance] = it.Fate == "delivered"
	}
}

// What was typed in the wrong place may be a secret and is not repeated.
func TestUsageKeepsSecrets(t *testing.T) {
	for _, args := range [][]string{
		{"https://portal.example/view?token=SECRET"}, {"echo", "dicom://A@b:1", "SECRET, did"}, {"import", "a", "--answer", "SECRET"},
		{"import", "a", "--same-patient=SECRET"}, {"import", "a", "--birth-dat=SECRET"}, {"import", "a", "--to", "dir:b", "--set", "SECRET"},
	} {
		if r := lotse(t, args...).want(t, 2).twoSentences(t); strings.Contains(strings.ToUpper(r.out+r.err), "SECRET") {
			t.Errorf("%v: %s", args, r.err)
		}
	}
}

func TestBirthDateAsPeopleWriteIt(t *testing.T) {
	zip := samples.File(t, "dlx-demo/patcd.zip")
	for _, date := range []string{"31.1.1970", "1970-01-31", "19700131"} {
		rec := lotse(t, "import", zip, "--dry-run", "--json", "--patient-id", "1", "--patient-birth-date", date).want(t, 0).receipt(t)
		if !strings.Contains(fmt.Sprint(rec.Items[1].Changes), "19700131") {
			t.Errorf("%s: %v", date, rec.Items[1].Changes)
		}
	}
	lotse(t, "import", zip, "--dry-run", "--patient-id", "1", "--patient-birth-date", "31.2.1970").want(t, 2).twoSentences(t)
}
