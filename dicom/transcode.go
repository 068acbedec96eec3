package dicom

import (
	"bytes"

	"lotse/dicom/charset"
)

// TranscodeEdits returns the edits that move the text of d from one character set
// to another: a Put for every text that is not the same bytes in both, in items
// too, and the Put of (0008,0005) with the value to (such as "ISO_IR 192"). from
// is how the text is to be understood, usually d.Charset(). Items that declare
// their own character set keep it and their bytes (PS3.5 §7.5.3).
//
// unconverted are the elements whose text stays behind: what looks like text in
// an element of unknown VR, text that was left in the source, and text that to
// cannot hold. The elements of sequences left in the source are not among either;
// see TranscodeEdit.
func (d *Dataset) TranscodeEdits(from charset.Set, to string) (edits []Edit, unconverted []Path) {
	target, _ := charset.Parse([]string{to})
	t := transcoder{from: from, target: target}
	t.dataset(nil, d)
	declared, _ := PutText(SpecificCharacterSet, to)
	return append([]Edit{declared}, t.edits...), t.unconverted
}

// TranscodeEdit returns the edit that makes the text of e, at path, independent
// of the character set from it is in; false when e needs none, has no text, or
// item, the item around it, declares a character set of its own. A Visitor of
// Scan calls it for what TranscodeEdits does not see.
func TranscodeEdit(path Path, item *Dataset, e *Element, from charset.Set) (Edit, bool) {
	for ds := item; ds != nil && ds.parent != nil; ds = ds.parent {
		if ds.Has(SpecificCharacterSet) {
			return Edit{}, false
		}
	}
	vr := e.textVR()
	kind, ok := vr.Text()
	if !ok || e.form != plain || e.utf8 {
		return Edit{}, false
	}
	raw := e.Bytes()
	text, _ := from.Decode(kind, raw)
	if text == string(raw) && plainASCII(raw) {
		return Edit{}, false
	}
	put := Element{Tag: e.Tag, VR: vr, enc: explicitLE, made: true, utf8: true, value: []byte(text)}
	return Edit{Path: append(Path(nil), path...), Op: Put, Element: put}, true
}

// textVR is the VR of e; of a standard attribute written as UN, the dictionary's.
func (e *Element) textVR() VR {
	if e.VR == UN || !e.VR.Known() {
		return dictionaryVR(e.Tag)
	}
	return e.VR
}

func plainASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 || c == 0x1B {
			return false
		}
	}
	return true
}

type transcoder struct {
	from, target charset.Set
	edits        []Edit
	unconverted  []Path
}

func (t *transcoder) dataset(at Path, d *Dataset) {
	for i := range d.elems {
		t.element(at.below(d.elems[i].Tag), d, &d.elems[i])
	}
}

// below returns p, which ends in an item or is empty, extended by an attribute.
func (p Path) below(t Tag) Path { return p[:len(p):len(p)].within(t) }

func (t *transcoder) element(path Path, d *Dataset, e *Element) {
	if e.IsSequence() {
		for i, item := range e.parts(d) {
			if item.Has(SpecificCharacterSet) {
				continue
			}
			step := append(Path(nil), path...)
			step[len(step)-1].Item = i
			t.dataset(step, item)
		}
		return
	}
	_, text := e.textVR().Text()
	edit, ok := TranscodeEdit(path, d, e, t.from)
	switch {
	case ok && t.target.CanHold(string(edit.Element.value)):
		t.edits = append(t.edits, edit)
	case ok, text && e.Large(), !text && e.form == plain && e.textVR() == UN && t.resemblesText(e.Bytes()):
		t.unconverted = append(t.unconverted, path)
	}
}

// resemblesText reports whether b may well be text in from that would be read
// differently in another character set.
func (t *transcoder) resemblesText(b []byte) bool {
	b = bytes.TrimRight(b, "\x00 ")
	for _, c := range b {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1B || c == 0x7F {
			return false
		}
	}
	return !plainASCII(b) && (t.from.Valid(charset.Multi, b) || t.from.Valid(charset.Text, b))
}
