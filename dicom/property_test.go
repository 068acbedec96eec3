package dicom

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// anySet draws a data set: known attributes with values of their VR, private
// ones, sequences.
func anySet(depth int) *rapid.Generator[*Dataset] {
	return rapid.Custom(func(t *rapid.T) *Dataset {
		d := New()
		for _, vr := range rapid.SliceOfN(rapid.SampledFrom(anyVRs()), 0, 8).Draw(t, "VRs") {
			tag := NewTag(0x0009, 0x1000|rapid.Uint16().Draw(t, "element"))
			if vr == SQ {
				if depth > 0 {
					d.Put(NewSequence(tag, rapid.SliceOfN(anySet(depth-1), 0, 3).Draw(t, "items")...))
				}
				continue
			}
			value := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "value")
			size := vr.unit()
			if numeric(vr) {
				size = max(size, numberSize(vr))
			}
			value = value[:len(value)/size*size]
			if vr.Characters() {
				value = []byte(rapid.StringMatching(`[ -\[\]-~]{0,20}`).Draw(t, "text"))
			}
			if len(value)%2 == 1 {
				value = append(value, vr.padding())
			}
			d.Put(NewBytes(tag, vr, value))
		}
		for _, known := range []Tag{0x00100010, 0x00100020, 0x00081155, 0x00200013} {
			if rapid.Bool().Draw(t, "known") {
				d.Put(NewBytes(known, dictionaryVR(known), []byte("12")))
			}
		}
		return d
	})
}

func anyVRs() []VR {
	return []VR{AE, AS, AT, CS, DA, DS, DT, FD, FL, IS, LO, LT, OB, OD, OF, OL, OV, OW, PN, SH, SL, SQ, SS, ST, SV, TM, UC, UI, UL, UN, UR, US, UT, UV, SQ, SQ}
}

func read(t interface{ Fatal(...any) }, b []byte, syntax string) *Dataset {
	r, err := newReader(b, ReadOptions{Syntax: syntax, Threshold: 1 << 40, Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Scan(nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func encode(t interface{ Fatal(...any) }, d *Dataset, syntax string) []byte {
	b, err := d.Encode(syntax)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func anyJSON(t interface{ Fatal(...any) }, d *Dataset) string {
	var b bytes.Buffer
	if err := d.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEncodeReadEncode: what is read is what was written, in every encoding, and
// from one to the other and back.
func TestEncodeReadEncode(t *testing.T) {
	explicit := []string{ExplicitVRLittleEndian, ExplicitVRBigEndian}
	rapid.Check(t, func(t *rapid.T) {
		d := anySet(3).Draw(t, "data set")
		want := anyJSON(t, d)
		little := encode(t, d, ExplicitVRLittleEndian)
		for _, syntax := range explicit {
			b := encode(t, d, syntax)
			back := read(t, b, syntax)
			if got := anyJSON(t, back); got != want {
				t.Fatalf("%s: %s\nwant %s", syntax, got, want)
			}
			if again := encode(t, back, syntax); !bytes.Equal(b, again) {
				t.Fatalf("%s: raw bytes changed", syntax)
			}
			if other := encode(t, back, ExplicitVRLittleEndian); !bytes.Equal(other, little) {
				t.Fatalf("%s: %x became %x", syntax, little, other)
			}
		}
		implicit := encode(t, d, ImplicitVRLittleEndian)
		viaBig := encode(t, read(t, encode(t, d, ExplicitVRBigEndian), ExplicitVRBigEndian), ImplicitVRLittleEndian)
		if !bytes.Equal(implicit, viaBig) {
			t.Fatalf("implicit: %x, from big endian %x", implicit, viaBig)
		}
		back := read(t, implicit, ImplicitVRLittleEndian)
		if again := encode(t, read(t, encode(t, back, ExplicitVRLittleEndian), ExplicitVRLittleEndian), ImplicitVRLittleEndian); !bytes.Equal(implicit, again) {
			t.Fatalf("implicit: %x, there and back %x", implicit, again)
		}
	})
}

// TestEditsStreamAsInMemory: a Rewrite gives the bytes of Apply and Encode, with
// any threshold, and nothing untouched changes.
func TestEditsStreamAsInMemory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := anySet(3).Draw(rt, "data set")
		syntax := rapid.SampledFrom([]string{ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian}).Draw(rt, "syntax")
		checkEdits(t, encode(rt, d, syntax), syntax, rapid.Uint64().Draw(rt, "edits"))
	})
}

// checkEdits rewrites a sound data set with invented edits.
func checkEdits(t *testing.T, set []byte, uid string, seed uint64) {
	t.Helper()
	syntax, _ := SyntaxOf(uid)
	old, err := parseNodes(set, syntax)
	if err != nil {
		t.Fatal(err)
	}
	e := &editor{rand: rand.New(rand.NewPCG(seed, 1))}
	e.invent(nil, old, 8)
	var first []byte
	for _, threshold := range []int64{1 << 40, 1, 20, 100} {
		out := rewritten(t, set, ReadOptions{Threshold: threshold, Syntax: uid}, Rewrite{Edits: e.edits})
		now, err := parseNodes(out, syntax)
		if err != nil {
			t.Fatal(err)
		}
		c := checker{t: t}
		if c.level(nil, old, now, e.edits); c.fail {
			t.Fatalf("threshold %d", threshold)
		}
		if first == nil {
			first = out
		} else if !bytes.Equal(first, out) {
			t.Fatalf("threshold %d gives other bytes", threshold)
		}
	}
	sameInMemory(t, set, syntax, e.edits, first)
}

// FuzzEditRoundTrip rewrites whatever is a sound data set with invented edits.
func FuzzEditRoundTrip(f *testing.F) {
	for i, b := range [][]byte{threeEx, threeIm, threeBE, join(threeEx, openEx(0x00400275, "SQ", openItem(threeEx, endItem), item(threeEx), endSequence))} {
		f.Add(b, uint8(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, set []byte, which uint8, seed uint64) {
		uid := []string{ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian}[which%3]
		opts := lowLimits(1 << 30)
		opts.Syntax = uid
		r, err := newReader(set, opts)
		if err != nil || r.Syntax().UID != uid {
			return
		}
		if _, err := r.Rewrite(io.Discard, Rewrite{}); err != nil || len(r.Problems()) > 0 || r.Cut() >= 0 {
			return
		}
		syntax, _ := SyntaxOf(uid)
		nodes, err := parseNodes(set, syntax)
		if err != nil || !distinct(nodes) {
			return
		}
		checkEdits(t, set, uid, seed)
	})
}

// distinct reports whether tags come once, in ascending order, in every item.
func distinct(nodes []node) bool {
	return slices.IsSortedFunc(nodes, func(a, b node) int {
		if a.tag > b.tag {
			return 1
		}
		return -1
	}) && !slices.ContainsFunc(nodes, func(n node) bool {
		return slices.ContainsFunc(n.items, func(i nodeItem) bool { return !distinct(i.nodes) })
	})
}
