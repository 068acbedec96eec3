package store

import (
	"database/sql"
	"errors"
	"strings"
	"time"
)

// Fence makes sure that the claim of the job still holds, and that nobody else can
// claim it before the transaction has ended. Every transaction of a job's worker
// begins with it, or ends the job, which implies it. [ErrLeaseLost] otherwise.
func (tx *Tx) Fence(job Job) error {
	tenant, err := tx.jobKey(job)
	if err != nil {
		return err
	}
	var token int64
	var state string
	var lease sql.NullInt64
	err = tx.systemRow("SELECT token, state, lease_until FROM jobs WHERE tenant_id = $1 AND id = $2"+tx.forUpdate(),
		[]any{tenant, job.ID}, &token, &state, &lease)
	switch {
	case errors.Is(err, ErrNotFound):
		return ErrLeaseLost
	case err != nil:
		return err
	case token != job.Token || JobState(state) != JobRunning || !moment(lease).After(tx.now):
		return ErrLeaseLost
	}
	return nil
}

// JobCancelling reports whether a person has asked the running job to end. Call it
// under [Tx.Fence]: the answer then holds until the transaction has ended.
func (tx *Tx) JobCancelling(job Job) (bool, error) {
	tenant, err := tx.jobKey(job)
	if err != nil {
		return false, err
	}
	var asked int
	err = tx.systemRow("SELECT cancelling FROM jobs WHERE tenant_id = $1 AND id = $2", []any{tenant, job.ID}, &asked)
	return asked != 0, err
}

// JobProgress keeps what the worker last said about its progress, as JSON.
func (tx *Tx) JobProgress(job Job, progress []byte) error {
	return tx.held(job, "UPDATE jobs SET progress = $5", string(progress))
}

// CompleteJob ends the job: it is done. Of the system's jobs nothing is kept.
// [ErrLeaseLost] when the claim does not hold any more; so with all that follow.
func (tx *Tx) CompleteJob(job Job) error {
	if err := tx.endJob(job, JobDone, ""); err != nil || job.Tenant != "" {
		return err
	}
	if name, periodic := strings.CutPrefix(job.Kind, PeriodicKind); periodic {
		if _, err := tx.systemExec("UPDATE schedules SET finished_at = $3 WHERE tenant_id = $1 AND name = $2", everyone, name, micros(tx.now)); err != nil {
			return err
		}
	}
	_, err := tx.systemExec("DELETE FROM jobs WHERE tenant_id = $1 AND id = $2", everyone, job.ID)
	return err
}

// FailJob ends the job for good. The code says why; it holds nothing personal.
func (tx *Tx) FailJob(job Job, code string) error { return tx.endJob(job, JobFailed, code) }

// EndCancelledJob ends a running job that was asked to end.
func (tx *Tx) EndCancelledJob(job Job) error { return tx.endJob(job, JobCancelled, "") }

func (tx *Tx) endJob(job Job, state JobState, code string) error {
	return tx.held(job, "UPDATE jobs SET state = $5, code = $6, finished_at = $4, node = NULL, lease_until = NULL, cancelling = 0",
		string(state), text(code))
}

// DelayJob gives the job back, to be run again after a time. An attempt that is
// not counted does not bring the job nearer to its last. A job that was asked to
// end stays asked: its next worker ends it.
func (tx *Tx) DelayJob(job Job, after time.Duration, counted bool, code string) error {
	runAt := tx.now.Add(max(after, 0))
	err := tx.held(job, "UPDATE jobs SET state = 'waiting', code = $5, run_at = $6, rank_at = $7, attempt = $8, node = NULL, lease_until = NULL",
		text(code), micros(runAt), rank(runAt, job.Priority), countedAttempt(job, counted))
	tx.queued = tx.queued || err == nil && after <= 0
	return err
}

// ReleaseJob gives the job back at once, with its place in the queue, as if it had
// not been claimed.
func (tx *Tx) ReleaseJob(job Job) error {
	err := tx.held(job, "UPDATE jobs SET state = 'waiting', attempt = $5, node = NULL, lease_until = NULL", countedAttempt(job, false))
	tx.queued = tx.queued || err == nil
	return err
}

func countedAttempt(job Job, counted bool) int {
	if counted {
		return job.Attempt
	}
	return job.Attempt - 1
}

// held runs an update of a job whose claim holds: $1 to $3 are its key and token,
// $4 is now, args begin at $5.
func (tx *Tx) held(job Job, update string, args ...any) error {
	tenant, err := tx.jobKey(job)
	if err != nil {
		return err
	}
	n, err := tx.systemExec(update+" WHERE tenant_id = $1 AND id = $2 AND token = $3 AND state = 'running' AND lease_until > $4",
		append([]any{tenant, job.ID, job.Token, micros(tx.now)}, args...)...)
	if err == nil && n == 0 {
		return ErrLeaseLost
	}
	return err
}
