package adjust

import (
	"lotse/dicom"
	"lotse/internal/importer"
)

// foreignID is the patient's ID where the object comes from.
type foreignID struct {
	issuer string
	own    bool // the object itself names the issuer
}

// keepForeignID decides whether the foreign ID goes among the Other Patient IDs:
// never without a known issuer, for archives take these items for identities; nor
// when it is the local ID or listed there already.
func (w *work) keepForeignID() {
	id := w.head.String(tagPatientID)
	own := w.head.String(tagPatientIDIssuer)
	issuer := w.p.decision.ForeignIssuer
	fromObject := issuer == "" || issuer == own
	if issuer == "" {
		issuer = own
	}
	if id == "" || issuer == "" || w.listed(id, issuer) {
		return
	}
	if id == w.p.patientID {
		adjusted := own == w.p.issuer && w.head.Has(tagPatientIDIssuer)
		if adjusted || issuer == w.p.issuer {
			return
		}
	}
	w.keepID, w.foreign = true, foreignID{issuer: issuer, own: fromObject}
	if !plain(issuer) && !fromObject {
		w.texts = append(w.texts, issuer)
	}
	l := named(tagOtherPatientIDs)
	listed := id + " (" + issuer + ")"
	if e := w.head.Get(tagOtherPatientIDs); e != nil {
		if before, _ := w.show(w.head, e); before != "" {
			listed = before + ", " + listed
		}
	}
	w.change(&l, w.head.Get(tagOtherPatientIDs), listed, importer.Valued)
}

// listed reports whether the Other Patient IDs have id of issuer.
func (w *work) listed(id, issuer string) bool {
	e := w.head.Get(tagOtherPatientIDs)
	if e == nil {
		return false
	}
	list := *e
	for _, item := range w.head.ItemsOf(&list) {
		if item.String(tagPatientID) == id && item.String(tagPatientIDIssuer) == issuer {
			return true
		}
	}
	return false
}

// appendForeignID makes the item of the Other Patient IDs.
func (w *work) appendForeignID() error {
	item := dicom.New()
	if id := w.head.Get(tagPatientID); id != nil {
		item.Put(w.carry(id, tagPatientID))
	}
	if own := w.head.Get(tagPatientIDIssuer); own != nil && w.foreign.own {
		item.Put(w.carry(own, tagPatientIDIssuer))
		if err := w.carryQualifiers(item); err != nil {
			return err
		}
	} else {
		item.Put(text(tagPatientIDIssuer, w.foreign.issuer))
	}
	item.Put(text(tagPatientIDType, "TEXT"))
	w.edits = append(w.edits, dicom.Edit{Path: dicom.At(tagOtherPatientIDs), Op: dicom.Append, Item: item})
	return nil
}

// carryQualifiers puts what else the object says of the foreign issuer beside it.
func (w *work) carryQualifiers(item *dicom.Dataset) error {
	e := w.head.Get(tagIssuerQualifiers)
	if e == nil || !e.IsSequence() || e.Large() || e.Len() == 0 {
		return nil
	}
	alone := dicom.New()
	alone.Put(detached(w.head, e))
	if w.text.active {
		if err := w.reencode(alone); err != nil {
			return err
		}
	}
	item.Put(*alone.Get(tagIssuerQualifiers))
	return nil
}

// emptyQualifiers makes the qualifiers of the issuer present and empty, since none
// are known of the local one. Empty is one item without attributes: PS3.3 Table
// 10-18 asks for a single item, and validators refuse a sequence of none.
func (w *work) emptyQualifiers() {
	if e := w.head.Get(tagIssuerQualifiers); e != nil && !w.twice(tagIssuerQualifiers) {
		list := *e
		items := w.head.ItemsOf(&list)
		if len(items) == 0 && e.Len() == 0 || len(items) == 1 && items[0].Len() == 0 {
			return
		}
	}
	w.replace(dicom.NewSequence(tagIssuerQualifiers, dicom.New()), "", importer.Empty)
}

// text makes an element of a tag that the dictionary has as characters.
func text(t dicom.Tag, value string) dicom.Element {
	vr, _ := describe(t)
	if plain(value) {
		return dicom.NewBytes(t, vr, []byte(value))
	}
	e, err := dicom.NewText(t, value)
	if err != nil { // never: the callers' tags are constants of text
		return dicom.NewBytes(t, vr, nil)
	}
	return e
}
