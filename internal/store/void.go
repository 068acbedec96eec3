package store

import (
	"context"
	"errors"
)

// Voided counts what a restore made void.
type Voided struct {
	Tokens      int64 // revoked
	Sessions    int64 // of persons, ended
	Jobs        int64 // running ones that wait again
	Uploads     int64 // whose writer's lease was taken
	Commitments int64 // open ones that have expired
	Requests    int64 // with an idempotency key, that were running
}

// Restored is the transaction in which a restore is finished.
type Restored struct{ tx *Tx }

// Settle finishes a restore after [DB.Refill] in one transaction of the system,
// which f fills. It may run f several times.
func (s *System) Settle(ctx context.Context, f func(r *Restored) error) error {
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.unhurried(); err != nil {
			return err
		}
		if err := f(&Restored{tx}); err != nil {
			return err
		}
		_, err := tx.systemExec("DELETE FROM installation WHERE tenant_id = '*' AND name = $1", unsettled)
		return err
	})
}

// Settled returns [ErrUnsettled] while a restore has begun and not ended: then
// nothing may be served.
func (s *System) Settled(ctx context.Context) error {
	_, err := s.Installation(ctx, unsettled)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return ErrUnsettled
}

// Tenant runs f on the rows of one tenant, whether it lives or not.
func (r *Restored) Tenant(id string, f func(tx *Tx) error) error {
	if !validTenant(id) {
		return ErrNoTenant
	}
	r.tx.tenant = id
	defer func() { r.tx.tenant = everyone }()
	return f(r.tx)
}

// Remember lets the installation remember a value.
func (r *Restored) Remember(name, value string) error { return r.tx.remember(name, value) }

// DestroyTenant is [System.DestroyTenant].
func (r *Restored) DestroyTenant(id string) error { return r.tx.destroyTenant(id) }

// Void ends what belonged to the processes and people of the installation that was
// backed up: tokens, sessions, changes that wait for a second person, access to all
// sites, and the setting up (a new link is printed), the leases of jobs, uploads and
// other work, transactions of storage commitment that are open (they are asked
// again), requests that were running.
func (r *Restored) Void() (v Voided, err error) {
	tx := r.tx
	now := micros(tx.now)
	for _, step := range []struct {
		count *int64
		query string
		args  []any
	}{
		{&v.Tokens, "UPDATE tokens SET revoked_at = $1 WHERE revoked_at IS NULL", []any{now}},
		{&v.Sessions, "DELETE FROM sessions", nil},
		{nil, "UPDATE approvals SET state = '" + ApprovalExpired + "', settled_at = $1, request = NULL WHERE state = '" + ApprovalOpen + "'", []any{now}},
		{nil, "UPDATE approvals SET answer = NULL WHERE answer IS NOT NULL", nil},
		{nil, "UPDATE elevations SET ends_at = $1 WHERE ends_at > $1", []any{now}},
		{nil, "DELETE FROM installation WHERE tenant_id = '*' AND name LIKE 'setup.%'", nil},
		{nil, "DELETE FROM installation WHERE tenant_id = '*' AND name LIKE '" + nodePrefix + "%'", nil},
		{&v.Jobs, "UPDATE jobs SET state = 'waiting', node = NULL, lease_until = NULL, token = token + 1, " +
			"attempt = CASE WHEN attempt > 0 THEN attempt - 1 ELSE 0 END WHERE state = 'running'", nil},
		{&v.Uploads, "UPDATE uploads SET lease = lease + 1, leased_until = 0 WHERE leased_until <> 0", nil},
		{nil, "UPDATE leases SET node = '', until = 0, token = token + 1", nil},
		{&v.Commitments, "UPDATE commitments SET state = '" + CommitmentExpired + "' WHERE state = '" + CommitmentOpen + "'", nil},
		{&v.Requests, "DELETE FROM idempotency WHERE status = 0", nil},
	} {
		n, err := tx.systemExec(step.query, step.args...)
		if err != nil {
			return v, err
		}
		if step.count != nil {
			*step.count = n
		}
	}
	tx.queued = true
	return v, nil
}
