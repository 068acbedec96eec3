package importer

import (
	"fmt"
	"time"
)

// Fate is what became of one item.
type Fate string

// Fates. Came in = delivered + warned + failed + left out.
const (
	Delivered Fate = "delivered"
	Warned    Fate = "delivered-with-warning"
	Failed    Fate = "failed"
	LeftAside Fate = "left-out"
	Planned   Fate = "planned" // a dry run stopped before delivery
)

// Question is one that only a person can answer before the import goes on.
type Question struct {
	ID     string            `json:"id"`
	Type   string            `json:"type"`   // PAT_BIRTH_DATE, STUDY_DATE, PASSWORD, CUSTOM, HOST, ARCHIVE, TOKEN
	Format string            `json:"format"` // DATE or STRING
	Text   map[string]string `json:"text"`   // by language; "" the default
}

// ProblemCode says why an import cannot go on; its sentences, what happened and
// what to do now, are in the catalogue of phrases under "problem.<code>".
type ProblemCode string

// Problems that end or pause an import.
const (
	ProblemRefused      ProblemCode = "portal-refused"   // wrong answers or unknown link
	ProblemExpired      ProblemCode = "link-expired"     // right answers, too late
	ProblemPortalDown   ProblemCode = "portal-down"      // no connection, 5xx
	ProblemNotDLX       ProblemCode = "not-dlx"          // a page, but no DICOM Link Exchange
	ProblemInsecure     ProblemCode = "insecure"         // http where https is required
	ProblemCertificate  ProblemCode = "certificate"      // https with a certificate nobody vouches for
	ProblemBadLink      ProblemCode = "bad-link"         // no link that can be followed
	ProblemForeignHost  ProblemCode = "foreign-host"     // answers would leave the link's site
	ProblemUnknownHost  ProblemCode = "unknown-host"     // answers would go to a site that nobody confirmed
	ProblemPatience     ProblemCode = "not-ready"        // the portal kept us waiting too long
	ProblemPortal       ProblemCode = "portal-protocol"  // answers we cannot understand
	ProblemAnswer       ProblemCode = "bad-answer"       // a date that is none …
	ProblemQuestion     ProblemCode = "question-open"    // an answer is missing
	ProblemChoice       ProblemCode = "choice-open"      // several exams, and none chosen
	ProblemBlocked      ProblemCode = "not-permitted"    // an address that may not be reached
	ProblemNoSource     ProblemCode = "no-source"        // file or folder not found
	ProblemBadSource    ProblemCode = "bad-source"       // cannot be opened as what it is
	ProblemNoQR         ProblemCode = "no-qr-code"       // picture without a link
	ProblemNothing      ProblemCode = "nothing-to-do"    // no DICOM and no document inside
	ProblemDestination  ProblemCode = "destination-down" // cannot connect
	ProblemRejected     ProblemCode = "destination-rejected"
	ProblemUsage        ProblemCode = "usage"
	ProblemSelection    ProblemCode = "selection" // --select names nothing
	ProblemCancelled    ProblemCode = "cancelled"
	ProblemInternal     ProblemCode = "internal"
	ProblemSomeFailed   ProblemCode = "some-failed"
	ProblemDiskFull     ProblemCode = "disk-full"
	ProblemScratch      ProblemCode = "no-temporary-file" // the folder for them cannot be written
	ProblemTokenUnknown ProblemCode = "token-unknown"     // no token recognisable in the link
	ProblemSeveral      ProblemCode = "several-patients"
	ProblemPatient      ProblemCode = "no-such-patient"      // --only-patient names nobody
	ProblemNoCommitment ProblemCode = "no-commitment"        // the destination does not offer storage commitment
	ProblemUnconfirmed  ProblemCode = "not-confirmed"        // the destination does not confirm all it took
	ProblemIdle         ProblemCode = "upload-idle"          // no byte came for a day, and the upload was not complete
	ProblemFolder       ProblemCode = "folder-not-permitted" // the destination is a folder outside of those that may be
	ProblemPlaintext    ProblemCode = "plaintext"            // the destination has no TLS, and nobody gave a reason
)

// Problem ends or pauses an import. It is an error whose text is for logs: it
// names no person and no secret.
type Problem struct {
	Code      ProblemCode
	Host      string        // portal or destination concerned, punycode
	Questions []Question    // what to ask, with ProblemQuestion, ProblemAnswer, ProblemRefused and ProblemTokenUnknown
	Listed    []Listed      // what to choose from, with ProblemChoice and ProblemSelection
	After     time.Duration // when trying again makes sense, 0 when not by itself
	Err       error
}

func (p *Problem) Error() string {
	if p.Err != nil {
		return fmt.Sprintf("%s: %v", p.Code, p.Err)
	}
	return string(p.Code)
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Asks reports whether a person's answer is what lets the import go on: an answer to
// Questions, a choice from Listed, or the consent to Host.
func (p *Problem) Asks() bool {
	return len(p.Questions) > 0 || len(p.Listed) > 0 || p.Code == ProblemForeignHost || p.Code == ProblemUnknownHost
}

// Temporary reports whether trying again later may help.
func (p *Problem) Temporary() bool {
	switch p.Code {
	case ProblemPortalDown, ProblemPatience, ProblemDestination, ProblemDiskFull:
		return true
	}
	return false
}
