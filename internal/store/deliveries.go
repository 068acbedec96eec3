package store

import (
	"errors"
	"time"

	"lotse/internal/importer"
)

// Delivery is the sending of an import to one destination.
type Delivery struct {
	ID, Import, Destination string
	Config                  []byte // JSON: the destination's when it was decided
	State                   importer.DeliveryState
	Version                 int64 // from 1, grows with every SaveDelivery
	Starts                  int64 // how often sending began
	Objects                 int64 // to be sent, -1 before it is known

	Delivered, Warned, Failed, Bytes int64 // of the outcomes so far; bytes as sent

	Problem          importer.ProblemCode
	RetryAt          time.Time // when it goes on by itself
	Proof            string    // what confirmed it
	Created, Settled time.Time
}

const deliveryColumns = "id, import_id, destination_id, config, state, version, starts, objects, delivered, warned, failed, bytes, " +
	"problem, retry_at, proof, created_at, settled_at"

func scanDelivery(scan scanner) (Delivery, error) {
	var d Delivery
	err := scan(&d.ID, &d.Import, &d.Destination, &d.Config, &d.State, &d.Version, &d.Starts, &d.Objects, &d.Delivered, &d.Warned,
		&d.Failed, &d.Bytes, &d.Problem, stamp{&d.RetryAt}, &d.Proof, stamp{&d.Created}, stamp{&d.Settled})
	return d, err
}

// InsertDelivery adds a delivery with version 1 to an import and a destination that
// are there; it sets Created when that is zero. [ErrConflict], which does not spoil
// the transaction, when the id is taken.
func (tx *Tx) InsertDelivery(d *Delivery) error {
	d.Version = 1
	if d.Created.IsZero() {
		d.Created = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO deliveries (tenant_id, "+deliveryColumns+") VALUES "+tuples(1, 17, 1)+" ON CONFLICT DO NOTHING",
		d.ID, d.Import, d.Destination, string(d.Config), string(d.State), d.Version, d.Starts, d.Objects, d.Delivered, d.Warned,
		d.Failed, d.Bytes, string(d.Problem), micros(d.RetryAt), d.Proof, micros(d.Created), micros(d.Settled)))
}

// Delivery reads a delivery. [ErrNotFound].
func (tx *Tx) Delivery(id string) (*Delivery, error) {
	return oneDelivery(tx.deliveryRows(selectDeliveries+"id = $2", id))
}

// LockDelivery is [Tx.Delivery] for a change: the row is locked until the
// transaction ends. Lock the import first where both are locked.
func (tx *Tx) LockDelivery(id string) (*Delivery, error) {
	return oneDelivery(tx.deliveryRows("UPDATE deliveries SET version = version WHERE tenant_id = $1 AND id = $2 RETURNING "+deliveryColumns, id))
}

func oneDelivery(all []Delivery, err error) (*Delivery, error) {
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, ErrNotFound
	}
	return &all[0], nil
}

// DeliveriesOf lists the deliveries of an import in the order they were made.
func (tx *Tx) DeliveriesOf(importID string) ([]Delivery, error) {
	return tx.deliveryRows(selectDeliveries+"import_id = $2 ORDER BY created_at, id", importID)
}

const selectDeliveries = "SELECT " + deliveryColumns + " FROM deliveries WHERE tenant_id = $1 AND "

func (tx *Tx) deliveryRows(query string, args ...any) ([]Delivery, error) {
	var all []Delivery
	err := tx.rows(query, args, func(scan scanner) error {
		d, err := scanDelivery(scan)
		all = append(all, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// SaveDelivery writes a delivery back, but for ID, Import, Destination, Config and
// Created. The row must have the version d has, which grows by one then:
// [ErrStale] otherwise, and [ErrNotFound] when there is no row. Read d in the same
// run of the transaction's function.
func (tx *Tx) SaveDelivery(d *Delivery) error {
	n, err := tx.exec("UPDATE deliveries SET version = version + 1, state = $4, starts = $5, objects = $6, delivered = $7, warned = $8, "+
		"failed = $9, bytes = $10, problem = $11, retry_at = $12, proof = $13, settled_at = $14 "+
		"WHERE tenant_id = $1 AND id = $2 AND version = $3",
		d.ID, d.Version, string(d.State), d.Starts, d.Objects, d.Delivered, d.Warned, d.Failed, d.Bytes, string(d.Problem),
		micros(d.RetryAt), d.Proof, micros(d.Settled))
	if errors.Is(changedOne(n, err), ErrNotFound) {
		return tx.staleOr("SELECT 1 FROM deliveries WHERE tenant_id = $1 AND id = $2", d.ID)
	}
	if err == nil {
		d.Version++
	}
	return err
}
