package dicom

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

func newReader(data []byte, opts ReadOptions) (*Reader, error) {
	return NewReader(bytes.NewReader(data), int64(len(data)), opts)
}

// editor invents edits that fit a data set.
type editor struct {
	rand  *rand.Rand
	edits []Edit
	count int
}

func (e *editor) text(t Tag) Element {
	e.count++
	return Element{Tag: t, VR: LO, enc: explicitLE, made: true, value: fmt.Appendf(nil, "VALUE %d", e.count)}
}

// invent adds at most n edits of a level, at, and of the items in it; each
// attribute is edited once, but sequences may get several edits inside.
func (e *editor) invent(at Path, nodes []node, n int) {
	for range n {
		i := e.rand.IntN(len(nodes) + 1)
		if i == len(nodes) {
			e.add(at.below(NewTag(0x000B, uint16(0x1001+e.count))), Put)
			continue
		}
		node := nodes[i]
		path := at.below(node.tag)
		if node.tag.GroupLength() || node.tag == SpecificCharacterSet || node.tag.IsPixelData() || e.edited(path) {
			continue
		}
		switch op := e.rand.IntN(4); {
		case node.sequence && node.vr != "UN" && op < 2 && len(node.items) > 0:
			item := e.rand.IntN(len(node.items))
			path[len(path)-1].Item = item
			e.invent(path, node.items[item].nodes, 2)
		case node.sequence && node.vr == "SQ" && op == 2:
			e.add(path, Append)
		case op == 3, node.sequence: // text in its place could not be read back from Implicit VR
			e.add(path, Delete)
		default:
			e.add(path, Put)
		}
	}
}

// edited reports whether path, or something in it or around it, has an edit.
func (e *editor) edited(path Path) bool {
	for _, edit := range e.edits {
		n := min(len(edit.Path), len(path))
		same := true
		for i := range n {
			same = same && edit.Path[i].Tag == path[i].Tag && (i == n-1 || edit.Path[i].Item == path[i].Item)
		}
		if same {
			return true
		}
	}
	return false
}

func (e *editor) add(path Path, op Op) {
	edit := Edit{Path: path, Op: op}
	switch op {
	case Put:
		edit.Element = e.text(path.Tag())
	case Append:
		edit.Item = New()
		edit.Item.Put(e.text(0x00080104))
	}
	e.edits = append(e.edits, edit)
}

// checker compares a data set with what edits made of it.
type checker struct {
	t    *testing.T
	fail bool
}

func (c *checker) errorf(at Path, format string, args ...any) {
	c.t.Errorf("%s: %s", at, fmt.Sprintf(format, args...))
	c.fail = true
}

func (c *checker) level(at Path, old, now []node, edits []Edit) {
	left := map[Tag][]node{}
	for _, n := range now {
		left[n.tag] = append(left[n.tag], n)
	}
	mine := func(t Tag) (out []Edit) {
		for _, e := range edits {
			if e.Path[0].Tag == t {
				out = append(out, e)
			}
		}
		return out
	}
	for _, o := range old {
		path := at.below(o.tag)
		if o.tag.GroupLength() && slices.ContainsFunc(edits, func(e Edit) bool { return e.Path[0].Tag.Group() == o.tag.Group() }) {
			continue // must be gone: what is left over is checked below
		}
		es := mine(o.tag)
		if len(es) == 1 && es[0].Op == Delete && len(es[0].Path) == 1 {
			continue
		}
		if len(left[o.tag]) == 0 {
			c.errorf(path, "lost")
			continue
		}
		n := left[o.tag][0]
		left[o.tag] = left[o.tag][1:]
		c.element(path, o, n, es)
	}
	for _, e := range edits {
		if n := left[e.Path[0].Tag]; len(e.Path) == 1 && e.Op == Put && len(n) == 1 {
			c.put(at.below(e.Path[0].Tag), n[0], e)
			delete(left, e.Path[0].Tag)
		}
	}
	for t, nodes := range left {
		if len(nodes) > 0 {
			c.errorf(at.below(t), "%d too many", len(nodes))
		}
	}
	byTag := func(a, b node) int { return int(int64(a.tag) - int64(b.tag)) }
	if slices.IsSortedFunc(old, byTag) && !slices.IsSortedFunc(now, byTag) {
		c.errorf(at, "tags are out of order")
	}
}

func (c *checker) put(at Path, n node, e Edit) {
	if got := bytes.TrimRight(n.value, " \x00"); !bytes.Equal(got, e.Element.value) || len(n.value)%2 == 1 {
		c.errorf(at, "is %q, not %q", got, e.Element.value)
	}
}

