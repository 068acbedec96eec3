package dicom

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
)

// lowLimits keep a fuzzed input from costing much.
func lowLimits(threshold int64) ReadOptions {
	return ReadOptions{Threshold: threshold, MaxDepth: 20, MaxElements: 10000, MaxHeader: 1 << 20}
}

func fuzzSeeds(f *testing.F) {
	for _, d := range damaged() {
		if len(d.file) < 4096 {
			f.Add(d.file)
		}
	}
	f.Add(join(meta(ExplicitVRLittleEndian), ex(SpecificCharacterSet, "CS", "\\ISO 2022 IR 87"), ex(0x00100010, "PN", "A=\x1b$B;3ED\x1b(B^B=C"),
		ex(0x00280103, "US", u16(le, 1)), ex(0x00280106, "US", u16(le, 65535)), ex(0x00081140, "SQ", item(ex(0x00081155, "UI", "1.2\x00")))))
}

// refused reports whether err is one a peer's data may cause.
func refused(t *testing.T, err error) bool {
	if err == nil {
		return false
	}
	var p *ParseError
	if !errors.As(err, &p) && !errors.Is(err, ErrSyntax) {
		t.Fatalf("not a ParseError: %v", err)
	}
	return true
}

func FuzzReader(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		r := &Reader{}
		open := func(threshold int64) bool {
			return !refused(t, r.Reset(bytes.NewReader(data), int64(len(data)), lowLimits(threshold)))
		}
		if !open(100) {
			return
		}
		head, _, err := r.Head()
		if !refused(t, err) {
			for e := range head.All() {
				_ = head.StringsOf(e)
				_ = head.ItemsOf(e)
			}
		}
		fuzzJSON(t, data)
		if open(100) {
			refused(t, Print(io.Discard, r, PrintOptions{Meta: true}))
		}
		fuzzRewrite(t, r, open, data)
	})
}

// fuzzJSON checks that the JSON is valid, and that a stream gives no less.
func fuzzJSON(t *testing.T, data []byte) {
	out, r, err := jsonOf(data, lowLimits(100))
	if refused(t, err) {
		return
	}
	if _, err := parseJSONSet(out); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	if err := r.Reset(bytes.NewReader(data), int64(len(data)), lowLimits(1<<40)); err != nil {
		t.Fatal(err)
	}
	d, err := r.Scan(nil)
	if refused(t, err) {
		return
	}
	var b bytes.Buffer
	if bytes.Contains(out, []byte(`"7FE000`)) || r.Truncated() { // fragments and values are shown as far as they go
		return
	}
	if err := d.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out, b.Bytes()) {
		t.Fatalf("a stream gives\n%s\nmemory\n%s", out, b.Bytes())
	}
}

func fuzzRewrite(t *testing.T, r *Reader, open func(int64) bool, data []byte) {
	var first []byte
	for _, threshold := range []int64{1 << 30, 8, 100} {
		if !open(threshold) {
			return
		}
		start := r.dataStart
		deflated := r.Syntax().Deflated
		var out bytes.Buffer
		_, err := r.Rewrite(&out, Rewrite{KeepTrailing: true})
		if refused(t, err) {
			continue
		}
		if !deflated && !bytes.Equal(out.Bytes(), data[start:]) {
			t.Fatalf("threshold %d: an empty rewrite is not the input", threshold)
		}
		if first == nil {
			first = out.Bytes()
		} else if !bytes.Equal(first, out.Bytes()) {
			t.Fatalf("threshold %d: other bytes", threshold)
		}
	}
	put, _ := PutText(0x00100020, "EDITED")
	edits := []Edit{put, {Path: At(0x00081140).Into(0, 0x00100020), Op: Put, Element: put.Element},
		{Path: At(0x00081140), Op: Append, Item: New()}, {Path: At(0x00280010), Op: Delete}}
	for _, threshold := range []int64{1 << 30, 8} {
		for _, syntax := range []string{"", ExplicitVRLittleEndian, ImplicitVRLittleEndian} {
			if !open(threshold) {
				return
			}
			var out bytes.Buffer
			if _, err := r.Rewrite(&out, Rewrite{Edits: edits, Syntax: syntax, File: true}); err == nil {
				fuzzEdited(t, out.Bytes(), len(r.Problems()) == 0)
			}
		}
	}
}

// fuzzEdited checks that an edited object can be read and, when nothing was wrong
// with the original, has the edit.
func fuzzEdited(t *testing.T, data []byte, sound bool) {
	r, err := newReader(data, lowLimits(1<<30))
	if err != nil {
		t.Fatalf("an edited object is not readable: %v", err)
	}
	d, err := r.Scan(nil)
	if !sound {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := d.String(0x00100020); got != "EDITED" || d.Has(0x00280010) {
		t.Fatalf("the edits are not there: %q", got)
	}
}

// TestLyingLengthsCostNothing: what a length claims is not allocated.
func TestLyingLengthsCostNothing(t *testing.T) {
	for name, file := range map[string][]byte{
		"value":    join(meta(ExplicitVRLittleEndian), explicitElement(le, 0x00091001, "OB", "abc", 0xFFFFFFF0)),
		"text":     join(meta(ExplicitVRLittleEndian), explicitElement(le, 0x00091001, "UT", "abc", 30<<20)),
		"item":     join(meta(ExplicitVRLittleEndian), openEx(0x00081140, "SQ", tagBytes(le, itemTag), u32(le, 0xFFFFFFF0), ex(0x00100020, "LO", "ID"))),
		"fragment": join(meta(JPEGBaseline8Bit), openEx(PixelData, "OB", tagBytes(le, itemTag), u32(le, 0xFFFFFFF0), "abcd")),
		"meta":     join(make([]byte, 128), "DICM", explicitElement(le, 0x00020001, "OB", "abcd", 30<<20)),
	} {
		for _, size := range []int64{-1, int64(len(file)), 1 << 40} {
			for _, threshold := range []int64{0, 1 << 40} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				if r, err := NewReader(onlyReader{bytes.NewReader(file)}, size, ReadOptions{Threshold: threshold}); err == nil {
					_, _ = r.Scan(nil)
				}
				if r, err := NewReader(onlyReader{bytes.NewReader(file)}, size, ReadOptions{Threshold: threshold}); err == nil {
					_ = WriteJSON(io.Discard, r)
				}
				runtime.ReadMemStats(&after)
				if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
					t.Errorf("%s, size %d, threshold %d: %d bytes allocated", name, size, threshold, used)
				}
			}
		}
	}
}
