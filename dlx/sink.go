package dlx

import (
	"errors"
	"io"
	"strings"
)

// Version tells one state of a file from another, so that bytes of two are
// never joined. Keep it with the bytes.
type Version struct {
	ETag         string
	LastModified string // as sent
	Size         int64  // in bytes, -1 when the portal did not say
}

// strong returns the validator for If-Range (RFC 9110 §13.1.5), "" if there is none.
func (v Version) strong() string {
	if v.ETag != "" && !strings.HasPrefix(v.ETag, "W/") {
		return v.ETag
	}
	return v.LastModified
}

// resumable reports whether a later range can be told to belong to it.
func (v Version) resumable() bool { return v.strong() != "" || v.Size >= 0 }

// fits reports whether o may be the same file.
func (v Version) fits(o Version) bool {
	return (v.Size < 0 || o.Size < 0 || v.Size == o.Size) &&
		(v.ETag == "" || o.ETag == "" || strings.TrimPrefix(v.ETag, "W/") == strings.TrimPrefix(o.ETag, "W/")) &&
		(v.ETag != "" || v.LastModified == "" || o.LastModified == "" || v.LastModified == o.LastModified)
}

// Sink takes the bytes of one file. It may already hold the beginning, from an
// earlier Fetch: then that is resumed, without a validator of the portal only when
// the sink is an io.ReaderAt as well, so that the end of what is held can be compared. An
// error of a sink ends the Fetch and comes back wrapped.
type Sink interface {
	// Write appends; what it took counts in Offset.
	io.Writer
	// Offset is how many bytes are held, from the file's beginning.
	Offset() int64
	// Version is what the held bytes belong to, as given to Reset.
	Version() Version
	// Reset drops the held bytes; the bytes that follow are v from its beginning.
	// It is called before the first byte of all, too.
	Reset(v Version) error
}

// File is what a FileSink writes to; an *os.File is one.
type File interface {
	io.WriterAt
	Truncate(size int64) error
}

// FileSink is a Sink that writes to a file, from its beginning.
type FileSink struct {
	file    File
	offset  int64
	version Version
}

// NewFileSink returns an empty sink. The file must not be opened for appending.
func NewFileSink(f File) *FileSink { return &FileSink{file: f, version: Version{Size: -1}} }

// Resume makes the sink go on after offset bytes of v that the file already holds.
func (s *FileSink) Resume(offset int64, v Version) { s.offset, s.version = offset, v }

// Write appends to the file.
func (s *FileSink) Write(p []byte) (int, error) {
	n, err := s.file.WriteAt(p, s.offset)
	s.offset += int64(n)
	return n, err
}

// Offset returns how many bytes were written.
func (s *FileSink) Offset() int64 { return s.offset }

// Version returns what the bytes belong to.
func (s *FileSink) Version() Version { return s.version }

// Reset empties the file.
func (s *FileSink) Reset(v Version) error {
	s.offset, s.version = 0, v
	return s.file.Truncate(0)
}

// SinkError wraps what a Sink reported; it is never retried.
type SinkError struct{ Err error }

func (e *SinkError) Error() string { return "dlx: keeping the download: " + e.Err.Error() }

// Unwrap returns the sink's own error.
func (e *SinkError) Unwrap() error { return e.Err }

var errShortWrite = errors.New("sink took less than it was given")
