package importer

import (
	"time"

	"lotse/dicom"
)

// Decision is what a person decided about one patient of a package. It holds all
// values that are made rather than read (times, UID seed), so that carrying it out
// twice gives the same bytes.
type Decision struct {
	// Patient are the local values; a nil field leaves the foreign value alone.
	Patient LocalPatient
	// Accession is the local accession number; nil with a Patient.ID means an
	// unscheduled import: the foreign one is emptied.
	Accession *string
	// Set are further top-level attributes of characters to set.
	Set []Assignment
	// ForeignIssuer is the issuer of the foreign patient ID when it is known.
	ForeignIssuer string
	// Institution and Station name the importing house in Contributing Equipment.
	Institution, Station string
	// Origin decides the purpose code in Contributing Equipment.
	Origin OriginKind
	// At is the time that stands in everything the decision makes.
	At time.Time
	// UIDKey is the secret the UIDs of made objects are derived with.
	UIDKey []byte
}

// LocalPatient are the values of the local patient.
type LocalPatient struct {
	ID        *string `json:"id,omitempty"`
	Issuer    *string `json:"issuer,omitempty"`
	Name      *string `json:"name,omitempty"`
	BirthDate *string `json:"birth_date,omitempty"` // YYYYMMDD
	Sex       *string `json:"sex,omitempty"`
}

// Assignment sets one attribute.
type Assignment struct {
	Tag    dicom.Tag
	Values []string
}

// Adjusts reports whether the decision changes anything at all.
func (d *Decision) Adjusts() bool {
	p := d.Patient
	return p.ID != nil || p.Issuer != nil || p.Name != nil || p.BirthDate != nil || p.Sex != nil ||
		d.Accession != nil || len(d.Set) > 0
}

// Change is one attribute that an adjustment changes, for people and the receipt.
type Change struct {
	Path string `json:"path"` // tag path
	Name string `json:"name"` // keyword
	Old  string `json:"old"`
	New  string `json:"new"`
	// Was and Is tell absence from emptiness.
	Was Presence `json:"was"`
	Is  Presence `json:"is"`
}

// Presence of an attribute.
type Presence string

// Presences.
const (
	Absent Presence = "absent"
	Empty  Presence = "empty"
	Valued Presence = "valued"
)

// Adjustment is what a decision means for one instance.
type Adjustment struct {
	Edits    []dicom.Edit
	Changes  []Change
	Findings []Finding
}
