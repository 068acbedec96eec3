package source

import (
	"context"
	"io"

	"lotse/dlx"
	"lotse/internal/importer"
)

// Keeper keeps the parts that Fetch brings from one link, and what Fetch must know
// to go on. The command line keeps them as long as the process lives; a gateway
// durably and sealed: then a fetch that was killed goes on by calling Fetch again
// with a Keeper that sees what was durable. One Fetch at a time uses it, from one
// goroutine. An error of it ends Fetch and can be found in the chain of its error.
type Keeper interface {
	// State returns what Remember was given last, nil when nothing was.
	State(ctx context.Context) ([]byte, error)
	// Remember replaces the state, durably. It is JSON of a few KiB up to some MiB. It
	// names persons and holds secrets (a link, a session); after a fetch that is
	// complete it holds neither.
	Remember(ctx context.Context, state []byte) error
	// Part returns the part of this key with what is durable of it, and creates it
	// when there is none. The first About stands.
	Part(ctx context.Context, about About) (Keeping, error)
	// Drop forgets a part and its bytes; one that is not there is no error.
	Drop(ctx context.Context, key string) error
}

// About is what is known of a part before any of its bytes came.
type About struct {
	// Key is the part's name for a Keeper: "all", or an item's number in the portal's
	// list from 1. It names nobody.
	Key string
	// Position orders the parts of a link, ascending; it may have gaps.
	Position int
	// Name is for people and names persons: never in logs or errors.
	Name string
	// Origin is that of the link: the same for all its parts.
	Origin importer.Origin
}

// Keeping is one part while it is fetched. Bytes are appended; a Keeper makes them
// durable as it sees fit, and all of them before Flush or Complete return.
type Keeping interface {
	io.Writer
	// ReadAt reads what was durable when the part was opened, or when Flush returned.
	io.ReaderAt
	// Offset is how many bytes are held, from the part's beginning.
	Offset() int64
	// Version is what the bytes belong to, as given to Reset; Size is -1 before that.
	Version() dlx.Version
	// Finished reports that Complete was called, in this process or before.
	Finished() bool
	// Reset drops the held bytes, and that the part was refused; the bytes that follow
	// are v from its beginning. v is durable with the first of them.
	Reset(ctx context.Context, v dlx.Version) error
	// Flush makes all that was written durable.
	Flush(ctx context.Context) error
	// Complete makes everything durable, and that it is all there is.
	Complete(ctx context.Context, sum Sum) error
	// Refuse drops the held bytes and records why the part cannot be had. Another
	// Fetch may try again: then Reset follows.
	Refuse(ctx context.Context, reason importer.ReasonCode) error
	// Close ends the work on the part and makes what was written durable where that
	// can be done. It is called once, after everything else, also after an error and
	// with a context that is done.
	Close() error
}

// Digested is a Keeping that keeps count of the digest itself, also from one process
// to the next. Otherwise Fetch does, and reads what another process got again.
type Digested interface {
	// Digest is the SHA-256 of all bytes after Flush; nil when none is wanted.
	Digest() []byte
}

// Sum is what is known of a part when all of it came.
type Sum struct {
	// SHA256 of all its bytes, as they came; zero when none is wanted.
	SHA256 [32]byte
	// Type is what the first bytes say it is.
	Type dlx.MediaType
}

// Part is one byte stream that came in: a download, an uploaded file, a received
// object. Assemble makes a package of parts.
type Part struct {
	// Source tells apart what came from different places (a link, one upload, a
	// second medium); parts of one source follow one another. A source of one part is
	// that part: what is in it when it is an archive. One of several is a folder.
	Source string
	// Origin is the same for all parts of a source.
	Origin importer.Origin
	// Name is About.Name for a download, else a file name or the relative path of a
	// file in a folder, '/' or '\' between. It is made harmless, and needs not be unique.
	Name string
	// Size is the number of bytes.
	Size int64
	// Data gives the bytes. Closing what it holds is the caller's, after the package.
	Data io.ReaderAt
	// Type is Sum.Type where it is known, so that a part which is no archive need not be
	// read to assemble; Unknown: the bytes are looked at.
	Type dlx.MediaType
	// Refused says why there are no bytes, "" when there are.
	Refused importer.ReasonCode
}
