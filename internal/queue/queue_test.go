package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/store"
	"lotse/internal/store/storetest"
	"lotse/test/peer"
)

// node is a database with a tenant and workers that a test starts.
type node struct {
	t      *testing.T
	db     *store.DB
	tenant *store.Tenant
}

func newNode(t *testing.T, p storetest.Place, change ...func(*store.Config)) *node {
	db := p.Migrated(t, change...)
	return &node{t: t, db: db, tenant: storetest.Tenant(t, db)}
}

// options are quick for tests.
func options(name string) Options {
	return Options{Node: name, Grace: 5 * time.Second, RetryFirst: 20 * time.Millisecond, RetryMax: 100 * time.Millisecond, Log: quiet()}
}

// start runs workers until stop is called or the test ends.
func start(t *testing.T, w *Workers) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func (n *node) enqueue(job Job) string {
	n.t.Helper()
	var id string
	err := n.tenant.Write(n.t.Context(), func(tx *store.Tx) (err error) {
		id, _, err = tx.Enqueue(job)
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return id
}

func (n *node) status(id string) (s store.JobStatus) {
	n.t.Helper()
	err := n.tenant.Read(n.t.Context(), func(tx *store.Tx) (err error) {
		s, err = tx.Job(id)
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

func (n *node) await(id string, state store.JobState) store.JobStatus {
	n.t.Helper()
	peer.Await(n.t, 20*time.Second, "job is "+string(state), func() bool { return n.status(id).State == state })
	return n.status(id)
}

func (n *node) sites() (names []string) {
	n.t.Helper()
	err := n.tenant.Read(n.t.Context(), func(tx *store.Tx) error {
		names = nil
		all, err := tx.Sites()
		for _, s := range all {
			names = append(names, s.Name)
		}
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return names
}

// TestOutcomes: what a handler returns and what becomes of the job.
func TestOutcomes(t *testing.T) {
	broken := errors.New("broken")
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		n := newNode(t, p)
		w := New(n.db.System(), options("a"))
		var calls sync.Map
		handle := func(kind string, h func(ctx context.Context, run *Run, call int) error) {
			w.Handle(kind, func(ctx context.Context, run *Run) error {
				counter, _ := calls.LoadOrStore(kind, new(atomic.Int64))
				return h(ctx, run, int(counter.(*atomic.Int64).Add(1)))
			})
			w.After(kind, func(tx *store.Tx, o Outcome) error {
				return tx.AddSite(store.NewID(), fmt.Sprintf("%s %s %s %s", kind, o.State, o.Code, store.NewID()))
			})
		}
		handle("done", func(_ context.Context, run *Run, _ int) error { run.Progress("all"); return nil })
		handle("own end", func(ctx context.Context, run *Run, _ int) error {
			return n.tenant.Write(ctx, func(tx *store.Tx) error { return run.Complete(tx) })
		})
		handle("own failure", func(ctx context.Context, run *Run, _ int) error {
			return n.tenant.Write(ctx, func(tx *store.Tx) error { return run.Fail(tx, "why") })
		})
		handle("later", func(ctx context.Context, run *Run, call int) error {
			return n.tenant.Write(ctx, func(tx *store.Tx) error {
				if call < 3 {
					return run.Later(tx, time.Millisecond, "not yet")
				}
				return run.Complete(tx)
			})
		})
		handle("retry", func(_ context.Context, _ *Run, call int) error {
			if call < 3 {
				return broken
			}
			return nil
		})
		handle("not yet", func(_ context.Context, _ *Run, call int) error {
			if call < 3 {
				return RetryAfter(time.Millisecond, nil)
			}
			return nil
		})
		handle("permanent", func(context.Context, *Run, int) error { return Permanent(WithCode("no-way", broken)) })
		handle("exhausted", func(context.Context, *Run, int) error { return RetryAfter(time.Millisecond, broken) })
		handle("panic", func(context.Context, *Run, int) error { panic("Meier^Anna") })
		start(t, w)
		for _, c := range []struct {
			kind     string
			attempts int
			state    store.JobState
			attempt  int
			code     string
			after    string // of the AfterFunc
		}{
			{"done", 0, store.JobDone, 1, "", "done done "},
			{"own end", 0, store.JobDone, 1, "", ""},
			{"own failure", 0, store.JobFailed, 1, "why", ""},
			{"later", 2, store.JobDone, 1, "", ""},
			{"retry", 5, store.JobDone, 3, "", "retry waiting error"},
			{"not yet", 2, store.JobDone, 1, "", "not yet waiting "},
			{"permanent", 5, store.JobFailed, 1, "no-way", "permanent failed no-way"},
			{"exhausted", 2, store.JobFailed, 2, "error", "exhausted failed error"},
			{"panic", 0, store.JobFailed, 3, "panic", "panic failed panic"},
		} {
			s := n.await(n.enqueue(Job{Kind: c.kind, Attempts: c.attempts}), c.state)
			if s.Attempt != c.attempt || s.Code != c.code {
				t.Errorf("%s: attempt %d, code %q", c.kind, s.Attempt, s.Code)
			}
			if c.kind == "done" && string(s.Progress) != `"all"` {
				t.Errorf("progress of a run that was quick: %s", s.Progress)
			}
			found := strings.Contains(strings.Join(n.sites(), "\n"), c.kind+" ")
			if want := c.after != ""; found != want || want && !strings.Contains(strings.Join(n.sites(), "\n"), c.after) {
				t.Errorf("%s: what came after is %q", c.kind, n.sites())
			}
		}
	})
}

// TestCancel: a running job hears of it within two seconds, a settled retry too.
func TestCancel(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		n := newNode(t, p)
		w := New(n.db.System(), options("a"))
		running := make(chan struct{}, 9)
		heard := make(chan error, 1)
		w.Handle("slow", func(ctx context.Context, _ *Run) error {
			running <- struct{}{}
			<-ctx.Done()
			heard <- context.Cause(ctx)
			return ctx.Err()
		})
		var cancelled atomic.Int64
		w.After("slow", func(_ *store.Tx, o Outcome) error {
			if o.State == store.JobCancelled {
				cancelled.Add(1)
			}
			return nil
		})
		cancel := func(id string) {
			err := n.tenant.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.CancelJob(id); return err })
			if err != nil {
				t.Fatal(err)
			}
		}
		w.Handle("retry", func(_ context.Context, run *Run) error { // cancelled before the worker could hear of it
			cancel(run.Job.ID)
			return errors.New("again")
		})
		start(t, w)
		id := n.enqueue(Job{Kind: "slow"})
		<-running
		asked := time.Now()
		cancel(id)
		if cause := <-heard; !errors.Is(cause, ErrCancelled) || time.Since(asked) > 2*time.Second {
			t.Errorf("heard after %v: %v", time.Since(asked), cause)
		}
		n.await(id, store.JobCancelled)
		if cancelled.Load() == 0 {
			t.Error("nothing came after the cancel")
		}
		n.await(n.enqueue(Job{Kind: "retry"}), store.JobCancelled)
	})
}

// TestStopGivesBack: what a stopping node had is taken by another at once, without
// a lost attempt.
func TestStopGivesBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		n := newNode(t, p)
		first, second := New(n.db.System(), options("a")), New(n.db.System(), options("b"))
		running := make(chan struct{})
		first.Handle("k", func(_ context.Context, run *Run) error {
			close(running)
			<-run.Stopping()
			return ErrStopping
		})
		attempt := make(chan int, 1)
		second.Handle("k", func(_ context.Context, run *Run) error {
			attempt <- run.Job.Attempt
			return nil
		})
		stop := start(t, first)
		id := n.enqueue(Job{Kind: "k", Attempts: 1})
		<-running
		stop()
		start(t, second)
		n.await(id, store.JobDone)
		if a := <-attempt; a != 1 {
			t.Errorf("attempt %d", a)
		}
	})
}

