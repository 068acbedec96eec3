package sealed

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"lotse/internal/sealed/blob"
)

const (
	windowPackets = 16
	window        = windowPackets * packet // bytes of ciphertext, 1 MiB of plaintext

	// fetchTime bounds one read of the blob store.
	fetchTime = 2 * time.Minute
)

// windowName says which window of which blob.
type windowName struct {
	key   string
	index int64
}

// windows keeps what was read of blobs, the newest used of it, within a budget.
type windows struct {
	blobs  blob.Store
	budget int64
	flight singleflight.Group

	mu     sync.Mutex
	used   int64
	recent *list.List // of *heldWindow, the newest used in front
	held   map[windowName]*list.Element
}

type heldWindow struct {
	name  windowName
	bytes []byte
}

func newWindows(blobs blob.Store, budget int64) *windows {
	return &windows{blobs: blobs, budget: budget, recent: list.New(), held: map[windowName]*list.Element{}}
}

// get gives a window of a blob that is total bytes long. The bytes are shared and
// must not be changed. Several who want the same read it once; one who does not wait
// any longer does not end it for the others.
func (w *windows) get(ctx context.Context, key string, index, total int64) ([]byte, error) {
	name := windowName{key, index}
	if b, ok := w.look(name); ok {
		return b, nil
	}
	done := w.flight.DoChan(fmt.Sprintf("%s %d", key, index), func() (any, error) {
		if b, ok := w.look(name); ok {
			return b, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
		defer cancel()
		b, err := w.fetch(ctx, name, total)
		if err == nil {
			w.keep(name, b)
		}
		return b, err
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		b, _ := r.Val.([]byte)
		return b, nil
	}
}

// fetch reads a window. A blob that is shorter or longer than it should be is
// damaged.
func (w *windows) fetch(ctx context.Context, name windowName, total int64) ([]byte, error) {
	start := name.index * window
	want := min(window, total-start)
	b := make([]byte, want, want+1)
	if start+want == total {
		b = b[:want+1]
	}
	n, err := w.blobs.ReadAt(ctx, name.key, b, start)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return nil, fmt.Errorf("%w: a segment is missing: %w", ErrDamaged, err)
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("reading a segment: %w", err)
	case int64(n) != want:
		return nil, fmt.Errorf("%w: a segment has another length", ErrDamaged)
	}
	return b[:n], nil
}

func (w *windows) look(name windowName) ([]byte, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e, ok := w.held[name]
	if !ok {
		return nil, false
	}
	w.recent.MoveToFront(e)
	h, ok := e.Value.(*heldWindow)
	return h.bytes, ok
}

func (w *windows) keep(name windowName, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.held[name]; ok {
		return
	}
	w.held[name] = w.recent.PushFront(&heldWindow{name, b})
	w.used += int64(cap(b))
	for w.used > w.budget {
		w.dropLocked(w.recent.Back())
	}
}

// drop forgets a window that turned out to be damaged, so that it is read again.
func (w *windows) drop(name windowName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.held[name]; ok {
		w.dropLocked(e)
	}
}

func (w *windows) dropLocked(e *list.Element) {
	h, ok := w.recent.Remove(e).(*heldWindow)
	if ok {
		delete(w.held, h.name)
		w.used -= int64(cap(h.bytes))
	}
}
