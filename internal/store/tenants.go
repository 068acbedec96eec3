package store

import (
	"context"
	"database/sql"
	"time"
)

// TenantInfo is an organisation whose data is walled off from all others.
type TenantInfo struct {
	ID        string // lower-case letters, digits and '-', at most 64
	Name      string
	Created   time.Time
	Destroyed time.Time // zero while it lives
}

// validTenant keeps the name of the system, and what could confuse paths, out.
func validTenant(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// CreateTenant adds a tenant. [ErrConflict] when there is or was one with the id.
func (s *System) CreateTenant(ctx context.Context, id, name string) error {
	if !validTenant(id) {
		return &Error{Doing: "create a tenant", Detail: "the id is not made of a-z, 0-9 and '-'"}
	}
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.systemExec("INSERT INTO tenants (id, name, created_at) VALUES ($1, $2, $3)", id, name, micros(tx.now))
		return err
	})
}

// Tenants lists all tenants, destroyed ones too, in the order of their ids.
func (s *System) Tenants(ctx context.Context) ([]TenantInfo, error) {
	var all []TenantInfo
	err := s.Read(ctx, func(tx *Tx) error {
		all = nil
		return tx.systemRows("SELECT id, name, created_at, destroyed_at FROM tenants ORDER BY id", nil, func(scan scanner) error {
			var t TenantInfo
			var created, destroyed sql.NullInt64
			if err := scan(&t.ID, &t.Name, &created, &destroyed); err != nil {
				return err
			}
			t.Created, t.Destroyed = moment(created), moment(destroyed)
			all = append(all, t)
			return nil
		})
	})
	return all, err
}

// LivingTenants lists the ids of all tenants that have not been destroyed, in their
// order.
func (s *System) LivingTenants(ctx context.Context) ([]string, error) {
	all, err := s.Tenants(ctx)
	var ids []string
	for _, t := range all {
		if t.Destroyed.IsZero() {
			ids = append(ids, t.ID)
		}
	}
	return ids, err
}

// DestroyTenant ends a tenant: its rows cannot be reached any more and its jobs
// are cancelled. [ErrNoTenant] when there is none; once more does nothing.
func (s *System) DestroyTenant(ctx context.Context, id string) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.destroyTenant(id) })
}

func (tx *Tx) destroyTenant(id string) error {
	n, err := tx.systemExec("UPDATE tenants SET destroyed_at = COALESCE(destroyed_at, $2) WHERE id = $1", id, micros(tx.now))
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrNoTenant
	}
	_, err = tx.systemExec("UPDATE jobs SET state = 'cancelled', finished_at = $2, node = NULL, lease_until = NULL "+
		"WHERE tenant_id = $1 AND state IN ('waiting', 'running')", id, micros(tx.now))
	return err
}
