package dicom

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// jsonOf returns the JSON of a source and its reader.
func jsonOf(data []byte, opts ReadOptions) ([]byte, *Reader, error) {
	r, err := NewReader(bytes.NewReader(data), int64(len(data)), opts)
	if err != nil {
		return nil, r, err
	}
	var b bytes.Buffer
	err = WriteJSON(&b, r)
	return b.Bytes(), r, err
}

func parseJSONSet(b []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var set map[string]any
	err := d.Decode(&set)
	if err == nil && d.More() {
		err = errors.New("more than one object")
	}
	return set, err
}

// difference is one attribute that two tools show differently.
type difference struct {
	file         string
	syntax       Syntax
	tag          string
	ours, theirs map[string]any // nil when absent
}

func (d difference) String() string {
	short := func(v any) string {
		b, _ := json.Marshal(v)
		return string(b[:min(len(b), 200)])
	}
	return fmt.Sprintf("%s: %s: %s, dcm2json %s", d.file, d.tag, short(d.ours), short(d.theirs))
}

// A dcm2jsonQuirk is a difference that is not our fault.
type dcm2jsonQuirk struct {
	name, reason string
	covers       func(d difference) bool
}

func isVR(v map[string]any, vrs ...string) bool {
	vr, _ := v["vr"].(string)
	return v != nil && slices.Contains(vrs, vr)
}

func dcm2jsonQuirks() []dcm2jsonQuirk {
	return []dcm2jsonQuirk{
		{"utf-8", "the character set is rewritten to ISO_IR 192, as the output is", func(d difference) bool {
			return d.tag == "00080005"
		}},
		{"compressed", "compressed pixel data were erased for dcm2json, which refuses them", func(d difference) bool {
			return d.theirs == nil && d.tag == "7FE00010" && d.syntax.Encapsulated
		}},
		{"padding", "dcmodify, which erased the pixel data, takes Data Set Trailing Padding off", func(d difference) bool {
			return d.theirs == nil && d.tag == "FFFCFFFC" && d.syntax.Encapsulated
		}},
		{"odd length", "a value of odd length is padded with NUL", func(d difference) bool {
			a, b := inline(d.ours), inline(d.theirs)
			return len(a)%2 == 1 && bytes.Equal(append(a, 0), b)
		}},
		{"private", "in Implicit VR, DCMTK knows the VR of some private attributes", func(d difference) bool {
			n, err := strconv.ParseUint(d.tag, 16, 32)
			return err == nil && Tag(n).Private() && !d.syntax.Explicit && isVR(d.ours, "UN") && d.theirs != nil && !isVR(d.theirs, "UN")
		}},
		{"japanese", "ISO 2022 IR 87 and 159 are not decoded; pydicom judges", func(d difference) bool {
			b, _ := json.Marshal(d.theirs)
			return bytes.Contains(b, []byte(`\u001b$`)) && !strings.Contains(fmt.Sprint(d.ours), "\x1b")
		}},
		{"names", "trailing delimiters and spaces of names are taken off", func(d difference) bool {
			return isVR(d.ours, "PN") && sameText(d, func(s string) string { return strings.TrimRight(s, "^ ") })
		}},
		{"nul", "trailing NUL is kept as text where it is padding, also of numbers", func(d difference) bool {
			return isVR(d.ours, "IS", "DS") && strings.Contains(fmt.Sprint(d.theirs), "\x00") || sameText(d, func(s string) string { return strings.TrimRight(s, "\x00 ") })
		}},
		{"uid spaces", "white space inside UIDs is removed", func(d difference) bool {
			return isVR(d.ours, "UI") && sameText(d, func(s string) string { return strings.Join(strings.Fields(s), "") })
		}},
		{"nothing but empty values", "several empty values are sometimes given as null, sometimes not at all", func(d difference) bool {
			return allEmpty(d.ours) && allEmpty(d.theirs)
		}},
		{"big endian words", "OW, OF, OD, OL and OV of Big Endian are not turned", func(d difference) bool {
			return d.syntax.BigEndian && isVR(d.ours, "OW", "OF", "OD", "OL", "OV") && swapped(d)
		}},
		{"waveform", "the VR of a waveform in Implicit VR is OW (PS3.5 §A.1)", func(d difference) bool {
			return !d.syntax.Explicit && isVR(d.ours, "OW") && isVR(d.theirs, "OB") && d.ours["InlineBinary"] == d.theirs["InlineBinary"]
		}},
	}
}

