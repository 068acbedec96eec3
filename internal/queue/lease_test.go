package queue

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lotse/internal/store"
)

// script is a store whose answers a test decides, without I/O, for the time of the
// fake clock.
type script struct {
	mu        sync.Mutex
	jobs      []store.Job // given to the first claim
	claims    []time.Time
	next      time.Duration
	heartbeat func(ctx context.Context, beats []store.Beat) ([]store.Pulse, error)
	settled   int
	enqueued  chan struct{}
}

func (s *script) Claim(context.Context, string, time.Duration, []store.Want) ([]store.Job, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims = append(s.claims, time.Now())
	jobs := s.jobs
	s.jobs = nil
	return jobs, s.next, nil
}

func (s *script) Heartbeat(ctx context.Context, _ time.Duration, beats []store.Beat) ([]store.Pulse, error) {
	return s.heartbeat(ctx, beats)
}

func (s *script) Cancelling(context.Context, string) ([]string, error)     { return nil, nil }
func (s *script) AddSchedule(context.Context, string, time.Duration) error { return nil }
func (s *script) Tick(context.Context, []string) (time.Duration, error)    { return 0, nil }
func (s *script) AbandonJob(context.Context, store.Job) error              { return nil }
func (s *script) Enqueued() <-chan struct{}                                { return s.enqueued }
func (s *script) WriteAs(context.Context, string, func(tx *store.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled++
	return nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// runFor runs workers with one handler over the script for a time on the fake clock.
func runFor(t *testing.T, s *script, d time.Duration, h Handler) {
	t.Helper()
	w := New(s, Options{Node: "n", Log: quiet()})
	w.Handle("k", h)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := w.Run(ctx); err != nil {
		t.Error(err)
	}
}

// TestContextEndsBeforeTheLease: however heartbeats fail, the handler's context is
// gone before another worker could have the job, and nothing is settled after that.
func TestContextEndsBeforeTheLease(t *testing.T) {
	down := &store.Error{Kind: store.Unavailable}
	for name, c := range map[string]struct {
		heartbeat func(ctx context.Context, beats []store.Beat) ([]store.Pulse, error)
		min, max  time.Duration
	}{
		"hanging": {func(ctx context.Context, _ []store.Beat) ([]store.Pulse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, 11 * time.Second, 13 * time.Second},
		"hanging for ever": {func(context.Context, []store.Beat) ([]store.Pulse, error) {
			<-time.After(time.Minute) // not even its own time limit is kept
			return nil, down
		}, 11 * time.Second, 13 * time.Second},
		"failing": {func(context.Context, []store.Beat) ([]store.Pulse, error) { return nil, down }, 11 * time.Second, 13 * time.Second},
		"lost": {func(_ context.Context, b []store.Beat) ([]store.Pulse, error) {
			return []store.Pulse{store.PulseLost}, nil
		}, 4 * time.Second, 7 * time.Second},
		"held": {func(_ context.Context, b []store.Beat) ([]store.Pulse, error) {
			return []store.Pulse{store.PulseHeld}, nil
		}, 11 * time.Second, 13 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{jobs: []store.Job{{ID: "1", Kind: "k"}}, heartbeat: c.heartbeat}
				var lived time.Duration
				var cause error
				runFor(t, s, 2*time.Minute, func(ctx context.Context, _ *Run) error {
					started := time.Now()
					<-ctx.Done()
					lived, cause = time.Since(started), context.Cause(ctx)
					return ctx.Err()
				})
				if lived < c.min || lived > c.max || !errors.Is(cause, ErrLeaseLost) {
					t.Errorf("the context ended after %v: %v", lived, cause)
				}
				if s.settled != 0 {
					t.Error("a run without a lease was settled")
				}
			})
		})
	}
}

