package store

import "time"

// Setting reads a setting of the tenant. [ErrNotFound] when it was never set.
func (tx *Tx) Setting(name string) (string, error) {
	var value string
	err := tx.row("SELECT value FROM settings WHERE tenant_id = $1 AND name = $2", []any{name}, &value)
	return value, err
}

// SetSetting sets a setting of the tenant.
func (tx *Tx) SetSetting(name, value string) error {
	_, err := tx.exec("INSERT INTO settings (tenant_id, name, value) VALUES ($1, $2, $3) "+
		"ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value", name, value)
	return err
}

// SigningKey is the public half of a key that receipts were signed with.
type SigningKey struct {
	ID      string
	Public  string // Ed25519, base64
	Created time.Time
}

// InsertSigningKey adds a key; it sets Created when that is zero. [ErrConflict],
// which does not spoil the transaction, when the id is taken.
func (tx *Tx) InsertSigningKey(k *SigningKey) error {
	if k.Created.IsZero() {
		k.Created = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO signing_keys (tenant_id, id, public, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		k.ID, k.Public, micros(k.Created)))
}

// SigningKeys lists the tenant's keys, oldest first.
func (tx *Tx) SigningKeys() ([]SigningKey, error) {
	var all []SigningKey
	err := tx.rows("SELECT id, public, created_at FROM signing_keys WHERE tenant_id = $1 ORDER BY created_at, id", nil,
		func(scan scanner) error {
			var k SigningKey
			err := scan(&k.ID, &k.Public, stamp{&k.Created})
			all = append(all, k)
			return err
		})
	if err != nil {
		return nil, err
	}
	return all, nil
}
