package app

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"lotse/internal/audit"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

const (
	leaseLinker = "audit-linker"
	// linkEvery is how often events are linked, and linkLease how long after a node was
	// lost another one goes on.
	linkEvery = 500 * time.Millisecond
	linkLease = 5 * time.Second
	linkBatch = 500
	// signEvery is how often the end of a chain that grew is signed.
	signEvery = time.Minute
	// chainEnd bounds the last linking and signing when a node stops.
	chainEnd = 10 * time.Second
)

// settingAuditKey holds the seed of the key that heads of the audit chain are signed
// with, sealed.
const settingAuditKey = "audit-signing-key"

// What the audit trail is told of a node.
const (
	NodeStarted = "node.started"
	NodeStopped = "node.stopped"
)

// Announce tells the audit trails of all tenants that this node starts or stops.
func (g *Gateway) Announce(ctx context.Context, event string) error {
	tenants, err := g.db.System().LivingTenants(ctx)
	for _, tenant := range tenants {
		err = errors.Join(err, g.reach(Who{Tenant: tenant}).Write(ctx, func(tx *store.Tx) error {
			return tx.Audit(store.Event{Actor: machine, Event: event, Detail: map[string]any{"node": g.name, "version": g.opts.Version}})
		}))
	}
	return err
}

// KeepChain links the events of all tenants and signs the ends of their chains until
// ctx ends, and once more then. Every node does so; the leases of the tenants decide
// which one does it for which.
func (g *Gateway) KeepChain(ctx context.Context) {
	every := time.NewTicker(linkEvery)
	defer every.Stop()
	var signed time.Time // what a node left that was lost is signed at once
	failing := false
	step := func(ctx context.Context, sign bool) {
		err := g.linkAll(ctx)
		if err == nil && sign {
			err = g.signAll(ctx)
		}
		if err != nil && ctx.Err() == nil && !failing {
			g.log.Error("the audit trail is not linked", "error", err)
		}
		failing = err != nil
	}
	for {
		select {
		case <-every.C:
			sign := time.Since(signed) >= signEvery
			if sign {
				signed = time.Now()
			}
			step(ctx, sign)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), chainEnd)
			defer cancel()
			step(last, true)
			g.letGo(last, leaseLinker)
			return
		}
	}
}

// letGo gives this node's leases of all tenants back, so that nobody waits for their end.
func (g *Gateway) letGo(ctx context.Context, name string) {
	tenants, err := g.db.System().LivingTenants(ctx)
	for _, tenant := range tenants {
		err = errors.Join(err, g.reach(Who{Tenant: tenant}).Write(ctx, func(tx *store.Tx) error {
			l, err := tx.TakeLease(name, g.name, linkLease)
			if err != nil {
				return err
			}
			return tx.ReleaseLease(l)
		}))
	}
	if err != nil && !errors.Is(err, store.ErrLeaseLost) {
		g.log.Warn("a lease was not given back", "lease", name, "error", err)
	}
}

// linkAll links what has no link.
func (g *Gateway) linkAll(ctx context.Context) error {
	tenants, err := g.db.System().TenantsToLink(ctx)
	if err != nil {
		return err
	}
	var all []error
	for _, tenant := range tenants {
		for n := linkBatch; n == linkBatch && err == nil; {
			n, err = g.link(ctx, tenant)
		}
		all = append(all, err)
		err = nil
	}
	return errors.Join(all...)
}

// link links some events of a tenant: none where another node does it.
func (g *Gateway) link(ctx context.Context, tenant string) (n int, err error) {
	err = g.reach(Who{Tenant: tenant}).Write(ctx, func(tx *store.Tx) (err error) {
		if _, err = tx.TakeLease(leaseLinker, g.name, linkLease); err != nil {
			return err
		}
		n, err = tx.LinkEvents(linkBatch)
		return err
	})
	if errors.Is(err, store.ErrLeaseLost) || errors.Is(err, store.ErrNoTenant) {
		return 0, nil
	}
	return n, err
}

// signAll signs the ends of all chains that grew since they were signed.
func (g *Gateway) signAll(ctx context.Context) error {
	tenants, err := g.db.System().LivingTenants(ctx)
	for _, tenant := range tenants {
		err = errors.Join(err, g.sign(ctx, tenant))
	}
	return err
}

