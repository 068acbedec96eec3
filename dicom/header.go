package dicom

import "io"

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
		if s.in.failure() == nil && len(b) == 0 && len(s.stack) == 0 {
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
		if written := vrAt(b); written.Known() && written == t.vr && len(b) == 12 {
			s.problem(ProblemMixedVR)
			length = s.explicitHeader(b, &t)
		}
	}
	if t.hlen > len(b) {
		return token{}, s.truncated()
	}
	copy(t.head[:], b[:t.hlen])
	s.in.advance(t.hlen)
	t.length = int64(length)
	if length == 0xFFFFFFFF {
		t.length = undefined
	}
	return t, nil
}

// explicitHeader completes t from an Explicit VR header and returns the length.
func (s *scanner) explicitHeader(b []byte, t *token) uint32 {
	order := t.enc.order()
	t.vr = vrAt(b)
	long := t.vr.longForm()
	switch {
	case t.vr.Known():
	case !t.vr.letters():
		length := order.Uint32(b[4:])
		if b[4] == b[5] && (b[4] == '?' || b[4] == '-' || b[4] == ' ') || int64(length) > s.in.remaining()-8 && length != 0xFFFFFFFF {
			s.problem(ProblemUnknownVR)
			return uint32(order.Uint16(b[6:]))
		}
		s.problem(ProblemMixedVR)
		t.vr = dictionaryVR(t.tag)
		return length
	default:
		s.problem(ProblemUnknownVR)
		long = b[6] == 0 && b[7] == 0
	}
	if !long {
		return uint32(order.Uint16(b[6:]))
	}
	t.hlen = 12
	if len(b) < 12 {
		return 0
	}
	return order.Uint32(b[8:])
}
