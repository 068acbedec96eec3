package dicom

import (
	"compress/flate"
	"errors"
)

// kind is what a token stands for.
type kind uint8

const (
	leaf          kind = iota // an element with a value
	sequenceStart             // SQ, or UN with items inside
	sequenceEnd
	itemStart
	itemEnd
	fragmentsStart // encapsulated pixel data
	fragment
	fragmentsEnd
	junk // between items, of no meaning; its value is length bytes
)

const undefined = -1

// token is one piece of a data set's structure. The value of a leaf or fragment
// is ahead in the input; the next call of next goes past what was not read.
type token struct {
	kind   kind
	tag    Tag
	vr     VR
	length int64 // of the value in bytes; undefined (-1) with a delimiter
	offset int64 // of the header
	hlen   int   // length of the header in bytes; 0 when an end was only implied
	enc    encoding
	head   [12]byte // the header as read
}

// frame is an open sequence, item or run of fragments.
type frame struct {
	kind kind // sequenceStart, itemStart or fragmentsStart
	tag  Tag
	item int   // sequence, fragments: number of items begun; item: its index
	end  int64 // offset where it ends; undefined when a delimiter ends it
	enc  encoding

	limit int64 // the nearest end that is defined: its own, or of a frame around it
}

// scanner cuts a data set into tokens. It holds no values.
type scanner struct {
	in       *input
	opts     *ReadOptions
	enc      encoding // of the top level
	stack    []frame
	left     int64 // unread bytes of the last token's value
	elements int
	problems *problems
}

// next returns the next token, io.EOF at the regular end of the top level, or a
// *ParseError. After ErrTruncated the open frames are still on the stack.
func (s *scanner) next() (token, error) {
	if err := s.finish(); err != nil {
		return token{}, err
	}
	if len(s.stack) == 0 {
		return s.element(s.enc)
	}
	top := &s.stack[len(s.stack)-1]
	if top.end != undefined && s.in.offset() >= top.end {
		return s.pop(0), nil
	}
	if top.end == undefined && s.in.offset() == top.limit && !s.delimiterAhead(top) {
		s.problem(ProblemDelimiter) // it is missing, but what is around it ends here
		return s.pop(0), nil
	}
	switch top.kind {
	case itemStart:
		return s.inItem(top)
	case sequenceStart:
		return s.inSequence(top)
	default:
		return s.inFragments(top)
	}
}

// finish goes past what is unread of the last token's value.
func (s *scanner) finish() error {
	want := s.left
	s.left = 0
	if want > 0 && s.in.skip(want) < want {
		return s.truncated()
	}
	return nil
}

// delimiterAhead reports whether top ends, or goes on, with what is ahead.
func (s *scanner) delimiterAhead(top *frame) bool {
	b := s.in.peek(4)
	if len(b) < 4 {
		return false
	}
	t := tagAt(b, top.enc)
	return t == sequenceDelimitation || t == itemTag || t == itemDelimitation && top.kind == itemStart
}

// pop closes the innermost frame; hlen is the length of its delimiter, if any.
func (s *scanner) pop(hlen int) token {
	top := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	t := token{kind: top.kind + 1, tag: top.tag, offset: s.in.offset(), hlen: hlen, enc: top.enc}
	if top.kind == fragmentsStart {
		t.kind = fragmentsEnd
	}
	if hlen > 0 {
		copy(t.head[:], s.in.peek(hlen))
		s.in.advance(hlen)
	}
	return t
}

func (s *scanner) inItem(top *frame) (token, error) {
	b := s.in.peek(8)
	if len(b) == 8 && top.enc.order().Uint16(b) == 0xFFFE {
		switch tagAt(b, top.enc) {
		case itemDelimitation:
			if top.end == undefined {
				return s.pop(8), nil
			}
		case sequenceDelimitation, itemTag: // the delimiter of the item is missing
			s.problem(ProblemDelimiter)
			return s.pop(0), nil
		}
	}
	return s.element(top.enc)
}

