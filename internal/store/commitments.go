package store

import (
	"context"
	"time"
)

// States of a commitment.
const (
	CommitmentOpen      = "open"      // asked, not answered
	CommitmentCommitted = "committed" // the destination holds every object it was asked about
	CommitmentFailed    = "failed"    // it does not
	CommitmentExpired   = "expired"   // no answer came in time
)

// Commitment is one transaction of storage commitment (PS3.4 Annex J).
type Commitment struct {
	UID              string // Transaction UID, unique over all tenants
	Import, Delivery string
	FirstItem        int // the first of the objects it asks about, by position in the receipt
	State            string
	Opened, Answered time.Time
	Report           []byte // sealed
}

const commitmentColumns = "uid, import_id, delivery_id, first_item, state, opened_at, answered_at, report"

// InsertCommitment adds a commitment; it sets Opened when that is zero.
// [ErrConflict], which does not spoil the transaction, when the UID is taken.
func (tx *Tx) InsertCommitment(c *Commitment) error {
	if c.Opened.IsZero() {
		c.Opened = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO commitments (tenant_id, "+commitmentColumns+") VALUES "+tuples(1, 8, 1)+" ON CONFLICT DO NOTHING",
		c.UID, c.Import, c.Delivery, c.FirstItem, c.State, micros(c.Opened), micros(c.Answered), blob(c.Report)))
}

// Commitment reads a commitment. [ErrNotFound].
func (tx *Tx) Commitment(uid string) (*Commitment, error) {
	return oneCommitment(tx.commitmentRows(selectCommitments+"uid = $2", uid))
}

// LockCommitment is [Tx.Commitment] for a change: the row is locked until the
// transaction ends. Lock import and delivery first where they are locked too.
func (tx *Tx) LockCommitment(uid string) (*Commitment, error) {
	return oneCommitment(tx.commitmentRows("UPDATE commitments SET state = state WHERE tenant_id = $1 AND uid = $2 RETURNING "+
		commitmentColumns, uid))
}

func oneCommitment(all []Commitment, err error) (*Commitment, error) {
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, ErrNotFound
	}
	return &all[0], nil
}

// CommitmentsOf lists the commitments of a delivery by their first objects, those
// for the same objects in the order they were opened.
func (tx *Tx) CommitmentsOf(deliveryID string) ([]Commitment, error) {
	return tx.commitmentRows(selectCommitments+"delivery_id = $2 ORDER BY first_item, opened_at, uid", deliveryID)
}

const selectCommitments = "SELECT " + commitmentColumns + " FROM commitments WHERE tenant_id = $1 AND "

func (tx *Tx) commitmentRows(query string, args ...any) ([]Commitment, error) {
	var all []Commitment
	err := tx.rows(query, args, func(scan scanner) error {
		var c Commitment
		err := scan(&c.UID, &c.Import, &c.Delivery, &c.FirstItem, &c.State, stamp{&c.Opened}, stamp{&c.Answered}, &c.Report)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// SaveCommitment writes State, Answered and Report of a commitment that the caller
// has locked. [ErrNotFound].
func (tx *Tx) SaveCommitment(c *Commitment) error {
	return changedOne(tx.exec("UPDATE commitments SET state = $3, answered_at = $4, report = $5 WHERE tenant_id = $1 AND uid = $2",
		c.UID, c.State, micros(c.Answered), blob(c.Report)))
}

// DropCommitment forgets a commitment that the destination was not asked for.
// [ErrNotFound].
func (tx *Tx) DropCommitment(uid string) error {
	return changedOne(tx.exec("DELETE FROM commitments WHERE tenant_id = $1 AND uid = $2", uid))
}

// FindCommitment tells whose commitment a Transaction UID is: a report says it and
// nothing else. [ErrNotFound].
func (s *System) FindCommitment(ctx context.Context, uid string) (tenant string, err error) {
	err = s.Read(ctx, func(tx *Tx) error {
		return tx.systemRow("SELECT tenant_id FROM commitments WHERE uid = $1 AND "+living, []any{uid}, &tenant)
	})
	return tenant, err
}
