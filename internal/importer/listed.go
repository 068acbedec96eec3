package importer

// Listed is one thing that a link gives, as its portal lists it. It names a person:
// it is for those who may see the import, never for a log.
type Listed struct {
	ID          string
	MIMEType    string // as declared; what it is, the bytes say
	Description string
	StudyUID    string
	Date        string // study date, YYYYMMDD
	Modalities  []string
	PatientName string // as the portal writes it: "Family,Given"
	BirthDate   string // YYYYMMDD
	Sex         string
	PatientID   string
	Accession   string
	Files       int64 // -1 when not said
}
