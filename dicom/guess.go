package dicom

import "lotse/dicom/dict"

// peekAhead is how many bytes are looked at to judge what they are.
const peekAhead = 4096

// chooseSyntax settles between what is declared and what the first elements show.
func (r *Reader) chooseSyntax(uid string, guess encoding, plausible bool) {
	if uid == "" {
		r.note(ProblemSyntaxMissing)
		r.syntax = syntaxFor(guess)
		return
	}
	s, known := SyntaxOf(uid)
	if !known {
		r.note(ProblemSyntaxUnknown)
	}
	r.syntax = s
	if !plausible || guess == s.encoding() && !s.Deflated {
		return
	}
	r.note(ProblemSyntaxWrong)
	if s.Encapsulated { // what the fragments are is still told by the UID
		r.syntax.Explicit, r.syntax.BigEndian = guess.explicit, guess.big
		return
	}
	r.syntax = syntaxFor(guess)
}

func syntaxFor(e encoding) Syntax {
	uid := ImplicitVRLittleEndian
	switch e {
	case explicitLE:
		uid = ExplicitVRLittleEndian
	case explicitBE:
		uid = ExplicitVRBigEndian
	case implicitBE:
		return Syntax{BigEndian: true}
	}
	s, _ := SyntaxOf(uid)
	return s
}

// firstElement returns where a source without the prefix begins: at once, behind
// a preamble, or after a few stray bytes; 0 when nowhere. b is its beginning.
func firstElement(b []byte, remaining int64) int {
	const stray = 16
	if _, ok := guessEncoding(b, remaining); ok || plausibleMeta(b) {
		return 0
	}
	for _, at := range []int{128, 132} {
		if at < len(b) && plausibleMeta(b[at:]) {
			return at
		}
	}
	for at := 1; at <= 132 && at < len(b); at++ {
		if at > stray && at < 128 {
			continue
		}
		for _, enc := range encodings() {
			if plausible(b[at:], enc, remaining-int64(at)) == enough {
				return at
			}
		}
	}
	return 0
}

func encodings() [4]encoding { return [...]encoding{explicitLE, explicitBE, implicitLE, implicitBE} }

// guessEncoding judges the first elements of b. ok is false when nothing there
// looks like a data set.
func guessEncoding(b []byte, remaining int64) (enc encoding, ok bool) {
	for _, enc := range encodings() {
		if n := plausible(b, enc, remaining); n > 1 || n == 1 && enc.explicit {
			return enc, true
		}
	}
	return implicitLE, false
}

// plausibleMeta reports whether b begins with file meta information.
func plausibleMeta(b []byte) bool {
	for _, enc := range encodings() {
		if len(b) >= 8 && tagAt(b, enc).Group() == 2 {
			_, known := dict.Lookup(uint32(tagAt(b, enc)))
			length := enc.order().Uint32(b[4:])
			return known && (enc.explicit && vrAt(b).Known() || !enc.explicit && length <= 256)
		}
	}
	return false
}

// enough elements in a row are no coincidence.
const enough = 3

// plausible returns how many elements in a row, up to enough, make sense in enc:
// known tags in ascending order, the first one of a low group; enough also where
// they go on exactly to the end.
func plausible(b []byte, enc encoding, remaining int64) int {
	last := Tag(0)
	for n := 0; n < enough; n++ {
		if len(b) < 8 {
			if len(b) == 0 && remaining == 0 && n > 0 {
				return enough
			}
			return n
		}
		t := tagAt(b, enc)
		header, length, ok := plausibleHeader(b, enc)
		if !ok || n > 0 && t <= last || n == 0 && !plausibleFirst(t, length) {
			return n
		}
		last = t
		switch size := int64(header) + length; {
		case length == 0xFFFFFFFF, size > remaining && enc.explicit:
			return n + 1
		case size > remaining:
			return n
		case size > int64(len(b)):
			return n + 1
		default:
			b = b[size:]
			remaining -= size
		}
	}
	return enough
}

// plausibleFirst reports whether a data set may begin with t. The command set of
// a message begins with its length, a data set with a low group.
func plausibleFirst(t Tag, length int64) bool {
	if t.Group() == 0 {
		return t == 0 && length == 4
	}
	return t.Group() <= 0x20 && t.Group() != 2 && (length <= 1<<16 || length == 0xFFFFFFFF)
}

// plausibleHeader returns the length of a header and of the value it announces.
func plausibleHeader(b []byte, enc encoding) (header int, length int64, ok bool) {
	t := tagAt(b, enc)
	if _, known := dict.Lookup(uint32(t)); !known && !t.Private() {
		return 0, 0, false
	}
	if !enc.explicit {
		return 8, int64(enc.order().Uint32(b[4:])), true
	}
	vr := vrAt(b)
	switch {
	case !vr.Known():
		return 0, 0, false
	case !vr.longForm():
		return 8, int64(enc.order().Uint16(b[6:])), true
	case len(b) < 12:
		return 0, 0, false
	}
	return 12, int64(enc.order().Uint32(b[8:])), true
}
