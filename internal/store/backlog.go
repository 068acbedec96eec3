package store

import (
	"context"
	"database/sql"
	"time"
)

// Backlog is how much work of a kind there is.
type Backlog struct {
	Kind    string
	Due     int           // can be taken now
	Later   int           // waiting for its time
	Running int           // with a lease that holds
	Age     time.Duration // of the due job that has waited longest
}

// Backlog counts the unfinished jobs by kind, for metrics and readiness. Jobs whose
// lease has ended are due again.
func (s *System) Backlog(ctx context.Context) ([]Backlog, error) {
	var all []Backlog
	err := s.Read(ctx, func(tx *Tx) error {
		all = nil
		// Two halves, so that each reads its own index and no finished jobs.
		query := "SELECT kind, sum(due), sum(later), sum(running), min(since) FROM (" +
			"SELECT kind, CASE WHEN run_at <= $1 THEN 1 ELSE 0 END AS due, CASE WHEN run_at > $1 THEN 1 ELSE 0 END AS later, 0 AS running, " +
			"CASE WHEN run_at <= $1 THEN run_at END AS since FROM jobs WHERE state = 'waiting' " +
			"UNION ALL " +
			"SELECT kind, CASE WHEN lease_until <= $1 THEN 1 ELSE 0 END, 0, CASE WHEN lease_until > $1 THEN 1 ELSE 0 END, " +
			"CASE WHEN lease_until <= $1 THEN lease_until END FROM jobs WHERE state = 'running') AS unfinished GROUP BY kind ORDER BY kind"
		return tx.systemRows(query, []any{micros(tx.now)}, func(scan scanner) error {
			var b Backlog
			var oldest sql.NullInt64
			if err := scan(&b.Kind, &b.Due, &b.Later, &b.Running, &oldest); err != nil {
				return err
			}
			if oldest.Valid {
				b.Age = tx.now.Sub(moment(oldest))
			}
			all = append(all, b)
			return nil
		})
	})
	return all, err
}

// PruneJobs deletes up to limit jobs that ended before the given age, and tells
// how many it were.
func (s *System) PruneJobs(ctx context.Context, age time.Duration, limit int) (n int64, err error) {
	err = s.Write(ctx, func(tx *Tx) error {
		n, err = tx.systemExec("DELETE FROM jobs WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM jobs "+
			"WHERE state IN ('done', 'failed', 'cancelled') AND finished_at < $1 ORDER BY finished_at LIMIT $2)",
			micros(tx.now.Add(-age)), limit)
		return err
	})
	return n, err
}

// AbandonJob ends a claimed job whose tenant is gone.
func (s *System) AbandonJob(ctx context.Context, job Job) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.EndCancelledJob(job) })
}
