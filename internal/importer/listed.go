package importer

// Listed is one thing that a link gives, as its portal lists it. It names a person:
// it is for those who may see the import, never for a log.
type Listed struct {
	ID          string   `json:"id"`
	MIMEType    string   `json:"mime_type,omitempty"` // as declared; what it is, the bytes say
	Description string   `json:"description,omitempty"`
	StudyUID    string   `json:"study_instance_uid,omitempty"`
	Date        string   `json:"date,omitempty"` // study date, YYYYMMDD
	Modalities  []string `json:"modalities,omitempty"`
	PatientName string   `json:"patient_name,omitempty"` // as the portal writes it: "Family,Given"
	BirthDate   string   `json:"birth_date,omitempty"`   // YYYYMMDD
	Sex         string   `json:"sex,omitempty"`
	PatientID   string   `json:"patient_id,omitempty"`
	Accession   string   `json:"accession_number,omitempty"`
	Files       int64    `json:"files"` // -1 when not said
}
