package dicom

import (
	"errors"
	"io"

	"lotse/dicom/dict"
)

// Reader goes through one Part 10 object, or a bare data set, front to back.
// It is reused for the next object by Reset. Not safe for concurrent use.
type Reader struct {
	opts    ReadOptions
	file    input // the source
	data    input // the inflated data set, when deflated
	packed  *recorder
	scanner scanner
	syntax  Syntax
	meta    *Dataset
	metaRaw []byte
	headRaw []byte

	metaIntact bool // preamble and file meta information are as they should be

	dataStart int64
	last      Tag // of the element gone past last
	head      []Element
	cut       int64 // offset from where on the bytes are no elements; -1 when none
	headCut   int64 // cut as Head found it
	truncated bool
	problems  problems
}

// NewReader reads the beginning of a Part 10 object, or of a data set without
// file meta information, and finds its transfer syntax. size is the length of
// the source in bytes, -1 when unknown. A source that is an io.Seeker with a
// known size is not read where values are skipped. Errors are *ParseError.
func NewReader(src io.Reader, size int64, opts ReadOptions) (*Reader, error) {
	r := &Reader{}
	return r, r.Reset(src, size, opts)
}

// Reset makes r read another object, reusing its memory. Data sets that Head
// returned before are no longer valid.
func (r *Reader) Reset(src io.Reader, size int64, opts ReadOptions) error {
	*r = Reader{opts: opts.withDefaults(), file: r.file, data: r.data, head: r.head[:0],
		metaRaw: r.metaRaw[:0], headRaw: r.headRaw[:0], scanner: scanner{stack: r.scanner.stack[:0]}, cut: -1, headCut: -1}
	r.file.reset(src, size)
	if err := r.start(); err != nil {
		return err
	}
	return r.strict()
}

// Syntax returns the transfer syntax the data set really has.
func (r *Reader) Syntax() Syntax { return r.syntax }

// Meta returns the file meta information, nil when there is none.
func (r *Reader) Meta() *Dataset { return r.meta }

// Problems returns what a strict reader would have refused, so far.
func (r *Reader) Problems() []Problem { return r.problems.list }

// Truncated reports whether the source was found to end inside an element.
func (r *Reader) Truncated() bool { return r.truncated }

// Cut returns the offset from which on the source holds no more elements
// (trailing bytes, or the element it was cut off in), -1 when all is well.
func (r *Reader) Cut() int64 { return max(r.cut, r.headCut) }

func (r *Reader) note(code ProblemCode) { r.problems.add(code, r.file.offset(), nil) }

func (r *Reader) strict() error {
	if !r.opts.Strict || len(r.problems.list) == 0 {
		return nil
	}
	p := r.problems.list[0]
	return &ParseError{Offset: p.Offset, Path: p.Path, Reason: string(p.Code), Err: ErrMalformed}
}

// errLarge: an element exceeds the threshold.
var errLarge = errors.New("larger than the threshold")

// Head reads the elements up to the pixel data, or up to the first value above
// the threshold, into memory. complete reports that nothing but pixel data of
// known extent follows: the whole data set is known then. The data set is valid
// until the next Reset, and Rewrite may follow.
func (r *Reader) Head() (head *Dataset, complete bool, err error) {
	in := r.scanner.in
	in.retain()
	defer in.release()
	elems := r.head[:0]
	for {
		start := in.offset()
		e, more, err := r.small()
		if errors.Is(err, errLarge) || err == nil && !more {
			complete = r.cut < 0 && (err == nil || r.restIsPixelData(start))
			break
		}
		if err != nil {
			return nil, false, err
		}
		e.offset, e.length = start-r.dataStart, in.offset()-start
		elems = append(elems, e)
		if start-r.dataStart > r.opts.MaxHeader {
			return nil, false, r.scanner.fail("the header is larger than allowed", ErrLimit)
		}
	}
	r.headRaw = append(r.headRaw[:0], in.kept()...)
	slice(elems, r.headRaw)
	in.rewind(r.dataStart)
	r.scanner.left, r.scanner.stack, r.last = 0, r.scanner.stack[:0], 0
	r.cut, r.headCut = -1, r.cut
	r.head = elems
	return &Dataset{elems: elems, enc: r.syntax.encoding(), opts: &r.opts, dirty: true}, complete, r.strict()
}

