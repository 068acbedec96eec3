package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// PeriodicKind begins the kind of jobs that come back; the name of the schedule
// follows.
const PeriodicKind = "every/"

// Schedule is work that comes back.
type Schedule struct {
	Name     string
	Every    time.Duration
	Next     time.Time
	Finished time.Time // when its job succeeded last; zero when it never has
}

// AddSchedule makes work come back, the first time at once. An existing one keeps
// its next time, unless the new interval brings that nearer.
func (s *System) AddSchedule(ctx context.Context, name string, every time.Duration) error {
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.systemExec("INSERT INTO schedules (tenant_id, name, every, next_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			everyone, name, every.Microseconds(), micros(tx.now))
		if err != nil {
			return err
		}
		_, err = tx.systemExec("UPDATE schedules SET every = $3, next_at = CASE WHEN next_at > $4 THEN $4 ELSE next_at END "+
			"WHERE tenant_id = $1 AND name = $2 AND every <> $3", everyone, name, every.Microseconds(), micros(tx.now.Add(every)))
		return err
	})
}

// Tick makes the jobs of those schedules whose time has come, once on all nodes
// together, and tells how long it is until the next of them. A schedule whose last
// job has not ended misses its turn, and what was missed is not made up for.
func (s *System) Tick(ctx context.Context, names []string) (next time.Duration, err error) {
	var due []string
	err = s.Read(ctx, func(tx *Tx) error {
		due, next = nil, 0
		for _, name := range names {
			at, every, err := tx.schedule(name)
			switch {
			case errors.Is(err, ErrNotFound):
				continue
			case err != nil:
				return err
			}
			wait := at.Sub(tx.now)
			if wait <= 0 || wait > every { // later than it can be: the clock went back
				due = append(due, name)
			} else if next == 0 || wait < next {
				next = wait
			}
		}
		return nil
	})
	if err != nil || len(due) == 0 {
		return next, err
	}
	return next, s.Write(ctx, func(tx *Tx) error {
		for _, name := range due {
			if err := tx.tick(name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (tx *Tx) schedule(name string) (next time.Time, every time.Duration, err error) {
	var at sql.NullInt64
	var us int64
	err = tx.systemRow("SELECT next_at, every FROM schedules WHERE tenant_id = $1 AND name = $2"+tx.lockIfWriting(),
		[]any{everyone, name}, &at, &us)
	return moment(at), time.Duration(us) * time.Microsecond, err
}

func (tx *Tx) tick(name string) error {
	at, every, err := tx.schedule(name)
	wait := at.Sub(tx.now)
	if err != nil || wait > 0 && wait <= every { // another node was faster
		return err
	}
	next := at.Add(every)
	if wait > 0 || !next.After(tx.now) {
		next = tx.now.Add(every)
	}
	if _, err := tx.systemExec("UPDATE schedules SET next_at = $3 WHERE tenant_id = $1 AND name = $2", everyone, name, micros(next)); err != nil {
		return err
	}
	_, _, err = tx.Enqueue(Job{Kind: PeriodicKind + name, Subject: name, Unique: PeriodicKind + name})
	return err
}

// Schedules lists them in the order of their names.
func (s *System) Schedules(ctx context.Context) ([]Schedule, error) {
	var all []Schedule
	err := s.Read(ctx, func(tx *Tx) error {
		all = nil
		return tx.systemRows("SELECT name, every, next_at, finished_at FROM schedules WHERE tenant_id = $1 ORDER BY name", []any{everyone}, func(scan scanner) error {
			var one Schedule
			var every int64
			var next, finished sql.NullInt64
			if err := scan(&one.Name, &every, &next, &finished); err != nil {
				return err
			}
			one.Every, one.Next, one.Finished = time.Duration(every)*time.Microsecond, moment(next), moment(finished)
			all = append(all, one)
			return nil
		})
	})
	return all, err
}
