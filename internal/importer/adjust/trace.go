package adjust

import (
	"fmt"

	"lotse/dicom"
	"lotse/internal/importer"
)

// Reasons for an attribute modification (PS3.3 §C.12.1.1.9).
const (
	reasonCoerce  = "COERCE"
	reasonCorrect = "CORRECT"
)

// trace appends the items that say what was changed, and by whom. Existing items
// stay.
func (w *work) trace() error {
	if w.keepID {
		if err := w.appendForeignID(); err != nil {
			return err
		}
	}
	for i := range w.old {
		if w.old[i].Tag == tagPatientID && w.head.Has(tagPatientIDIssuer) {
			w.record(tagPatientIDIssuer)
			break
		}
	}
	coerced, nonconforming, err := w.modified()
	if err != nil {
		return err
	}
	w.appendOriginal(reasonCoerce, coerced, nonconforming)
	if w.text.active && !w.text.proper {
		w.appendOriginal(w.declared())
	}
	w.edits = append(w.edits, dicom.Edit{Path: dicom.At(tagEquipment), Op: dicom.Append, Item: w.p.house.contribution()})
	return nil
}

// declared is what a correction of the character set replaces.
func (w *work) declared() (reason string, was *dicom.Dataset, nonconforming []*dicom.Dataset) {
	was = dicom.New()
	old := w.head.Get(tagCharset)
	switch {
	case old == nil:
		was.Put(emptied(tagCharset))
	case w.nonconforming(old):
		was.Put(emptied(tagCharset))
		nonconforming = append(nonconforming, nonconformingItem(old))
	default:
		was.Put(*old)
	}
	return reasonCorrect, was, nonconforming
}

func (w *work) appendOriginal(reason string, modified *dicom.Dataset, nonconforming []*dicom.Dataset) {
	item := dicom.New()
	item.Put(w.source())
	item.Put(w.p.house.stamp)
	item.Put(text(tagModifiedBy, w.p.house.system))
	item.Put(text(tagModifiedReason, reason))
	item.Put(dicom.NewSequence(tagModified, modified))
	if len(nonconforming) > 0 {
		item.Put(dicom.NewSequence(tagNonconforming, nonconforming...))
	}
	w.edits = append(w.edits, dicom.Edit{Path: dicom.At(tagOriginal), Op: dicom.Append, Item: item})
}

// source is the house the previous values come from, empty when the object does
// not say.
func (w *work) source() dicom.Element {
	e := w.head.Get(tagInstitution)
	if e == nil || e.Large() || e.IsSequence() || w.nonconforming(e) {
		return dicom.NewBytes(tagModifiedSource, dicom.LO, nil)
	}
	return w.carry(e, tagModifiedSource)
}

// modified is the item with the previous values, and the items for values that
// cannot stand in it. What was empty is there, empty; what was absent is not,
// unless the item would have nothing at all.
func (w *work) modified() (*dicom.Dataset, []*dicom.Dataset, error) {
	item := dicom.New()
	var nonconforming []*dicom.Dataset
	for i := range w.old {
		e := &w.old[i]
		if w.nonconforming(e) {
			item.Put(emptied(e.Tag))
			nonconforming = append(nonconforming, nonconformingItem(e))
			continue
		}
		w.creators(item, e)
		item.Put(*e)
	}
	for _, t := range w.added {
		if len(w.old) > 0 {
			break
		}
		item.Put(emptied(t))
	}
	if n := len(nonconforming); n > 0 {
		w.finding(importer.FindingNonconforming, importer.Info, n, "")
	}
	if w.text.active && !w.text.proper {
		if err := w.reencode(item); err != nil {
			return nil, nil, err
		}
	}
	return item, nonconforming, nil
}

// reencode brings previous values whose set was not declared into UTF-8.
func (w *work) reencode(item *dicom.Dataset) error {
	edits, _ := item.TranscodeEdits(w.text.from, utf8Term)
	kept := edits[:0]
	for _, e := range edits {
		if e.Path.Tag() != tagCharset {
			kept = append(kept, e)
		}
	}
	if _, err := item.Apply(kept...); err != nil {
		return fmt.Errorf("re-encode values of the object: %w", err)
	}
	return nil
}

// creators puts the private creator that e needs beside it (PS3.5 §7.8.1).
func (w *work) creators(item *dicom.Dataset, e *dicom.Element) {
	if !e.Tag.Private() || e.Tag.PrivateCreator() {
		return
	}
	if c := w.head.Get(dicom.NewTag(e.Tag.Group(), e.Tag.Element()>>8)); c != nil && !item.Has(c.Tag) {
		item.Put(*c)
	}
}

// nonconforming reports a value that breaks its VR or VM.
func (w *work) nonconforming(e *dicom.Element) bool {
	vr, vm := describe(e.Tag)
	switch {
	case e.IsSequence() || e.Large() || e.Len() == 0 || e.VR == dicom.UN || e.Tag.Private():
		return false
	case !e.VR.Known() || e.VR == dicom.SQ:
		return true
	case !e.VR.Characters():
		return vr != dicom.UN && vr != e.VR
	}
	return breaks(e.VR, vm, w.head.StringsOf(e)) != ""
}

// nonconformingItem holds the bytes of such a value, named by the Selector
// Attribute Macro (PS3.3 Table 10-20).
func nonconformingItem(e *dicom.Element) *dicom.Dataset {
	g, n := e.Tag.Group(), e.Tag.Element()
	item := dicom.New()
	item.Put(dicom.NewBytes(tagSelector, dicom.AT, []byte{byte(g), byte(g >> 8), byte(n), byte(n >> 8)}))
	item.Put(dicom.NewNumbers(tagSelectorValue, dicom.US, 1))
	item.Put(dicom.NewBytes(tagNonconformValue, dicom.OB, e.Bytes()))
	return item
}

// emptied is t without a value.
func emptied(t dicom.Tag) dicom.Element {
	vr, _ := describe(t)
	if vr == dicom.SQ {
		return dicom.NewSequence(t)
	}
	return dicom.NewBytes(t, vr, nil)
}
