package dicom

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// walked is what pydicom read: see testdata/pydicom_walk.py.
type walked struct {
	tag   Tag
	vr    string
	items []walkedSet
	sum   string
	size  int
	text  []string
	known bool // pydicom could tell the value
}

type walkedSet []walked

func (w *walked) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if err := json.Unmarshal(parts[0], &w.tag); err != nil {
		return err
	}
	if err := json.Unmarshal(parts[1], &w.vr); err != nil {
		return err
	}
	switch parts[2][0] {
	case '[':
		w.known = true
		return json.Unmarshal(parts[2], &w.items)
	case '{':
		var v struct {
			Sum  string
			Len  int
			Text []string
		}
		err := json.Unmarshal(parts[2], &v)
		w.sum, w.size, w.text, w.known = v.Sum, v.Len, v.Text, true
		return err
	}
	return nil
}

// pydicomReads returns what pydicom reads of the files; nil for one it refuses.
func pydicomReads(t *testing.T, paths []string) []walkedSet {
	t.Helper()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import pydicom").Run(); err != nil {
		t.Skip("Debian's python3-pydicom is not installed")
	}
	cmd := exec.Command(python, "testdata/pydicom_walk.py")
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pydicom: %v", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<28)
	var sets []walkedSet
	for lines.Scan() {
		var set walkedSet
		if err := json.Unmarshal(lines.Bytes(), &set); err != nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
	}
	if len(sets) != len(paths) {
		t.Fatalf("pydicom answered %d of %d files", len(sets), len(paths))
	}
	return sets
}

// comparison compares a data set with what pydicom read.
type comparison struct {
	data  []byte // the source, for large values
	diffs []string
}

func (c *comparison) differ(p Path, format string, args ...any) {
	c.diffs = append(c.diffs, p.String()+": "+fmt.Sprintf(format, args...))
}

func (c *comparison) set(p Path, d *Dataset, want walkedSet) {
	got := map[Tag]*Element{}
	for e := range d.All() {
		if e.Tag.Group() == 0xFFFE {
			continue
		}
		if got[e.Tag] == nil {
			got[e.Tag] = e
		}
	}
	for _, w := range want {
		at := p.within(w.tag)
		e := got[w.tag]
		if e == nil {
			c.differ(at, "missing")
			continue
		}
		delete(got, w.tag)
		c.element(at, d, e, w)
	}
	for tag := range got {
		c.differ(p.within(tag), "not in pydicom")
	}
}

func (c *comparison) element(at Path, d *Dataset, e *Element, w walked) {
	if w.vr != "" && w.vr != e.VR.String() && !(e.IsSequence() && w.vr == "SQ") {
		c.differ(at, "VR %s, pydicom %s", e.VR, w.vr)
	}
	if !w.known {
		return
	}
	if e.IsSequence() || w.items != nil {
		items := d.ItemsOf(e)
		if len(items) != len(w.items) {
			c.differ(at, "%d items, pydicom %d", len(items), len(w.items))
			return
		}
		for i := range items {
			step := slices.Clone(at)
			step[len(step)-1].Item = i
			c.set(step, items[i], w.items[i])
		}
		return
	}
	value := e.Bytes()
	if e.Large() {
		offset, length := e.Location()
		value = c.data[offset : offset+length]
		if e.form == largeEncapsulated {
			value = trimDelimiter(value, e.enc)
		}
	}
	if sum := sha256.Sum256(value); hex.EncodeToString(sum[:]) != w.sum {
		c.differ(at, "%d bytes, pydicom %d, or other ones", len(value), w.size)
	}
	if _, text := e.VR.Text(); text && w.text != nil && !e.Large() {
		got := d.StringsOf(e)
		for i := range w.text {
			w.text[i] = trimText(e.VR, w.text[i])
		}
		if len(value) > 0 && !slices.Equal(got, w.text) {
			c.differ(at, "text %q, pydicom %q", got, w.text)
		}
	}
}

// agreeWithPydicom compares what Scan reads of each file with pydicom. quirk says
// why a difference is pydicom's fault, "" when it is ours.
func agreeWithPydicom(t *testing.T, paths []string, quirk func(path, diff string) string) {
	used := map[string]int{}
	for i, want := range pydicomReads(t, paths) {
		data, err := os.ReadFile(paths[i])
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewReader(bytes.NewReader(data), int64(len(data)), ReadOptions{Threshold: 1 << 40})
		if err != nil {
			if want != nil {
				t.Errorf("%s: %v", paths[i], err)
			}
			continue
		}
		if r.Syntax().Deflated {
			data = inflated(t, r)
			if r, err = NewReader(bytes.NewReader(data), int64(len(data)), ReadOptions{Threshold: 1 << 40, Syntax: ExplicitVRLittleEndian}); err != nil {
				t.Errorf("%s: %v", paths[i], err)
				continue
			}
		}
		d, err := r.Scan(nil)
		if err != nil {
			t.Errorf("%s: %v", paths[i], err)
			continue
		}
		if want == nil {
			continue
		}
		c := comparison{data: data}
		c.set(nil, d, want)
		for n, diff := range c.diffs {
			if reason := quirk(filepath.ToSlash(paths[i]), diff); reason != "" {
				used[reason]++
			} else if n < 5 {
				t.Errorf("%s: %s (problems %v)", paths[i], diff, r.Problems())
			}
		}
	}
	for reason, n := range used {
		t.Logf("%d times: %s", n, reason)
	}
}

// inflated returns the inflated data set of r.
func inflated(t *testing.T, r *Reader) []byte {
	t.Helper()
	var b []byte
	for in := r.scanner.in; ; {
		piece := in.peek(4096)
		b = append(b, piece...)
		in.advance(len(piece))
		if len(piece) == 0 {
			return b
		}
	}
}

// samplePaths returns the files of the public test corpus; fewer with the race
// detector.
func samplePaths(t *testing.T) []string {
	var paths []string
	root := sampleRoot(t)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "MANIFEST.tsv" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := paths[:0]
	for i, path := range paths {
		if i%thinned == 0 {
			kept = append(kept, path)
		}
	}
	return kept
}

func TestSamplesAgreeWithPydicom(t *testing.T) {
	agreeWithPydicom(t, samplePaths(t), pydicomQuirk)
}

func pydicomQuirk(path, diff string) string {
	switch name := filepath.Base(path); {
	case strings.Contains(name, "truncated") && strings.HasSuffix(diff, ": missing"):
		return "a value that is cut off is given by pydicom, and left out here"
	case name == "SC_rgb_jpeg.dcm" && strings.Contains(diff, "pydicom OB or OW"):
		return "undefined length in Implicit VR is no case for pydicom"
	case name == "no_meta.dcm":
		return "pydicom does not see that the data set begins at the second byte"
	case strings.Contains(diff, "=\"], pydicom"):
		return "pydicom takes empty groups off the end of names"
	}
	return ""
}
