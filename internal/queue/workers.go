package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"lotse/internal/store"
)

// Handler works on a job; see the package's text.
type Handler func(ctx context.Context, run *Run) error

// Outcome is what becomes of a job after its handler has returned.
type Outcome struct {
	Job   Job
	State store.JobState // done, failed, cancelled; waiting when it is tried again
	After time.Duration  // until then
	Code  string         // of the error
	Err   error
}

// AfterFunc runs in the transaction in which a run is settled, to commit what
// follows from it together with it. It may run several times.
type AfterFunc func(tx *store.Tx, o Outcome) error

// Workers runs the jobs of one node.
type Workers struct {
	store    Store
	options  Options
	handlers map[string]Handler
	after    map[string]AfterFunc
	periods  map[string]time.Duration

	stopping chan struct{}
	freed    chan struct{} // a handler has ended
	active   sync.WaitGroup

	mu     sync.Mutex
	runs   map[*Run]struct{}
	taken  map[string]int // by kind
	killed bool           // by a test: as if the process were gone
}

// New makes the workers of a node. Give them their handlers, then [Workers.Run].
func New(s Store, options Options) *Workers {
	return &Workers{
		store: s, options: options.withDefaults(),
		handlers: make(map[string]Handler), after: make(map[string]AfterFunc), periods: make(map[string]time.Duration),
		stopping: make(chan struct{}), freed: make(chan struct{}, 1),
		runs: make(map[*Run]struct{}), taken: make(map[string]int),
	}
}

// Handle sets the handler of a kind of jobs.
func (w *Workers) Handle(kind string, h Handler) { w.handlers[kind] = h }

// After sets what else happens in the transaction that settles a job of the kind:
// that completes, fails, cancels or delays it. It is not called for jobs the handler
// ended itself, nor when a stopping node gives one back.
func (w *Workers) After(kind string, f AfterFunc) { w.after[kind] = f }

// Every has h run at intervals, on one node at a time. An error has it run again
// sooner.
func (w *Workers) Every(name string, interval time.Duration, h Handler) {
	w.periods[name] = interval
	w.Handle(store.PeriodicKind+name, h)
}

// Run works until ctx ends. Then it takes nothing more, lets the handlers go on
// for the time of grace, ends their contexts and gives back what they had. It
// returns an error when handlers did not end even then; their leases run out.
// It is called once.
func (w *Workers) Run(ctx context.Context) error {
	if w.options.Node == "" {
		return errors.New("queue: the node has no name")
	}
	beating, stopBeating := context.WithCancel(context.WithoutCancel(ctx))
	var beats sync.WaitGroup
	beats.Go(func() { w.keepLeases(beating) })
	defer beats.Wait()
	defer stopBeating()
	w.work(ctx)
	return w.stop()
}

// work claims and starts jobs until ctx ends.
func (w *Workers) work(ctx context.Context) {
	var pause time.Duration
	scheduled, failing := false, false
	for ctx.Err() == nil {
		asked := time.Now()
		var jobs []Job
		var next time.Duration
		var err error
		if !scheduled {
			err = w.schedule(ctx)
			scheduled = err == nil
		}
		if err == nil {
			jobs, next, err = w.look(ctx)
		}
		if err != nil && !failing && ctx.Err() == nil {
			w.options.Log.Warn("the queue cannot be read", "error", err)
		}
		failing = err != nil
		for _, job := range jobs {
			w.start(ctx, job, asked)
		}
		if len(jobs) > 0 {
			pause = w.options.Busy
		} else {
			pause = min(max(2*pause, w.options.Busy), w.options.Poll)
		}
		wait := pause
		if next > 0 {
			wait = min(wait, next)
		}
		if w.rest(ctx, wait) {
			pause = 0
		}
	}
}

// rest waits, less long when there is a reason to look; it reports whether there was.
func (w *Workers) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-w.freed:
	case <-w.store.Enqueued():
	case <-ctx.Done():
	}
	return true
}

