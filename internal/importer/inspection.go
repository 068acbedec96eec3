package importer

// ItemKind says what a file is.
type ItemKind string

// Kinds of items.
const (
	KindInstance ItemKind = "instance" // a DICOM object that can be stored
	KindDocument ItemKind = "document" // PDF, JPEG, PNG …: becomes a DICOM object
	KindLeftOut  ItemKind = "left-out" // with a reason
)

// Inspection is what is known of a package before anyone decides.
type Inspection struct {
	Patients  []*Patient
	Documents []Document
	LeftOut   []LeftOut
	Findings  []Finding
	Bytes     int64 // of all files, as declared
	Files     int
}

// Patient is one foreign patient as the instances name it.
type Patient struct {
	ID, Issuer, Name, BirthDate, Sex string // as in the first instance; text is UTF-8
	Studies                          []*Study
}

// Study is one study of a Patient.
type Study struct {
	UID, Date, Time, Description, Accession, ID string
	Institution, Referring                      string
	Series                                      []*Series
}

// Series is one series of a Study.
type Series struct {
	UID, Modality, Number, Description, Date, BodyPart string
	Instances                                          []Instance
}

// Instance is one DICOM object. Strings shared by many instances are one string.
type Instance struct {
	Item           int32 // number of the file in the package
	SOPClass       string
	SOPInstance    string
	TransferSyntax string
	// OnePass reports that all elements an edit could concern come before the
	// pixel data and fit in memory, so that reading, adjusting and sending are one
	// pass.
	OnePass bool
	Frames  int32
}

// Document is a file that is no DICOM object but belongs to the exam.
type Document struct {
	Item  int32
	Type  string // media type found in the bytes: application/pdf, image/jpeg, image/png
	Title string // from the file name
	Study *Study // the study it came with, nil when the package has none or several
}

// LeftOut is a file that is not delivered.
type LeftOut struct {
	Item   int32
	Reason ReasonCode
	Detail string // for technicians: offset, tag path; never values
}

// Instances counts the instances of all patients.
func (in *Inspection) Instances() int {
	n := 0
	for _, p := range in.Patients {
		for _, st := range p.Studies {
			for _, se := range st.Series {
				n += len(se.Instances)
			}
		}
	}
	return n
}
