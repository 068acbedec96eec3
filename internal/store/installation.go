package store

import (
	"context"
	"errors"
)

// Installation reads what the whole installation remembers under a name.
// [ErrNotFound] when it was never set.
func (s *System) Installation(ctx context.Context, name string) (string, error) {
	var value string
	err := s.Read(ctx, func(tx *Tx) error {
		return tx.systemRow("SELECT value FROM installation WHERE tenant_id = '*' AND name = $1", []any{name}, &value)
	})
	return value, err
}

// SetInstallation lets the installation remember a value.
func (s *System) SetInstallation(ctx context.Context, name, value string) error {
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.systemExec("INSERT INTO installation (tenant_id, name, value) VALUES ('*', $1, $2) "+
			"ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value", name, value)
		return err
	})
}

// SwapInstallation sets a value if the present one is old, and reports whether it
// was; an empty old also stands for none. Of several at once one succeeds.
func (s *System) SwapInstallation(ctx context.Context, name, old, value string) (bool, error) {
	swapped := false
	err := s.Write(ctx, func(tx *Tx) error {
		present := ""
		err := tx.systemRow("SELECT value FROM installation WHERE tenant_id = '*' AND name = $1"+tx.forUpdate(), []any{name}, &present)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if swapped = present == old; !swapped {
			return nil
		}
		// Who set it first meanwhile makes this transaction start over.
		_, err = tx.systemExec("INSERT INTO installation (tenant_id, name, value) VALUES ('*', $1, $2) "+
			"ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value", name, value)
		return err
	})
	return swapped && err == nil, err
}

// Tables names the tables that hold rows of tenants, each after those it refers to.
// Every one has a column tenant_id; in jobs it may be '*'.
func Tables() []string {
	return []string{"sites", "callers", "caller_usage", "jobs", "imports", "parts", "segments", "uploads", "destinations", "deliveries", "outcomes", "commitments",
		"receipts", "audit_events", "tokens", "settings", "signing_keys", "idempotency",
		"audit_pending", "audit_links", "audit_heads", "audit_views", "audit_cursors", "leases", "usage_imports",
		"portals",
		"users", "credentials", "sessions", "networks", "throttles", "approvals", "elevations", "providers", "spent"}
}
