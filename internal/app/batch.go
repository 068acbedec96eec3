package app

import (
	"context"
	"sync"
	"time"

	"lotse/internal/importer/receipt"
)

// A batch of outcomes is committed when it is full or old.
const (
	batchSize = 64
	batchAge  = 500 * time.Millisecond
)

// batch gathers outcomes while sending goes on and commits them beside it. What a
// crash takes away was sent and is sent again.
type batch struct {
	keep func(context.Context, []receipt.Item) error
	fail context.CancelCauseFunc
	in   chan receipt.Item
	done sync.WaitGroup

	mu  sync.Mutex
	err error
}

// newBatch starts keeping; fail ends the sending when outcomes cannot be kept.
func newBatch(ctx context.Context, fail context.CancelCauseFunc, keep func(context.Context, []receipt.Item) error) *batch {
	b := &batch{keep: keep, fail: fail, in: make(chan receipt.Item, batchSize)}
	b.done.Go(func() { b.run(context.WithoutCancel(ctx)) })
	return b
}

// add takes an outcome; its error is that of an earlier batch.
func (b *batch) add(it receipt.Item) error {
	if err := b.failed(); err != nil {
		return err
	}
	b.in <- it
	return nil
}

// close commits what is left.
func (b *batch) close() error {
	close(b.in)
	b.done.Wait()
	return b.failed()
}

func (b *batch) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *batch) run(ctx context.Context) {
	var lines []receipt.Item
	old := time.NewTimer(batchAge)
	defer old.Stop()
	flush := func() {
		if len(lines) > 0 && b.failed() == nil {
			b.set(b.keep(ctx, lines))
		}
		lines = lines[:0]
		old.Reset(batchAge)
	}
	for {
		select {
		case it, ok := <-b.in:
			if !ok {
				flush()
				return
			}
			if lines = append(lines, it); len(lines) >= batchSize {
				flush()
			}
		case <-old.C:
			flush()
		}
	}
}

func (b *batch) set(err error) {
	if err == nil {
		return
	}
	b.mu.Lock()
	b.err = err
	b.mu.Unlock()
	b.fail(err)
}