// TestConcurrency: no kind has more hands than it may, and one kind does not
// hold up another.
func TestConcurrency(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		n := newNode(t, p)
		o := options("a")
		o.Concurrency = map[string]int{"many": 3}
		w := New(n.db.System(), o)
		var now, most atomic.Int64
		release := make(chan struct{})
		w.Handle("many", func(context.Context, *Run) error {
			most.Store(max(most.Load(), now.Add(1)))
			<-release
			now.Add(-1)
			return nil
		})
		w.Handle("one", func(context.Context, *Run) error { return nil })
		start(t, w)
		var ids []string
		for range 10 {
			ids = append(ids, n.enqueue(Job{Kind: "many"}))
		}
		peer.Await(t, 10*time.Second, "three at work", func() bool { return now.Load() == 3 })
		n.await(n.enqueue(Job{Kind: "one"}), store.JobDone)
		close(release)
		for _, id := range ids {
			n.await(id, store.JobDone)
		}
		if most.Load() != 3 {
			t.Errorf("%d at once", most.Load())
		}
	})
}

// TestEvery: three nodes, and each turn is taken once.
func TestEvery(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		clock := new(storetest.Clock)
		n := newNode(t, p, clock.Config)
		var turns, now atomic.Int64
		for i := range 3 {
			w := New(n.db.System(), options(fmt.Sprint(i)))
			w.Every("sweep", time.Hour, func(_ context.Context, run *Run) error {
				if now.Add(1) > 1 {
					t.Error("two at once")
				}
				defer now.Add(-1)
				if turns.Add(1) == 2 {
					return errors.New("again, sooner than in an hour")
				}
				return nil
			})
			start(t, w)
		}
		peer.Await(t, 10*time.Second, "first turn", func() bool { return turns.Load() == 1 })
		clock.Pass(time.Hour)
		peer.Await(t, 10*time.Second, "second turn and its repetition", func() bool { return turns.Load() == 3 })
		peer.Await(t, 10*time.Second, "its end is kept", func() bool {
			all, err := n.db.System().Schedules(t.Context())
			return err == nil && len(all) == 1 && time.Until(all[0].Finished) > 50*time.Minute
		})
		if turns.Load() != 3 {
			t.Errorf("%d turns", turns.Load())
		}
	})
}

