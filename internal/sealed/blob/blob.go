// Package blob is the contract of the stores that keep sealed bytes: immutable
// blobs, written once as a stream, read at any offset and deleted.
//
// A store knows nothing of keys or of what the bytes mean: packages are sealed
// above it. The implementations are disk and s3; both run the conformance suite in
// blobtest, where the doubles that fail and that forget are, too.
package blob

import (
	"context"
	"io"
	"time"
)

// MaxSize is how many bytes a blob may have: a sealed segment of 16 MiB with room
// for what the encryption adds.
const MaxSize = 17 << 20

// Store keeps blobs under keys like "tenant/import/segment"; see [CheckKey]. It is
// safe for concurrent use. Errors tell with [Temporary] whether the same call may
// succeed later.
type Store interface {
	// Create begins a blob. Nothing is visible under the key before Commit returned
	// nil; then it is durable. Keys are used once: what becomes of a second blob under
	// one key is not said. The context is the writer's until Commit.
	Create(ctx context.Context, key string) (Writer, error)

	// ReadAt reads as [io.ReaderAt] does: it fills p, or returns io.EOF at the end of
	// the blob with what was there. An absent blob is [ErrNotFound].
	ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error)

	// Delete removes blobs. Absent ones are no error. When it returned nil, they are
	// gone durably.
	Delete(ctx context.Context, keys ...string) error

	// List calls f for every blob whose key begins with prefix, in no certain order,
	// and ends with the first error of f, which it returns as it is. What is created
	// or deleted meanwhile may be listed or not. An empty prefix lists all.
	List(ctx context.Context, prefix string, f func(Info) error) error

	// Check proves that the store works: it writes, reads back, compares and deletes,
	// with as many bytes as the store's ways of writing need.
	Check(ctx context.Context) error
}

// Writer takes the bytes of one blob. It belongs to one goroutine.
type Writer interface {
	io.Writer

	// Commit makes the blob durable and visible. Whatever it returns, the writer is
	// used up. After an error the blob may exist or not.
	Commit(ctx context.Context) error

	// Abort drops the blob. After Commit it does nothing.
	Abort()
}

// Reserver is a [Writer] that holds its bytes in memory, within a budget that all
// writers share. Reserve makes sure that n more bytes can be written without
// waiting. It reports false when the budget is used up: then the one who holds a
// part of it, this writer, should commit what it has and begin another blob. A
// Write that was not reserved fails with [ErrBusy] instead of waiting, so that
// writers never wait for each other.
type Reserver interface {
	Reserve(n int) bool
}

// Info describes a blob.
type Info struct {
	Key      string
	Size     int64     // bytes
	Modified time.Time // when it was committed, by the clock of the store
}
