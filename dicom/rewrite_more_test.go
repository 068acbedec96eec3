package dicom

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
)

// edit makes an edit of text.
func edit(t *testing.T, path Path, values ...string) Edit {
	t.Helper()
	e, err := NewText(path.Tag(), values...)
	if err != nil {
		t.Fatal(err)
	}
	return Edit{Path: path, Op: Put, Element: e}
}

func textItem(t *testing.T, tag Tag, value string) *Dataset {
	t.Helper()
	d := New()
	if _, err := d.SetString(tag, value); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestEditsOutOfOrder: in sources whose tags are out of order or come twice, each
// edit is carried out once, where its attribute is.
func TestEditsOutOfOrder(t *testing.T) {
	id, sop := ex(0x00100020, "LO", "ID"), ex(0x00200010, "SH", "STUDY ")
	sq := ex(0x00081140, "SQ", item(ex(0x00081155, "UI", "1.2\x00")))
	appended := textItem(t, 0x00081155, "9")
	for name, test := range map[string]struct {
		set   []byte
		edits []Edit
		want  string
	}{
		"put":               {join(sop, id), []Edit{edit(t, At(0x00100020), "NEW")}, `"00100020":{"vr":"LO","Value":["NEW"]},"00200010":{"vr":"SH","Value":["STUDY"]}`},
		"put twice":         {join(id, id, sop), []Edit{edit(t, At(0x00100020), "NEW")}, `"00100020":{"vr":"LO","Value":["NEW"]},"00200010":{"vr":"SH","Value":["STUDY"]}`},
		"put, twice apart":  {join(id, sop, id), []Edit{edit(t, At(0x00100020), "NEW")}, `"00100020":{"vr":"LO","Value":["NEW"]},"00200010":{"vr":"SH","Value":["STUDY"]}`},
		"delete":            {join(sop, id, id), []Edit{{Path: At(0x00100020), Op: Delete}}, `"00200010":{"vr":"SH","Value":["STUDY"]}`},
		"inside":            {join(id, sq, sop), []Edit{edit(t, At(0x00081140).Into(0, 0x00081155), "9")}, `"00100020":{"vr":"LO","Value":["ID"]},"00081140":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["9"]}}]},"00200010":{"vr":"SH","Value":["STUDY"]}`},
		"append":            {join(id, sq, sop), []Edit{{Path: At(0x00081140), Op: Append, Item: appended}}, `"00100020":{"vr":"LO","Value":["ID"]},"00081140":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2"]}},{"00081155":{"vr":"UI","Value":["9"]}}]},"00200010":{"vr":"SH","Value":["STUDY"]}`},
		"append to nothing": {join(id, sop), []Edit{{Path: At(0x00081140), Op: Append, Item: appended}}, `"00081140":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["9"]}}]},"00100020":{"vr":"LO","Value":["ID"]},"00200010":{"vr":"SH","Value":["STUDY"]}`},
		"put, then inside": {join(id), []Edit{{Path: At(0x00081140), Op: Put, Element: NewSequence(0x00081140, appended)}, edit(t, At(0x00081140).Into(0, 0x00081155), "7")},
			`"00081140":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["7"]}}]},"00100020":{"vr":"LO","Value":["ID"]}`},
		"group length": {join(ex(0x00100000, "UL", u32(le, 10)), id, ex(0x00200000, "UL", u32(le, 14)), sop), []Edit{edit(t, At(0x00100020), "NEW")},
			`"00100020":{"vr":"LO","Value":["NEW"]},"00200010":{"vr":"SH","Value":["STUDY"]}`},
	} {
		for _, threshold := range []int64{0, 1} {
			r, err := newReader(join(meta(ExplicitVRLittleEndian), test.set), ReadOptions{Threshold: threshold})
			if err != nil {
				t.Fatal(err)
			}
			if threshold == 0 {
				if _, _, err := r.Head(); err != nil {
					t.Fatal(err)
				}
			} else if name == "append" {
				continue // the head must be known
			}
			var b bytes.Buffer
			sum, err := r.Rewrite(&b, Rewrite{Edits: test.edits})
			if err != nil || len(sum.Unused) > 0 {
				t.Fatalf("%s: %v, unused %v", name, err, sum.Unused)
			}
			out, _, err := jsonOf(b.Bytes(), ReadOptions{Syntax: ExplicitVRLittleEndian})
			if err != nil || string(out) != "{"+test.want+"}" {
				t.Errorf("%s, threshold %d: %v %s\nwant {%s}", name, threshold, err, out, test.want)
			}
			if name == "group length" && (bytes.Contains(b.Bytes(), tagBytes(le, 0x00100000)) || !bytes.Contains(b.Bytes(), tagBytes(le, 0x00200000))) {
				t.Errorf("the length of the edited group must go, of the other one stay: %x", b.Bytes())
			}
		}
	}
}

func TestUnusedEdits(t *testing.T) {
	file := join(meta(ExplicitVRLittleEndian), ex(0x00081140, "SQ", item()), ex(0x00100020, "LO", "ID"))
	edits := []Edit{edit(t, At(0x00081140).Into(1, 0x00081155), "9"), edit(t, At(0x00081110).Into(0, 0x00081155), "9"), edit(t, At(0x00100020), "NEW")}
	for _, threshold := range []int64{0, 1} {
		r, err := newReader(file, ReadOptions{Threshold: threshold})
		if err != nil {
			t.Fatal(err)
		}
		sum, err := r.Rewrite(io.Discard, Rewrite{Edits: edits})
		if err != nil || len(sum.Unused) != 2 {
			t.Errorf("threshold %d: %v, unused %v", threshold, err, sum.Unused)
		}
		for _, e := range sum.Unused {
			if len(e.Path) != 2 {
				t.Errorf("the path of an unused edit is not whole: %s", e.Path)
			}
		}
	}
}

var errBoom = errors.New("boom")

// limited fails after n bytes.
type limited struct {
	r io.Reader
	w io.Writer
	n int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.n == 0 {
		return 0, errBoom
	}
	n, err := l.r.Read(p[:min(len(p), l.n)])
	l.n -= n
	return n, err
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.n)
	l.n -= n
	if n < len(p) {
		return n, errBoom
	}
	return l.w.Write(p)
}

