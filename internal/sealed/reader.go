package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/minio/sio"
)

// Reader reads a part at any offset, as [io.ReaderAt] does. It is safe for
// concurrent use and need not be closed. Reading a byte decrypts 64 KiB, so those who
// read in small steps want a buffer of that at least, and those who inflate one of
// 256 KiB.
type Reader struct {
	tenant   *Tenant
	ctx      context.Context
	importID string
	segments []Segment
	size     int64
	err      error
}

// Reader reads a part that has these segments, in their order. Segments that do not
// follow each other are [ErrDamaged] in every read.
func (t *Tenant) Reader(importID string, segments []Segment) *Reader {
	r := &Reader{tenant: t, ctx: context.Background(), importID: importID, segments: segments}
	for _, s := range segments {
		if s.Offset != r.size || s.Size <= 0 || s.Size > MaxSegment {
			r.err = fmt.Errorf("%w: the segments of a part do not follow each other", ErrDamaged)
		}
		r.size += s.Size
	}
	return r
}

// WithContext gives a reader of the same part whose reads end with ctx.
func (r *Reader) WithContext(ctx context.Context) *Reader {
	c := *r
	c.ctx = ctx
	return &c
}

// Size is how many bytes of plaintext the part has.
func (r *Reader) Size() int64 { return r.size }

// ReadAt reads plaintext. [ErrErased] when the import's key was destroyed,
// [ErrDamaged] when the bytes are not those that were written, and other errors
// when the blob store or the keyring failed; see [blob.Temporary].
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	if off < 0 {
		return 0, errors.New("sealed: negative offset")
	}
	i := sort.Search(len(r.segments), func(i int) bool { return r.segments[i].Offset+r.segments[i].Size > off })
	for ; i < len(r.segments) && n < len(p); i++ {
		k, err := r.readSegment(r.segments[i], p[n:], off+int64(n)-r.segments[i].Offset)
		n += k
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readSegment reads what p wants of one segment.
func (r *Reader) readSegment(s Segment, p []byte, off int64) (n int, err error) {
	key, err := r.tenant.importKey(r.ctx, r.importID)
	if err != nil {
		return 0, err
	}
	c, err := segmentCipher(key, s.ID, s.Offset)
	if err != nil {
		return 0, err
	}
	p = p[:min(int64(len(p)), s.Size-off)]
	total := sealedSize(s.Size)
	for n < len(p) {
		at := off + int64(n)
		name := windowName{r.tenant.BlobKey(r.importID, s.ID), at / (windowPackets * payload)}
		b, err := r.tenant.vault.windows.get(r.ctx, name.key, name.index, total)
		if err != nil {
			return n, err
		}
		k, err := c.open(p[n:], b, name.index, at, total)
		if err != nil {
			r.tenant.vault.windows.drop(name)
			return n, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		n += k
	}
	return n, nil
}

// open decrypts from a window into p: what begins at offset at of the plaintext, to
// the end of p or of the window. total is how long the whole blob is.
func (c *cipherOf) open(p, b []byte, index, at, total int64) (int, error) {
	within := at - index*windowPackets*payload
	first := within / payload
	skip := within % payload
	b = b[first*packet:]
	packets := (skip + int64(len(p)) + payload - 1) / payload
	b = b[:min(int64(len(b)), packets*packet)]
	start := index*window + first*packet
	for i := int64(0); i < int64(len(b)); i += packet {
		one := b[i:min(i+packet, int64(len(b)))]
		if !c.checkPacket(one, start+i+int64(len(one)) == total) {
			return 0, errors.New("a package is not where it belongs")
		}
	}
	d, err := sio.DecryptReader(bytes.NewReader(b), c.config(uint32(start/packet)))
	if err != nil {
		return 0, err
	}
	if _, err := io.CopyN(io.Discard, d, skip); err != nil {
		return 0, err
	}
	plain := int64(len(b)) - (int64(len(b))+packet-1)/packet*overhead - skip
	n, err := io.ReadFull(d, p[:min(int64(len(p)), plain)])
	if err != nil {
		return 0, err
	}
	_, _ = d.Read(make([]byte, 1)) // at its end the reader gives its buffer back
	return n, nil
}
