package store

import (
	"errors"
	"time"
)

// Destination is where a tenant's imports can be delivered.
type Destination struct {
	ID      string
	Name    string // unique among those that are not deleted
	Config  []byte // JSON
	Version int64  // from 1, grows with every change
	Created time.Time
	Deleted time.Time // it stays for what was delivered to it
}

// InsertDestination adds a destination with version 1; it sets Created when that is
// zero. [ErrConflict], which does not spoil the transaction, when the id or the
// name is taken.
func (tx *Tx) InsertDestination(d *Destination) error {
	d.Version = 1
	if d.Created.IsZero() {
		d.Created = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO destinations (tenant_id, id, name, config, version, created_at) VALUES ($1, $2, $3, $4, $5, $6) "+
		"ON CONFLICT DO NOTHING", d.ID, d.Name, string(d.Config), d.Version, micros(d.Created)))
}

// Destination reads a destination, also a deleted one. [ErrNotFound].
func (tx *Tx) Destination(id string) (*Destination, error) {
	all, err := tx.destinationsWhere("id = $2", id)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, ErrNotFound
	}
	return &all[0], nil
}

// Destinations lists the destinations that are not deleted by their names.
func (tx *Tx) Destinations() ([]Destination, error) {
	return tx.destinationsWhere("deleted_at IS NULL ORDER BY name")
}

func (tx *Tx) destinationsWhere(where string, args ...any) ([]Destination, error) {
	var all []Destination
	err := tx.rows("SELECT id, name, config, version, created_at, deleted_at FROM destinations WHERE tenant_id = $1 AND "+where, args,
		func(scan scanner) error {
			var d Destination
			err := scan(&d.ID, &d.Name, &d.Config, &d.Version, stamp{&d.Created}, stamp{&d.Deleted})
			all = append(all, d)
			return err
		})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// SaveDestination writes Name and Config of a destination that is not deleted and
// still has the version d has, which grows by one then. [ErrStale], [ErrNotFound];
// [ErrConflict] when the name is taken, which ends the transaction.
func (tx *Tx) SaveDestination(d *Destination) error {
	n, err := tx.exec("UPDATE destinations SET name = $4, config = $5, version = version + 1 "+
		"WHERE tenant_id = $1 AND id = $2 AND version = $3 AND deleted_at IS NULL", d.ID, d.Version, d.Name, string(d.Config))
	if errors.Is(changedOne(n, err), ErrNotFound) {
		return tx.staleOr("SELECT 1 FROM destinations WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL", d.ID)
	}
	if err == nil {
		d.Version++
	}
	return err
}

// DeleteDestination marks a destination as deleted; its name is free again.
// [ErrNotFound].
func (tx *Tx) DeleteDestination(id string) error {
	return changedOne(tx.exec("UPDATE destinations SET deleted_at = $3, version = version + 1 "+
		"WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL", id, micros(tx.now)))
}