func allEmpty(v map[string]any) bool {
	if v == nil || v["InlineBinary"] != nil {
		return false
	}
	values, _ := v["Value"].([]any)
	for _, v := range values {
		if v != nil {
			return false
		}
	}
	return true
}

// sameText reports whether both values are the same once f has normalised them.
func sameText(d difference, f func(string) string) bool {
	var normal func(v any) any
	normal = func(v any) any {
		switch v := v.(type) {
		case string:
			return f(v)
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = normal(v[i])
			}
			return out
		case map[string]any:
			out := map[string]any{}
			for k := range v {
				if s := normal(v[k]); s != "" {
					out[k] = s
				}
			}
			if len(out) == 0 {
				return nil
			}
			return out
		}
		return v
	}
	if d.ours == nil || d.theirs == nil {
		return false
	}
	return sameJSON("", normal(d.ours), normal(d.theirs))
}

func swapped(d difference) bool {
	x, y := inline(d.ours), inline(d.theirs)
	vr := d.ours["vr"].(string)
	swap(x, VR(uint16(vr[0])<<8|uint16(vr[1])).unit())
	return x != nil && bytes.Equal(x, y)
}

// inline returns the bytes of an attribute of bulk data, nil when there are none.
func inline(v map[string]any) []byte {
	s, _ := v["InlineBinary"].(string)
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || s == "" {
		return nil
	}
	return b
}

// sameJSON compares two values; numbers by their value, of FL as 32-bit floats.
func sameJSON(vr string, a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		x, err1 := a.Float64()
		y, err2 := b.Float64()
		same := ok && (a == b || err1 == nil && err2 == nil && x == y)
		return same || ok && vr == "FL" && float32(x) == float32(y) || ok && vr == "FD" && near(x, y)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameJSON(vr, a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		vr, _ := a["vr"].(string)
		for k := range a {
			if !sameJSON(vr, a[k], b[k]) {
				return false
			}
		}
		return true
	}
	return a == b
}

// near allows for dcm2json's printing of doubles with 17 digits at most.
func near(x, y float64) bool { return x == y || (x-y)/y < 1e-14 && (y-x)/y < 1e-14 }

// differences compares two data sets attribute by attribute.
func differences(file string, s Syntax, prefix string, ours, theirs map[string]any) []difference {
	var out []difference
	for tag := range ours {
		a, _ := ours[tag].(map[string]any)
		b, _ := theirs[tag].(map[string]any)
		if b != nil && a["vr"] == "SQ" && b["vr"] == "SQ" {
			x, _ := a["Value"].([]any)
			y, _ := b["Value"].([]any)
			if len(x) == len(y) {
				for i := range x {
					p, _ := x[i].(map[string]any)
					q, _ := y[i].(map[string]any)
					out = append(out, differences(file, s, fmt.Sprintf("%s%s[%d].", prefix, tag, i), p, q)...)
				}
				continue
			}
		}
		if b == nil || !sameJSON("", a, b) {
			out = append(out, difference{file: file + " " + prefix, syntax: s, tag: tag, ours: a, theirs: b})
		}
	}
	for tag := range theirs {
		if ours[tag] == nil {
			b, _ := theirs[tag].(map[string]any)
			out = append(out, difference{file: file + " " + prefix, syntax: s, tag: tag, theirs: b})
		}
	}
	return out
}

