package adjust

import (
	"bytes"
	"strings"

	"lotse/dicom"
	"lotse/internal/importer"
)

// order puts the local order, or none, in the place of the foreign one. An object
// that has the local accession number already belongs to that order and keeps
// what refers to it.
func (w *work) order() error {
	p := w.p
	if !p.ordered {
		return nil
	}
	old := w.head.Get(tagAccession)
	if !p.unscheduled && p.accession.text != "" && old != nil &&
		w.equals(old, p.accession.values) && !w.twice(tagAccession) {
		return nil
	}
	w.put(&p.accession)
	if p.noAdmission.tag != 0 && w.head.Has(tagAdmission) {
		w.put(&p.noAdmission)
	}
	request := !p.unscheduled && p.accession.text != "" && w.structuredReport()
	for i := range p.removals {
		if t := p.removals[i].tag; t == tagReferencedReq && request {
			continue
		}
		w.remove(&p.removals[i])
	}
	if request {
		w.replace(w.referencedRequest(), p.accession.text, importer.Valued)
	}
	w.nestedAccessions()
	return nil
}

// structuredReport reports SR and KO documents, whose order data live in
// Referenced Request Sequence (PS3.3 §C.17.2).
func (w *work) structuredReport() bool {
	return strings.HasPrefix(w.head.String(dicom.SOPClassUID), "1.2.840.10008.5.1.4.1.1.88.")
}

// referencedRequest is the local order in an SR or KO document; what is not known
// of it is type 2, present and empty.
func (w *work) referencedRequest() dicom.Element {
	item := dicom.New()
	item.Put(text(tagStudyUID, w.head.String(tagStudyUID)))
	item.Put(dicom.NewSequence(tagReferencedStudy))
	item.Put(w.p.accession.elem)
	for _, t := range []dicom.Tag{tagPlacer, tagFiller, tagProcedureID, tagProcedureText} {
		item.Put(text(t, ""))
	}
	item.Put(dicom.NewSequence(tagProcedureCode))
	return dicom.NewSequence(tagReferencedReq, item)
}

// nestedAccessions empties the accession numbers inside sequences: they are
// those of foreign orders.
func (w *work) nestedAccessions() {
	for e := range w.head.All() {
		if !e.IsSequence() || traced(e.Tag) || e.Large() || w.gone(e.Tag) {
			continue
		}
		b := e.Bytes()
		if bytes.Contains(b, []byte{8, 0, 0x50, 0}) || bytes.Contains(b, []byte{0, 8, 0, 0x50}) {
			w.accessionsIn(w.head, *e, dicom.At(e.Tag))
		}
	}
	if w.seen == nil {
		return
	}
	for _, found := range w.seen.accessions {
		if top := found.path[0].Tag; !w.gone(top) && found.text != w.p.accession.text {
			w.emptyAccession(found.path, found.text)
		}
	}
}

// gone reports whether a top-level attribute is removed or replaced.
func (w *work) gone(t dicom.Tag) bool {
	for i := range w.edits {
		if p := w.edits[i].Path; len(p) == 1 && p[0].Tag == t && w.edits[i].Op != dicom.Append {
			return true
		}
	}
	return false
}

// accessionsIn goes through a copy of a sequence, so that the data set itself is
// not parsed further than it was.
func (w *work) accessionsIn(ds *dicom.Dataset, e dicom.Element, path dicom.Path) {
	for i, item := range ds.ItemsOf(&e) {
		for el := range item.All() {
			switch {
			case el.IsSequence() && el.Tag != tagOriginal:
				w.accessionsIn(item, *el, path.Into(i, el.Tag))
			case el.Tag == tagAccession:
				if v := item.String(tagAccession); v != "" && v != w.p.accession.text {
					w.emptyAccession(path.Into(i, el.Tag), v)
				}
			}
		}
	}
}

func (w *work) emptyAccession(path dicom.Path, old string) {
	w.edits = append(w.edits, dicom.Edit{Path: path, Op: dicom.Put, Element: dicom.NewBytes(tagAccession, dicom.SH, nil)})
	w.out.Changes = append(w.out.Changes, importer.Change{Path: path.String(), Name: dicom.KeywordOrTag(tagAccession),
		Old: old, Was: importer.Valued, Is: importer.Empty})
	w.record(path[0].Tag)
}
