package sealed

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/minio/sio"

	"lotse/internal/sealed/blob"
)

// maxAge is how long a segment stays open by default.
const maxAge = 30 * time.Second

// WriterOptions of a [Writer].
type WriterOptions struct {
	// Offset is where in the part writing begins: the size of what is committed.
	Offset int64

	// Commit makes the rows of segments that are durable. It is called in Write and
	// Flush, before they return. Whether Write's bytes are acknowledged is up to what
	// Commit was told, not to Write's return. After an error the writer is done, and
	// the segments may have their rows or not.
	Commit func(ctx context.Context, segments []Segment) error

	// MaxAge is after which time an open segment is sealed by the next Write, though
	// it is not full: 30 s when zero. It bounds what a crash makes one fetch again.
	MaxAge time.Duration

	// Digest asks for the SHA-256 of the part.
	Digest bool

	// DigestState goes on with the digest where another writer's DigestState was
	// taken, at Offset.
	DigestState []byte
}

// Writer takes the bytes of a part in order and cuts them into segments. It belongs
// to one goroutine and must end with Flush or Abort.
type Writer struct {
	tenant   *Tenant
	ctx      context.Context
	importID string
	options  WriterOptions

	open   *openSegment
	offset int64 // where the open or next segment begins
	digest hash.Hash
	state  []byte
	sum    []byte
	err    error
}

// openSegment is one that is being written.
type openSegment struct {
	Segment
	blob   blob.Writer
	cipher io.WriteCloser
	since  time.Time
}

// Writer begins to write at the end of what a part has. Its failures show in Write
// and Flush: [ErrErased] when the import's key was destroyed.
func (t *Tenant) Writer(ctx context.Context, importID string, o WriterOptions) *Writer {
	if o.MaxAge <= 0 {
		o.MaxAge = maxAge
	}
	w := &Writer{tenant: t, ctx: ctx, importID: importID, options: o, offset: o.Offset}
	if o.Offset < 0 || o.Commit == nil {
		w.err = errors.New("sealed: a writer needs an offset and a commit")
	} else if o.Digest {
		w.restore(ctx)
	}
	return w
}

func (w *Writer) restore(ctx context.Context) {
	h, err := w.tenant.restoreDigest(ctx, w.importID, w.options.DigestState)
	if err != nil {
		w.err = err
		return
	}
	w.digest, w.state, w.sum = h, w.options.DigestState, h.Sum(nil)
}

// Write seals p. What it returns says nothing about durability.
func (w *Writer) Write(p []byte) (n int, err error) {
	if err := w.cutOld(); err != nil {
		return 0, err
	}
	for len(p) > 0 {
		k, err := w.write(p)
		n += k
		if err != nil {
			return n, err
		}
		p = p[k:]
	}
	return n, nil
}

// Offset is how much of the part is durable and committed, in bytes.
func (w *Writer) Offset() int64 { return w.offset }

// Pending is how many bytes were written and are not committed.
func (w *Writer) Pending() int64 {
	if w.open == nil {
		return 0
	}
	return w.open.Size
}

// DigestState is the state of the digest at the end of the newest segment, sealed
// under the import's key. During Commit that segment counts. It is nil when no
// digest was asked for, and at the beginning of a part.
func (w *Writer) DigestState() []byte { return w.state }

// Digest is the SHA-256 of the part to the end of the newest segment. During Commit
// that segment counts. It is nil when it was not asked for.
func (w *Writer) Digest() []byte { return w.sum }

// Flush seals and commits what is open. The writer can be written to afterwards.
func (w *Writer) Flush(ctx context.Context) error {
	if w.err != nil || w.open == nil {
		return w.err
	}
	return w.fail(w.cut(ctx))
}

// Abort drops what is not committed and ends the writer. After Flush it only ends
// it.
func (w *Writer) Abort() {
	if w.err == nil {
		w.err = ErrClosed
	}
	w.drop()
}

