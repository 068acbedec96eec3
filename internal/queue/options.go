package queue

import (
	"context"
	"log/slog"
	"time"

	"lotse/internal/store"
)

// Job is a job as it was claimed.
type Job = store.Job

// Store is what the workers need of the database; *store.System has it.
type Store interface {
	Claim(ctx context.Context, node string, lease time.Duration, wants []store.Want) (jobs []store.Job, next time.Duration, err error)
	Heartbeat(ctx context.Context, lease time.Duration, beats []store.Beat) ([]store.Pulse, error)
	Cancelling(ctx context.Context, node string) (ids []string, err error)
	AddSchedule(ctx context.Context, name string, every time.Duration) error
	Tick(ctx context.Context, names []string) (next time.Duration, err error)
	WriteAs(ctx context.Context, tenant string, f func(tx *store.Tx) error) error
	AbandonJob(ctx context.Context, job store.Job) error
	Enqueued() <-chan struct{}
}

// Options of the workers of a node. Zero values mean what is said.
type Options struct {
	Node        string         // unique among the running processes; required
	Concurrency map[string]int // jobs of a kind at once on this node; 1 where nothing is said
	Lease       time.Duration  // 15 s
	Busy        time.Duration  // pause after work was found; 50 ms
	Poll        time.Duration  // the longest pause while there is none; 1 s
	Grace       time.Duration  // for handlers to reach a durable point when stopping; 10 s
	RetryFirst  time.Duration  // bound of the random pause after a first failure, doubled by each; 1 s
	RetryMax    time.Duration  // its limit; 5 min
	Log         *slog.Logger   // slog.Default()
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&o.Lease, 15*time.Second)
	set(&o.Busy, 50*time.Millisecond)
	set(&o.Poll, time.Second)
	set(&o.Grace, 10*time.Second)
	set(&o.RetryFirst, time.Second)
	set(&o.RetryMax, 5*time.Minute)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}
