package store

import "time"

// Portal is a host that answers may be sent to.
type Portal struct {
	Host        string // host[:port], in one spelling
	ConfirmedBy string // an id, never a name
	Confirmed   time.Time
}

// ConfirmPortal keeps that a host was confirmed; it sets Confirmed when that is zero.
// [ErrConflict], which does not spoil the transaction, when it was before: who was first stays.
func (tx *Tx) ConfirmPortal(p *Portal) error {
	if p.Confirmed.IsZero() {
		p.Confirmed = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO portals (tenant_id, host, confirmed_by, confirmed_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		p.Host, p.ConfirmedBy, micros(p.Confirmed)))
}

// Portals lists the hosts that were confirmed, by host.
func (tx *Tx) Portals() ([]Portal, error) {
	var all []Portal
	err := tx.rows("SELECT host, confirmed_by, confirmed_at FROM portals WHERE tenant_id = $1 ORDER BY host", nil, func(scan scanner) error {
		var p Portal
		err := scan(&p.Host, &p.ConfirmedBy, stamp{&p.Confirmed})
		all = append(all, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// RevokePortal forgets that a host was confirmed. [ErrNotFound].
func (tx *Tx) RevokePortal(host string) error {
	return changedOne(tx.exec("DELETE FROM portals WHERE tenant_id = $1 AND host = $2", host))
}
