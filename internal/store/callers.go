package store

import (
	"context"
	"errors"
	"time"
)

// Caller is who may send to a tenant by C-STORE.
type Caller struct {
	ID        string
	Name      string // unique among those that are not deleted
	CallingAE string
	CalledAE  string // that it has to call; empty: what the tenant receives under
	Site      string // whose what it sends is; empty: as it calls
	Config    []byte // JSON
	Version   int64  // from 1, grows with every change
	Created   time.Time
	Deleted   time.Time
}

const callerColumns = "id, name, calling_ae, called_ae, site_id, config, version, created_at, deleted_at"

func (c *Caller) columns() []any {
	return []any{&c.ID, &c.Name, &c.CallingAE, &c.CalledAE, &c.Site, &c.Config, &c.Version, stamp{&c.Created}, stamp{&c.Deleted}}
}

// InsertCaller adds a caller with version 1; it sets Created when that is zero.
// [ErrConflict], which does not spoil the transaction, when the id or the name is
// taken.
func (tx *Tx) InsertCaller(c *Caller) error {
	c.Version = 1
	if c.Created.IsZero() {
		c.Created = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO callers (tenant_id, "+callerColumns+") VALUES "+tuples(1, 9, 1)+" ON CONFLICT DO NOTHING",
		c.ID, c.Name, c.CallingAE, c.CalledAE, c.Site, string(c.Config), c.Version, micros(c.Created), micros(time.Time{})))
}

// Caller reads a caller, also a deleted one. [ErrNotFound].
func (tx *Tx) Caller(id string) (*Caller, error) {
	return tx.caller("SELECT "+callerColumns+" FROM callers WHERE tenant_id = $1 AND id = $2", id)
}

// LockCaller is [Tx.Caller] of one that is not deleted, for a change of it or of what
// it has used.
func (tx *Tx) LockCaller(id string) (*Caller, error) {
	return tx.caller("UPDATE callers SET version = version WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING "+callerColumns, id)
}

func (tx *Tx) caller(query, id string) (*Caller, error) {
	c := &Caller{}
	if err := tx.row(query, []any{id}, c.columns()...); err != nil {
		return nil, err
	}
	return c, nil
}

// Callers lists the callers that are not deleted by their names.
func (tx *Tx) Callers() ([]Caller, error) {
	var all []Caller
	err := tx.rows("SELECT "+callerColumns+" FROM callers WHERE tenant_id = $1 AND deleted_at IS NULL ORDER BY name", nil, func(scan scanner) error {
		var c Caller
		err := scan(c.columns()...)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// SaveCaller writes all but ID and times of a caller that is not deleted and still has
// the version c has, which grows by one then. [ErrStale], [ErrNotFound]; [ErrConflict]
// when the name is taken, which ends the transaction.
func (tx *Tx) SaveCaller(c *Caller) error {
	n, err := tx.exec("UPDATE callers SET name = $4, calling_ae = $5, called_ae = $6, site_id = $7, config = $8, version = version + 1 "+
		"WHERE tenant_id = $1 AND id = $2 AND version = $3 AND deleted_at IS NULL", c.ID, c.Version, c.Name, c.CallingAE, c.CalledAE, c.Site, string(c.Config))
	if errors.Is(changedOne(n, err), ErrNotFound) {
		return tx.staleOr("SELECT 1 FROM callers WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL", c.ID)
	}
	if err == nil {
		c.Version++
	}
	return err
}

// DeleteCaller marks a caller as deleted; its name is free again. [ErrNotFound].
func (tx *Tx) DeleteCaller(id string) error {
	return changedOne(tx.exec("UPDATE callers SET deleted_at = $3, version = version + 1 "+
		"WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL", id, micros(tx.now)))
}

// Sent is how much came from a caller.
type Sent struct{ Objects, Bytes int64 }

// Used is what a caller has sent in slots that began at since or later.
func (tx *Tx) Used(caller string, since time.Time) (Sent, error) {
	var u Sent
	err := tx.row("SELECT CAST(COALESCE(sum(objects), 0) AS bigint), CAST(COALESCE(sum(bytes), 0) AS bigint) FROM caller_usage "+
		"WHERE tenant_id = $1 AND caller_id = $2 AND slot >= $3", []any{caller, since.UnixMicro()}, &u.Objects, &u.Bytes)
	return u, err
}

// Use adds to what a caller has sent in the slot that began at a time; less than nought
// gives it back. Lock the caller first.
func (tx *Tx) Use(caller string, slot time.Time, u Sent) error {
	_, err := tx.exec("INSERT INTO caller_usage (tenant_id, caller_id, slot, objects, bytes) VALUES ($1, $2, $3, $4, $5) "+
		"ON CONFLICT (tenant_id, caller_id, slot) DO UPDATE SET objects = caller_usage.objects + excluded.objects, "+
		"bytes = caller_usage.bytes + excluded.bytes", caller, slot.UnixMicro(), u.Objects, u.Bytes)
	return err
}

// ForgetUsage deletes what a caller has sent in slots that began before a time.
func (tx *Tx) ForgetUsage(caller string, before time.Time) error {
	_, err := tx.exec("DELETE FROM caller_usage WHERE tenant_id = $1 AND caller_id = $2 AND slot < $3", caller, before.UnixMicro())
	return err
}

// Sender is a caller with what says whether it calls rightly, and whose what it sends
// is.
type Sender struct {
	Tenant string
	Caller
	SiteAE     string // the AE title of its Site
	CalledSite string // the site that receives under the title that was called
}

// Senders lists the callers of all living tenants that call themselves so, in the order
// of their tenants and ids, for an association that calls calledAE.
func (s *System) Senders(ctx context.Context, callingAE, calledAE string) ([]Sender, error) {
	var all []Sender
	err := s.Read(ctx, func(tx *Tx) error {
		all = nil
		return tx.systemRows("SELECT c.tenant_id, c.id, c.name, c.calling_ae, c.called_ae, c.site_id, c.config, c.version, c.created_at, c.deleted_at, "+
			"COALESCE(own.ae_title, ''), COALESCE(called.id, '') "+
			"FROM (SELECT * FROM callers WHERE calling_ae = $1 AND deleted_at IS NULL AND "+living+") c "+
			"LEFT JOIN sites own ON own.tenant_id = c.tenant_id AND own.id = c.site_id "+
			"LEFT JOIN sites called ON called.tenant_id = c.tenant_id AND called.ae_title = $2 AND called.ae_title <> '' AND called.deleted_at IS NULL "+
			"ORDER BY c.tenant_id, c.id", []any{callingAE, calledAE}, func(scan scanner) error {
			var one Sender
			err := scan(append(append([]any{&one.Tenant}, one.columns()...), &one.SiteAE, &one.CalledSite)...)
			all = append(all, one)
			return err
		})
	})
	return all, err
}
