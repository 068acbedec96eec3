package queue

import (
	"time"

	"lotse/internal/store"
)

// Retry is [Run.Later] for an attempt that failed and counts: Run.Job.Attempt grows.
func (r *Run) Retry(tx *store.Tx, after time.Duration, code string) error {
	return r.end(tx.DelayJob(r.Job, after, true, code))
}
