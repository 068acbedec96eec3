package adjust

import (
	"strings"

	"lotse/dicom"
)

// patientAndStudyAttributes are what a document takes over from the study it
// belongs to (PS3.3 §C.7.1.1, §C.7.2.1). Those that must be there, empty when
// unknown (type 2), are marked.
func patientAndStudyAttributes() map[dicom.Tag]bool {
	return map[dicom.Tag]bool{
		tagPatientName: true, tagPatientID: true, tagBirthDate: true, tagSex: true,
		tagPatientIDIssuer: false, tagIssuerQualifiers: false, tagPatientIDType: false, tagOtherPatientIDs: false,
		tagStudyUID: false, tagAccession: true, tagAccessionIssuer: false, tagProcedureCodes: false,
		0x00080020: true,  // Study Date
		0x00080030: true,  // Study Time
		0x00080090: true,  // Referring Physician's Name
		0x00200010: true,  // Study ID
		0x00081030: false, // Study Description
	}
}

// patientAndStudy is a new data set with the patient and study of an instance as
// the decision makes them; its text is UTF-8.
func (p *Planner) patientAndStudy(study *dicom.Dataset) (*dicom.Dataset, error) {
	if study == nil {
		study = dicom.New()
	}
	ds := dicom.New()
	wanted := patientAndStudyAttributes()
	for e := range study.All() {
		if _, ok := wanted[e.Tag]; ok {
			copyText(ds, study, *e)
		}
	}
	w := &work{p: p, head: study, set: study.Charset()}
	w.text = transcoding{active: true, from: w.set}
	if err := w.decide(); err != nil {
		return nil, err
	}
	if w.keepID {
		if err := w.appendForeignID(); err != nil {
			return nil, err
		}
	}
	for _, e := range w.edits {
		if _, ok := wanted[e.Path[0].Tag]; !ok || len(e.Path) > 1 {
			continue
		}
		if _, err := ds.Apply(e); err != nil {
			return nil, err
		}
	}
	for t, required := range wanted {
		if required && !ds.Has(t) {
			ds.Put(emptied(t))
		}
	}
	return ds, nil
}

// copyText puts the text of e, an element of src, into dst, items included. What
// is not text, or breaks its VR, is left behind.
func copyText(dst, src *dicom.Dataset, e dicom.Element) {
	vr, vm := describe(e.Tag)
	if e.IsSequence() {
		var items []*dicom.Dataset
		for _, item := range src.ItemsOf(&e) {
			kept := dicom.New()
			for el := range item.All() {
				copyText(kept, item, *el)
			}
			items = append(items, kept)
		}
		if len(items) > 0 {
			dst.Put(dicom.NewSequence(e.Tag, items...))
		}
		return
	}
	if !vr.Characters() || e.Large() {
		return
	}
	values := src.StringsOf(&e)
	if breaks(vr, vm, values) != "" {
		values = nil
	}
	dst.Put(text(e.Tag, strings.Join(values, `\`)))
}

// textOnlyASCII reports a data set of New without text beyond ASCII.
func textOnlyASCII(ds *dicom.Dataset) bool {
	for e := range ds.All() {
		if e.IsSequence() {
			for _, item := range ds.ItemsOf(e) {
				if !textOnlyASCII(item) {
					return false
				}
			}
		} else if e.VR.Characters() && !ascii(e.Bytes()) {
			return false
		}
	}
	return true
}