func (c *checker) element(at Path, o, n node, edits []Edit) {
	switch {
	case len(edits) == 0:
		if !bytes.Equal(o.raw, n.raw) {
			c.errorf(at, "untouched, but not the same bytes")
		}
		return
	case edits[0].Op == Put && len(edits[0].Path) == 1:
		c.put(at, n, edits[0])
		return
	}
	appended := 0
	if edits[0].Op == Append && len(edits[0].Path) == 1 {
		appended = 1
	}
	if !n.undefined || len(n.items) != len(o.items)+appended {
		c.errorf(at, "undefined length %v, %d items of %d after %v", n.undefined, len(n.items), len(o.items), edits)
		return
	}
	for i := range o.items {
		inside := byItem(edits)[i]
		if len(inside) == 0 {
			if !bytes.Equal(o.items[i].raw, n.items[i].raw) {
				c.errorf(at, "item %d is untouched, but not the same bytes", i)
			}
			continue
		}
		step := slices.Clone(at)
		step[len(step)-1].Item = i
		c.level(step, o.items[i].nodes, n.items[i].nodes, inside)
	}
	if appended == 1 {
		last := n.items[len(n.items)-1]
		c.put(at, last.nodes[0], Edit{Element: edits[0].Item.elems[0]})
	}
}

// TestRewriteEdits: whatever is edited and however small the threshold is, what no
// edit concerns keeps its bytes, and the stream is what edits in memory give.
func TestRewriteEdits(t *testing.T) {
	sampleFiles(t, func(t *testing.T, path string, data []byte) {
		set, syntax, _, ok := bare(t, data)
		if !ok || len(data) > 1<<20 {
			return
		}
		old, err := parseNodes(set, syntax)
		if err != nil {
			t.Fatal(err)
		}
		e := &editor{rand: rand.New(rand.NewPCG(uint64(len(data)), 1))}
		e.invent(nil, old, 10)
		var first []byte
		for _, threshold := range []int64{0, 16, 100, 1000} {
			out := rewritten(t, data, ReadOptions{Threshold: threshold}, Rewrite{Edits: e.edits})
			if syntax.Deflated {
				if out, err = io.ReadAll(flate.NewReader(bytes.NewReader(out))); err != nil {
					t.Fatal(err)
				}
			}
			now, err := parseNodes(out, syntax)
			if err != nil {
				t.Fatalf("threshold %d: %v", threshold, err)
			}
			c := checker{t: t}
			if c.level(nil, old, now, e.edits); c.fail {
				t.Fatalf("with threshold %d, edits %v", threshold, e.edits)
			}
			if first == nil {
				first = out
			} else if !bytes.Equal(first, out) {
				t.Errorf("threshold %d gives other bytes", threshold)
			}
		}
		sameInMemory(t, set, syntax, e.edits, first)
	})
}

// sameInMemory compares what Apply and Encode make of a data set with out.
func sameInMemory(t *testing.T, set []byte, s Syntax, edits []Edit, out []byte) {
	t.Helper()
	if s.Deflated {
		s, _ = SyntaxOf(ExplicitVRLittleEndian)
	}
	opts := ReadOptions{Syntax: s.UID, Threshold: 1 << 40}
	r, err := newReader(set, opts)
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Scan(nil)
	if err != nil {
		t.Fatal(err)
	}
	var noPixels []Edit
	for _, tag := range []Tag{PixelData, FloatPixelData, DoubleFloatPixelData} {
		noPixels = append(noPixels, Edit{Path: At(tag), Op: Delete})
	}
	if _, err := d.Apply(append(noPixels, edits...)...); err != nil {
		t.Fatal(err)
	}
	b, err := d.Encode(s.UID)
	if err != nil {
		t.Fatal(err)
	}
	without := rewritten(t, out, opts, Rewrite{Edits: noPixels, KeepTrailing: true})
	if !bytes.Equal(b, without) {
		t.Errorf("in memory %d bytes, streamed %d, or other ones", len(b), len(without))
	}
}

// TestDigests compares the digests of a copy with ones made from the whole file.
func TestDigests(t *testing.T) {
	sampleFiles(t, func(t *testing.T, _ string, data []byte) {
		set, syntax, before, ok := bare(t, data)
		if !ok || syntax.Deflated {
			return
		}
		nodes, err := parseNodes(set, syntax)
		if err != nil {
			t.Fatal(err)
		}
		rest, pixel := sha256.New(), sha256.New()
		rest.Write(before)
		var size int
		for _, n := range nodes {
			if !n.tag.IsPixelData() {
				rest.Write(n.raw)
				continue
			}
			header := len(n.raw) - len(n.value)
			if n.undefined {
				header -= 8
			}
			rest.Write(n.raw[:header])
			pixel.Write(n.value)
			rest.Write(n.raw[header+len(n.value):])
			size += len(n.value)
		}
		for _, edits := range [][]Edit{nil, {{Path: At(0x00100020), Op: Delete}}} {
			r, err := newReader(data, ReadOptions{Threshold: 200})
			if err != nil {
				t.Fatal(err)
			}
			sum, err := r.Rewrite(io.Discard, Rewrite{Edits: edits})
			if err != nil {
				t.Fatal(err)
			}
			all := sha256.Sum256(append(rest.Sum(nil), pixel.Sum(nil)...))
			if sum.PixelBytes != int64(size) || !bytes.Equal(sum.Pixel[:], pixel.Sum(nil)) {
				t.Errorf("%d bytes of pixel data, want %d, or their digest", sum.PixelBytes, size)
			}
			if !bytes.Equal(sum.Rest[:], rest.Sum(nil)) || sum.Digest != all {
				t.Error("the digest of the rest is wrong")
			}
			if sum.Read != int64(len(set)) {
				t.Errorf("%d bytes read, want %d", sum.Read, len(set))
			}
		}
	})
}