// sign signs the end of a tenant's chain, unless it is signed or another node does it.
func (g *Gateway) sign(ctx context.Context, tenant string) error {
	s, err := g.scope(ctx, Who{Tenant: tenant, Actor: machine})
	if errors.Is(err, sealed.ErrErased) {
		return nil
	}
	if err != nil {
		return err
	}
	grew, err := s.grew(ctx)
	if err != nil || !grew {
		return err
	}
	key, err := s.ownSigningKey(ctx, settingAuditKey, func(*store.Tx, ed25519.PrivateKey) error { return nil })
	if err != nil {
		return err
	}
	var head store.Head
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.TakeLease(leaseLinker, g.name, linkLease); err != nil {
			return err
		}
		last, err := tx.LastLink()
		if err != nil {
			return err
		}
		head = audit.SignHead(key, tenant, last.Seq, last.Hash, tx.Now())
		return tx.InsertHead(&head)
	})
	switch {
	case errors.Is(err, store.ErrLeaseLost), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil || g.opts.ExportHead == nil:
		return err
	}
	if err := g.opts.ExportHead(head); err != nil {
		return fmt.Errorf("export a signed head of the audit trail: %w", err)
	}
	return nil
}

// grew reports whether there are links after the last head.
func (s *scope) grew(ctx context.Context) (bool, error) {
	grew := false
	err := s.t.Read(ctx, func(tx *store.Tx) error {
		grew = false
		last, err := tx.LastLink()
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		head, err := tx.LastHead()
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		grew = head.Seq < last.Seq
		return nil
	})
	return grew, err
}

// VerifyChain verifies the chain of a tenant as it is in a database. With a vault, the
// key that its heads must be signed with is known; without, it is believed what the
// exported heads, which come through each, and the database say.
func VerifyChain(ctx context.Context, db *store.DB, vault *sealed.Vault, tenant string, each func(func(store.Head) error) error,
	progress func(int64)) (*audit.Report, error) {
	keys, err := trustedKeys(ctx, db, vault, tenant)
	if err != nil {
		return nil, err
	}
	v := audit.NewVerifier(tenant, keys, progress)
	if each != nil {
		if err := each(v.Compare); err != nil {
			return nil, err
		}
	}
	at, err := db.System().ReadChain(ctx, tenant, v)
	if err != nil {
		return nil, err
	}
	return v.Report(at), nil
}

// trustedKeys are the public halves of the keys that the tenant's heads are signed with.
func trustedKeys(ctx context.Context, db *store.DB, vault *sealed.Vault, tenant string) ([]string, error) {
	if vault == nil {
		return nil, nil
	}
	v, err := vault.Tenant(ctx, tenant)
	if errors.Is(err, sealed.ErrErased) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the tenant's keys: %w", err)
	}
	key, err := signingKey(ctx, db.Tenant(tenant), v, settingAuditKey)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNoTenant) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []string{audit.PublicKey(key)}, nil
}

// auditRetention erases the keys of periods of the audit trail whose time is over, unless
// the clock may have jumped, which the retention of imports judges.
func (g *Gateway) auditRetention(ctx context.Context) error {
	now, err := g.databaseTime(ctx)
	if err != nil {
		return err
	}
	if steady, err := g.steady(ctx, now); err != nil || !steady {
		return err
	}
	return g.endedPeriods(ctx, g.opts.RetentionAudit, func(s *scope, period string) error {
		err := s.t.Write(ctx, func(tx *store.Tx) error {
			return tx.Audit(store.Event{Actor: machine, Event: "audit.period-erased", Detail: map[string]any{"period": period}})
		})
		if err != nil {
			return err
		}
		return s.v.DestroyImport(ctx, period)
	})
}

// endedPeriods calls f with the periods of all living tenants that ended longer ago
// than keep and still have a key.
func (g *Gateway) endedPeriods(ctx context.Context, keep time.Duration, f func(s *scope, period string) error) error {
	now, err := g.databaseTime(ctx)
	if err != nil {
		return err
	}
	return g.eachTenant(ctx, func(s *scope) error {
		ids, err := s.v.Keys(ctx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if end, is := audit.PeriodEnd(id); !is || now.Before(end.Add(keep)) {
				continue
			}
			if err := f(s, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// OverduePeriods counts the periods of the audit trail that could still be read more
// than a day after their time was over.
func (g *Gateway) OverduePeriods(ctx context.Context) (n int64, err error) {
	err = g.endedPeriods(ctx, g.opts.RetentionAudit+24*time.Hour, func(*scope, string) error {
		n++
		return nil
	})
	return n, err
}