// small reads one element of the open item, or of the top level, that is not
// above the threshold; its bytes are the last ones of what the input retains.
// more is false at the end. With errLarge the input stands where it stood.
func (r *Reader) small() (e Element, more bool, err error) {
	s, in := &r.scanner, r.scanner.in
	depth := len(s.stack)
	if depth == 0 && r.atCut() {
		return Element{}, false, nil
	}
	start := in.offset()
	h, err := s.next()
	if errors.Is(err, io.EOF) || err == nil && h.kind == itemEnd {
		return Element{}, false, nil
	}
	back := func() { in.rewind(start); s.left = 0; s.stack = s.stack[:depth] }
	if err == nil && (h.tag.IsPixelData() || h.kind == leaf && h.length > r.opts.Threshold) {
		back()
		return Element{Tag: h.tag}, false, errLarge
	}
	e = Element{Tag: h.tag, VR: h.vr, enc: h.enc, hlen: uint8(h.hlen)}
	if err == nil {
		err = r.passSmall(h, &e, start, depth)
	}
	switch {
	case err == nil:
		if depth == 0 {
			r.order(h.tag)
		}
		return e, true, nil
	case errors.Is(err, errLarge):
		back()
		return e, false, err
	case isTruncated(err) && !r.opts.Strict && depth == 0:
		r.truncate(start)
		if h.kind == sequenceStart { // what is complete of it counts
			s.left, s.stack = 0, s.stack[:0]
			e.form, e.cut = formOf(h), true
			return e, true, nil
		}
		back()
		return Element{}, false, nil
	}
	return Element{}, false, err
}

// passSmall is pass, given up as soon as the threshold is exceeded.
func (r *Reader) passSmall(h token, e *Element, start int64, depth int) error {
	if h.kind == leaf {
		return pass(&r.scanner, h, e)
	}
	s := &r.scanner
	for len(s.stack) > depth {
		if _, err := s.next(); err != nil {
			return err
		}
		if s.in.offset()-start+s.left > r.opts.Threshold {
			return errLarge
		}
	}
	e.form = formOf(h)
	return nil
}

func formOf(h token) form {
	switch {
	case h.kind == fragmentsStart:
		return encapsulated
	case h.kind == sequenceStart && h.length == undefined:
		return openSequence
	case h.kind == sequenceStart:
		return sequence
	}
	return plain
}

// atCut looks ahead at the top level and reports whether what follows is no
// element any more.
func (r *Reader) atCut() bool {
	in := r.scanner.in
	if r.cut >= 0 {
		return in.offset() >= r.cut
	}
	b := in.peek(12)
	if len(b) == 0 || !trailing(b, r.syntax.encoding(), r.last, in.remaining()) {
		return false
	}
	r.cut = in.offset()
	if r.headCut < 0 {
		r.problems.add(ProblemTrailing, r.cut, nil)
	}
	return true
}

// trailing reports whether b, at the top level after the element last, cannot be
// the header of an element.
func trailing(b []byte, enc encoding, last Tag, remaining int64) bool {
	if len(b) < 8 {
		return last != 0
	}
	t := tagAt(b, enc)
	length := int64(enc.order().Uint32(b[4:]))
	switch {
	case t == 0: // the command set of a message, or zeros
		return last != 0 || length != 4 && vrAt(b) != UL
	case t == 0xFFFFFFFF:
		return true
	case last == 0 || t.Group() == 0xFFFE:
		return false
	}
	_, known := dict.Lookup(uint32(t))
	known = known || t.Private()
	fits := length <= remaining-8 || length == 0xFFFFFFFF
	switch vr := vrAt(b); {
	case !enc.explicit:
		return !known && !fits || t <= last && (!known || !fits)
	case vr.Known():
		return false
	case vr.letters():
		return !known && t < last
	}
	return !known || !fits || t < last
}

func (r *Reader) truncate(at int64) {
	r.cut = at
	if !r.truncated {
		r.problems.add(ProblemTruncated, at, nil)
	}
	r.truncated = true
}

func (r *Reader) order(t Tag) {
	if t < r.last {
		r.problems.add(ProblemOrder, r.scanner.in.offset(), nil)
	}
	r.last = t
}

// restIsPixelData reports whether the element at start, where the input stands,
// is pixel data of defined length that reaches exactly to the end of the source.
func (r *Reader) restIsPixelData(start int64) bool {
	in := r.scanner.in
	if in.size < 0 || in.failure() != nil {
		return false
	}
	h, err := r.scanner.next()
	ok := err == nil && h.kind == leaf && h.tag.IsPixelData() && start+int64(h.hlen)+h.length == in.size
	in.rewind(start)
	r.scanner.left, r.scanner.stack = 0, r.scanner.stack[:0]
	return ok
}