// schedule makes the periodic work known.
func (w *Workers) schedule(ctx context.Context) error {
	for name, interval := range w.periods {
		if err := w.store.AddSchedule(ctx, name, interval); err != nil {
			return fmt.Errorf("schedule %s: %w", name, err)
		}
	}
	return nil
}

// look makes periodic jobs whose time has come and claims what there are free
// hands for. It tells how long it is until something becomes due.
func (w *Workers) look(ctx context.Context) (jobs []Job, next time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.options.Lease/3)
	defer cancel()
	if len(w.periods) > 0 {
		names := make([]string, 0, len(w.periods))
		for name := range w.periods {
			names = append(names, name)
		}
		slices.Sort(names)
		if next, err = w.store.Tick(ctx, names); err != nil {
			return nil, 0, fmt.Errorf("make periodic jobs: %w", err)
		}
	}
	wants := w.wants()
	if len(wants) == 0 {
		return nil, next, nil
	}
	jobs, soonest, err := w.store.Claim(ctx, w.options.Node, w.options.Lease, wants)
	if err != nil {
		return nil, 0, fmt.Errorf("claim jobs: %w", err)
	}
	if next == 0 || soonest > 0 && soonest < next {
		next = soonest
	}
	return jobs, next, nil
}

// wants are the kinds with free hands, in a fixed order.
func (w *Workers) wants() []store.Want {
	w.mu.Lock()
	defer w.mu.Unlock()
	var wants []store.Want
	for kind := range w.handlers {
		if free := max(w.options.Concurrency[kind], 1) - w.taken[kind]; free > 0 {
			wants = append(wants, store.Want{Kind: kind, Limit: free})
		}
	}
	slices.SortFunc(wants, func(a, b store.Want) int {
		if a.Kind < b.Kind {
			return -1
		}
		return 1
	})
	return wants
}

// start runs the handler of a job that was claimed when asked for at the given time.
func (w *Workers) start(ctx context.Context, job Job, asked time.Time) {
	r := newRun(ctx, w, job, asked)
	w.mu.Lock()
	w.runs[r] = struct{}{}
	w.taken[job.Kind]++
	w.mu.Unlock()
	w.active.Go(func() {
		defer w.forget(r)
		var err error
		switch {
		case job.Cancelling:
			err = ErrCancelled
		case job.Attempts > 0 && job.Attempt > job.Attempts:
			err = Permanent(ErrExhausted)
		default:
			err = w.call(r)
		}
		w.settle(r, err)
	})
}

// call runs the handler; its panic is an error.
func (w *Workers) call(r *Run) (err error) {
	defer func() {
		if value := recover(); value != nil {
			p := &panicError{value: value, stack: debug.Stack()}
			w.log(r.Job).Error("a handler panicked", "error", p, "stack", string(p.stack))
			err = p
		}
	}()
	return w.handlers[r.Job.Kind](r.ctx, r)
}

func (w *Workers) forget(r *Run) {
	r.timer.Stop()
	r.cancel(nil)
	w.mu.Lock()
	delete(w.runs, r)
	w.taken[r.Job.Kind]--
	w.mu.Unlock()
	select {
	case w.freed <- struct{}{}:
	default:
	}
}

// stop ends what runs, in two steps of bounded time.
func (w *Workers) stop() error {
	close(w.stopping)
	ended := make(chan struct{})
	go func() {
		w.active.Wait()
		close(ended)
	}()
	for range 2 {
		timer := time.NewTimer(w.options.Grace)
		select {
		case <-ended:
			timer.Stop()
			return nil
		case <-timer.C:
		}
		for _, r := range w.running() {
			r.cancel(ErrStopping)
		}
	}
	return fmt.Errorf("queue: %d handlers did not end when told to; their leases run out", len(w.running()))
}

func (w *Workers) running() []*Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	runs := make([]*Run, 0, len(w.runs))
	for r := range w.runs {
		runs = append(runs, r)
	}
	return runs
}

func (w *Workers) isKilled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.killed
}

func (w *Workers) log(job Job) *slog.Logger {
	return w.options.Log.With("job", job.ID, "kind", job.Kind, "subject", job.Subject, "attempt", job.Attempt)
}
