package dicom

import (
	"errors"
	"io"

	"lotse/dicom/dict"
)

func tagAt(b []byte, enc encoding) Tag {
	o := enc.order()
	return NewTag(o.Uint16(b), o.Uint16(b[2:]))
}

func vrAt(b []byte) VR { return VR(b[4])<<8 | VR(b[5]) }

// header reads the header of an element in enc, each element judged by itself:
// files exist that mix explicit and implicit VR. io.EOF at the end of the source.
func (s *scanner) header(enc encoding) (token, error) {
	b := s.in.peek(12)
	if len(b) < 8 {
		if errors.Is(s.in.err, io.EOF) && len(b) == 0 && len(s.stack) == 0 {
			return token{}, io.EOF
		}
		return token{}, s.truncated()
	}
	t := token{tag: tagAt(b, enc), offset: s.in.offset(), enc: enc, hlen: 8}
	length := enc.order().Uint32(b[4:])
	switch {
	case t.tag.Group() == 0xFFFE:
		t.vr = UN
	case enc.explicit:
		length = s.explicitHeader(b, &t)
	default:
		t.vr = dictionaryVR(t.tag)
		written := vrAt(b)
		if written.Known() && (len(b) == 12 || !written.longForm()) && (written == t.vr || length != 0xFFFFFFFF && int64(length) > s.room()-8) {
			s.problem(ProblemMixedVR)
			length = s.explicitHeader(b, &t)
		}
	}
	if t.hlen > s.in.w-s.in.r {
		return token{}, s.truncated()
	}
	copy(t.head[:], s.in.peek(t.hlen))
	s.in.advance(t.hlen)
	t.length = int64(length)
	if length == 0xFFFFFFFF {
		t.length = undefined
	}
	return t, nil
}

// room returns how many bytes are left for an element here: to the end of what
// is open, or of the source.
func (s *scanner) room() int64 {
	room := s.in.remaining()
	if n := len(s.stack); n > 0 && s.stack[n-1].limit != undefined {
		if left := s.stack[n-1].limit - s.in.offset(); left > 0 {
			room = min(room, left)
		}
	}
	return room
}

// explicitHeader completes t from an Explicit VR header and returns the length.
func (s *scanner) explicitHeader(b []byte, t *token) uint32 {
	order := t.enc.order()
	t.vr = vrAt(b)
	long := t.vr.longForm()
	short := order.Uint16(b[6:])
	switch {
	case t.vr.Known():
	case t.vr.letters():
		s.problem(ProblemUnknownVR)
		long = short == 0 && len(b) == 12 && !s.follows(8, t)
	default:
		length := order.Uint32(b[4:])
		fits := length == 0xFFFFFFFF || int64(length) <= s.room()-8
		if !fits || length != 0 && s.follows(8+int(short), t) {
			s.problem(ProblemUnknownVR)
			return uint32(short)
		}
		s.problem(ProblemMixedVR)
		t.vr = dictionaryVR(t.tag)
		return length
	}
	if !long {
		return uint32(short)
	}
	t.hlen = 12
	if len(b) < 12 {
		return 0
	}
	return order.Uint32(b[8:])
}

// follows reports whether n bytes ahead, behind t, an element in Explicit VR or
// a delimiter comes next, or the end.
func (s *scanner) follows(n int, t *token) bool {
	b := s.in.peek(n + 8)
	if len(b) == n {
		return true
	}
	if len(b) < n+8 {
		return false
	}
	next := tagAt(b[n:], t.enc)
	switch next {
	case itemTag, itemDelimitation, sequenceDelimitation:
		return len(s.stack) > 0
	}
	_, known := dict.Lookup(uint32(next))
	return next > t.tag && vrAt(b[n:]).Known() && (known || next.Private())
}