// TestWhoFailed: errors of the source and of the writer are told apart, wherever
// they happen.
func TestWhoFailed(t *testing.T) {
	set := join(ex(0x00081140, "SQ", item(ex(0x00081155, "UI", "1.2\x00"), ex(0x00100021, "LO", strings.Repeat("x", 300)))), ex(0x00100020, "LO", "ID"), ex(PixelData, "OW", make([]byte, 70000)))
	files := map[string][]byte{"plain": join(meta(ExplicitVRLittleEndian), set), "deflated": join(meta(DeflatedExplicitVRLittleEndian), deflated(set))}
	edits := [][]Edit{nil, {edit(t, At(0x00081140).Into(0, 0x00081155), "9")}}
	for name, file := range files {
		for _, es := range edits {
			for n := 0; n < len(file); n += 1 + n/20 {
				r, err := NewReader(&limited{r: bytes.NewReader(file), n: n}, int64(len(file)), ReadOptions{Threshold: 16})
				if err == nil {
					_, err = r.Rewrite(io.Discard, Rewrite{Edits: es, File: true})
				}
				var p *ParseError
				if !errors.Is(err, errBoom) || !errors.As(err, &p) {
					t.Fatalf("%s: the source fails after %d bytes: %v", name, n, err)
				}
				if r, err = newReader(file, ReadOptions{Threshold: 16}); err != nil {
					t.Fatal(err)
				}
				_, err = r.Rewrite(&limited{w: io.Discard, n: n}, Rewrite{Edits: es, File: true})
				if err != nil && (!errors.Is(err, errBoom) || errors.As(err, &p)) || err == nil && n < len(file)/2 && name == "plain" {
					t.Fatalf("%s: the writer fails after %d bytes: %v", name, n, err)
				}
			}
		}
	}
}

// endless gives head, n zeros and tail, and is no Seeker.
func endless(head []byte, n int64, tail []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(head), io.LimitReader(zeros{}, n), bytes.NewReader(tail))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestMemoryIsBounded goes through 200 MB, and less in all other ways.
func TestMemoryIsBounded(t *testing.T) {
	memoryIsBounded(t, 200<<20, "edit")
	memoryIsBounded(t, 16<<20, "")
}

// memoryIsBounded tries the named work, all when it is "", on values of a size.
func memoryIsBounded(t *testing.T, size int, only string) {
	head := join(meta(ExplicitVRLittleEndian), ex(0x00100020, "LO", "ID"), explicitElement(le, PixelData, "OW", "", size))
	tail := ex(0xFFFCFFFC, "OB", "ab")
	fragments := join(meta(JPEGBaseline8Bit), openEx(PixelData, "OB", item(), tagBytes(le, itemTag), u32(le, size)))
	private := join(meta(ImplicitVRLittleEndian), im(0x00100020, "ID"), tagBytes(le, 0x00091001), u32(le, size))
	nested := join(meta(ExplicitVRLittleEndian), openEx(0x00081140, "SQ", openItem(explicitElement(le, 0x00091001, "OB", "", size))))
	closing := join(endItem, endSequence)
	put := edit(t, At(0x00081140).Into(0, 0x00100020), "NEW")
	for name, work := range map[string]func(r *Reader) error{
		"copy": func(r *Reader) error { _, err := r.Rewrite(io.Discard, Rewrite{}); return err },
		"edit": func(r *Reader) error {
			_, err := r.Rewrite(io.Discard, Rewrite{Edits: []Edit{put, {Path: At(0x00100020), Op: Delete}}})
			return err
		},
		"JSON":  func(r *Reader) error { return WriteJSON(io.Discard, r) },
		"print": func(r *Reader) error { return Print(io.Discard, r, PrintOptions{}) },
		"scan":  func(r *Reader) error { _, err := r.Scan(nil); return err },
	} {
		if only != "" && name != only {
			continue
		}
		for source, open := range map[string]func() io.Reader{
			"pixel data": func() io.Reader { return endless(head, int64(size), tail) },
			"fragments":  func() io.Reader { return endless(fragments, int64(size), endSequence) },
			"private":    func() io.Reader { return endless(private, int64(size), nil) },
			"nested":     func() io.Reader { return endless(nested, int64(size), closing) },
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r, err := NewReader(open(), -1, ReadOptions{})
			if err == nil {
				err = work(r)
			}
			runtime.ReadMemStats(&after)
			if err != nil || r.Truncated() {
				t.Errorf("%s of %s: %v, truncated %v", name, source, err, r.Truncated())
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
				t.Errorf("%s of %s: %d bytes allocated", name, source, used)
			}
		}
	}
}