// TestHeartbeatsKeepTheLease also counts them, and the progress they carry.
func TestHeartbeatsKeepTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		var progress []string
		s := &script{jobs: []store.Job{{ID: "1", Kind: "k"}}}
		s.heartbeat = func(_ context.Context, beats []store.Beat) ([]store.Pulse, error) {
			times = append(times, time.Now())
			progress = append(progress, string(beats[0].Progress))
			return make([]store.Pulse, len(beats)), nil
		}
		runFor(t, s, 2*time.Minute, func(ctx context.Context, run *Run) error {
			for i := range 1000 { // ten seconds
				run.Progress(i)
				<-time.After(10 * time.Millisecond)
			}
			<-time.After(50 * time.Second)
			if run.Remaining() < 6*time.Second {
				t.Errorf("%v remain", run.Remaining())
			}
			return ctx.Err()
		})
		if s.settled != 1 {
			t.Error("not settled")
		}
		if n := len(slices.DeleteFunc(slices.Clone(progress), func(p string) bool { return p == "" })); n < 9 || n > 11 {
			t.Errorf("progress was written %d times in ten seconds", n)
		}
		if !slices.Contains(progress, "999") {
			t.Error("the latest progress was not written")
		}
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap < time.Second || gap > 6*time.Second {
				t.Errorf("%v between heartbeats", gap)
			}
		}
	})
}

// TestPolling: soon after work, seldom without, at once on a hint and when
// something becomes due.
func TestPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{enqueued: make(chan struct{})}
		started := time.Now()
		go func() {
			<-time.After(20*time.Second + 300*time.Millisecond)
			s.enqueued <- struct{}{}
		}()
		runFor(t, s, 30*time.Second, func(context.Context, *Run) error { return nil })
		between := func(from, to time.Duration) (n int) {
			for _, at := range s.claims {
				if d := at.Sub(started); d >= from && d < to {
					n++
				}
			}
			return n
		}
		if n := between(0, time.Second); n < 4 {
			t.Errorf("%d polls in the first second", n)
		}
		if n := between(10*time.Second, 20*time.Second); n < 9 || n > 11 {
			t.Errorf("%d polls in ten seconds without work", n)
		}
		if between(20*time.Second+300*time.Millisecond, 20*time.Second+301*time.Millisecond) == 0 {
			t.Error("no poll on a hint")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &script{next: 30 * time.Millisecond}
		runFor(t, s, time.Second, func(context.Context, *Run) error { return nil })
		if n := len(s.claims); n < 30 {
			t.Errorf("%d polls in a second in which something is due every 30 ms", n)
		}
	})
}

// TestStopping: first a sign, then the end of the context, then Run returns.
func TestStopping(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler Handler
		took    time.Duration
		settled int
		fails   bool
	}{
		{"looks at the sign", func(_ context.Context, run *Run) error {
			<-run.Stopping()
			<-time.After(3 * time.Second) // to the next durable point
			return ErrStopping
		}, 3 * time.Second, 1, false},
		{"looks at the context", func(ctx context.Context, _ *Run) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, 10 * time.Second, 1, false},
		{"looks at nothing", func(context.Context, *Run) error {
			<-time.After(10 * time.Minute)
			return nil
		}, 20 * time.Second, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{jobs: []store.Job{{ID: "1", Kind: "k"}}}
				s.heartbeat = func(_ context.Context, beats []store.Beat) ([]store.Pulse, error) {
					return make([]store.Pulse, len(beats)), nil
				}
				w := New(s, Options{Node: "n", Log: quiet()})
				w.Handle("k", c.handler)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				started := time.Now()
				err := w.Run(ctx)
				if took := time.Since(started) - time.Minute; took != c.took || (err != nil) != c.fails {
					t.Errorf("Run took %v to stop: %v", took, err)
				}
				s.mu.Lock()
				settled := s.settled
				s.mu.Unlock()
				if settled != c.settled {
					t.Errorf("settled %d times", settled)
				}
				<-time.After(time.Hour) // for the last one
			})
		})
	}
}

func TestBackoff(t *testing.T) {
	w := New(&script{}, Options{})
	for attempt, bound := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 20: 5 * time.Minute, 1 << 40: 5 * time.Minute} {
		var longest time.Duration
		for range 200 {
			d := w.backoff(attempt)
			if d <= 0 || d > bound {
				t.Fatalf("attempt %d: %v", attempt, d)
			}
			longest = max(longest, d)
		}
		if longest < bound/2 {
			t.Errorf("attempt %d: never longer than %v of %v", attempt, longest, bound)
		}
	}
}

func TestPanicsKeepQuiet(t *testing.T) {
	p := &panicError{value: "Meier^Anna"}
	if got := p.Error(); got != "panic with a value of type string" {
		t.Error(got)
	}
	defer func() {
		p := &panicError{value: recover()}
		if got := p.Error(); got != "panic: runtime error: index out of range [3] with length 0" {
			t.Error(got)
		}
	}()
	var nothing []int
	_ = nothing[len("abc")]
}
