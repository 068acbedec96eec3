package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"lotse/internal/store"
)

// panicAttempts bounds how often a handler may panic over the same job.
const panicAttempts = 3

// settle writes what becomes of the job, as long as the lease holds.
func (w *Workers) settle(r *Run, err error) {
	cause := context.Cause(r.ctx)
	if w.isKilled() || errors.Is(cause, ErrLeaseLost) {
		if !r.hasEnded() {
			w.log(r.Job).Warn("a run ended without its lease", "error", err)
		}
		return
	}
	o, release := w.judge(r, err, cause)
	for attempt := 0; ; attempt++ {
		err := w.write(r, o, release)
		switch {
		case err == nil:
			w.report(o, release)
			return
		case errors.Is(err, store.ErrLeaseLost):
			if !r.hasEnded() && attempt == 0 {
				w.log(r.Job).Warn("a run could not be settled: its lease is lost")
			}
			return // by the handler itself, or by a first try whose answer was lost
		case errors.Is(err, store.ErrNoTenant):
			w.abandon(r)
			return
		}
		if !w.patience(r, attempt) {
			w.log(r.Job).Error("a run could not be settled in the time of its lease", "error", err)
			return
		}
	}
}

// judge decides what becomes of the job; release gives it back as if untouched.
func (w *Workers) judge(r *Run, err, cause error) (o Outcome, release bool) {
	o = Outcome{Job: r.Job, State: store.JobDone, Err: err, Code: codeOf(err)}
	var v *verdict
	var p *panicError
	switch {
	case err == nil:
	case errors.Is(cause, ErrCancelled) || errors.Is(err, ErrCancelled):
		o.State, o.Code = store.JobCancelled, ""
	case errors.Is(cause, ErrStopping) || errors.Is(err, ErrStopping):
		o.State, o.Code = store.JobWaiting, ""
		return o, true
	case errors.As(err, &v) && v.permanent, errors.As(err, &p) && r.Job.Attempt >= panicAttempts:
		o.State = store.JobFailed
	case v != nil:
		o.State, o.After = store.JobWaiting, v.after
		if v.err != nil && r.Last() {
			o.State = store.JobFailed
		}
	case r.Last():
		o.State = store.JobFailed
	default:
		o.State, o.After = store.JobWaiting, w.backoff(r.Job.Attempt)
	}
	return o, false
}

// backoff is a random time up to a bound that doubles with each attempt.
func (w *Workers) backoff(attempt int) time.Duration {
	bound := w.options.RetryMax
	if shift := attempt - 1; shift < 30 {
		bound = min(bound, w.options.RetryFirst<<max(shift, 0))
	}
	return rand.N(bound) + 1 //nolint:gosec // spreads load, hides nothing
}

// write settles the run in one transaction together with what follows from it. A
// cancel that was asked for meanwhile wins over trying again.
func (w *Workers) write(r *Run, o Outcome, release bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), max(r.Remaining(), time.Millisecond))
	defer cancel()
	return w.store.WriteAs(ctx, r.Job.Tenant, func(tx *store.Tx) error {
		if err := tx.Fence(r.Job); err != nil {
			return err
		}
		o := o
		if o.State == store.JobWaiting {
			cancelling, err := tx.JobCancelling(r.Job)
			if err != nil {
				return err
			}
			if cancelling {
				o.State, o.Code, o.After = store.JobCancelled, "", 0
			}
		}
		if progress := r.unwritten(); progress != nil {
			if err := tx.JobProgress(r.Job, progress); err != nil {
				return err
			}
		}
		if after := w.after[r.Job.Kind]; after != nil && (!release || o.State != store.JobWaiting) {
			if err := after(tx, o); err != nil {
				return err
			}
		}
		return put(tx, o, release)
	})
}

func put(tx *store.Tx, o Outcome, release bool) error {
	switch {
	case o.State == store.JobDone:
		return tx.CompleteJob(o.Job)
	case o.State == store.JobFailed:
		return tx.FailJob(o.Job, o.Code)
	case o.State == store.JobCancelled:
		return tx.EndCancelledJob(o.Job)
	case release:
		return tx.ReleaseJob(o.Job)
	}
	var v *verdict
	counted := !errors.As(o.Err, &v) || v.err != nil
	return tx.DelayJob(o.Job, o.After, counted, o.Code)
}

// patience waits before settling is tried again; false when the lease is too near
// its end.
func (w *Workers) patience(r *Run, attempt int) bool {
	wait := min(w.options.Busy<<min(attempt, 6), time.Second)
	if w.isKilled() || r.Remaining() < wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	<-timer.C
	return true
}

// abandon ends a job whose tenant was destroyed while it ran.
func (w *Workers) abandon(r *Run) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), max(r.Remaining(), time.Millisecond))
	defer cancel()
	if err := w.store.AbandonJob(ctx, r.Job); err != nil && !errors.Is(err, store.ErrLeaseLost) {
		w.log(r.Job).Warn("the job of a destroyed tenant could not be ended", "error", err)
	}
}

func (w *Workers) report(o Outcome, release bool) {
	log := w.log(o.Job)
	switch {
	case release:
		log.Info("a job was given back")
	case o.State == store.JobFailed:
		log.Error("a job failed", "code", o.Code, "error", o.Err)
	case o.State == store.JobWaiting:
		log.Info("a job waits to be tried again", "after", o.After, "code", o.Code, "error", o.Err)
	case o.State == store.JobCancelled:
		log.Info("a job was cancelled")
	default:
		log.Debug("a job is done")
	}
}
