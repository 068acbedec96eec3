package s3

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"io/fs"

	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/bucket"
)

// piece is how much of the budget a writer takes at a time, in bytes. A writer
// begins with one, so that the budget serves many small blobs at once.
const piece = 256 << 10

// pool hands out pieces of memory within a budget. Pieces that came back are used
// again.
type pool struct {
	free chan []byte // has an element for every piece that can be taken
}

func newPool(budget int64) *pool {
	p := &pool{free: make(chan []byte, budget/piece)}
	for range cap(p.free) {
		p.free <- nil // made when it is first taken
	}
	return p
}

// wait takes a piece, for which it waits.
func (p *pool) wait(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case b := <-p.free:
		return made(b), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// try takes a piece if there is one.
func (p *pool) try() ([]byte, bool) {
	select {
	case b := <-p.free:
		return made(b), true
	default:
		return nil, false
	}
}

func made(b []byte) []byte {
	if b == nil {
		return make([]byte, piece)
	}
	return b
}

func (p *pool) give(pieces [][]byte) {
	for _, b := range pieces {
		p.free <- b
	}
}

type writer struct {
	store  *Store
	key    string
	pieces [][]byte
	size   int64
	sum    hash.Hash
	done   bool
}

func newWriter(s *Store, key string, first []byte) *writer {
	return &writer{store: s, key: key, pieces: [][]byte{first}, sum: sha256.New()}
}

// Reserve is of [blob.Reserver].
func (w *writer) Reserve(n int) bool {
	for int64(len(w.pieces))*piece < w.size+int64(n) {
		b, ok := w.store.pool.try()
		if !ok {
			return false
		}
		w.pieces = append(w.pieces, b)
	}
	return true
}

func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, fs.ErrClosed
	}
	if w.size+int64(len(p)) > blob.MaxSize {
		return 0, blob.ErrTooLarge
	}
	if !w.Reserve(len(p)) {
		return 0, blob.ErrBusy
	}
	_, _ = w.sum.Write(p) // never fails
	for rest := p; len(rest) > 0; {
		n := copy(w.pieces[w.size/piece][w.size%piece:], rest)
		w.size += int64(n)
		rest = rest[n:]
	}
	return len(p), nil
}

// ReadAt reads what was written, for the request.
func (w *writer) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < w.size {
		from := w.pieces[off/piece][off%piece:]
		k := copy(p[n:], from[:min(int64(len(from)), w.size-off)])
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (w *writer) Commit(ctx context.Context) error {
	if w.done {
		return fs.ErrClosed
	}
	defer w.Abort()
	body := &once{r: io.NewSectionReader(w, 0, w.size)}
	err := w.store.bucket.Put(ctx, w.key, body, w.size, w.sum.Sum(nil), bucket.Condition{})
	body.end()
	if err != nil {
		return failure("committing", err)
	}
	return nil
}

func (w *writer) Abort() {
	if !w.done {
		w.done = true
		w.store.pool.give(w.pieces)
		w.pieces = nil
	}
}
