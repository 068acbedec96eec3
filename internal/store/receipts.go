package store

import "time"

// Receipt is the proof of a delivery, without personal data.
type Receipt struct {
	Delivery, Import string
	Created          time.Time
	Document         []byte // JSON
}

// InsertReceipt keeps the receipt of a delivery in place of the one it has; it sets
// Created when that is zero.
func (tx *Tx) InsertReceipt(r *Receipt) error {
	if r.Created.IsZero() {
		r.Created = tx.now
	}
	_, err := tx.exec("INSERT INTO receipts (tenant_id, delivery_id, import_id, created_at, document) VALUES ($1, $2, $3, $4, $5) "+
		"ON CONFLICT (tenant_id, delivery_id) DO UPDATE SET created_at = excluded.created_at, document = excluded.document",
		r.Delivery, r.Import, micros(r.Created), string(r.Document))
	return err
}

// Receipt reads the receipt of a delivery. [ErrNotFound].
func (tx *Tx) Receipt(deliveryID string) (*Receipt, error) {
	r := new(Receipt)
	err := tx.row("SELECT delivery_id, import_id, created_at, document FROM receipts WHERE tenant_id = $1 AND delivery_id = $2",
		[]any{deliveryID}, &r.Delivery, &r.Import, stamp{&r.Created}, &r.Document)
	if err != nil {
		return nil, err
	}
	return r, nil
}