func (s *scanner) inSequence(top *frame) (token, error) {
	b := s.in.peek(8)
	if len(b) < 8 {
		return token{}, s.truncated()
	}
	if turned := (encoding{explicit: top.enc.explicit, big: !top.enc.big}); structural(tagAt(b, turned)) {
		s.problem(ProblemByteOrder)
		top.enc = turned
	}
	switch tagAt(b, top.enc) {
	case itemTag:
		t := token{kind: itemStart, tag: top.tag, offset: s.in.offset(), hlen: 8, enc: top.enc, length: undefined}
		copy(t.head[:], b)
		end := int64(undefined)
		if n := top.enc.order().Uint32(b[4:]); n != 0xFFFFFFFF {
			t.length = int64(n)
			end = t.offset + 8 + t.length
			s.checkEnclosed(end)
		}
		s.in.advance(8)
		index := top.item
		top.item++
		return t, s.push(frame{kind: itemStart, tag: top.tag, item: index, end: end, enc: top.enc})
	case sequenceDelimitation:
		if top.end == undefined {
			return s.pop(8), nil
		}
		return s.stray()
	case itemDelimitation:
		if n := len(s.stack); top.end == undefined && n > 1 && s.stack[n-2].end == undefined {
			s.problem(ProblemDelimiter) // of the item around, the sequence's own is missing
			return s.pop(0), nil
		}
		return s.stray()
	}
	if top.end != undefined { // the rest of the sequence is no items
		s.problem(ProblemDelimiter)
		s.left = top.end - s.in.offset()
		return token{kind: junk, tag: top.tag, offset: s.in.offset(), enc: top.enc, length: s.left}, nil
	}
	s.problem(ProblemDelimiter)
	return s.pop(0), nil
}

// structural reports whether t is an item or the end of a sequence. Philips wrote
// private sequences in the other byte order than the data set around them.
func structural(t Tag) bool { return t == itemTag || t == sequenceDelimitation }

// stray returns a delimiter that ends nothing as junk.
func (s *scanner) stray() (token, error) {
	s.problem(ProblemDelimiter)
	t := token{kind: junk, offset: s.in.offset(), hlen: 8}
	copy(t.head[:], s.in.peek(8))
	s.in.advance(8)
	return t, nil
}

func (s *scanner) inFragments(top *frame) (token, error) {
	b := s.in.peek(8)
	if len(b) < 8 {
		return token{}, s.truncated()
	}
	switch tagAt(b, top.enc) {
	case itemTag:
		t := token{kind: fragment, tag: top.tag, offset: s.in.offset(), hlen: 8, enc: top.enc}
		copy(t.head[:], b)
		t.length = int64(top.enc.order().Uint32(b[4:]))
		if t.length == 0xFFFFFFFF {
			return token{}, s.malformed("a fragment of pixel data has undefined length")
		}
		s.in.advance(8)
		s.left = t.length
		top.item++
		return t, nil
	case sequenceDelimitation:
		return s.pop(8), nil
	}
	s.problem(ProblemDelimiter)
	return s.pop(0), nil
}

// element reads the header of one element and opens a frame where it has parts.
func (s *scanner) element(enc encoding) (token, error) {
	h, err := s.header(enc)
	if err != nil {
		return token{}, err
	}
	s.elements++
	if s.elements > s.opts.MaxElements {
		return token{}, s.fail("more elements than allowed", ErrLimit)
	}
	switch {
	case h.tag.Group() == 0xFFFE: // ends or begins nothing
		s.problem(ProblemDelimiter)
		h.kind = leaf
		if h.tag != itemTag || h.length == undefined {
			h.length = 0
		}
		s.left = h.length
	case h.length == undefined && h.fragmented():
		h.kind = fragmentsStart
		err = s.push(frame{kind: fragmentsStart, tag: h.tag, end: undefined, enc: enc})
	case h.length == undefined, h.vr == SQ && s.itemsAhead(h):
		inner := enc
		if h.vr == UN {
			inner = implicitLE // PS3.5 §6.2.2 note 4
		}
		end := int64(undefined)
		if h.length != undefined {
			end = h.offset + int64(h.hlen) + h.length
		}
		h.kind = sequenceStart
		err = s.push(frame{kind: sequenceStart, tag: h.tag, end: end, enc: inner})
	default:
		s.left = h.length
		if h.length&1 == 1 {
			s.problem(ProblemOddLength)
		}
	}
	if err == nil && h.length > 0 {
		s.checkEnclosed(h.offset + int64(h.hlen) + h.length)
	}
	return h, err
}

