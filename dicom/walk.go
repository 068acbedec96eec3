package dicom

import (
	"errors"
	"io"
	"slices"

	"lotse/dicom/charset"
)

// visitor is shown a whole object piece by piece. Values are read from the input
// during leaf and fragments; what they leave is gone past.
type visitor interface {
	leaf(l *level, h token) error      // an element with a value
	fragments(l *level, h token) error // encapsulated data, up to and with its end
	begin(l *level, h token) error     // a sequence
	end() error
	item(index int) error
	itemEnd() error
}

// level is the top level or an open item, as far as its elements depend on it.
type level struct {
	set    charset.Set
	signed bool // Pixel Representation is 1
	tags   seen
	owners map[uint32]string // private creators by group and block
}

// seen tells elements that come a second time: the first one counts.
type seen struct {
	rising []Tag            // ascending, as they should come
	others map[Tag]struct{} // that came out of order
}

func (s *seen) add(t Tag) (again bool) {
	if n := len(s.rising); n == 0 || s.rising[n-1] < t {
		s.rising = append(s.rising, t)
		return false
	}
	if _, again = slices.BinarySearch(s.rising, t); again {
		return true
	}
	if _, again = s.others[t]; !again {
		if s.others == nil {
			s.others = map[Tag]struct{}{}
		}
		s.others[t] = struct{}{}
	}
	return again
}

// size is about how many bytes of memory s takes.
func (s *seen) size() int64 { return int64(4*len(s.rising) + 32*len(s.others)) }

// walk shows v everything that is left of the object. What the source ends in is
// left out, and everything open is closed; that is no error unless Strict.
type walk struct {
	r      *Reader
	v      visitor
	levels []*level
	held   int64 // bytes of tags remembered
}

func (w *walk) run() error {
	s := &w.r.scanner
	w.levels = []*level{{}}
	for at := int64(0); ; {
		err := s.finish()
		if err == nil && len(s.stack) == 0 && w.r.atCut() {
			return w.r.strict()
		}
		var h token
		if err == nil {
			at = s.in.offset()
			h, err = s.next()
		}
		if err == nil {
			at = h.offset
			err = w.token(h)
		}
		switch {
		case errors.Is(err, io.EOF):
			return w.r.strict()
		case isTruncated(err) && !w.r.opts.Strict:
			w.r.truncate(at)
			return w.close()
		case err != nil:
			return err
		}
	}
}

func (w *walk) top() *level { return w.levels[len(w.levels)-1] }

func (w *walk) token(h token) error {
	switch h.kind {
	case itemStart:
		top := w.top()
		w.levels = append(w.levels, &level{set: top.set, signed: top.signed})
		return w.v.item(w.r.scanner.stack[len(w.r.scanner.stack)-1].item)
	case itemEnd:
		w.pop()
		return w.v.itemEnd()
	case sequenceEnd:
		return w.v.end()
	case junk:
		return nil
	}
	return w.element(h)
}

func (w *walk) pop() {
	w.held -= w.top().tags.size()
	w.levels = w.levels[:len(w.levels)-1]
}

func (w *walk) element(h token) error {
	s, l := &w.r.scanner, w.top()
	if len(w.levels) == 1 {
		w.r.order(h.tag)
	}
	if h.tag.Group() == 0xFFFE || h.tag.GroupLength() {
		return w.skip(h)
	}
	w.held -= l.tags.size()
	again := l.tags.add(h.tag)
	if w.held += l.tags.size(); w.held > w.r.opts.MaxHeader {
		return s.fail("more elements than allowed", ErrLimit)
	}
	if again {
		return w.skip(h)
	}
	if h.kind == leaf && h.length > s.in.remaining() {
		return s.truncated()
	}
	switch h.kind {
	case sequenceStart:
		return w.v.begin(l, h)
	case fragmentsStart:
		return w.v.fragments(l, h)
	}
	if err := l.learn(s, h, w.r.opts.Threshold); err != nil {
		return err
	}
	return w.v.leaf(l, h)
}

// skip goes past an element that is not shown.
func (w *walk) skip(h token) error {
	s := &w.r.scanner
	depth := len(s.stack)
	if h.kind != leaf {
		depth--
	}
	err := pass(s, h, &Element{})
	if err != nil {
		s.stack = s.stack[:depth]
	}
	return err
}

// learn takes in what the meaning of later elements depends on.
func (l *level) learn(s *scanner, h token, limit int64) error {
	wanted := h.tag == SpecificCharacterSet || h.tag == pixelRepresentation || h.tag.PrivateCreator()
	if !wanted || h.length > limit {
		return nil
	}
	value := s.in.peek(int(h.length))
	if int64(len(value)) < h.length {
		return s.truncated()
	}
	switch {
	case h.tag == SpecificCharacterSet:
		l.set, _ = charset.Parse(splitTerms(value))
	case h.tag == pixelRepresentation && len(value) >= 2:
		l.signed = h.enc.order().Uint16(value) == 1
	case h.tag.PrivateCreator():
		if l.owners == nil {
			l.owners = map[uint32]string{}
		}
		text, _ := l.set.Decode(charset.Multi, value)
		l.owners[uint32(h.tag.Group())<<16|uint32(h.tag.Element())] = trimText(LO, text)
	}
	return nil
}

// owner returns the private creator of t, "" when nobody reserved its block.
func (l *level) owner(t Tag) string {
	return l.owners[uint32(t.Group())<<16|uint32(t.Element()>>8)]
}

// close ends everything that is open after the source was cut off.
func (w *walk) close() error {
	s := &w.r.scanner
	s.left = 0
	for len(s.stack) > 0 {
		t := s.pop(0)
		var err error
		switch t.kind {
		case itemEnd:
			err = w.v.itemEnd()
		case sequenceEnd:
			err = w.v.end()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eachChunk reads the value that is ahead, at most n bytes, in pieces whose
// length is a multiple of 24, the last one excepted.
func (s *scanner) eachChunk(n int64, f func([]byte) error) error {
	const size = 512 * 24
	s.left = 0
	for n > 0 {
		want := int(min(n, size))
		b := s.in.peek(want)
		if err := f(b); err != nil {
			return err
		}
		s.in.advance(len(b))
		if len(b) < want {
			return s.truncated()
		}
		n -= int64(want)
	}
	return nil
}

// whole returns the value that is ahead; it stays valid until the next read.
func (s *scanner) whole(n int64) ([]byte, error) {
	if n > s.opts.MaxHeader {
		return nil, s.fail("a text is longer than allowed", ErrLimit)
	}
	b := s.in.peek(int(n))
	if int64(len(b)) < n {
		return nil, s.truncated()
	}
	return b, nil
}
