package store

import (
	"fmt"
	"time"
)

// Throttle counts tries that failed and have something in common.
type Throttle struct {
	Kind, Name string // what they have in common; a MAC
	ID         string
	User       string // whose account it is; empty: nobody's
	Tries      int64
	Begun      time.Time // of the first of them
	Last       time.Time
	Until      time.Time // nothing is tried before
	Stays      bool      // until somebody lifts it
}

const throttleColumns = "kind, name, id, user_id, tries, begun_at, last_at, until_at, stays"

func (t *Throttle) columns() []any {
	return []any{&t.Kind, &t.Name, &t.ID, &t.User, &t.Tries, stamp{&t.Begun}, stamp{&t.Last}, stamp{&t.Until}, flagged{&t.Stays}}
}

// flagged scans a stored boolean.
type flagged struct{ to *bool }

// Scan implements sql.Scanner.
func (f flagged) Scan(value any) error {
	n, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a boolean stored as %T", value)
	}
	*f.to = n != 0
	return nil
}

// LockThrottle reads a throttle, a new one without tries where there is none, and
// keeps others from changing it until the transaction ends.
func (tx *Tx) LockThrottle(kind, name string) (*Throttle, error) {
	var t Throttle
	err := tx.row("INSERT INTO throttles (tenant_id, kind, name, id, tries, begun_at, last_at) VALUES ($1, $2, $3, $4, 0, $5, $5) "+
		"ON CONFLICT (tenant_id, kind, name) DO UPDATE SET tries = throttles.tries RETURNING "+throttleColumns,
		[]any{kind, name, NewID(), micros(tx.now)}, t.columns()...)
	return &t, err
}

// SaveThrottle writes a throttle that is locked.
func (tx *Tx) SaveThrottle(t *Throttle) error {
	return changedOne(tx.exec("UPDATE throttles SET user_id = $4, tries = $5, begun_at = $6, last_at = $7, until_at = $8, stays = $9 "+
		"WHERE tenant_id = $1 AND kind = $2 AND name = $3", t.Kind, t.Name, t.User, t.Tries, micros(t.Begun), micros(t.Last), micros(t.Until), flag(t.Stays)))
}

// Throttles lists those that hold now, newest first.
func (tx *Tx) Throttles() ([]Throttle, error) {
	var all []Throttle
	err := tx.rows("SELECT "+throttleColumns+" FROM throttles WHERE tenant_id = $1 AND (stays = 1 OR until_at > $2) ORDER BY last_at DESC, id",
		[]any{tx.now.UnixMicro()}, func(scan scanner) error {
			var t Throttle
			err := scan(t.columns()...)
			all = append(all, t)
			return err
		})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// LiftThrottle forgets a throttle. [ErrNotFound].
func (tx *Tx) LiftThrottle(id string) error {
	return changedOne(tx.exec("DELETE FROM throttles WHERE tenant_id = $1 AND id = $2", id))
}

// LiftThrottlesOf forgets all throttles of a user's account.
func (tx *Tx) LiftThrottlesOf(user string) error {
	_, err := tx.exec("DELETE FROM throttles WHERE tenant_id = $1 AND user_id = $2", user)
	return err
}

// ForgetThrottle forgets the tries that a success ends.
func (tx *Tx) ForgetThrottle(kind, name string) error {
	_, err := tx.exec("DELETE FROM throttles WHERE tenant_id = $1 AND kind = $2 AND name = $3", kind, name)
	return err
}

// DropThrottles forgets those that nobody tried since, and that hold nothing.
func (tx *Tx) DropThrottles(before time.Time) error {
	_, err := tx.exec("DELETE FROM throttles WHERE tenant_id = $1 AND stays = 0 AND last_at < $2 AND (until_at IS NULL OR until_at < $3)",
		micros(before), micros(tx.now))
	return err
}
