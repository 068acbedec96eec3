package archive

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"hash/crc32"
	"io"

	"lotse/internal/importer/source/archive/inflate"
)

// Open opens file i from its beginning. A stored file that is not encrypted is an
// io.Seeker; its checksum is judged only where it is read through in order. Errors,
// of reading too, are *importer.OpenError.
func (a *Archive) Open(i int) (io.ReadCloser, error) {
	packed, err := a.packed(i)
	if err != nil {
		return nil, err
	}
	e := &a.entries[i]
	if section, ok := packed.(*io.SectionReader); ok && e.method == methodStored {
		return a.stored(section, e.crc), nil
	}
	c := &content{archive: a, in: a.inflate(packed, e), left: e.size, tally: tally{want: e.crc}}
	c.seal, _ = packed.(authentic)
	return c, nil
}

// Packed reports whether reading file i means inflating it.
func (a *Archive) Packed(i int) bool { return a.entries[i].method == methodDeflate }

// Stored returns the bytes of file i in place; false when they are packed,
// encrypted, or cannot be opened.
func (a *Archive) Stored(i int) (*io.SectionReader, bool) {
	if a.entries[i].method != methodStored {
		return nil, false
	}
	packed, err := a.packed(i)
	if err != nil {
		return nil, false
	}
	section, ok := packed.(*io.SectionReader)
	return section, ok
}

// headInput is how many packed bytes Head looks at, at the least: enough for the
// tables of a first deflate block and some bytes after them.
const headInput = 1 << 10

// Head reads the first bytes of file i into p, as cheaply as can be, and returns
// how many it got; fewer, or none, where the file does not give them easily.
func (a *Archive) Head(i int, p []byte) int {
	packed, err := a.packed(i)
	if err != nil {
		return 0
	}
	e := &a.entries[i]
	p = p[:min(int64(len(p)), e.size)]
	switch e.method {
	case methodStored:
		n, _ := io.ReadFull(packed, p)
		return n
	case methodDeflate:
		packed = io.LimitReader(packed, int64(max(headInput, len(p)/2)))
	}
	z := a.inflate(packed, e)
	n, _ := io.ReadFull(z, p)
	a.release(z)
	return n
}

func (a *Archive) inflate(packed io.Reader, e *entry) io.Reader {
	switch e.method {
	case methodStored: // and encrypted
		return bufio.NewReaderSize(packed, int(min(int64(a.buffer), max(e.packed, 16))))
	case methodBzip2:
		return bzip2.NewReader(bufio.NewReaderSize(packed, a.buffer))
	}
	z, ok := a.inflaters.Get().(*inflate.Reader)
	if !ok {
		return inflate.NewSize(packed, a.buffer)
	}
	z.Reset(packed)
	return z
}

// release keeps what can be used again.
func (a *Archive) release(r io.Reader) {
	if z, ok := r.(*inflate.Reader); ok {
		z.Reset(nil)
		a.inflaters.Put(z)
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
	in      io.Reader // of the plain bytes; nil when closed
	left    int64     // of the declared size
	tally   tally
	seal    authentic // nil when there is none
	err     error
}

// Read gives at most the declared size.
func (c *content) Read(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	n, err := c.in.Read(p)
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
		c.err = c.verdict()
	}
	return n, c.err
}

// verdict judges a file that was read to its end.
func (c *content) verdict() error {
	if c.seal != nil {
		if err := c.seal.authenticate(); err != nil {
			return unreadable(err)
		}
	}
	return c.tally.verdict()
}

// plain keeps what the archive's reader says, and drops the words of an inflater.
func plain(err error) error {
	var corrupt inflate.CorruptError
	var structure bzip2.StructuralError
	if errors.As(err, &corrupt) || errors.As(err, &structure) {
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
