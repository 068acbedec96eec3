package adjust

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lotse/dicom"
)

// python runs a script with pydicom, or skips the test.
func python(t *testing.T, script string, args ...string) []byte {
	t.Helper()
	const interpreter = "/usr/bin/python3"
	if exec.Command(interpreter, "-c", "import pydicom").Run() != nil {
		t.Skip("pydicom (python3-pydicom) is not installed")
	}
	cmd := exec.Command(interpreter, append([]string{"-W", "ignore", "-c", script}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err, stderr.String())
	}
	return out
}

// textScript prints, for each pair of files, all text of both as JSON.
const textScript = `
import sys, json, pydicom
from pydicom.charset import convert_encodings
def texts(ds, at, out):
    for e in ds:
        where = at + str(e.tag)
        if e.VR == "SQ":
            for i, item in enumerate(e.value): texts(item, where + "[%d]." % i, out)
        elif e.VR in ("PN","LO","SH","UC","ST","LT","UT") and e.value is not None:
            v = e.value if isinstance(e.value, (list, pydicom.multival.MultiValue)) else [e.value]
            out[where] = "\\".join(str(x).rstrip(" \0").lstrip(" ") for x in v)
for pair in sys.argv[1:]:
    row = {"path": pair.split("|")[0]}
    for key, path in zip(("before", "after"), pair.split("|")):
        row[key] = {}
        try:
            ds = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            row["charset"] = row.get("charset") or str(ds.get("SpecificCharacterSet", "")) or "-"
            ds.decode()
            texts(ds, "", row[key])
        except Exception as e:
            row[key + " error"] = repr(e)
    print(json.dumps(row))
`

// TestPydicomReadsTheSameText: after a change of the character set, a foreign
// reader finds the new text, and the same text as before everywhere else.
func TestPydicomReadsTheSameText(t *testing.T) {
	p, err := NewPlanner(unscheduled())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var pairs []string
	for _, path := range sampleFiles(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() > 200<<10 {
			continue
		}
		adj, out, err := adjustFile(p, data)
		if errors.Is(err, errNoObject) {
			continue
		}
		if err != nil {
			t.Fatal(path, err)
		}
		if len(adj.Findings) > 0 { // unconvertible or nonconforming text reads differently
			continue
		}
		pairs = append(pairs, path+"|"+temporary(t, dir, out))
	}
	compared := map[string]int{}
	for line := range bytes.Lines(python(t, textScript, pairs...)) {
		var row struct {
			Path, Charset string
			Before, After map[string]string
			BeforeError   string `json:"before error"`
			AfterError    string `json:"after error"`
		}
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(row.Path)
		if row.BeforeError != "" {
			continue
		}
		if row.AfterError != "" {
			t.Errorf("%s: only the result is not readable: %s", name, row.AfterError)
			continue
		}
		if got := row.After["(0010, 0010)"]; got != "Šimunić^Änne" {
			t.Errorf("%s: pydicom reads the name %q", name, got)
		}
		edited := []string{"(0008, 0050)", "(0008, 0051)", "(0040, 0009)", "(0040, 002", "(0008, 1032)", "(0008, 1110)", "(0010, 00", "(0010, 1002)",
			"(0032, 106", "(0038, 001", "(0040, 0275)", "(0040, 100", "(0040, 20", "(0040, a370)", "(0400, 0561)", "(0018, a001)"}
		for at, before := range row.Before {
			if slices.ContainsFunc(edited, func(s string) bool { return strings.HasPrefix(at, s) }) {
				continue
			}
			if after := row.After[at]; after != before && declared(row.Charset) {
				t.Errorf("%s: %s was %q, is %q (%s)", name, at, before, after, row.Charset)
			}
			compared[row.Charset]++
		}
	}
	t.Logf("texts compared by character set: %v", compared)
	if len(compared) < 5 {
		t.Errorf("only %d character sets were met", len(compared))
	}
}

// declared reports that pydicom reads text as we do: without a set, it does not
// try UTF-8.
func declared(set string) bool { return set != "-" }

// TestUntouchedStaysAsItWas: in a corpus of real files, each top-level element
// that no edit names is in the result byte for byte.
func TestUntouchedStaysAsItWas(t *testing.T) {
	p, err := NewPlanner(scheduled())
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, path := range sampleFiles(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		adj, out, err := adjustFile(p, data)
		if err != nil {
			continue
		}
		touched := map[dicom.Tag]bool{}
		for _, e := range adj.Edits {
			touched[e.Path[0].Tag] = true
		}
		before, after := elements(t, data), elements(t, out)
		for tag, value := range before {
			if touched[tag] || tag.GroupLength() {
				continue
			}
			if !bytes.Equal(after[tag], value) {
				t.Errorf("%s: %s changed", path, tag)
			}
			checked++
		}
	}
	if checked < 10000 {
		t.Errorf("only %d elements were compared", checked)
	}
}

// elements are the values of the small top-level elements.
func elements(t *testing.T, data []byte) map[dicom.Tag][]byte {
	r, err := dicom.NewReader(bytes.NewReader(data), int64(len(data)), dicom.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ds, err := r.Scan(nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[dicom.Tag][]byte{}
	for e := range ds.All() {
		if !e.Large() && all[e.Tag] == nil {
			all[e.Tag] = bytes.Clone(e.Bytes())
		}
	}
	return all
}
