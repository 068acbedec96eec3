package archive

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"

	"lotse/internal/importer"
)

// Open opens file i from its beginning. A stored file is an io.Seeker; its checksum
// is judged only where it is read through in order. Errors, of reading too, are
// *importer.OpenError.
func (a *Archive) Open(i int) (io.ReadCloser, error) {
	e := &a.entries[i]
	if e.refused != "" {
		return nil, &importer.OpenError{Reason: e.refused, Err: errRefused}
	}
	at, err := a.data(e)
	if err != nil {
		return nil, err
	}
	section := io.NewSectionReader(a.r, at, e.packed)
	if e.method == methodStored {
		return a.stored(section, e.crc), nil
	}
	in := a.inflate(section, e.method)
	return &content{archive: a, in: in, left: e.size, tally: tally{want: e.crc}}, nil
}

// Stored returns the bytes of file i in place; false when they are packed or
// cannot be opened.
func (a *Archive) Stored(i int) (*io.SectionReader, bool) {
	e := &a.entries[i]
	if e.refused != "" || e.method != methodStored {
		return nil, false
	}
	at, err := a.data(e)
	if err != nil {
		return nil, false
	}
	return io.NewSectionReader(a.r, at, e.packed), true
}

// headInput is how many packed bytes Head looks at: enough for the tables of a
// first deflate block and some bytes after them.
const headInput = 1 << 10

// Head reads the first bytes of file i into p, as cheaply as can be, and returns
// how many it got; fewer, or none, where the file does not give them easily.
func (a *Archive) Head(i int, p []byte) int {
	e := &a.entries[i]
	if e.refused != "" {
		return 0
	}
	at, err := a.data(e)
	if err != nil {
		return 0
	}
	section := io.NewSectionReader(a.r, at, e.packed)
	switch e.method {
	case methodStored:
		n, _ := io.ReadFull(section, p)
		return n
	case methodDeflate:
		section = io.NewSectionReader(a.r, at, min(e.packed, headInput))
	}
	in := a.inflate(section, e.method)
	n, _ := io.ReadFull(in.z, p[:min(int64(len(p)), e.size)])
	a.release(in)
	return n
}

// inflater is a decompressor with its buffer.
type inflater struct {
	buf   *bufio.Reader
	z     io.Reader
	flate io.ReadCloser // z, where it can be used again
}

func (a *Archive) inflate(packed io.Reader, method uint16) *inflater {
	if method == methodBzip2 {
		return &inflater{z: bzip2.NewReader(bufio.NewReaderSize(packed, a.buffer))}
	}
	in, ok := a.inflater.Get().(*inflater)
	if !ok {
		buf := bufio.NewReaderSize(packed, a.buffer)
		z := flate.NewReader(buf)
		return &inflater{buf: buf, z: z, flate: z}
	}
	in.buf.Reset(packed)
	if r, ok := in.flate.(flate.Resetter); ok {
		_ = r.Reset(in.buf, nil) // it never fails
	}
	return in
}

func (a *Archive) release(in *inflater) {
	if in.flate != nil {
		in.buf.Reset(nil)
		a.inflater.Put(in)
	}
}

// tally is the checksum of what has been read.
type tally struct{ sum, want uint32 }

func (t *tally) add(p []byte) { t.sum = crc32.Update(t.sum, crc32.IEEETable, p) }

// verdict judges a file that was read to its end. Some writers leave the checksum out.
func (t *tally) verdict() error {
	if t.want != 0 && t.sum != t.want {
		return unreadable(errChecksum)
	}
	return io.EOF
}

// content is an open file that is inflated.
type content struct {
	archive *Archive
	in      *inflater
	left    int64 // of the declared size
	tally   tally
	err     error
}

// Read gives at most the declared size.
func (c *content) Read(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	n, err := c.in.z.Read(p)
	long := int64(n) > c.left
	if long {
		n = int(c.left)
	}
	c.left -= int64(n)
	c.tally.add(p[:n])
	switch {
	case long:
		c.err = unreadable(errLong)
	case err == nil:
	case err != io.EOF:
		c.err = unreadable(plain(err))
	case c.left > 0:
		c.err = unreadable(errShort)
	default:
		c.err = c.tally.verdict()
	}
	return n, c.err
}

// plain keeps what the archive's reader says, and drops the words of an inflater.
func plain(err error) error {
	var corrupt flate.CorruptInputError
	var internal flate.InternalError
	var structure bzip2.StructuralError
	if errors.As(err, &corrupt) || errors.As(err, &internal) || errors.As(err, &structure) {
		return errStream
	}
	return opaque(err)
}

// Close gives the buffers back.
func (c *content) Close() error {
	if c.in != nil {
		c.archive.release(c.in)
		c.in, c.err = nil, errClosed
	}
	return nil
}
