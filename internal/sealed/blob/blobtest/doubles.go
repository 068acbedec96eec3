package blobtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/durable/durabletest"
)

// Op is a kind of call of a store or of its writers.
type Op string

// The kinds of calls.
const (
	Any    Op = ""
	Create Op = "create"
	Write  Op = "write"
	Commit Op = "commit"
	Read   Op = "read"
	Delete Op = "delete"
	List   Op = "list"
	Check  Op = "check"
)

// ErrInjected is what calls of [Faulty] fail with by default; it is temporary.
var ErrInjected error = &blob.Error{Op: "a call that is to fail", Retry: true, Err: errors.New("injected")}

// Faulty is a store of which chosen calls fail.
type Faulty struct {
	blob.Store

	mu    sync.Mutex
	calls map[Op]int
	plans []*plan
}

type plan struct {
	op    Op
	left  int // calls until it fails
	err   error
	after bool
}

// NewFaulty makes a store like s of which no call fails yet.
func NewFaulty(s blob.Store) *Faulty { return &Faulty{Store: s, calls: map[Op]int{}} }

// Fail lets the nth call of op from now fail once: 1 is the next. Nothing is done
// by it. With a nil error it is [ErrInjected].
func (f *Faulty) Fail(op Op, nth int, err error) { f.plan(op, nth, err, false) }

// FailAfter is Fail for a call that does what it should and fails all the same, as
// when the answer was lost on its way. It is of use with Commit and Delete.
func (f *Faulty) FailAfter(op Op, nth int, err error) { f.plan(op, nth, err, true) }

func (f *Faulty) plan(op Op, nth int, err error, after bool) {
	if err == nil {
		err = ErrInjected
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plans = append(f.plans, &plan{op, nth, err, after})
}

// Calls says how many calls of op there were; of all with Any.
func (f *Faulty) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// call counts, and says how the call fails.
func (f *Faulty) call(op Op) (before, after error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	f.calls[Any]++
	for _, p := range f.plans {
		if p.op != op && p.op != Any {
			continue
		}
		if p.left--; p.left == 0 && p.after {
			after = p.err
		} else if p.left == 0 {
			before = p.err
		}
	}
	return before, after
}

func (f *Faulty) do(op Op, work func() error) error {
	before, after := f.call(op)
	if before != nil {
		return before
	}
	if err := work(); err != nil {
		return err
	}
	return after
}

// Create is of [blob.Store].
func (f *Faulty) Create(ctx context.Context, key string) (w blob.Writer, err error) {
	err = f.do(Create, func() (err error) { w, err = f.Store.Create(ctx, key); return err })
	if err != nil {
		if w != nil {
			w.Abort()
		}
		return nil, err
	}
	return &faultyWriter{w, f}, nil
}

type faultyWriter struct {
	blob.Writer
	f *Faulty
}

func (w *faultyWriter) Write(p []byte) (n int, err error) {
	err = w.f.do(Write, func() (err error) { n, err = w.Writer.Write(p); return err })
	return n, err
}

func (w *faultyWriter) Commit(ctx context.Context) error {
	err := w.f.do(Commit, func() error { return w.Writer.Commit(ctx) })
	w.Abort()
	return err
}

// Reserve hands on to writers that can.
func (w *faultyWriter) Reserve(n int) bool {
	r, ok := w.Writer.(blob.Reserver)
	return !ok || r.Reserve(n)
}

// ReadAt is of [blob.Store].
func (f *Faulty) ReadAt(ctx context.Context, key string, p []byte, off int64) (n int, err error) {
	err = f.do(Read, func() (err error) { n, err = f.Store.ReadAt(ctx, key, p, off); return err })
	return n, err
}

// Delete is of [blob.Store].
func (f *Faulty) Delete(ctx context.Context, keys ...string) error {
	return f.do(Delete, func() error { return f.Store.Delete(ctx, keys...) })
}

// List is of [blob.Store].
func (f *Faulty) List(ctx context.Context, prefix string, each func(blob.Info) error) error {
	return f.do(List, func() error { return f.Store.List(ctx, prefix, each) })
}

// Check is of [blob.Store].
func (f *Faulty) Check(ctx context.Context) error {
	return f.do(Check, func() error { return f.Store.Check(ctx) })
}

// Counting is a store that counts what is read.
type Counting struct {
	blob.Store
	reads, bytes atomic.Int64
}

// ReadAt is of [blob.Store].
func (c *Counting) ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error) {
	n, err := c.Store.ReadAt(ctx, key, p, off)
	c.reads.Add(1)
	c.bytes.Add(int64(n))
	return n, err
}

// Read says how many reads there were since the last time it was asked, and of how
// many bytes.
func (c *Counting) Read() (reads, bytes int64) { return c.reads.Swap(0), c.bytes.Swap(0) }

// Unsynced is the store of package disk over files that forget what was not synced:
// see [durabletest.Unsynced]. When its process is killed, its folder has what a loss
// of power would have left; package disk opens it, or OpenUnsynced again.
type Unsynced struct {
	blob.Store
	files *durabletest.Unsynced
}

// OpenUnsynced opens such a store in a folder.
func OpenUnsynced(dir string) (*Unsynced, error) {
	files, err := durabletest.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the forgetful store: %w", err)
	}
	store, err := disk.New(files)
	if err != nil {
		return nil, err
	}
	return &Unsynced{store, files}, nil
}

// Crash forgets at once what is not durable. Writers that are open fail from now on.
func (u *Unsynced) Crash() error {
	if err := u.files.Crash(); err != nil {
		return fmt.Errorf("crashing the store: %w", err)
	}
	store, err := disk.New(u.files)
	u.Store = store
	return err
}
