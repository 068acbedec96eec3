package dicom

import (
	"bytes"
	"errors"
)

// Visitor is told of every element with a value inside a sequence that Scan
// leaves in the source, with its path and the item around it (for its character
// set). The element, which may be Large itself, is valid during the call only.
type Visitor func(path Path, item *Dataset, e *Element)

// Scan goes through the whole object and returns its data set: values up to the
// threshold in memory, larger ones and all pixel data as references into the
// source. visit may be nil. Afterwards Truncated, Cut and Problems are final.
func (r *Reader) Scan(visit Visitor) (*Dataset, error) {
	d := &Dataset{enc: r.syntax.encoding(), opts: &r.opts, dirty: true}
	in := r.scanner.in
	for held := int64(0); ; {
		in.retain()
		e, more, err := r.small()
		switch {
		case err == nil && more:
			e.raw = bytes.Clone(in.kept())
			held += int64(len(e.raw))
		case errors.Is(err, errLarge):
			in.release()
			e, more, err = r.large(d, visit)
		}
		in.release()
		if err != nil {
			return nil, err
		}
		if !more {
			return d, r.strict()
		}
		if held > r.opts.MaxHeader {
			return nil, r.scanner.fail("the header is larger than allowed", ErrLimit)
		}
		d.elems = append(d.elems, e)
	}
}

// large goes past one element above the threshold.
func (r *Reader) large(d *Dataset, visit Visitor) (e Element, more bool, err error) {
	s := &r.scanner
	h, err := s.next()
	if err != nil {
		return Element{}, false, err
	}
	e = Element{Tag: h.tag, VR: h.vr, enc: h.enc, hlen: uint8(h.hlen), offset: h.offset + int64(h.hlen)}
	switch h.kind {
	case sequenceStart:
		e.form = largeSequence
		err = r.visitItems(d, h.tag, visit)
	case fragmentsStart:
		e.form = largeEncapsulated
		err = pass(s, h, &Element{})
	default:
		e.form = largeValue
		err = pass(s, h, &Element{})
	}
	e.length = s.in.offset() - e.offset
	if isTruncated(err) && !r.opts.Strict {
		r.truncate(h.offset)
		s.left, s.stack = 0, s.stack[:0]
		e.cut = true
		return e, e.form == largeSequence, nil // what is complete of it counts
	}
	r.order(h.tag)
	return e, err == nil, err
}

// visitItems walks a large sequence, showing visit every small leaf in it.
func (r *Reader) visitItems(d *Dataset, t Tag, visit Visitor) error {
	s := &r.scanner
	levels := []*Dataset{d}
	for len(s.stack) > 0 {
		path := s.path
		h, err := s.next()
		if err != nil {
			return err
		}
		switch h.kind {
		case itemStart:
			levels = append(levels, &Dataset{enc: h.enc, parent: levels[len(levels)-1], opts: d.opts, dirty: true})
		case itemEnd:
			levels = levels[:len(levels)-1]
		case leaf:
			if visit == nil || h.length == 0 || h.tag.Group() == 0xFFFE {
				continue
			}
			item := levels[len(levels)-1]
			e := Element{Tag: h.tag, VR: h.vr, enc: h.enc, made: true}
			if h.length > r.opts.Threshold {
				e.form, e.offset, e.length = largeValue, h.offset+int64(h.hlen), h.length
			} else if e.value = s.in.peek(int(h.length)); int64(len(e.value)) < h.length {
				return s.truncated()
			}
			if h.tag == SpecificCharacterSet && !e.Large() {
				kept := e
				kept.value = bytes.Clone(e.value)
				item.put(kept)
			}
			visit(path().within(h.tag), item, &e)
		}
	}
	return nil
}

// within extends p, which ends in an item, by an attribute.
func (p Path) within(t Tag) Path { return append(p, Step{Tag: t, Item: -1}) }