func (w *Writer) drop() {
	if w.open != nil {
		_ = w.open.cipher.Close() // gives its buffer back; the blob is dropped
		w.open.blob.Abort()
		w.open = nil
	}
}

func (w *Writer) fail(err error) error {
	if err != nil && w.err == nil {
		w.err = err
		w.drop()
	}
	return w.err
}

// cutOld cuts a segment that has been open for too long. A clock that went back
// makes it old, too.
func (w *Writer) cutOld() error {
	if w.err != nil || w.open == nil {
		return w.err
	}
	if age := w.tenant.vault.now().Sub(w.open.since); age >= 0 && age < w.options.MaxAge {
		return nil
	}
	return w.fail(w.cut(w.ctx))
}

// write takes the first bytes of p, at most one package of them.
func (w *Writer) write(p []byte) (int, error) {
	if w.open != nil && w.full() {
		if err := w.fail(w.cut(w.ctx)); err != nil {
			return 0, err
		}
	}
	if w.open == nil {
		if err := w.fail(w.begin()); err != nil {
			return 0, err
		}
	}
	p = p[:min(int64(len(p)), payload, MaxSegment-w.open.Size)]
	n, err := w.open.cipher.Write(p)
	if err != nil {
		return n, w.fail(fmt.Errorf("writing a segment: %w", err))
	}
	w.open.Size += int64(n)
	if w.digest != nil {
		_, _ = w.digest.Write(p[:n]) // never fails
	}
	if w.open.Size == MaxSegment {
		return n, w.fail(w.cut(w.ctx))
	}
	return n, nil
}

// full says whether the blob cannot take one more package: it is held in memory,
// and that is used up.
func (w *Writer) full() bool {
	r, ok := w.open.blob.(blob.Reserver)
	return ok && !r.Reserve(2*packet) && w.open.Size > 0
}

// begin opens a segment with a new id.
func (w *Writer) begin() error {
	key, err := w.tenant.importKey(w.ctx, w.importID)
	if err != nil {
		return err
	}
	s := &openSegment{Segment: Segment{ID: newSegmentID(), Offset: w.offset}, since: w.tenant.vault.now()}
	c, err := segmentCipher(key, s.ID, s.Offset)
	if err != nil {
		return err
	}
	if s.blob, err = w.tenant.vault.blobs.Create(w.ctx, w.tenant.BlobKey(w.importID, s.ID)); err != nil {
		return fmt.Errorf("beginning a segment: %w", err)
	}
	if s.cipher, err = sio.EncryptWriter(onlyWriter{s.blob}, c.config(0)); err != nil {
		s.blob.Abort()
		return fmt.Errorf("beginning a segment: %w", err)
	}
	w.open = s
	return nil
}

// cut seals the open segment, makes it durable and has its row committed.
func (w *Writer) cut(ctx context.Context) error {
	s := w.open
	if err := s.cipher.Close(); err != nil {
		return fmt.Errorf("sealing a segment: %w", err)
	}
	if err := s.blob.Commit(ctx); err != nil {
		return fmt.Errorf("making a segment durable: %w", err)
	}
	w.open = nil
	if err := w.digestTo(ctx); err != nil {
		return err
	}
	before := w.offset
	w.offset += s.Size
	if err := w.options.Commit(ctx, []Segment{s.Segment}); err != nil {
		w.offset = before
		return fmt.Errorf("committing a segment: %w", err)
	}
	return nil
}

func (w *Writer) digestTo(ctx context.Context) (err error) {
	if w.digest == nil {
		return nil
	}
	w.sum = w.digest.Sum(nil)
	w.state, err = w.tenant.saveDigest(ctx, w.importID, w.digest)
	return err
}

// onlyWriter hides Commit and everything else from the encryption, which would
// close what has a Close.
type onlyWriter struct{ w io.Writer }

func (o onlyWriter) Write(p []byte) (int, error) { return o.w.Write(p) }
