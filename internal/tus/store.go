package tus

import (
	"context"
	"io"
)

// Upload is one upload.
type Upload struct {
	// Length in bytes, known from the beginning; Offset is how many are committed.
	Length, Offset int64
	// Metadata as the client gave it, decoded: bytes of any kind, most often
	// "filename" and "filetype". Personal data.
	Metadata map[string]string
}

// Complete reports whether all of it is committed.
func (u Upload) Complete() bool { return u.Offset == u.Length }

// Store keeps uploads. Its methods may be called concurrently. Errors are a
// [Refusal], wrapped or not, where the client is to be told more than that it
// should try again (Temporary() bool is true, 503) or that something broke (500).
//
// Package tustest has the tests that every implementation passes.
type Store interface {
	// Create makes an upload durable and returns its id: letters, digits, '-' and
	// '_' only. An upload of length 0 is complete with that.
	Create(ctx context.Context, u Upload) (id string, err error)
	// Info describes an upload, offset as committed, also while it is written to.
	// NotFound, Gone.
	Info(ctx context.Context, id string) (Upload, error)
	// Lease takes the one writer's place: Locked while another holds it. The
	// implementation renews it until Release, whatever becomes of ctx.
	Lease(ctx context.Context, id string) (Lease, error)
	// Terminate ends an upload, complete or not, and drops what came. NotFound,
	// Gone, Locked.
	Terminate(ctx context.Context, id string) error
}

// Lease is the right to append to an upload. It is used by one goroutine.
type Lease interface {
	// Offset is what is committed.
	Offset() int64
	// Write appends behind what was written before. Nothing of it can be seen by
	// Info or survives a crash as part of the upload before Commit.
	io.Writer
	// Commit makes durable and visible what was written, and returns the offset then.
	// When it brings the upload to its length, the upload is complete. Locked when
	// the lease was lost.
	Commit(ctx context.Context) (offset int64, err error)
	// Discard drops what was written since the last Commit.
	Discard()
	// Release gives the place back; it discards first. Only the first call counts.
	Release()
}