// TestDatabaseDown: while the database fails workers wait; a run that could not be
// settled is settled when it is back.
func TestDatabaseDown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		down := &storetest.Switch{Stage: store.StageBegin, Kind: store.Unavailable}
		n := newNode(t, p)
		w := New(p.Open(t, down.Config).System(), options("a"))
		calls := make(chan struct{}, 9)
		w.Handle("k", func(context.Context, *Run) error {
			down.Set(true)
			calls <- struct{}{}
			return nil
		})
		start(t, w)
		id := n.enqueue(Job{Kind: "k"})
		<-calls
		if s := n.status(id); s.State != store.JobRunning {
			t.Errorf("state %s", s.State)
		}
		down.Set(false)
		n.await(id, store.JobDone)
		if len(calls) != 0 {
			t.Error("the handler ran again")
		}
	})
}

// TestDestroyedTenant: a running job of it ends, without its handler's help.
func TestDestroyedTenant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		n := newNode(t, p)
		w := New(n.db.System(), options("a"))
		running, proceed, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		w.Handle("k", func(ctx context.Context, run *Run) error {
			defer close(done)
			close(running)
			<-proceed
			return n.tenant.Write(ctx, func(tx *store.Tx) error { return run.Complete(tx) })
		})
		stop := start(t, w)
		n.enqueue(Job{Kind: "k"})
		<-running
		if err := n.db.System().DestroyTenant(t.Context(), n.tenant.ID()); err != nil {
			t.Fatal(err)
		}
		close(proceed)
		<-done
		stop()
		backlog, err := n.db.System().Backlog(t.Context())
		if err != nil || len(backlog) != 0 {
			t.Errorf("backlog: %+v, %v", backlog, err)
		}
	})
}

