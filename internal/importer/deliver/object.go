package deliver

import (
	"context"
	"io"

	"lotse/dicom"
	"lotse/internal/importer"
)

// Object is one object to deliver, as it will be at the destination.
type Object struct {
	Item           int32 // number of the file it is made from
	Study, Series  string
	SOPClass       string
	SOPInstance    string
	TransferSyntax string
	Document       bool // made from a document
	LossyOnly      bool // there is no uncompressed form of it (PS3.5 §10.1)
}

// Form is how a destination wants an object.
type Form struct {
	TransferSyntax string // "" for the object's own
	File           bool   // with preamble and file meta information
}

// Rendered is what rendering an object came to.
type Rendered struct {
	Bytes       int64 // of the data set as written
	Digest      string
	PixelBefore string // SHA-256 of the pixel data's value, "" when there is none
	PixelAfter  string
	Changes     []importer.Change
	Findings    []importer.Finding
}

// Objects are what to deliver. Render may be called at the same time for several
// objects and more than once for each; it writes the same bytes every time. Its
// errors are about the object, unless they come from w.
type Objects interface {
	Len() int
	Object(i int) Object
	Render(ctx context.Context, i int, rd *dicom.Reader, w io.Writer, form Form) (Rendered, error)
}

// Result is what became of one object.
type Result struct {
	Index  int // in Objects
	Object Object
	Fate   importer.Fate
	// Status is the status of the C-STORE response, -1 when there was none.
	Status  int
	Comment string // of the destination, for technicians
	Reason  FailureCode
	Err     error // of a failure without a status
	Syntax  string
	Sent    int // how often it was sent
	Rendered
}

// FailureCode says why an object was not delivered; its sentence is in the
// catalogue of phrases under "failure.<code>".
type FailureCode string

// Failures.
const (
	FailureNone      FailureCode = ""
	FailureRefused   FailureCode = "refused"        // the destination's status says no
	FailureContext   FailureCode = "not-accepted"   // no presentation context was accepted
	FailureSource    FailureCode = "source-damaged" // the object could not be read to its end
	FailureLost      FailureCode = "lost"           // the association was lost every time
	FailureResources FailureCode = "resources"      // A7xx until patience ended
	FailureOffline   FailureCode = "offline"        // the destination could not be reached
	FailureWrite     FailureCode = "write"          // the folder did not take it
	FailureExists    FailureCode = "exists"         // another patient's object has this UID there
	FailureCancelled FailureCode = "cancelled"
)

// Report takes results as they come, one call at a time. An error from it ends
// the delivery: what cannot be recorded must not go on.
type Report func(Result) error

// Destination is where objects go.
type Destination interface {
	// Deliver sends all objects and reports each exactly once. The error is about
	// the delivery as a whole (unreachable, cancelled); objects that could not be
	// sent because of it are reported as failed first.
	Deliver(ctx context.Context, objects Objects, report Report) error
	// String names the destination for people.
	String() string
}
