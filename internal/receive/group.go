package receive

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// GroupOptions tune a [Group]; zero values mean the defaults.
type GroupOptions struct {
	// Max is the size of a batch; default 64.
	Max int
	// Wait is how long a batch waits for others; default 3 ms, negative for not at all.
	// While one batch is being committed the next one gathers in any case.
	Wait time.Duration
	// Pending, when set, tells how many callers are there or on their way. A batch that
	// has as many waits no longer, so that a single sender is not slowed down.
	Pending func() int
}

// Group commits values of concurrent callers together: each hands one in and waits for
// the commit it was part of.
type Group[T any] struct {
	commit  func(context.Context, []T) error
	opts    GroupOptions
	arrived chan struct{}

	mu      sync.Mutex
	waiting []*member[T]
	leading bool // a goroutine takes care of the waiting
}

type member[T any] struct {
	ctx   context.Context // its values only
	value T
	done  chan error
}

// NewGroup makes a group. commit is called by one goroutine at a time, with the values
// in the order they came and a context that has no end. When it fails for several, it is
// called again for each alone, so that one bad value does not fail the others; after an
// error that says of itself to be Temporary the rest of the batch gets that one. As a
// commit may have happened in spite of its error, commit must be idempotent.
func NewGroup[T any](commit func(context.Context, []T) error, opts GroupOptions) *Group[T] {
	if opts.Max <= 0 {
		opts.Max = 64
	}
	if opts.Wait == 0 {
		opts.Wait = 3 * time.Millisecond
	}
	return &Group[T]{commit: commit, opts: opts, arrived: make(chan struct{}, 1)}
}

// Do commits v with others and returns the error of its commit. When ctx ends before the
// commit has begun, v is withdrawn and the error is the cause of ctx; afterwards Do waits.
func (g *Group[T]) Do(ctx context.Context, v T) error {
	m := &member[T]{ctx: ctx, value: v, done: make(chan error, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, m)
	if !g.leading {
		g.leading = true
		go g.lead()
	}
	g.mu.Unlock()
	select {
	case g.arrived <- struct{}{}:
	default:
	}
	select {
	case err := <-m.done:
		return err
	case <-ctx.Done():
	}
	if g.withdraw(m) {
		return context.Cause(ctx)
	}
	return <-m.done
}

// withdraw takes m back unless its commit has begun.
func (g *Group[T]) withdraw(m *member[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, m)
	if i < 0 {
		return false
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	return true
}

// lead commits batches until nobody waits.
func (g *Group[T]) lead() {
	for {
		g.gather()
		batch := g.batch()
		if batch == nil {
			return
		}
		g.finish(batch)
	}
}

// gather waits until the next batch is large enough or has waited long enough.
func (g *Group[T]) gather() {
	if g.opts.Wait < 0 {
		return
	}
	timer := time.NewTimer(g.opts.Wait)
	defer timer.Stop()
	for !g.complete() {
		select {
		case <-timer.C:
			return
		case <-g.arrived:
		}
	}
}

func (g *Group[T]) complete() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := len(g.waiting)
	return n == 0 || n >= g.opts.Max || g.opts.Pending != nil && n >= g.opts.Pending()
}

// batch takes those whose turn it is; nil ends the lead.
func (g *Group[T]) batch() []*member[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), g.opts.Max)
	if n == 0 {
		g.leading = false
		return nil
	}
	batch := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return batch
}

// finish commits a batch and tells its members.
func (g *Group[T]) finish(batch []*member[T]) {
	values := make([]T, len(batch))
	for i, m := range batch {
		values[i] = m.value
	}
	err := g.commit(context.WithoutCancel(batch[0].ctx), values)
	single := err != nil && len(batch) > 1
	var stop error
	for _, m := range batch {
		if single && stop == nil {
			err = g.commit(context.WithoutCancel(m.ctx), []T{m.value})
			if temporary(err) {
				stop = err
			}
		}
		m.done <- err
	}
}

func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}
