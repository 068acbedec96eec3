package store

import (
	"time"
)

// Lease is work that one node does at a time for a tenant, without a job of its own.
type Lease struct {
	Name  string
	Node  string
	Token int64 // grows with each new holder
}

// TakeLease takes a lease that is free or whose time is over, or renews the node's
// own. [ErrLeaseLost] when another node holds it; the transaction goes on. Until the
// transaction has ended nobody else can take it.
func (tx *Tx) TakeLease(name, node string, d time.Duration) (Lease, error) {
	_, err := tx.exec("INSERT INTO leases (tenant_id, name, node, token, until) VALUES ($1, $2, '', 0, 0) ON CONFLICT DO NOTHING", name)
	if err != nil {
		return Lease{}, err
	}
	// An end later than it can be: the clock went back.
	n, err := tx.exec("UPDATE leases SET token = CASE WHEN node = $3 THEN token ELSE token + 1 END, node = $3, until = $4 "+
		"WHERE tenant_id = $1 AND name = $2 AND (node = $3 OR until <= $5 OR until > $4)",
		name, node, tx.now.Add(d).UnixMicro(), tx.now.UnixMicro())
	if err != nil {
		return Lease{}, err
	}
	if n == 0 {
		return Lease{}, ErrLeaseLost
	}
	l := Lease{Name: name, Node: node}
	err = tx.row("SELECT token FROM leases WHERE tenant_id = $1 AND name = $2", []any{name}, &l.Token)
	return l, err
}

// HoldLease renews a lease that was not lost meanwhile, and fences the transaction.
// [ErrLeaseLost].
func (tx *Tx) HoldLease(l Lease, d time.Duration) error {
	n, err := tx.exec("UPDATE leases SET until = $5 WHERE tenant_id = $1 AND name = $2 AND node = $3 AND token = $4 AND until > $6",
		l.Name, l.Node, l.Token, tx.now.Add(d).UnixMicro(), tx.now.UnixMicro())
	if err == nil && n == 0 {
		return ErrLeaseLost
	}
	return err
}

// ReleaseLease lets a lease go, if it was not lost.
func (tx *Tx) ReleaseLease(l Lease) error {
	_, err := tx.exec("UPDATE leases SET until = 0, node = '' WHERE tenant_id = $1 AND name = $2 AND node = $3 AND token = $4", l.Name, l.Node, l.Token)
	return err
}