// kill ends workers as if their process were gone: nothing is given back.
func (w *Workers) kill(cancel context.CancelFunc) {
	w.mu.Lock()
	w.killed = true
	w.mu.Unlock()
	for _, r := range w.running() {
		r.cancel(errors.New("killed"))
	}
	cancel()
}

// TestKills runs 500 jobs on three workers that are killed at random, over a
// database that now and then loses the answer to a commit: every job is done, and
// what each did under its fence happened once.
func TestKills(t *testing.T) {
	total := 500
	if testing.Short() {
		total = 100
	}
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		n := newNode(t, p)
		err := n.tenant.Write(t.Context(), func(tx *store.Tx) error {
			for i := range total {
				if _, _, err := tx.Enqueue(Job{Kind: "k", Subject: fmt.Sprint(i)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var left atomic.Int64
		left.Store(int64(total))
		var kills atomic.Int64
		var workers sync.WaitGroup
		lossy := func(c *store.Config) {
			c.Faults = func(point store.Point) error {
				if point.Stage == store.StageCommitted && point.Write && rand.N(50) == 0 {
					return store.Fault(store.Unavailable)
				}
				return nil
			}
		}
		db := p.Open(t, lossy)
		for i := range 3 {
			if i > 0 && db.Engine() == store.PostgreSQL { // several nodes
				db = p.Open(t, lossy)
			}
			db := db
			workers.Go(func() {
				for life := 0; left.Load() > 0 && !t.Failed(); life++ {
					live(t, db, n.tenant.ID(), fmt.Sprintf("%d.%d", i, life), &left)
					kills.Add(1)
				}
			})
		}
		workers.Wait()
		effects := make(map[string]int)
		for _, name := range n.sites() {
			subject, _, _ := strings.Cut(name, "/")
			effects[subject]++
		}
		for subject, count := range effects {
			if count != 1 {
				t.Errorf("job %s took effect %d times", subject, count)
			}
		}
		if len(effects) != total {
			t.Errorf("%d of %d jobs took effect", len(effects), total)
		}
		backlog, err := n.db.System().Backlog(t.Context())
		if err != nil || len(backlog) != 0 {
			t.Errorf("backlog: %+v, %v", backlog, err)
		}
		t.Logf("%d lives of workers", kills.Load())
		if kills.Load() < 4 { // three end with the work
			t.Error("too few kills to show anything")
		}
	})
}

// live is one life of a worker: it ends after a random time, or when the work is done.
func live(t *testing.T, db *store.DB, tenant, name string, left *atomic.Int64) {
	o := options(name)
	o.Lease, o.Grace, o.Concurrency = 2*time.Second, 5*time.Second, map[string]int{"k": 4}
	w := New(db.System(), o)
	w.Handle("k", func(ctx context.Context, run *Run) error {
		timer := time.NewTimer(rand.N(20 * time.Millisecond)) // the work
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		return db.Tenant(tenant).Write(ctx, func(tx *store.Tx) error {
			if err := run.Complete(tx); err != nil {
				return err
			}
			return tx.AddSite(store.NewID(), run.Job.Subject+"/"+store.NewID())
		})
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	timer := time.NewTimer(500*time.Millisecond + rand.N(time.Second))
	defer timer.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for alive := true; alive && left.Load() > 0; {
		select {
		case <-timer.C:
			alive = false
		case <-tick.C:
			if backlog, err := db.System().Backlog(t.Context()); err == nil {
				unfinished := 0
				for _, b := range backlog {
					unfinished += b.Due + b.Later + b.Running
				}
				left.Store(int64(unfinished))
			}
		}
	}
	w.kill(cancel)
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}
