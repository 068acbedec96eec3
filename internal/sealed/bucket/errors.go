package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"
)

var (
	// ErrNotFound reports that there is no such object.
	ErrNotFound = errors.New("bucket: no such object")

	// ErrCondition reports that the condition of a put does not hold.
	ErrCondition = errors.New("bucket: the object is not as expected")

	// ErrConflict reports that another put of the same object is going on.
	ErrConflict = errors.New("bucket: the object is being written by another")

	// ErrFull reports that the server has no space left.
	ErrFull = errors.New("bucket: no space left")

	errRange = errors.New("bucket: no such range")
)

// Error is a failure of the server, or on the way to it.
type Error struct {
	Op     string
	Code   string // of the server, empty when there was no answer
	Status int    // of HTTP, 0 when there was no answer
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("S3 %s: %v", e.Op, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary says whether the same request may succeed later: when there was no
// answer, and when the server says so. A request that is refused needs a person.
func (e *Error) Temporary() bool {
	switch {
	case errors.Is(e.Err, ErrNotFound), errors.Is(e.Err, ErrCondition):
		return false
	case errors.Is(e.Err, ErrConflict), errors.Is(e.Err, ErrFull), e.Status == 0:
		return true
	}
	switch e.Code {
	case "SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "OperationAborted":
		return true
	}
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout ||
		e.Status >= 500 && e.Status != http.StatusNotImplemented
}

// failure gives an error its meaning. The end of the context is given as it is.
func failure(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Cause(ctx)
	}
	e := &Error{Op: op, Err: err}
	var r minio.ErrorResponse
	if !errors.As(err, &r) {
		return e
	}
	e.Code, e.Status = r.Code, r.StatusCode
	if meaning := meaningOf(r); meaning != nil {
		e.Err = fmt.Errorf("%w: %s", meaning, r.Code)
	}
	return e
}

func meaningOf(r minio.ErrorResponse) error {
	switch r.Code {
	case "NoSuchKey":
		return ErrNotFound
	case "PreconditionFailed":
		return ErrCondition
	case "ConditionalRequestConflict":
		return ErrConflict
	case "InvalidRange":
		return errRange
	case "XMinioStorageFull", "XAmzQuotaExceeded", "QuotaExceeded":
		return ErrFull
	}
	// Not 404 in general: servers also answer it to unknown users.
	switch r.StatusCode {
	case http.StatusPreconditionFailed:
		return ErrCondition
	case http.StatusRequestedRangeNotSatisfiable:
		return errRange
	case http.StatusInsufficientStorage:
		return ErrFull
	}
	return nil
}
