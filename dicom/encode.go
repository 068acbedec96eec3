package dicom

import (
	"fmt"
	"math"

	"lotse/dicom/charset"
)

// encoder writes elements in one encoding and character set. What is unchanged
// and already so encoded is copied raw.
type encoder struct {
	enc    encoding
	set    charset.Set
	signed bool // Pixel Representation (0028,0103) is 1: "US or SS" means SS
}

// dataset appends the elements of d.
func (w encoder) dataset(b []byte, d *Dataset) ([]byte, error) {
	var err error
	for i := range d.elems {
		e := &d.elems[i]
		if e.Tag == SpecificCharacterSet {
			w.set, _ = charset.Parse(d.rawStrings(e))
		}
		if b, err = w.element(b, d, e); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// element appends e, an element of d.
func (w encoder) element(b []byte, d *Dataset, e *Element) ([]byte, error) {
	if e.Large() {
		return nil, fmt.Errorf("dicom: the value of %s was left in its source", e.Tag)
	}
	if e.enc == w.enc && !e.changed() {
		return append(b, e.raw...), nil
	}
	if e.enc != w.enc && (e.Tag.GroupLength() || e.Tag.Group() == 0xFFFE) {
		return b, nil
	}
	switch {
	case e.IsSequence():
		return w.sequence(b, d, e)
	case e.form == encapsulated:
		if !w.enc.explicit {
			return nil, fmt.Errorf("dicom: encapsulated %s cannot be written in Implicit VR", e.Tag)
		}
		b = w.header(b, e.Tag, e.VR, undefined)
		return append(b, e.raw[e.hlen:]...), nil
	}
	return w.plain(b, e)
}

func (w encoder) plain(b []byte, e *Element) ([]byte, error) {
	value := e.Bytes()
	vr := w.resolve(e)
	if e.utf8 {
		encoded, err := w.set.Encode(string(value))
		if err != nil {
			return nil, fmt.Errorf("dicom: %s: %w", e.Tag, err)
		}
		value = encoded
	}
	odd := len(value) & 1
	b = w.header(b, e.Tag, vr, int64(len(value)+odd))
	at := len(b)
	b = append(b, value...)
	if e.enc.big != w.enc.big {
		swap(b[at:], vr.unit())
	}
	if odd == 1 {
		b = append(b, vr.padding())
	}
	return b, nil
}

// resolve returns the VR to write: what Implicit VR left open is decided, and
// what is too long for a 16-bit length becomes UN (PS3.5 §6.2.2).
func (w encoder) resolve(e *Element) VR {
	vr := e.VR
	if vr == US && !e.made && !e.enc.explicit && w.signed && usOrSS(e.Tag) {
		vr = SS
	}
	if w.enc.explicit && !vr.longForm() && len(e.Bytes()) > math.MaxUint16 {
		vr = UN
	}
	return vr
}

func (w encoder) sequence(b []byte, d *Dataset, e *Element) ([]byte, error) {
	inner := w
	vr := SQ
	if e.VR == UN && e.raw != nil {
		vr, inner.enc = UN, implicitLE
	}
	b = w.header(b, e.Tag, vr, undefined)
	var err error
	for _, item := range e.parts(d) {
		if b, err = inner.item(b, item); err != nil {
			return nil, err
		}
	}
	return inner.delimiter(b, sequenceDelimitation), nil
}

func (w encoder) item(b []byte, item *Dataset) ([]byte, error) {
	if item.enc == w.enc && !item.changed() {
		return append(b, item.raw...), nil
	}
	b = w.header(b, itemTag, 0, undefined)
	b, err := w.dataset(b, item)
	if err != nil {
		return nil, err
	}
	return w.delimiter(b, itemDelimitation), nil
}

// header appends the header of an element, or of an item when vr is 0.
func (w encoder) header(b []byte, t Tag, vr VR, length int64) []byte {
	o := w.enc.order()
	n := uint32(0xFFFFFFFF)
	if length != undefined {
		n = uint32(length)
	}
	b = append(b, 0, 0, 0, 0)
	o.PutUint16(b[len(b)-4:], t.Group())
	o.PutUint16(b[len(b)-2:], t.Element())
	if vr != 0 && w.enc.explicit {
		b = append(b, byte(vr>>8), byte(vr), 0, 0)
		if !vr.longForm() {
			o.PutUint16(b[len(b)-2:], uint16(n))
			return b
		}
	}
	b = append(b, 0, 0, 0, 0)
	o.PutUint32(b[len(b)-4:], n)
	return b
}

func (w encoder) delimiter(b []byte, t Tag) []byte { return w.header(b, t, 0, 0) }

// swap reverses the bytes of each unit of b.
func swap(b []byte, unit int) {
	if unit < 2 {
		return
	}
	for ; len(b) >= unit; b = b[unit:] {
		for i, j := 0, unit-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
}

// Encode returns d in the given transfer syntax, which must not be a compressed
// or deflated one. Values left in a source are an error.
func (d *Dataset) Encode(syntax string) ([]byte, error) {
	s, known := SyntaxOf(syntax)
	if !known || s.Deflated {
		return nil, fmt.Errorf("dicom: cannot encode in transfer syntax %s", syntax)
	}
	return encoder{enc: s.encoding(), set: d.Charset()}.dataset(nil, d)
}
