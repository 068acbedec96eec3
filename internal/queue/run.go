package queue

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"lotse/internal/store"
)

// Run is one attempt at a job, for its handler. Its methods are safe for
// concurrent use.
type Run struct {
	Job Job

	w        *Workers
	ctx      context.Context
	cancel   context.CancelCauseFunc
	stopping <-chan struct{}
	timer    *time.Timer // ends the context before the lease does

	mu       sync.Mutex
	asked    time.Time // when the lease was last asked for, on the monotonic clock
	soon     bool      // ask again at the next beat
	progress []byte    // latest
	dirty    bool      // progress is not in the database yet
	ended    bool      // the handler ended the job in a transaction of its own
}

func newRun(ctx context.Context, w *Workers, job Job, asked time.Time) *Run {
	r := &Run{Job: job, w: w, stopping: w.stopping, asked: asked}
	r.ctx, r.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	r.timer = time.AfterFunc(r.Remaining(), func() {
		if r.Remaining() <= 0 { // not extended just now
			r.cancel(ErrLeaseLost)
		}
	})
	return r
}

// Fence makes sure, in a transaction of the job's tenant, that the job is still
// this run's and stays so until the transaction has ended; store.ErrLeaseLost
// otherwise.
func (r *Run) Fence(tx *store.Tx) error { return tx.Fence(r.Job) }

// Complete ends the job as done in the handler's transaction, fenced. The handler
// then returns nil.
func (r *Run) Complete(tx *store.Tx) error { return r.end(tx.CompleteJob(r.Job)) }

// Fail ends the job for good in the handler's transaction, fenced. The handler
// then returns nil. The code is kept and holds nothing personal.
func (r *Run) Fail(tx *store.Tx, code string) error { return r.end(tx.FailJob(r.Job, code)) }

// Later gives the job back in the handler's transaction, fenced, to be run again
// after a time; the attempt does not count. The handler then returns nil.
func (r *Run) Later(tx *store.Tx, after time.Duration, code string) error {
	return r.end(tx.DelayJob(r.Job, after, false, code))
}

func (r *Run) end(err error) error {
	if err == nil {
		r.mu.Lock()
		r.ended = true // whether the transaction commits shows when the run is settled
		r.mu.Unlock()
	}
	return err
}

// Last reports whether the job fails for good when this attempt does not succeed.
func (r *Run) Last() bool { return r.Job.Attempts > 0 && r.Job.Attempt >= r.Job.Attempts }

// Stopping is closed when the node stops: go on to the next durable point and
// return [ErrStopping]. The context ends after the time of grace.
func (r *Run) Stopping() <-chan struct{} { return r.stopping }

// Remaining is how long the context lives if the lease is not extended any more:
// what a sender looks at before it starts on something that takes a while.
func (r *Run) Remaining() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	lease := r.w.options.Lease
	return lease - lease/5 - time.Since(r.asked)
}

// Progress keeps what is to be shown of the job's progress, as JSON without
// anything personal. The latest value is written, at most once a second.
func (r *Run) Progress(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		r.w.log(r.Job).Error("progress cannot be kept", "error", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress, r.dirty = data, true
}

// beat gives what the next heartbeat has to say, if anything.
func (r *Run) beat(now time.Time) (b store.Beat, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || !r.dirty && !r.soon && now.Sub(r.asked) < r.w.options.Lease/3 {
		return b, false
	}
	b = store.Beat{Job: r.Job}
	if r.dirty {
		b.Progress, r.dirty = r.progress, false
	}
	return b, true
}

// pulse takes the answer to a beat that was sent at the given time.
func (r *Run) pulse(p store.Pulse, b store.Beat, sent time.Time) {
	r.mu.Lock()
	ended := r.ended
	r.soon = p == store.PulseHeld
	if extended := p == store.PulseExtended || p == store.PulseCancelled; extended {
		r.asked = sent
	} else {
		r.dirty = r.dirty || b.Progress != nil
	}
	r.mu.Unlock()
	switch p {
	case store.PulseExtended:
		r.timer.Reset(r.Remaining())
	case store.PulseCancelled:
		r.timer.Reset(r.Remaining())
		r.cancel(ErrCancelled)
	case store.PulseLost:
		if !ended {
			r.cancel(ErrLeaseLost)
		}
	case store.PulseHeld:
	}
}

// unsent takes back the progress of a beat that did not arrive.
func (r *Run) unsent(b store.Beat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dirty = r.dirty || b.Progress != nil
}

// unwritten gives progress that is not in the database yet.
func (r *Run) unwritten() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.dirty {
		return nil
	}
	return r.progress
}

func (r *Run) hasEnded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}
