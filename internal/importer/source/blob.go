package source

import (
	"errors"
	"fmt"
	"io"
	"os"

	"lotse/dlx"
	"lotse/internal/importer"
	"lotse/internal/importer/source/archive"
)

// blob is bytes at any offset.
type blob struct {
	io.ReaderAt
	size   int64
	buffer int // worth reading at once, in bytes
}

// local is a file on the disk.
func local(f *os.File) (blob, error) {
	info, err := f.Stat()
	if err != nil {
		return blob{}, err
	}
	if !info.Mode().IsRegular() {
		return blob{}, errors.New("not a regular file")
	}
	return blob{disk{f}, info.Size(), archive.LocalBuffer}, nil
}

// disk reads a file whose name does not show in errors.
type disk struct{ file *os.File }

func (d disk) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.file.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("source: read: %w", bare(err))
	}
	return n, err
}

// head returns the first bytes.
func (d blob) head() ([]byte, error) {
	p := make([]byte, min(d.size, dlx.SniffLength))
	n, err := d.ReadAt(p, 0)
	if n == len(p) {
		err = nil
	}
	return p[:n], err
}

func (d blob) section() *io.SectionReader { return io.NewSectionReader(d, 0, d.size) }

// open reads d as a file of the package.
func (d blob) open() io.ReadCloser {
	if _, plain := d.ReaderAt.(disk); plain {
		return &content{SectionReader: d.section()} // its reader has a buffer of its own
	}
	return archive.NewReader(d.section(), d.buffer)
}

// content is an open file on the disk.
type content struct {
	*io.SectionReader
	closer io.Closer // nil where the file stays open with the package
	closed bool
}

// Read marks errors as the file's own.
func (c *content) Read(p []byte) (int, error) {
	if c.closed {
		return 0, os.ErrClosed
	}
	n, err := c.SectionReader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, &importer.OpenError{Reason: importer.ReasonUnreadable, Err: err}
	}
	return n, err
}

// Close ends reading.
func (c *content) Close() error {
	if c.closed = true; c.closer != nil {
		return c.closer.Close()
	}
	return nil
}

// single is a shelf of one file.
type single struct {
	path    string
	data    blob
	refused importer.ReasonCode
}

func (s *single) file(int32) importer.File {
	return importer.File{Path: s.path, Size: s.data.size, Refused: s.refused}
}

func (s *single) open(int32) (io.ReadCloser, error) { return s.data.open(), nil }

// file adds a single file.
func (b *builder) file(path string, data blob) error {
	s := &single{path: path, data: data}
	if !b.room(1) {
		return badSource(errTooMany)
	}
	if !b.fits(data.size) {
		s.refused = importer.ReasonTooLarge
	}
	b.add(b.shelf(s), 0)
	return nil
}

// refusedFile adds a file that could not be had.
func (b *builder) refusedFile(path string, size int64, reason importer.ReasonCode) {
	b.add(b.shelf(&single{path: path, data: blob{size: size}, refused: reason}), 0)
}
