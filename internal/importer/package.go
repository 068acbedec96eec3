package importer

import (
	"io"
)

// Package is what came in: its files in a fixed order, each of which can be opened
// any number of times, also at the same time.
type Package interface {
	// Origin says where the package came from.
	Origin() Origin
	// Len is the number of files.
	Len() int
	// File describes file i, 0 ≤ i < Len.
	File(i int) File
	// Open opens file i from its beginning. The content is an io.Seeker where
	// skipping costs nothing. Errors are *OpenError where the file itself is at
	// fault.
	Open(i int) (io.ReadCloser, error)
}

// Header is a Package that gives the beginning of a packed file for less than
// opening it costs.
type Header interface {
	// Head reads the first bytes of file i into p and returns how many it got, 0
	// where opening the file costs no more.
	Head(i int, p []byte) int
}

// File is one file of a package.
type File struct {
	// Path is the name within the source, '/' between folders, "!/" between an
	// archive and what is inside it; valid UTF-8, for people, never for a disk.
	Path string
	// Size in bytes as declared by the source, -1 when unknown.
	Size int64
	// Refused says why the file cannot be opened (encrypted, nested too deep,
	// its path climbs out …), "" when it can.
	Refused ReasonCode
}

// Origin says where a package came from and how it counts in the trail that an
// adjustment leaves.
type Origin struct {
	Kind OriginKind `json:"kind"`
	// Label names the origin for people: a file name, or the host of a portal
	// (punycode); never the path or query of a link.
	Label string `json:"label"`
}

// OriginKind is the kind of a source.
type OriginKind string

// Kinds of sources.
const (
	FromPortal OriginKind = "portal" // DICOM Link Exchange, or a portal without it
	FromMedium OriginKind = "medium" // folder, ZIP, CD
	FromUpload OriginKind = "upload" // single files
)

// OpenError says that one file cannot be read and why; the rest of the package is
// not concerned.
type OpenError struct {
	Reason ReasonCode
	Err    error
}

func (e *OpenError) Error() string { return string(e.Reason) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OpenError) Unwrap() error { return e.Err }
