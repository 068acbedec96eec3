package archive

import (
	"bufio"
	"io"
)

// stored is an open file that is not packed.
type stored struct {
	section *io.SectionReader
	buf     *bufio.Reader
	release func(*bufio.Reader) // where the buffer came from, or nil
	pos     int64
	ordered bool // all bytes up to pos went into tally
	tally   tally
	err     error
}

// NewReader reads bytes that are in no archive the way a stored file is read: as
// an io.Seeker, through a buffer of so many bytes, with the same errors.
func NewReader(section *io.SectionReader, buffer int) io.ReadSeekCloser {
	return newStored(section, smallBuffer(section, buffer), 0)
}

func newStored(section *io.SectionReader, buf *bufio.Reader, crc uint32) *stored {
	return &stored{section: section, buf: buf, ordered: true, tally: tally{want: crc}}
}

// smallBuffer needs no more than there is.
func smallBuffer(section *io.SectionReader, buffer int) *bufio.Reader {
	return bufio.NewReaderSize(section, int(min(int64(buffer), max(section.Size(), 16))))
}

// stored takes whole buffers from those of closed files.
func (a *Archive) stored(section *io.SectionReader, crc uint32) *stored {
	if section.Size() < int64(a.buffer) {
		return newStored(section, smallBuffer(section, a.buffer), crc)
	}
	buf, ok := a.buffers.Get().(*bufio.Reader)
	if !ok {
		buf = bufio.NewReaderSize(section, a.buffer)
	}
	buf.Reset(section)
	s := newStored(section, buf, crc)
	s.release = func(buf *bufio.Reader) { a.buffers.Put(buf) }
	return s
}

func (s *stored) Read(p []byte) (int, error) {
	if s.err != nil || len(p) == 0 {
		return 0, s.err
	}
	n, err := s.buf.Read(p)
	s.pos += int64(n)
	if s.ordered {
		s.tally.add(p[:n])
	}
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF:
		return n, unreadable(opaque(err))
	case s.pos < s.section.Size():
		return n, unreadable(errShort)
	case s.ordered:
		return n, s.tally.verdict()
	}
	return n, io.EOF
}

// Seek implements io.Seeker.
func (s *stored) Seek(offset int64, whence int) (int64, error) {
	if s.err != nil {
		return 0, s.err
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += s.pos
	case io.SeekEnd:
		offset += s.section.Size()
	default:
		return 0, errSeek
	}
	if offset < 0 {
		return 0, errSeek
	}
	if offset == s.pos {
		return offset, nil
	}
	if skip := offset - s.pos; skip > 0 && skip <= int64(s.buf.Buffered()) {
		_, _ = s.buf.Discard(int(skip))
	} else {
		if _, err := s.section.Seek(offset, io.SeekStart); err != nil {
			return 0, err
		}
		s.buf.Reset(s.section)
	}
	s.pos, s.ordered, s.tally.sum = offset, offset == 0, 0
	return offset, nil
}

// Close ends reading.
func (s *stored) Close() error {
	if s.release != nil && s.buf != nil {
		s.buf.Reset(nil)
		s.release(s.buf)
	}
	s.err, s.buf = errClosed, nil
	return nil
}
