package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"
)

// queueSQL are the statements of claiming that differ by engine; the files
// claim_sqlite.go and claim_postgres.go have them.
type queueSQL struct {
	// claim gives up to $5 jobs of kind $1 that are due at $2 to node $3 until $4,
	// and returns jobColumns.
	claim string
	// expire makes running jobs waiting whose lease had ended at $1.
	expire string
	// beat extends the lease of job ($1, $2) under token $3 to $5, when it has not
	// ended at $4, sets its progress to $6 unless that is NULL, and returns whether
	// it shall be cancelled. A row that another transaction holds is skipped.
	beat string
}

// Want is how many jobs of a kind a worker can take.
type Want struct {
	Kind  string
	Limit int
}

// Claim takes jobs that are due: each is given to one worker, which holds it for
// the time of the lease and extends that with [System.Heartbeat]. Of a kind the
// order is by priority and age. Jobs whose worker let the lease end are taken
// anew. It writes only when there is something to take. Beside the jobs it tells
// how long it is until the next one becomes due; 0 when none is known.
func (s *System) Claim(ctx context.Context, node string, lease time.Duration, wants []Want) (jobs []Job, next time.Duration, err error) {
	kinds := make([]string, 0, len(wants))
	for _, w := range wants {
		if w.Limit > 0 {
			kinds = append(kinds, w.Kind)
		}
	}
	outlook, err := s.Outlook(ctx, kinds)
	if err != nil || len(outlook.Due) == 0 && !outlook.Expired {
		return nil, outlook.Next, err
	}
	err = s.db.transact(ctx, everyone, queueing, func(tx *Tx) error {
		jobs = nil
		q := tx.db.engine.queue()
		if outlook.Expired {
			if _, err := tx.systemExec(q.expire, micros(tx.now)); err != nil {
				return err
			}
		}
		for _, w := range wants {
			if w.Limit <= 0 || !outlook.Expired && !slices.Contains(outlook.Due, w.Kind) {
				continue
			}
			taken, err := tx.claim(q.claim, node, lease, w)
			if err != nil {
				return err
			}
			jobs = append(jobs, taken...)
		}
		return nil
	})
	if err != nil { // of what a lost answer has taken the leases end by themselves
		return nil, 0, err
	}
	return jobs, outlook.Next, nil
}

func (tx *Tx) claim(query, node string, lease time.Duration, w Want) ([]Job, error) {
	var jobs []Job
	args := []any{w.Kind, micros(tx.now), node, micros(tx.now.Add(lease)), w.Limit}
	err := tx.systemRows(query, args, func(scan scanner) error {
		var j Job
		dest, finish := jobDest(&j)
		if err := scan(dest...); err != nil {
			return err
		}
		finish()
		jobs = append(jobs, j)
		return nil
	})
	slices.SortFunc(jobs, func(a, b Job) int { // RETURNING has no order
		return int(rank(a.RunAt, a.Priority) - rank(b.RunAt, b.Priority))
	})
	return jobs, err
}

// Outlook is what there is to do.
type Outlook struct {
	Due     []string      // kinds with jobs that are due
	Expired bool          // some running job's lease has ended
	Next    time.Duration // until the next job is due that is not yet; 0 when there is none
}

// Outlook looks at the queue without changing it.
func (s *System) Outlook(ctx context.Context, kinds []string) (Outlook, error) {
	var o Outlook
	err := s.Read(ctx, func(tx *Tx) error {
		o = Outlook{}
		for _, kind := range kinds {
			var first, later sql.NullInt64
			err := tx.systemRow("SELECT (SELECT min(run_at) FROM jobs WHERE kind = $1 AND state = 'waiting'), "+
				"(SELECT min(run_at) FROM jobs WHERE kind = $1 AND state = 'waiting' AND run_at > $2)",
				[]any{kind, micros(tx.now)}, &first, &later)
			if err != nil {
				return err
			}
			if first.Valid && !moment(first).After(tx.now) {
				o.Due = append(o.Due, kind)
			}
			if wait := moment(later).Sub(tx.now); later.Valid && (o.Next == 0 || wait < o.Next) {
				o.Next = wait
			}
		}
		var expired int
		err := tx.systemRow("SELECT count(*) FROM jobs WHERE state = 'running' AND lease_until <= $1", []any{micros(tx.now)}, &expired)
		o.Expired = expired > 0
		return err
	})
	return o, err
}

// Enqueued is [DB.Enqueued].
func (s *System) Enqueued() <-chan struct{} { return s.db.Enqueued() }

// Beat is a running job whose lease is to be extended.
type Beat struct {
	Job      Job
	Progress []byte // JSON to keep, unless nil
}

// Pulse is the answer to a [Beat].
type Pulse int

// Answers to a beat.
const (
	PulseExtended  Pulse = iota // the lease runs anew
	PulseHeld                   // a transaction of the job itself was at it: ask again soon
	PulseCancelled              // extended, and a person has asked the job to end
	PulseLost                   // somebody else may have it by now
)

// Heartbeat extends leases, counted from the database's time of the call. The
// pulses are in the order of the beats.
func (s *System) Heartbeat(ctx context.Context, lease time.Duration, beats []Beat) ([]Pulse, error) {
	var pulses []Pulse
	err := s.db.transact(ctx, everyone, queueing, func(tx *Tx) error {
		pulses = nil
		for _, b := range beats {
			pulse, err := tx.beat(b, lease)
			if err != nil {
				return err
			}
			pulses = append(pulses, pulse)
		}
		return nil
	})
	return pulses, err
}

func (tx *Tx) beat(b Beat, lease time.Duration) (Pulse, error) {
	tenant, err := tx.jobKey(b.Job)
	if err != nil {
		return PulseLost, err
	}
	var cancelling int
	err = tx.systemRow(tx.db.engine.queue().beat,
		[]any{tenant, b.Job.ID, b.Job.Token, micros(tx.now), micros(tx.now.Add(lease)), text(string(b.Progress))}, &cancelling)
	switch {
	case err == nil && cancelling != 0:
		return PulseCancelled, nil
	case err == nil:
		return PulseExtended, nil
	case !errors.Is(err, ErrNotFound):
		return PulseLost, err
	}
	var until sql.NullInt64
	err = tx.systemRow("SELECT lease_until FROM jobs WHERE tenant_id = $1 AND id = $2 AND token = $3 AND state = 'running'",
		[]any{tenant, b.Job.ID, b.Job.Token}, &until)
	switch {
	case errors.Is(err, ErrNotFound):
		return PulseLost, nil
	case err != nil:
		return PulseLost, err
	case !moment(until).After(tx.now):
		return PulseLost, nil
	}
	return PulseHeld, nil
}

// Cancelling gives the ids of a node's running jobs that were asked to end.
func (s *System) Cancelling(ctx context.Context, node string) ([]string, error) {
	var ids []string
	err := s.Read(ctx, func(tx *Tx) error {
		ids = nil
		return tx.systemRows("SELECT id FROM jobs WHERE state = 'running' AND node = $1 AND cancelling = 1", []any{node}, func(scan scanner) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	return ids, err
}
