package receive

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/dimse"
	"lotse/test/peer"
)

// slow is a database whose commit takes its time, as fsync does.
type slow struct {
	mu      sync.Mutex
	commits int
	kept    []int
	delay   time.Duration
	fail    func([]int) error
}

func (s *slow) commit(_ context.Context, values []int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	if s.delay > 0 {
		timer := time.NewTimer(s.delay)
		defer timer.Stop()
		<-timer.C
	}
	if s.fail != nil {
		if err := s.fail(values); err != nil {
			return err
		}
	}
	s.kept = append(s.kept, values...)
	return nil
}

// all hands in 0 to n-1 at the same time and gives the errors.
func all(t *testing.T, g *Group[int], n int) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = g.Do(t.Context(), i) })
	}
	wg.Wait()
	return errs
}

func TestGroupShares(t *testing.T) {
	const n = 400
	for name, o := range map[string]GroupOptions{"standard": {}, "no waiting": {Wait: -1}, "small": {Max: 16}} {
		db := &slow{delay: 2 * time.Millisecond}
		if err := errors.Join(all(t, NewGroup(db.commit, o), n)...); err != nil {
			t.Fatal(err)
		}
		slices.Sort(db.kept)
		for i, v := range db.kept {
			if i != v {
				t.Fatalf("%s: value %d at %d", name, v, i)
			}
		}
		t.Logf("%s: %d values in %d commits", name, n, db.commits)
		if len(db.kept) != n || db.commits > n/8 {
			t.Errorf("%s: %d values in %d commits", name, len(db.kept), db.commits)
		}
	}
}

// TestGroupLone: a single sender does not wait for others that cannot come.
func TestGroupLone(t *testing.T) {
	db := &slow{}
	g := NewGroup(db.commit, GroupOptions{Wait: time.Hour, Pending: func() int { return 1 }})
	for i := range 100 {
		if err := g.Do(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	if db.commits != 100 {
		t.Errorf("%d commits", db.commits)
	}
}

var errBad = errors.New("bad value")

func TestGroupSparesTheGood(t *testing.T) {
	db := &slow{fail: func(values []int) error {
		if slices.Contains(values, 13) {
			return errBad
		}
		return nil
	}}
	errs := all(t, NewGroup(db.commit, GroupOptions{Wait: 50 * time.Millisecond}), 40)
	for i, err := range errs {
		if errors.Is(err, errBad) != (i == 13) || i != 13 && err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if len(db.kept) != 39 {
		t.Errorf("%d kept", len(db.kept))
	}
}

// TestGroupGivesUp: when the database is away it is not asked for each value.
func TestGroupGivesUp(t *testing.T) {
	db := &slow{fail: func([]int) error { return &Refusal{Reason: OutOfResources, Text: "database is away"} }}
	for i, err := range all(t, NewGroup(db.commit, GroupOptions{Wait: 50 * time.Millisecond}), 40) {
		if err == nil {
			t.Errorf("%d was kept", i)
		}
	}
	if db.commits > 8 {
		t.Errorf("%d commits", db.commits)
	}
}

// TestGroupWithdraws: before its commit a value can be taken back, afterwards not.
func TestGroupWithdraws(t *testing.T) {
	begun, finish := make(chan struct{}, 2), make(chan struct{})
	var kept atomic.Int64
	g := NewGroup(func(_ context.Context, values []int) error {
		begun <- struct{}{}
		<-finish
		kept.Add(int64(len(values)))
		return nil
	}, GroupOptions{Wait: -1})
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- g.Do(ctx, 1) }()
	<-begun
	go func() { second <- g.Do(ctx, 2) }()
	peer.Await(t, 10*time.Second, "a second value in line", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.waiting) > 0
	})
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("second: %v", err)
	}
	close(finish)
	if err := <-first; err != nil || kept.Load() != 1 {
		t.Errorf("first: %v, %d kept", err, kept.Load())
	}
}

// TestParallelAssociations: eight senders share commits.
func TestParallelAssociations(t *testing.T) {
	const senders, each = 8, 25
	db := &slow{delay: 5 * time.Millisecond}
	var open atomic.Pointer[Server]
	group := NewGroup(db.commit, GroupOptions{Pending: func() int { return open.Load().Open() }})
	s := &shelf{after: func(ctx context.Context, _ Meta) error { return group.Do(ctx, 1) }}
	r := start(t, Config{}, anybody(), s, nil)
	open.Store(r.Server)
	var wg sync.WaitGroup
	for n := range senders {
		a := dial(t, r.addr)
		wg.Go(func() {
			for i := range each {
				store(t, a, newObject(t, 100*n+i, 20_000), dimse.Success)
			}
		})
	}
	wg.Wait()
	db.mu.Lock()
	defer db.mu.Unlock()
	t.Logf("%d objects in %d commits", senders*each, db.commits)
	if s.count() != senders*each || len(db.kept) != senders*each {
		t.Errorf("%d kept, %d committed", s.count(), len(db.kept))
	}
	if db.commits > senders*each/2 {
		t.Errorf("%d commits for %d objects", db.commits, senders*each)
	}
}
