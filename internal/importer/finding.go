package importer

// Severity of a Finding.
type Severity string

// Severities.
const (
	Info    Severity = "info"    // good to know
	Warning Severity = "warning" // look before deciding
	Serious Severity = "serious" // decide only after settling it
)

// FindingCode is stable; its sentence belongs to the catalogue of phrases under
// "finding.<code>".
type FindingCode string

// Findings about what came in.
const (
	FindingSeveralPatients   FindingCode = "several-patients"
	FindingMissingPatientID  FindingCode = "missing-patient-id"
	FindingTwoPatientsStudy  FindingCode = "two-patients-in-study"
	FindingCharsetUndeclared FindingCode = "charset-undeclared"
	FindingCharsetWrong      FindingCode = "charset-wrong"
	FindingDuplicate         FindingCode = "duplicate-instance"
	FindingConflict          FindingCode = "conflicting-instance"
	FindingListedAbsent      FindingCode = "listed-but-absent" // in the DICOMDIR, not on the medium
	FindingTruncated         FindingCode = "truncated"
	FindingUnreadable        FindingCode = "unreadable"
	FindingUnsupportedSyntax FindingCode = "unsupported-syntax"
	FindingBadUID            FindingCode = "invalid-uid"
	FindingRepaired          FindingCode = "read-leniently" // departures the reader coped with
	FindingExecutable        FindingCode = "executable-preamble"
	FindingDICOMDIRBroken    FindingCode = "dicomdir-broken"
	FindingNoImages          FindingCode = "no-instances"
	FindingSignatureRemoved  FindingCode = "signature-removed"
	FindingTextUnconverted   FindingCode = "text-unconverted"
	FindingNonconforming     FindingCode = "nonconforming-value"
	FindingBirthDateDiffers  FindingCode = "birth-date-differs" // between the exam and the local patient
	FindingSexDiffers        FindingCode = "sex-differs"
)

// Finding is something a person should know. It names items by their number in
// the package and values never.
type Finding struct {
	Code     FindingCode `json:"code"`
	Severity Severity    `json:"severity"`
	Item     int         `json:"item"`            // number of the file in the package, -1 for the whole
	Path     string      `json:"path,omitempty"`  // of the item
	Count    int         `json:"count,omitempty"` // how often, when more than once
	Detail   string      `json:"detail,omitempty"`
}
