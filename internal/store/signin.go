package store

import "time"

// Provider is an identity provider that people of a tenant sign in by.
type Provider struct {
	ID      string
	Name    string // unique in the tenant
	Config  []byte // sealed
	Version int64  // from 1, grows with every change
	Created time.Time
}

const providerColumns = "id, name, config, version, created_at"

func (p *Provider) columns() []any {
	return []any{&p.ID, &p.Name, &p.Config, &p.Version, stamp{&p.Created}}
}

// InsertProvider adds a provider with version 1. [ErrConflict], which does not spoil
// the transaction, when the id or the name is taken.
func (tx *Tx) InsertProvider(p *Provider) error {
	p.Version, p.Created = 1, tx.now
	return insertedOne(tx.exec("INSERT INTO providers (tenant_id, "+providerColumns+") VALUES "+tuples(1, 5, 1)+" ON CONFLICT DO NOTHING",
		p.ID, p.Name, p.Config, p.Version, micros(p.Created)))
}

// Provider reads a provider. [ErrNotFound].
func (tx *Tx) Provider(id string) (*Provider, error) {
	var p Provider
	err := tx.row("SELECT "+providerColumns+" FROM providers WHERE tenant_id = $1 AND id = $2", []any{id}, p.columns()...)
	return &p, err
}

// Providers lists the providers of the tenant by name.
func (tx *Tx) Providers() ([]Provider, error) {
	var all []Provider
	err := tx.rows("SELECT "+providerColumns+" FROM providers WHERE tenant_id = $1 ORDER BY name", nil, func(scan scanner) error {
		var p Provider
		err := scan(p.columns()...)
		all = append(all, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// SaveProvider writes Name and Config of a provider that still has the version p has,
// which grows by one then. [ErrStale], [ErrNotFound]; [ErrConflict] when the name is
// taken, which ends the transaction.
func (tx *Tx) SaveProvider(p *Provider) error {
	n, err := tx.exec("UPDATE providers SET name = $4, config = $5, version = version + 1 WHERE tenant_id = $1 AND id = $2 AND version = $3",
		p.ID, p.Version, p.Name, p.Config)
	if err == nil && n == 0 {
		return tx.staleOr("SELECT 1 FROM providers WHERE tenant_id = $1 AND id = $2", p.ID)
	}
	if err == nil {
		p.Version++
	}
	return err
}

// DeleteProvider ends a provider. [ErrNotFound].
func (tx *Tx) DeleteProvider(id string) error {
	return changedOne(tx.exec("DELETE FROM providers WHERE tenant_id = $1 AND id = $2", id))
}

// Spend notes that a proof was used, until it is good for nothing anyway, and forgets
// those of before. [ErrConflict], which does not spoil the transaction, when it was
// used already.
func (tx *Tx) Spend(id string, expires time.Time) error {
	if _, err := tx.exec("DELETE FROM spent WHERE tenant_id = $1 AND expires_at <= $2", micros(tx.now)); err != nil {
		return err
	}
	return insertedOne(tx.exec("INSERT INTO spent (tenant_id, id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", id, micros(expires)))
}

// Spent tells whether a proof was used already.
func (tx *Tx) Spent(id string) (bool, error) {
	n := 0
	err := tx.row("SELECT count(*) FROM spent WHERE tenant_id = $1 AND id = $2 AND expires_at > $3", []any{id, micros(tx.now)}, &n)
	return n > 0, err
}
