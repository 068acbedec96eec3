package adjust

import (
	"bytes"
	"errors"
	"slices"
	"unicode/utf8"

	"lotse/dicom"
	"lotse/dicom/charset"
)

// visitLimit bounds the text that a Visit remembers, in bytes.
const visitLimit = 32 << 20

// errVisitLimit: a sequence left in the source has more text to convert than a
// Visit remembers.
var errVisitLimit = errors.New("adjust: too much text in large sequences to convert its character set")

// Visit gathers what dicom.Reader.Scan meets inside sequences that it leaves in
// the source, as far as edits may be needed there. One Visit is for one object.
type Visit struct {
	p          *Planner
	accessions []nested
	texts      []readings
	lost       []dicom.Path // text that cannot be converted
	held       int
	overflow   bool
	judged     judgement
	started    bool
	// shadow holds of each large sequence only what was recorded.
	shadow *dicom.Dataset
}

// nested is an element inside a large sequence.
type nested struct {
	path dicom.Path
	text string // of an accession number
}

// readings are the edits that make a text independent of its character set, as it
// is declared and as UTF-8.
type readings struct{ declared, unicode dicom.Edit }

// Visit returns a visitor for one scan: pass See to dicom.Reader.Scan, and the
// Visit to PlanScanned.
func (p *Planner) Visit() *Visit { return &Visit{p: p, shadow: dicom.New()} }

// See is a dicom.Visitor.
func (v *Visit) See(path dicom.Path, item *dicom.Dataset, e *dicom.Element) {
	top := path[0].Tag
	if v.p.wide {
		v.seeText(path, item, e)
	}
	if e.Large() {
		return
	}
	if !v.p.ordered || traced(top) || slices.ContainsFunc(path, func(s dicom.Step) bool { return s.Tag == tagOriginal }) {
		return
	}
	if e.Tag == tagAccession {
		if text := first(item.StringsOf(e)); text != "" {
			path = slices.Clone(path)
			v.accessions = append(v.accessions, nested{path: path, text: text})
			graft(v.shadow, path, kept(e))
		}
		return
	}
	if e.VR.Characters() && slices.Contains(orderReferences(), top) && v.hold(e) {
		graft(v.shadow, slices.Clone(path), kept(e))
	}
}

// seeText remembers text beyond ASCII, as it reads in the declared character set
// and, where that is ISO_IR 100, in UTF-8, which it may really be.
func (v *Visit) seeText(path dicom.Path, item *dicom.Dataset, e *dicom.Element) {
	if !e.Large() && ascii(e.Bytes()) {
		return
	}
	set := item.Charset()
	edit, ok := dicom.TranscodeEdit(path, item, e, set)
	if !ok {
		if opaque(e) {
			v.lost = append(v.lost, slices.Clone(path))
		}
		return
	}
	if !v.started {
		v.started, v.judged = true, judgement{set: set, valid: true, utf8: true}
	}
	v.judged.element(e)
	if !v.hold(e) {
		v.overflow = true
		return
	}
	both := readings{declared: edit, unicode: edit}
	if isLatin1(set) && utf8.Valid(e.Bytes()) {
		unicode, _ := charset.Parse([]string{utf8Term})
		both.unicode, _ = dicom.TranscodeEdit(path, item, e, unicode)
	}
	v.texts = append(v.texts, both)
}

// opaque reports what may be text, but cannot be converted: left in the source, or
// without a VR.
func opaque(e *dicom.Element) bool {
	if _, text := e.VR.Text(); e.Large() {
		return text
	}
	return e.VR == dicom.UN && !bytes.ContainsFunc(bytes.TrimRight(e.Bytes(), "\x00 "), func(r rune) bool { return r < 0x20 })
}

// transcode returns the edits of the remembered text for an object whose text is
// in from, and what cannot be converted.
func (v *Visit) transcode(from charset.Set) ([]dicom.Edit, []dicom.Path, error) {
	if v.overflow {
		return nil, nil, errVisitLimit
	}
	edits := make([]dicom.Edit, len(v.texts))
	for i, t := range v.texts {
		edits[i] = t.declared
		if from.IsUTF8() {
			edits[i] = t.unicode
		}
	}
	return edits, v.lost, nil
}

// hold reports whether e may be remembered, too.
func (v *Visit) hold(e *dicom.Element) bool {
	v.held += int(e.Len()) + 64
	return v.held <= visitLimit
}

// kept is a copy of an element that is valid during a call only.
func kept(e *dicom.Element) dicom.Element {
	return dicom.NewBytes(e.Tag, e.VR, bytes.Clone(e.Bytes()))
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// graft puts e into ds where path says, making the items on the way.
func graft(ds *dicom.Dataset, path dicom.Path, e dicom.Element) {
	step := path[0]
	if len(path) == 1 {
		ds.Put(e)
		return
	}
	items := ds.Items(step.Tag)
	for len(items) <= step.Item {
		items = append(items, dicom.New())
	}
	ds.Put(dicom.NewSequence(step.Tag, items...))
	graft(items[step.Item], path[1:], e)
}

// remnant is what is known of a large attribute's value: of a sequence the
// recorded elements, in their items; nothing of others.
func (v *Visit) remnant(old *dicom.Element) dicom.Element {
	if v != nil {
		if e := v.shadow.Get(old.Tag); e != nil {
			return *e
		}
	}
	return emptied(old.Tag)
}
