package dimse

import (
	"errors"
	"fmt"

	"lotse/dimse/pdu"
)

// Temporary reports whether err says of itself that trying again, on a new
// association, may help. Errors that say nothing are not temporary.
func Temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// RejectError tells that the peer refused the association (PS3.8 §9.3.4). A
// [Server.Admit] function returns it to refuse one itself.
type RejectError struct {
	pdu.AssociateRJ
}

func (e *RejectError) Error() string { return "association " + e.AssociateRJ.String() }

// Temporary is true for transient rejections.
func (e *RejectError) Temporary() bool { return e.Result == pdu.RejectedTransient }

// AbortError tells that the peer aborted the association (PS3.8 §9.3.8).
type AbortError struct {
	pdu.Abort
}

func (e *AbortError) Error() string { return "association aborted by the peer, " + e.Abort.String() }

// Temporary is true: aborts are how peers say anything from "restarting" to "disk full".
func (e *AbortError) Temporary() bool { return true }

// LostError tells that the connection could not be made, broke, or was closed or
// released by the peer in the middle of an operation.
type LostError struct {
	Op  string // what was being done
	Err error
}

func (e *LostError) Error() string { return fmt.Sprintf("%s: connection lost: %v", e.Op, e.Err) }

// Unwrap gives the cause.
func (e *LostError) Unwrap() error { return e.Err }

// Temporary is true.
func (e *LostError) Temporary() bool { return true }

// TimeoutError tells that the peer did not react within the configured time.
type TimeoutError struct {
	Op string // what was being done
}

func (e *TimeoutError) Error() string { return e.Op + ": the peer did not react in time" }

// Temporary is true.
func (e *TimeoutError) Temporary() bool { return true }

// Timeout is true, as in [net.Error].
func (e *TimeoutError) Timeout() bool { return true }

// ProtocolError tells that the peer broke the protocol; the association was aborted.
type ProtocolError struct {
	Problem string
	Err     error // may be nil
}

func (e *ProtocolError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("protocol violated by the peer: %s: %v", e.Problem, e.Err)
	}
	return "protocol violated by the peer: " + e.Problem
}

// Unwrap gives the cause, or nil.
func (e *ProtocolError) Unwrap() error { return e.Err }

// Temporary is false: the peer would do the same again.
func (e *ProtocolError) Temporary() bool { return false }

// ContextError tells that no accepted presentation context fits a request. The
// association lives on.
type ContextError struct {
	SOPClass       string
	TransferSyntax string // "" when any would have done
	Proposed       bool   // false: it was not even proposed
	Result         pdu.Result
}

func (e *ContextError) Error() string {
	what := "SOP class " + e.SOPClass
	if e.TransferSyntax != "" {
		what += " in transfer syntax " + e.TransferSyntax
	}
	if !e.Proposed {
		return what + " was not proposed"
	}
	return fmt.Sprintf("%s: %v", what, e.Result)
}

// Temporary is false.
func (e *ContextError) Temporary() bool { return false }

// SourceError tells that [Chunks] failed while an object was being sent; the
// association was aborted before the object was complete.
type SourceError struct {
	Err error
}

func (e *SourceError) Error() string { return fmt.Sprintf("read the object to send: %v", e.Err) }

// Unwrap gives the error of the source.
func (e *SourceError) Unwrap() error { return e.Err }

// Temporary asks the error of the source.
func (e *SourceError) Temporary() bool { return Temporary(e.Err) }

// Errors inside a [SourceError]: data sets that PS3.8 has no way to send.
var (
	ErrEmptyDataSet = errors.New("data set is empty")
	ErrOddDataSet   = errors.New("data set has an odd number of bytes")
)

// ErrClosed tells that the association was already released, aborted or closed
// by this side.
var ErrClosed = errors.New("association is closed")

// errReleaseRequested is how the receiving side of a link reports A-RELEASE-RQ.
var errReleaseRequested = errors.New("the peer asked for release")
