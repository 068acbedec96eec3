package store

import (
	"context"
	"errors"
	"strings"
)

// What a caller may have to decide on; compare with errors.Is.
var (
	ErrNotFound  = errors.New("not found")
	ErrConflict  = errors.New("exists already")
	ErrClosed    = errors.New("the database is closed")
	ErrNoTenant  = errors.New("no such tenant")
	ErrLeaseLost = errors.New("the lease is lost")
	ErrFull      = errors.New("the database has no space left")
	// ErrUnknown: COMMIT was sent and its answer is lost. The transaction may have
	// happened; look before doing it again.
	ErrUnknown = errors.New("the outcome of the transaction is unknown")
)

// Kind sorts failures of the database by what a caller can do about them.
type Kind int

// Kinds of failures.
const (
	Permanent   Kind = iota // a mistake in a statement or schema; trying again does not help
	Conflict                // a unique key exists already
	Busy                    // collided with another transaction, or waited too long for it
	Unavailable             // connection lost, shutting down, read-only, I/O error
	Full                    // no space left on the device
	Unknown                 // the answer to COMMIT is lost
)

// Error is a failure of the database. Its text holds no values of rows.
type Error struct {
	Doing  string // what was being done, in the infinitive
	Kind   Kind
	Detail string // SQLSTATE, constraint or result code of the engine

	ended error // the context's error, when that is why
}

// Temporary reports whether the same may succeed later.
func (e *Error) Temporary() bool {
	return e.ended == nil && e.Kind != Permanent && e.Kind != Conflict
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("database: " + e.Doing + ": ")
	switch {
	case e.ended != nil:
		b.WriteString(e.ended.Error())
	default:
		b.WriteString(e.Kind.text())
	}
	if e.Detail != "" {
		b.WriteString(" (" + e.Detail + ")")
	}
	return b.String()
}

func (k Kind) text() string {
	switch k {
	case Conflict:
		return ErrConflict.Error()
	case Busy:
		return "collided with another transaction"
	case Unavailable:
		return "the database does not answer"
	case Full:
		return ErrFull.Error()
	case Unknown:
		return ErrUnknown.Error()
	}
	return "failed"
}

// Unwrap gives the error to compare with: one of this package's, or the context's.
func (e *Error) Unwrap() error {
	switch {
	case e.ended != nil:
		return e.ended
	case e.Kind == Conflict:
		return ErrConflict
	case e.Kind == Full:
		return ErrFull
	case e.Kind == Unknown:
		return ErrUnknown
	}
	return nil
}

// failure makes an [Error] of what an engine's driver reported.
func (db *DB) failure(ctx context.Context, doing string, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	if db.closed.Load() {
		return ErrClosed
	}
	if ended := ctx.Err(); ended != nil {
		return &Error{Doing: doing, ended: ended}
	}
	kind, detail := db.engine.classify(err)
	return &Error{Doing: doing, Kind: kind, Detail: detail}
}

// scanFailure is for values that do not fit their variable. The text of
// database/sql quotes the value behind "converting"; that is cut off.
func scanFailure(err error) error {
	detail, _, _ := strings.Cut(err.Error(), ": converting")
	return &Error{Doing: "read a row", Detail: detail}
}
