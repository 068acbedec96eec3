package adjust

import (
	"lotse/dicom"
	"lotse/internal/importer"
)

const (
	manufacturer = "Lotse"
	dateTimeForm = "20060102150405-0700" // VR DT
)

// house is what the trace says of the importing house, made once.
type house struct {
	equipment []dicom.Element // of the Contributing Equipment item, without the purpose
	purpose   []dicom.Element // of the code
	system    string
	stamp     dicom.Element // Attribute Modification DateTime
	texts     []string      // of it that are not plain
	wide      bool
}

func newHouse(d *importer.Decision) house {
	h := house{system: "LOTSE"}
	for _, name := range []string{d.Station, d.Institution} {
		if name != "" {
			h.system = name
			break
		}
	}
	code, meaning := "109103", "Modifying Equipment"
	if d.Origin == importer.FromMedium {
		code, meaning = "MEDIM", "Portable Media Importer Equipment"
	}
	h.purpose = []dicom.Element{text(tagCodeValue, code), text(tagCodeScheme, "DCM"), text(tagCodeMeaning, meaning)}
	at := d.At.Format(dateTimeForm)
	h.stamp = text(tagModifiedAt, at)
	h.equipment = append(h.equipment, text(tagManufacturer, manufacturer))
	if d.Institution != "" {
		h.equipment = append(h.equipment, text(tagInstitution, d.Institution))
	}
	if d.Station != "" {
		h.equipment = append(h.equipment, text(tagStation, d.Station))
	}
	h.equipment = append(h.equipment, text(tagSoftware, dicom.ImplementationVersionName), text(tagContributed, at))
	for _, t := range []string{d.Institution, d.Station} {
		if !plain(t) {
			h.texts = append(h.texts, t)
			h.wide = true
		}
	}
	return h
}

// contribution is the item of Contributing Equipment Sequence (PS3.3 §C.12.1.1.5).
// Items take a parent when they are put somewhere, so each object gets its own.
func (h *house) contribution() *dicom.Dataset {
	code := dicom.New()
	for _, e := range h.purpose {
		code.Put(e)
	}
	item := dicom.New()
	for _, e := range h.equipment {
		item.Put(e)
	}
	item.Put(dicom.NewSequence(tagPurpose, code))
	return item
}