// dcm2json runs DCMTK's tool; compressed pixel data, which it refuses, are erased
// on a copy first. refused says why there is no answer.
func dcm2json(t *testing.T, path string) (set map[string]any, refused string) {
	t.Helper()
	out, complaint := run("dcm2json", "-fc", path)
	if strings.Contains(complaint, "compressed pixel data") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "erased.dcm")
		if err := os.WriteFile(copied, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, complaint := run("dcmodify", "-nb", "-imt", "-e", "(7fe0,0010)", copied); strings.Contains(complaint, "E:") {
			return nil, complaint
		}
		out, complaint = run("dcm2json", "-fc", copied)
	}
	set, err := parseJSONSet(out)
	if err != nil || strings.Contains(complaint, "F: ") || strings.Contains(complaint, "E: ") {
		return nil, complaint
	}
	return set, ""
}

func run(name string, args ...string) (out []byte, complaint string) {
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && stderr.Len() == 0 {
		return out, "F: " + err.Error()
	}
	return out, stderr.String()
}

func need(t testing.TB, tools ...string) {
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
}

// agreeWithDCMTK compares our JSON of each file with dcm2json's.
func agreeWithDCMTK(t *testing.T, paths []string) {
	need(t, "dcm2json", "dcmodify")
	quirks := dcm2jsonQuirks()
	var mu sync.Mutex
	used, refused := map[string]int{}, 0
	queue := make(chan string)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for path := range queue {
				diffs, complaint := compareWithDCMTK(t, path)
				mu.Lock()
				if complaint != "" {
					refused++
					t.Logf("dcm2json refuses %s: %.150s", path, complaint)
				}
				for n, d := range diffs {
					i := slices.IndexFunc(quirks, func(q dcm2jsonQuirk) bool { return q.covers(d) })
					if i >= 0 {
						used[quirks[i].name+": "+quirks[i].reason]++
					} else if n < 4 {
						t.Error(d)
					}
				}
				mu.Unlock()
			}
		})
	}
	for _, path := range paths {
		queue <- path
	}
	close(queue)
	workers.Wait()
	for quirk, n := range used {
		t.Logf("%4d differences by %s", n, quirk)
	}
	t.Logf("%d files, %d refused by dcm2json", len(paths), refused)
}

func compareWithDCMTK(t *testing.T, path string) (diffs []difference, complaint string) {
	theirs, complaint := dcm2json(t, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return nil, ""
	}
	out, r, err := jsonOf(data, ReadOptions{})
	if err != nil {
		if complaint == "" {
			t.Errorf("%s: %v", path, err)
		}
		return nil, complaint
	}
	ours, err := parseJSONSet(out)
	if err != nil {
		t.Errorf("%s: our JSON: %v", path, err)
		return nil, ""
	}
	if complaint != "" {
		return nil, complaint
	}
	return differences(path, r.Syntax(), "", ours, theirs), ""
}

func TestSamplesAgreeWithDCMTK(t *testing.T) { agreeWithDCMTK(t, samplePaths(t)) }

// TestJSONInMemory: a data set in memory gives the same JSON as the stream.
func TestJSONInMemory(t *testing.T) {
	sampleFiles(t, func(t *testing.T, _ string, data []byte) {
		streamed, r, err := jsonOf(data, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Reset(bytes.NewReader(data), int64(len(data)), ReadOptions{Threshold: 1 << 40}); err != nil {
			t.Fatal(err)
		}
		d, err := r.Scan(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range []Tag{PixelData, FloatPixelData, DoubleFloatPixelData} {
			d.Remove(tag)
		}
		var b bytes.Buffer
		if err := d.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		ours, err1 := parseJSONSet(streamed)
		memory, err2 := parseJSONSet(b.Bytes())
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		delete(ours, "7FE00010")
		delete(ours, "7FE00008")
		delete(ours, "7FE00009")
		for _, d := range differences("", Syntax{}, "", ours, memory) {
			t.Error(d)
		}
	})
}
