package dicom

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"lotse/dicom/charset"
)

// WriteJSON writes what is left of an object as one DICOM JSON Model object
// (PS3.18 Annex F) in UTF-8, value by value: bulk data are InlineBinary in Little
// Endian, whatever their size; encapsulated ones are the fragments with their
// headers. Group lengths and file meta information are left out, of elements
// that come twice the first one counts.
//
// Of a truncated object everything complete is written, a truncated value is left
// out (its beginning is there when the size of the source is unknown), and
// Reader.Truncated tells. Errors of the source are *ParseError, others are w's.
func WriteJSON(w io.Writer, r *Reader) error {
	j := &jsonWriter{w: bufio.NewWriterSize(w, 32<<10), s: &r.scanner, pixels: r.syntax, first: true}
	j.put("{")
	err := (&walk{r: r, v: j}).run()
	j.put("}")
	if flushed := j.w.Flush(); err == nil {
		err = flushed
	}
	return err
}

// WriteJSON writes d as a DICOM JSON Model object (see the function WriteJSON).
// Values that were left in the source are an error.
func (d *Dataset) WriteJSON(w io.Writer) error {
	j := &jsonWriter{w: bufio.NewWriter(w), first: true}
	j.put("{")
	if err := j.dataset(d, &level{set: d.Charset()}); err != nil {
		return err
	}
	j.put("}")
	return j.w.Flush()
}

// jsonWriter is the visitor that writes JSON. Errors of w stay with the bufio
// writer and are asked for where much is written.
type jsonWriter struct {
	w       *bufio.Writer
	s       *scanner
	pixels  Syntax
	scratch []byte
	first   bool  // nothing is in the innermost object or array
	items   []int // of the open sequences
}

func (j *jsonWriter) put(s string) { _, _ = j.w.WriteString(s) }

func (j *jsonWriter) flush(b []byte) error {
	_, err := j.w.Write(b)
	j.scratch = b[:0]
	return err
}

// comma parts the members of an object or array.
func (j *jsonWriter) comma() {
	if !j.first {
		j.put(",")
	}
	j.first = false
}

// key begins the member for an attribute.
func (j *jsonWriter) key(t Tag, vr VR) {
	j.comma()
	b := appendTag(append(j.scratch[:0], '"'), t)
	b = append(b, `":{"vr":"`...)
	_ = j.flush(append(b, byte(vr>>8), byte(vr), '"'))
}

func appendTag(b []byte, t Tag) []byte {
	const digits = "0123456789ABCDEF"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[t>>shift&15])
	}
	return b
}

func (j *jsonWriter) begin(_ *level, h token) error {
	j.key(h.tag, SQ)
	j.items = append(j.items, 0)
	return nil
}

func (j *jsonWriter) end() error {
	n := len(j.items) - 1
	if j.items[n] > 0 {
		j.put("]")
	}
	j.put("}")
	j.items = j.items[:n]
	j.first = false
	return nil
}

func (j *jsonWriter) item(int) error {
	n := len(j.items) - 1
	if j.items[n] == 0 {
		j.put(`,"Value":[`)
		j.first = true
	}
	j.items[n]++
	j.comma()
	j.put("{")
	j.first = true
	return nil
}

func (j *jsonWriter) itemEnd() error {
	j.put("}")
	j.first = false
	_, err := j.w.Write(nil)
	return err
}

func (j *jsonWriter) leaf(l *level, h token) error {
	vr := l.valueVR(h.tag, h.vr, h.enc.explicit)
	if vr.Characters() {
		b, err := j.s.whole(h.length)
		if err != nil {
			return err
		}
		j.key(h.tag, vr)
		j.text(vr, decodeTexts(l.set, vr, b))
		j.put("}")
		return nil
	}
	j.key(h.tag, vr)
	enc := h.enc
	enc.big = enc.big || j.pixels.BigEndianPixels && h.tag.IsPixelData()
	err := j.binary(vr, enc, h.length, func(f func([]byte) error) error { return j.s.eachChunk(h.length, f) })
	j.put("}")
	return err
}

// fragments writes encapsulated data; a fragment that is cut off is left out.
func (j *jsonWriter) fragments(_ *level, h token) error {
	j.key(h.tag, fragmentsVR(h.vr))
	coder := base64.NewEncoder(base64.StdEncoding, j.w)
	some := false
	for {
		t, err := j.s.next()
		if err == nil && t.kind != fragmentsEnd {
			if !some {
				j.put(`,"InlineBinary":"`)
				some = true
			}
			err = j.fragment(coder, t)
		}
		if err == nil && t.kind != fragmentsEnd {
			continue
		}
		_ = coder.Close()
		if some {
			j.put(`"`)
		}
		j.put("}")
		return err
	}
}

func (j *jsonWriter) fragment(coder io.Writer, t token) error {
	if t.length > j.s.in.remaining() {
		return j.s.truncated()
	}
	if _, err := coder.Write(t.head[:t.hlen]); err != nil {
		return err
	}
	return j.s.eachChunk(t.length, func(b []byte) error { _, err := coder.Write(b); return err })
}

// fragmentsVR is the VR fragments are shown with: they are bytes.
func fragmentsVR(vr VR) VR {
	if vr != OW {
		return OB
	}
	return vr
}

// valueVR is the VR a value is shown with: what Implicit VR left open is decided,
// what the standard does not know is UN.
func (l *level) valueVR(t Tag, vr VR, explicit bool) VR {
	switch {
	case !vr.Known(), vr == SQ: // a sequence without items is opaque
		return UN
	case vr == US && !explicit && l.signed && usOrSS(t):
		return SS
	}
	return vr
}

// dataset writes the elements of d, which is in memory.
func (j *jsonWriter) dataset(d *Dataset, l *level) error {
	for i := range d.elems {
		e := &d.elems[i]
		if e.Tag.Group() == 0xFFFE || e.Tag.GroupLength() || l.tags.add(e.Tag) {
			continue
		}
		switch e.Tag {
		case SpecificCharacterSet:
			l.set, _ = charset.Parse(d.rawStrings(e))
		case pixelRepresentation:
			n, _ := d.Int(e.Tag)
			l.signed = n == 1
		}
		if err := j.element(d, e, l); err != nil {
			return err
		}
	}
	return nil
}

func (j *jsonWriter) element(d *Dataset, e *Element, l *level) error {
	if e.Large() {
		return fmt.Errorf("dicom: the value of %s was left in its source", e.Tag)
	}
	if e.IsSequence() {
		if err := j.begin(l, token{tag: e.Tag}); err != nil {
			return err
		}
		for i, item := range e.parts(d) {
			if err := errors.Join(j.item(i), j.dataset(item, &level{set: l.set, signed: l.signed}), j.itemEnd()); err != nil {
				return err
			}
		}
		return j.end()
	}
	value := e.Bytes()
	vr := l.valueVR(e.Tag, e.VR, e.enc.explicit)
	if e.form == encapsulated {
		vr = fragmentsVR(e.VR)
	}
	set := l.set
	if e.utf8 {
		set = utf8Set()
	}
	j.key(e.Tag, vr)
	defer j.put("}")
	if vr.Characters() && e.form == plain {
		j.text(vr, decodeTexts(set, vr, value))
		return nil
	}
	return j.binary(vr, e.enc, int64(len(value)), func(f func([]byte) error) error { return f(value) })
}
