package blob

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound reports that there is no blob under the key.
	ErrNotFound = errors.New("blob: not found")

	// ErrFull reports that the store has no space left.
	ErrFull = errors.New("blob: no space left")

	// ErrBusy reports that the memory for blobs on their way is used up.
	ErrBusy = errors.New("blob: too many bytes on their way")

	// ErrTooLarge reports a blob of more than MaxSize bytes.
	ErrTooLarge = errors.New("blob: larger than a blob may be")

	// ErrKey reports a key that cannot be one.
	ErrKey = errors.New("blob: not a key")

	// ErrCorrupts reports that the store gave back other bytes than were written.
	ErrCorrupts = errors.New("blob: the store returned other bytes than were written")
)

// Error is a failure of a store.
type Error struct {
	Op    string // what was being done
	Retry bool   // whether the same may succeed later
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("blob: %s: %v", e.Op, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary says whether the same call may succeed later.
func (e *Error) Temporary() bool { return e.Retry }

// Temporary says whether the call that gave err may succeed later: the store is
// full, busy or out of reach.
func Temporary(err error) bool {
	if errors.Is(err, ErrFull) || errors.Is(err, ErrBusy) {
		return true
	}
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}
