package dicom

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// utf8Edits are the edits that move an object to ISO_IR 192, also of what is in
// sequences above threshold.
func utf8Edits(t *testing.T, data []byte, threshold int64) ([]Edit, []Path) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(data), int64(len(data)), ReadOptions{Threshold: threshold})
	if err != nil {
		t.Fatal(err)
	}
	var inside []Edit
	d, err := r.Scan(func(path Path, item *Dataset, e *Element) {
		root := item
		for root.parent != nil {
			root = root.parent
		}
		if edit, ok := TranscodeEdit(path, item, e, root.Charset()); ok {
			edit.Element.value = bytes.Clone(edit.Element.value)
			inside = append(inside, edit)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	edits, unconverted := d.TranscodeEdits(d.Charset(), "ISO_IR 192")
	return append(edits, inside...), unconverted
}

func rewritten(t *testing.T, data []byte, opts ReadOptions, rw Rewrite) []byte {
	t.Helper()
	r, err := NewReader(bytes.NewReader(data), int64(len(data)), opts)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	sum, err := r.Rewrite(&out, rw)
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.Unused) > 0 {
		t.Fatalf("%d edits were not carried out: %v", len(sum.Unused), sum.Unused[0].Path)
	}
	return out.Bytes()
}

// TestTranscode: pydicom reads the same text before and after.
func TestTranscode(t *testing.T) {
	var before, after []string
	dir := t.TempDir()
	for _, path := range samplePaths(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 1<<20 || !foreign(t, data) {
			continue
		}
		for _, threshold := range []int64{0, 1000} { // so that sequences are large, and then are copied in pieces
			edits, unconverted := utf8Edits(t, data, threshold)
			if len(unconverted) > 0 && threshold == 0 {
				t.Logf("%s: stays behind: %v", path, unconverted)
			}
			out := rewritten(t, data, ReadOptions{Threshold: threshold / 60}, Rewrite{Edits: edits, File: true})
			name := filepath.Join(dir, fmt.Sprintf("%d.dcm", len(after)))
			if err := os.WriteFile(name, out, 0o600); err != nil {
				t.Fatal(err)
			}
			before, after = append(before, path), append(after, name)
		}
	}
	if len(after) < 20/thinned {
		t.Fatalf("only %d objects with foreign text", len(after))
	}
	old, now := pydicomReads(t, before), pydicomReads(t, after)
	texts := 0
	for i := range old {
		texts += sameTexts(t, before[i], nil, old[i], now[i])
	}
	t.Logf("%d texts in %d objects", texts, len(after))
}

// foreign reports whether an object that is not damaged has text beyond ASCII.
func foreign(t *testing.T, data []byte) bool {
	r, err := NewReader(bytes.NewReader(data), int64(len(data)), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Scan(nil)
	if err != nil {
		t.Fatal(err)
	}
	edits, _ := d.TranscodeEdits(d.Charset(), "ISO_IR 192")
	return len(edits) > 1 && !r.Truncated()
}

func sameTexts(t *testing.T, file string, at Path, old, now walkedSet) (n int) {
	after := map[Tag]walked{}
	for _, w := range now {
		after[w.tag] = w
	}
	for _, w := range old {
		got, ok := after[w.tag]
		if w.tag == SpecificCharacterSet || w.tag.GroupLength() {
			continue
		}
		if !ok || len(got.items) != len(w.items) {
			t.Errorf("%s %s: lost", file, at.below(w.tag))
			continue
		}
		for i := range w.items {
			n += sameTexts(t, file, at.below(w.tag), w.items[i], got.items[i])
		}
		trim := func(s []string) []string {
			for i := range s {
				s[i] = strings.TrimRight(s[i], " \x00=")
			}
			return s
		}
		switch {
		case w.text == nil && got.sum != w.sum:
			t.Errorf("%s %s: bytes are not the same", file, at.below(w.tag))
		case w.text != nil && !slices.Equal(trim(w.text), trim(got.text)):
			t.Errorf("%s %s: %q became %q", file, at.below(w.tag), w.text, got.text)
		}
		n++
	}
	return n
}

// TestTranscodeLeavesBehind: text in elements of unknown VR is reported, items
// with a character set of their own are not touched.
func TestTranscodeLeavesBehind(t *testing.T) {
	item := New()
	item.Put(NewBytes(0x00081030, LO, []byte("M\xFCller")))
	own := New()
	own.Put(NewBytes(SpecificCharacterSet, CS, []byte("ISO_IR 144")))
	own.Put(NewBytes(0x00081030, LO, []byte("\xB0\xB1")))
	d := New()
	d.Put(NewBytes(SpecificCharacterSet, CS, []byte("ISO_IR 100")))
	d.Put(NewBytes(0x00091001, UN, []byte("\xC4rztin")))
	d.Put(NewBytes(0x00091002, UN, []byte{0, 0xC4, 1}))
	d.Put(NewBytes(0x00100010, UN, []byte("\xC4nne")))
	d.Put(NewBytes(0x00100020, LO, []byte("plain")))
	d.Put(NewSequence(0x0040A730, item, own))
	edits, unconverted := d.TranscodeEdits(d.Charset(), "ISO_IR 192")
	var paths []string
	for _, e := range edits {
		paths = append(paths, e.Path.String()+"="+string(e.Element.value))
	}
	want := []string{"(0008,0005)=ISO_IR 192", "(0010,0010)=Änne", "(0040,A730)[0].(0008,1030)=Müller"}
	if !slices.Equal(paths, want) {
		t.Errorf("edits %q, want %q", paths, want)
	}
	if len(unconverted) != 1 || unconverted[0].String() != "(0009,1001)" {
		t.Errorf("unconverted %v", unconverted)
	}
	if edits, unconverted = d.TranscodeEdits(d.Charset(), "ISO_IR 144"); len(edits) != 1 || len(unconverted) != 3 {
		t.Errorf("into a set that holds none of it: %d edits, unconverted %v", len(edits), unconverted)
	}
}
