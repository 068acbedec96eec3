package queue

import (
	"errors"
	"fmt"
	"time"
)

// Causes of a handler's context having ended; see context.Cause.
var (
	ErrLeaseLost = errors.New("the job's lease is lost")
	ErrCancelled = errors.New("the job was cancelled")
	ErrStopping  = errors.New("the node is stopping")
)

// ErrExhausted is why a job fails that may not be tried once more, because its
// worker died in the last attempt.
var ErrExhausted = errors.New("no attempt is left")

// verdict is an error that says what becomes of the job.
type verdict struct {
	err       error // may be nil for a retry
	permanent bool
	after     time.Duration
}

func (v *verdict) Error() string {
	if v.err == nil {
		return fmt.Sprintf("again after %v", v.after)
	}
	return v.err.Error()
}

func (v *verdict) Unwrap() error { return v.err }

// RetryAfter has the job run again after a time. With a nil error nothing has
// failed (a portal said "not yet", say) and the attempt does not count.
func RetryAfter(after time.Duration, err error) error {
	return &verdict{err: err, after: max(after, 0)}
}

// Permanent fails the job for good.
func Permanent(err error) error { return &verdict{err: err, permanent: true} }

// WithCode gives an error the code that is kept with the job when it waits or
// fails because of it. The code holds nothing personal.
func WithCode(code string, err error) error { return &coded{code: code, err: err} }

type coded struct {
	code string
	err  error
}

func (c *coded) Error() string { return c.err.Error() }
func (c *coded) Unwrap() error { return c.err }

// codeOf is what is kept of an error: never its text.
func codeOf(err error) string {
	var c *coded
	var p *panicError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &c):
		return c.code
	case errors.As(err, &p):
		return "panic"
	case errors.Is(err, ErrExhausted):
		return "exhausted"
	}
	return "error"
}

// panicError is a handler's panic. The value is kept out of its text unless the
// runtime made it, since it may quote what came from outside.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string {
	if err, ok := p.value.(interface {
		error
		RuntimeError()
	}); ok {
		return "panic: " + err.Error()
	}
	return fmt.Sprintf("panic with a value of type %T", p.value)
}
