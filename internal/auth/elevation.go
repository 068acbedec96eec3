package auth

import (
	"context"
	"time"

	"lotse/internal/auth/access"
	"lotse/internal/store"
)

// Elevation is access to all sites that a person took for a time, breaking the glass.
type Elevation struct {
	ID     string    `json:"id"`
	User   string    `json:"user" doc:"Id of the account."`
	Reason string    `json:"reason"`
	Begun  time.Time `json:"begun"`
	Ends   time.Time `json:"ends"`
}

// elevationsListed is how many are listed at most.
const elevationsListed = 1000

// Elevate gives a person who may reach some sites access to all of them for a time.
// [ErrState] when they reach all already.
func (a *Accounts) Elevate(ctx context.Context, by access.Actor, reason string) (*Elevation, error) {
	user, err := userOf(by)
	if err != nil {
		return nil, err
	}
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return nil, err
	}
	e := Elevation{ID: store.NewID(), User: user, Reason: reason}
	data, err := v.SealTenant(ctx, purposeReason+" "+e.ID, []byte(reason))
	if err != nil {
		return nil, err
	}
	err = a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		u, err := tx.User(user)
		if err != nil {
			return err
		}
		if len(u.Sites) == 0 || len(by.Sites) == 0 {
			return ErrState
		}
		e.Begun, e.Ends = tx.Now(), tx.Now().Add(a.opts.Elevated)
		if err := tx.InsertElevation(&store.Elevation{ID: e.ID, User: user, Reason: data, Created: e.Begun, Ends: e.Ends}); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "sites.elevated", Detail: map[string]any{"elevation": e.ID, "until": e.Ends}})
	})
	if err != nil {
		return nil, err
	}
	if a.opts.Elevation != nil {
		a.opts.Elevation(context.WithoutCancel(ctx), e)
	}
	return &e, nil
}

// EndElevation gives back what Elevate gave.
func (a *Accounts) EndElevation(ctx context.Context, by access.Actor) error {
	user, err := userOf(by)
	if err != nil {
		return err
	}
	return a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.EndElevations(user)
		if err != nil || n == 0 {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "sites.elevation-ended"})
	})
}

// Elevations lists the newest, with their reasons.
func (a *Accounts) Elevations(ctx context.Context, by access.Actor) ([]Elevation, error) {
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return nil, err
	}
	rows, err := look(ctx, a.db.Tenant(by.Tenant), func(tx *store.Tx) ([]store.Elevation, error) { return tx.Elevations(elevationsListed) })
	if err != nil {
		return nil, err
	}
	out := make([]Elevation, len(rows))
	for i, row := range rows {
		reason, err := v.OpenTenant(ctx, purposeReason+" "+row.ID, row.Reason)
		if err != nil {
			return nil, err
		}
		out[i] = Elevation{ID: row.ID, User: row.User, Reason: string(reason), Begun: row.Created, Ends: row.Ends}
	}
	return out, nil
}