// fragmented reports whether t, of undefined length, holds fragments, not items.
// Only pixel data do where no VR is written, whatever the dictionary says.
func (t *token) fragmented() bool {
	if t.tag.IsPixelData() {
		return true
	}
	return t.enc.explicit && t.hlen == 12 && t.vr != SQ && t.vr != UN
}

// itemsAhead reports whether a sequence of defined length really has items;
// else its value is opaque.
func (s *scanner) itemsAhead(h token) bool {
	if h.length == 0 {
		return true
	}
	b := s.in.peek(4)
	if len(b) < 4 {
		return true
	}
	turned := encoding{big: !h.enc.big}
	if structural(tagAt(b, h.enc)) || structural(tagAt(b, turned)) {
		return true
	}
	s.problem(ProblemDelimiter)
	return false
}

func (s *scanner) push(f frame) error {
	if len(s.stack) >= 2*s.opts.MaxDepth {
		return s.fail("sequences are nested deeper than allowed", ErrLimit)
	}
	f.limit = f.end
	if n := len(s.stack); f.end == undefined && n > 0 {
		f.limit = s.stack[n-1].limit
	}
	s.stack = append(s.stack, f)
	return nil
}

// checkEnclosed notes a length that reaches beyond the item around it. The inner
// length is believed: the outer one is more often the wrong one.
func (s *scanner) checkEnclosed(end int64) {
	for i := len(s.stack) - 1; i >= 0; i-- {
		f := s.stack[i]
		if f.end != undefined && f.end < end && f.end != s.in.offset() {
			s.problem(ProblemLength)
			return
		}
	}
}

// path returns where the scanner stands.
func (s *scanner) path() Path {
	var p Path
	for _, f := range s.stack {
		switch f.kind {
		case itemStart:
			p[len(p)-1].Item = f.item
		default:
			p = append(p, Step{Tag: f.tag, Item: -1})
		}
	}
	return p
}

func (s *scanner) problem(code ProblemCode) { s.problems.add(code, s.in.offset(), s.path) }

func (s *scanner) truncated() error {
	err := s.in.failure()
	var corrupt flate.CorruptInputError
	if errors.As(err, &corrupt) {
		return s.malformed("the deflated data set is corrupt")
	}
	if err != nil {
		return &ParseError{Offset: s.in.offset(), Path: s.path(), Reason: "the source cannot be read", Err: err}
	}
	return s.fail(ErrTruncated.Error(), ErrTruncated)
}

func (s *scanner) malformed(reason string) error { return s.fail(reason, ErrMalformed) }

func (s *scanner) fail(reason string, err error) error {
	return &ParseError{Offset: s.in.offset(), Path: s.path(), Reason: reason, Err: err}
}

// problems collects what a lenient reader went on after, one entry per code.
type problems struct {
	list []Problem
}

func (p *problems) add(code ProblemCode, offset int64, path func() Path) {
	for i := range p.list {
		if p.list[i].Code == code {
			p.list[i].Count++
			return
		}
	}
	var at Path
	if path != nil {
		at = path()
	}
	p.list = append(p.list, Problem{Code: code, Offset: offset, Path: at, Count: 1})
}

// isTruncated reports whether err, of the scanner, means that nothing after it
// can be read, but everything before it counts.
func isTruncated(err error) bool {
	return errors.Is(err, ErrTruncated) || errors.Is(err, ErrMalformed)
}
