package queue

import (
	"context"
	"slices"
	"time"

	"lotse/internal/store"
)

// keepLeases extends leases, writes progress and hears of cancels, until ctx ends.
// When the database hangs the runs' own timers end them.
func (w *Workers) keepLeases(ctx context.Context) {
	tick := time.NewTicker(min(time.Second, w.options.Lease/15))
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		runs := w.running()
		if len(runs) == 0 {
			continue
		}
		err := w.beat(ctx, runs)
		if err == nil {
			err = w.hear(ctx, runs)
		}
		if err != nil && !failing && ctx.Err() == nil {
			w.options.Log.Warn("leases cannot be extended", "error", err)
		}
		failing = err != nil
	}
}

// beat extends the leases whose time has come and writes new progress.
func (w *Workers) beat(ctx context.Context, runs []*Run) error {
	sent := time.Now()
	var due []*Run
	var beats []store.Beat
	for _, r := range runs {
		if b, ok := r.beat(sent); ok {
			due, beats = append(due, r), append(beats, b)
		}
	}
	if len(beats) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.options.Lease/3)
	defer cancel()
	pulses, err := w.store.Heartbeat(ctx, w.options.Lease, beats)
	if err != nil {
		for i, r := range due {
			r.unsent(beats[i])
		}
		return err
	}
	for i, r := range due {
		r.pulse(pulses[i], beats[i], sent)
	}
	return nil
}

// hear ends the contexts of jobs that a person has cancelled.
func (w *Workers) hear(ctx context.Context, runs []*Run) error {
	ctx, cancel := context.WithTimeout(ctx, w.options.Lease/3)
	defer cancel()
	ids, err := w.store.Cancelling(ctx, w.options.Node)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if slices.Contains(ids, r.Job.ID) {
			r.cancel(ErrCancelled)
		}
	}
	return nil
}
