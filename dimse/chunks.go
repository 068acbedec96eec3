package dimse

import "io"

// Chunks gives an encoded data set piece by piece.
type Chunks interface {
	// Next returns the next piece, valid until the next call. At the end the error
	// is io.EOF, best together with the last piece. Any other error aborts the
	// association before the object is complete. Large pieces (256 KiB and more)
	// send fastest; they are not copied.
	Next() ([]byte, error)
}

// DefaultChunk is the piece size of [FromReader] when none is given, in bytes.
const DefaultChunk = 512 << 10

// FromReader gives what r reads in pieces of up to size bytes through one buffer;
// size 0 means [DefaultChunk].
func FromReader(r io.Reader, size int) Chunks {
	if size <= 0 {
		size = DefaultChunk
	}
	return &readerChunks{r: r, buf: make([]byte, max(size, 16))}
}

type readerChunks struct {
	r   io.Reader
	buf []byte
}

// Next fills the buffer, so that a short object is one piece with its io.EOF.
func (c *readerChunks) Next() ([]byte, error) {
	n := 0
	for n < len(c.buf) {
		m, err := c.r.Read(c.buf[n:])
		n += m
		if err != nil {
			return c.buf[:n], err
		}
		if m == 0 {
			return c.buf[:n], nil
		}
	}
	return c.buf[:n], nil
}

// FromBytes gives b as one piece.
func FromBytes(b []byte) Chunks { return &bytesChunks{b: b} }

type bytesChunks struct {
	b []byte
}

// Next gives everything at once.
func (c *bytesChunks) Next() ([]byte, error) {
	b := c.b
	c.b = nil
	return b, io.EOF
}
