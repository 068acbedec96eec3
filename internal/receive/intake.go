package receive

import (
	"context"
	"errors"
	"io"

	"lotse/dimse"
	"lotse/dimse/commitment"
)

// Intake keeps what arrives.
type Intake interface {
	// Receive stores one object durably and returns only then; with nil the sender is
	// told of success. r is a Part 10 file: file meta information made here, and the data
	// set exactly as it came. It has to be read to io.EOF, any other error means that
	// the object broke off and nothing of it counts. Errors are answered as [Refusal]
	// says; one that is none asks the sender to try later. They must not hold
	// personal data.
	Receive(ctx context.Context, meta Meta, r io.Reader) error
}

// Meta is what is known of an object before its first byte is handed on. The UIDs are
// those of the data set; they have 1 to 64 printable characters but may break the
// rules of PS3.5 §9.1.
type Meta struct {
	Rule                string // name of the [Rule] that let the sender in
	Tenant, Site        string // of that rule, as Counted
	Counted             bool
	CallingAE, CalledAE string
	Peer                string // IP address of the sender
	SOPClass            string
	SOPInstance         string
	Study               string // Study Instance UID
	TransferSyntax      string // as negotiated
	// Header is how many bytes of the file come before the data set.
	Header int
}

// Reports takes what archives say about storage commitment.
type Reports interface {
	// Report keeps a report durably. [ErrUnknownTransaction] says so to the archive;
	// any other error makes it try again.
	Report(ctx context.Context, from Reporter, r commitment.Report) error
}

// Reporter is who reports.
type Reporter struct {
	Rule string // name of the [Rule] that let it in
	commitment.Party
}

// ErrUnknownTransaction tells that no such transaction is open with this reporter.
var ErrUnknownTransaction = errors.New("no such transaction is open with this archive")

// Reason is why an object is refused (PS3.4 B.2.3).
type Reason uint8

// The reasons and their statuses.
const (
	OutOfResources Reason = iota // A700: the sender may try again
	Mismatch                     // A900: the data set is not what the request says
	NotUnderstood                // C000: the data set cannot be read
)

// Refusal is an error with a status of its own.
type Refusal struct {
	Reason Reason
	// Text goes to the sender as Error Comment: at most 64 characters of ASCII without
	// personal data.
	Text string
	Err  error // may be nil
}

func (r *Refusal) Error() string {
	if r.Err != nil {
		return r.Text + ": " + r.Err.Error()
	}
	return r.Text
}

// Unwrap gives the cause, or nil.
func (r *Refusal) Unwrap() error { return r.Err }

// Temporary reports whether the same object may be taken later.
func (r *Refusal) Temporary() bool { return r.Reason == OutOfResources }

func (r *Refusal) status() dimse.Status {
	switch r.Reason {
	case Mismatch:
		return dimse.DataSetMismatch
	case NotUnderstood:
		return dimse.CannotUnderstand
	}
	return dimse.OutOfResources
}

// refusalOf makes a refusal of any error: what says nothing is this side's own trouble.
func refusalOf(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return &Refusal{Reason: OutOfResources, Text: "not stored, try again later", Err: err}
}
