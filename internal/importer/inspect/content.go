package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"

	"lotse/internal/importer"
)

// headLen is how much of the beginning of a file is judged.
const headLen = 4096

// content is an open file whose beginning has been read and can be read again. It
// remembers the source's own error, so that it is never taken for a fault of what
// is inside, and stops when the context ends.
type content struct {
	ctx    context.Context
	src    io.ReadCloser
	seeker io.Seeker // nil when the source cannot seek
	head   []byte    // the beginning
	replay []byte    // of head, still to be read again
	size   int64     // as declared, or as found by seeking; -1 when unknown
	pos    int64     // how far the source has been read
	err    error     // of the source, but io.EOF
}

// open opens file i and reads its beginning into buf; known is room for more.
func open(ctx context.Context, pkg importer.Package, i int, buf, known []byte) (*content, error) {
	src, err := openFile(pkg, i, known)
	if err != nil {
		return nil, err
	}
	c := &content{ctx: ctx, src: src, size: pkg.File(i).Size}
	c.seeker, _ = src.(io.Seeker)
	if err := c.measure(); err != nil {
		_ = src.Close()
		return nil, err
	}
	n, err := io.ReadFull(c, buf)
	c.head = buf[:n]
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		_ = src.Close()
		return nil, fmt.Errorf("read the beginning: %w", err)
	}
	return c, nil
}

// measure finds the size of a source that can seek: what is declared may be wrong.
func (c *content) measure() error {
	if c.seeker == nil {
		return nil
	}
	end, err := c.seeker.Seek(0, io.SeekEnd)
	if err == nil {
		c.size = end
		_, err = c.seeker.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("find the size: %w", err)
	}
	return nil
}

func (c *content) close() { _ = c.src.Close() }

// Read reads what replay holds, then on from the source.
func (c *content) Read(p []byte) (int, error) {
	if len(c.replay) > 0 {
		n := copy(p, c.replay)
		c.replay = c.replay[n:]
		return n, nil
	}
	if err := c.ctx.Err(); err != nil {
		c.err = err
		return 0, err
	}
	n, err := c.src.Read(p)
	c.pos += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// start returns a reader from the beginning of the file, an io.Seeker where the
// source is one. What was returned before must no longer be read.
func (c *content) start() (io.Reader, error) {
	if c.seeker == nil {
		c.replay = c.head
		return c, nil
	}
	if err := c.seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return seekable{c}, nil
}

func (c *content) seek(offset int64, whence int) error {
	c.replay = nil
	pos, err := c.seeker.Seek(offset, whence)
	if err != nil {
		c.err = err
		return fmt.Errorf("seek: %w", err)
	}
	c.pos = pos
	return nil
}

// tail returns up to n bytes before the end of the file, nil where that is not to
// be had for nothing.
func (c *content) tail(n int64) []byte {
	if c.seeker == nil || c.size < 0 {
		return nil
	}
	if err := c.seek(max(0, c.size-n), io.SeekStart); err != nil {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(c, n))
	if err != nil {
		return nil
	}
	return b
}

// seekable is a content whose source can seek.
type seekable struct{ *content }

// Seek implements io.Seeker.
func (s seekable) Seek(offset int64, whence int) (int64, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	err := s.seek(offset, whence)
	return s.pos, err
}

// reasonOf says why a source did not give its bytes.
func reasonOf(err error) importer.ReasonCode {
	var open *importer.OpenError
	if errors.As(err, &open) && open.Reason != "" {
		return open.Reason
	}
	return importer.ReasonUnreadable
}
