package dicom

// Element is one data element: a tag, a VR and a value. Elements that were read
// keep their bytes; elements made here hold a value in Little Endian, text in
// UTF-8, until they are put into a data set.
type Element struct {
	Tag Tag
	VR  VR // as written; from the dictionary in Implicit VR

	raw   []byte     // header, value and delimiter as read; nil when made here or large
	value []byte     // of an element made here
	items []*Dataset // of a sequence, once asked for or made here
	enc   encoding   // of raw and value
	hlen  uint8      // length of the header in raw
	form  form
	made  bool // raw is no longer what shall be written
	utf8  bool // value is text in UTF-8, whatever the data set declares
	cut   bool // raw ends too early: what is complete of the sequence counts

	offset int64 // of a large value in its source (of the inflated data set)
	length int64
}

// form is how the value of an element is built.
type form uint8

const (
	plain             form = iota
	sequence               // items; undefined length when open
	openSequence           // items with a sequence delimiter
	encapsulated           // fragments
	largeValue             // plain, left in the source
	largeSequence          // items, left in the source
	largeEncapsulated      // fragments, left in the source
)

// IsSequence reports whether e has items.
func (e *Element) IsSequence() bool {
	return e.form == sequence || e.form == openSequence || e.form == largeSequence
}

// Large reports whether the value was left in the source; Bytes and Items then
// have nothing, and Location says where it is.
func (e *Element) Large() bool { return e.form >= largeValue }

// Location returns where the value of a large element is: its offset from the
// start of the source (of the inflated data set for a deflated one) and its
// length in bytes, delimiters included.
func (e *Element) Location() (offset, length int64) { return e.offset, e.length }

// Len returns the length of the value in bytes.
func (e *Element) Len() int64 {
	if e.Large() {
		return e.length
	}
	return int64(len(e.Bytes()))
}

// Bytes returns the value as it is encoded, padding included; the fragments with
// their headers for encapsulated data; nothing for large values. The slice must
// not be changed.
func (e *Element) Bytes() []byte {
	switch {
	case e.made || e.raw == nil:
		return e.value
	case e.form == openSequence, e.form == encapsulated:
		return trimDelimiter(e.raw[e.hlen:], e.innerEncoding())
	}
	return e.raw[e.hlen:]
}

func trimDelimiter(b []byte, enc encoding) []byte {
	if n := len(b) - 8; n >= 0 && tagAt(b[n:], enc) == sequenceDelimitation {
		return b[:n]
	}
	return b
}

// innerEncoding is the encoding of the items: UN hides Implicit VR Little Endian.
func (e *Element) innerEncoding() encoding {
	if e.VR == UN && e.form != encapsulated {
		return implicitLE
	}
	return e.enc
}

// changed reports whether e must be encoded anew.
func (e *Element) changed() bool {
	if e.made || e.cut || e.raw == nil && !e.Large() {
		return true
	}
	for _, item := range e.items {
		if item.changed() {
			return true
		}
	}
	return false
}

// parts returns the items of a sequence, parsing them at the first call.
func (e *Element) parts(parent *Dataset) []*Dataset {
	if e.items != nil || !e.IsSequence() || e.raw == nil {
		return e.items
	}
	var in input
	in.memory(e.raw, 0)
	in.r = int(e.hlen)
	top := frame{kind: sequenceStart, tag: e.Tag, end: undefined, enc: e.innerEncoding(), limit: undefined}
	if e.form == sequence {
		top.end = int64(len(e.raw))
		top.limit = top.end
	}
	s := scanner{in: &in, opts: parent.limits(), problems: &problems{}, stack: []frame{top}}
	e.items = []*Dataset{}
	for {
		t, err := s.next()
		if err != nil || t.kind == sequenceEnd && len(s.stack) == 0 {
			return e.items
		}
		if t.kind == itemStart {
			e.items = append(e.items, parent.readItem(&s, t, e.raw))
		}
	}
}

// readItem gathers the elements of the item that t began. Where raw ends too
// early, what is complete counts.
func (d *Dataset) readItem(s *scanner, t token, raw []byte) *Dataset {
	item := &Dataset{enc: t.enc, parent: d, opts: d.opts}
	depth := len(s.stack)
	for {
		start := s.in.offset()
		h, err := s.next()
		if err != nil {
			item.dirty = s.in.remaining() > 0
			break
		}
		if len(s.stack) < depth {
			break
		}
		e, err := gather(s, h, raw[start:])
		if err != nil {
			item.dirty = true
			e.cut = e.IsSequence()
		}
		if err == nil || e.cut {
			item.elems = append(item.elems, e)
		}
		if err != nil {
			break
		}
	}
	item.raw = raw[t.offset:s.in.offset()]
	return item
}

// gather goes past the element h began and returns it over raw, which starts at
// the header of h.
func gather(s *scanner, h token, raw []byte) (Element, error) {
	e := Element{Tag: h.tag, VR: h.vr, enc: h.enc, hlen: uint8(h.hlen)}
	err := pass(s, h, &e)
	e.raw = raw[:min(int64(len(raw)), s.in.offset()-h.offset)]
	return e, err
}

// pass moves the scanner beyond the element h began and notes its form in e.
func pass(s *scanner, h token, e *Element) error {
	switch h.kind {
	case sequenceStart:
		e.form = sequence
		if h.length == undefined {
			e.form = openSequence
		}
	case fragmentsStart:
		e.form = encapsulated
	default:
		return s.finish()
	}
	for depth := len(s.stack); len(s.stack) >= depth; {
		if _, err := s.next(); err != nil {
			return err
		}
	}
	return nil
}
