package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
		if err := report(tx, e); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "sites.elevated", Detail: map[string]any{"elevation": e.ID, "until": e.Ends}})
	})
	if err != nil {
		return nil, err
	}
	return &e, nil
}

// JobElevation is the kind of the jobs that report that somebody took access to all
// sites: the report leaves with the access, or there is none.
const JobElevation = "report-elevation"

// report has an elevation reported. It names the account by its id; the reason stays
// where it is sealed.
func report(tx *store.Tx, e Elevation) error {
	e.Reason = ""
	payload, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("report access to all sites: %w", err)
	}
	_, _, err = tx.Enqueue(store.Job{Kind: JobElevation, Subject: e.ID, Payload: payload})
	return err
}

// ElevationOf is what a job of the kind JobElevation reports, without the reason.
func ElevationOf(job store.Job) (Elevation, error) {
	var e Elevation
	if err := json.Unmarshal(job.Payload, &e); err != nil {
		return e, errors.New("read a report of access to all sites: not what was written")
	}
	return e, nil
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
