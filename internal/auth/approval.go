package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"lotse/internal/auth/access"
	"lotse/internal/store"
)

// approvalLasts is how long a change waits for a second person, and its answer for the
// one who asked.
const approvalLasts = 24 * time.Hour

// approvalsListed is how many are listed at most.
const approvalsListed = 200

// Purposes of what is sealed of a change that waits.
const (
	purposeChange = "approval request"
	purposeAnswer = "approval answer"
)

// Approval is a change that waits, or waited, for a second person.
type Approval struct {
	ID      string    `json:"id"`
	Route   string    `json:"route" doc:"What is to be done."`
	AskedBy string    `json:"asked_by" doc:"Who asked, as an actor of the audit trail."`
	State   string    `json:"state" enum:"open,approved,refused,expired"`
	Status  int       `json:"status,omitempty" doc:"The HTTP status that carrying it out was answered with."`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Settled time.Time `json:"settled,omitzero"`
	By      string    `json:"settled_by,omitempty"`
}

func approvalView(a *store.Approval) Approval {
	return Approval{ID: a.ID, Route: a.Route, AskedBy: a.AskedBy, State: a.State, Status: a.Status, Created: a.Created, Expires: a.Expires, Settled: a.Settled, By: a.By}
}

// SecondPersonNeeded tells whether changes wait for a second administrator. As long as
// there are not two of them nobody could approve any. One who is blocked counts: else
// the other would be alone by blocking them, which waits for nobody.
func (a *Accounts) SecondPersonNeeded(ctx context.Context, by access.Actor) (bool, error) {
	if !a.opts.SecondPerson {
		return false, nil
	}
	n := 0
	err := a.db.Tenant(by.Tenant).Read(ctx, func(tx *store.Tx) error {
		n = 0
		all, err := tx.Users()
		for i := range all {
			if all[i].State != store.UserDeleted && slices.Contains(all[i].Roles, string(Administrator)) {
				n++
			}
		}
		return err
	})
	return n >= 2, err
}

// KeepChange keeps a change, sealed, until a second person approves or refuses it.
func (a *Accounts) KeepChange(ctx context.Context, by access.Actor, route string, change []byte) (id string, until time.Time, err error) {
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return "", until, err
	}
	id = store.NewID()
	data, err := v.SealTenant(ctx, purposeChange+" "+id, change)
	if err != nil {
		return "", until, err
	}
	err = a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		if err := expire(tx); err != nil {
			return err
		}
		until = tx.Now().Add(approvalLasts)
		if err := tx.InsertApproval(&store.Approval{ID: id, Route: route, Request: data, AskedBy: by.ID, State: store.ApprovalOpen, Expires: until}); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "approval.asked", Detail: map[string]any{"approval": id, "route": route}})
	})
	return id, until, err
}

// expire ends what waited too long.
func expire(tx *store.Tx) error {
	ids, err := tx.ExpireApprovals()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := tx.Audit(store.Event{Actor: "lotse", Event: "approval.expired", Detail: map[string]any{"approval": id}}); err != nil {
			return err
		}
	}
	return nil
}

// Approvals lists the newest changes that wait or waited.
func (a *Accounts) Approvals(ctx context.Context, by access.Actor) ([]Approval, error) {
	out := []Approval{}
	err := a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		out = out[:0]
		if err := expire(tx); err != nil {
			return err
		}
		all, err := tx.Approvals(approvalsListed)
		for i := range all {
			out = append(out, approvalView(&all[i]))
		}
		return err
	})
	return out, err
}

// Change returns a change with what it is; nil once it is settled.
func (a *Accounts) Change(ctx context.Context, by access.Actor, id string) (*Approval, []byte, error) {
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return nil, nil, err
	}
	var row *store.Approval
	err = a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) (err error) {
		if err := expire(tx); err != nil {
			return err
		}
		row, err = tx.Approval(id)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	view := approvalView(row)
	if row.Request == nil {
		return &view, nil, nil
	}
	change, err := v.OpenTenant(ctx, purposeChange+" "+id, row.Request)
	return &view, change, err
}

// Approve lets a change be carried out, once, on behalf of who asked for it and still
// has the permission. [ErrOwn] for one's own; [ErrState] when it does not wait any more.
func (a *Accounts) Approve(ctx context.Context, by access.Actor, id string, p access.Permission) (access.Actor, error) {
	var asker access.Actor
	err := a.settle(ctx, by, id, store.ApprovalApproved, func(tx *store.Tx, row *store.Approval) error {
		user, err := userOf(access.Actor{ID: row.AskedBy, Kind: access.User})
		if err != nil {
			return err
		}
		u, err := tx.User(user)
		switch {
		case err != nil:
			return err
		case row.AskedBy == by.ID:
			return ErrOwn
		case u.State != store.UserActive || !May(rolesOf(u), p):
			return ErrState
		}
		asker = access.Actor{ID: row.AskedBy, Tenant: by.Tenant, Kind: access.User, Sites: u.Sites}
		return nil
	})
	return asker, err
}

// Refuse ends a change that waits. Who asked may take it back so.
func (a *Accounts) Refuse(ctx context.Context, by access.Actor, id string) error {
	return a.settle(ctx, by, id, store.ApprovalRefused, func(*store.Tx, *store.Approval) error { return nil })
}

func (a *Accounts) settle(ctx context.Context, by access.Actor, id, state string, check func(*store.Tx, *store.Approval) error) error {
	if _, err := userOf(by); err != nil {
		return access.ErrForbidden
	}
	return a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		row, err := tx.Approval(id)
		switch {
		case err != nil:
			return err
		case row.State != store.ApprovalOpen || !row.Expires.After(tx.Now()):
			return ErrState
		}
		if err := check(tx, row); err != nil {
			return err
		}
		if err := tx.SettleApproval(id, state, by.ID); errors.Is(err, store.ErrConflict) {
			return ErrState
		} else if err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "approval." + state, Detail: map[string]any{"approval": id, "route": row.Route, "asked_by": row.AskedBy}})
	})
}

// CarriedOut keeps what an approved change was answered with, for the one who asked:
// there may be a secret in it.
func (a *Accounts) CarriedOut(ctx context.Context, by access.Actor, id string, status int, answer []byte) error {
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return err
	}
	data, err := v.SealTenant(ctx, purposeAnswer+" "+id, answer)
	if err != nil {
		return err
	}
	return a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		if err := tx.CarriedOut(id, status, data); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "approval.carried-out", Detail: map[string]any{"approval": id, "status": status}})
	})
}

// TakeAnswer gives that answer to the one who asked, once. [store.ErrNotFound].
func (a *Accounts) TakeAnswer(ctx context.Context, by access.Actor, id string) ([]byte, error) {
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return nil, err
	}
	var data []byte
	err = a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		row, err := tx.Approval(id)
		if err != nil || row.AskedBy != by.ID {
			return errors.Join(err, store.ErrNotFound)
		}
		data = row.Answer
		return tx.TakeAnswer(id)
	})
	if err != nil {
		return nil, err
	}
	return v.OpenTenant(ctx, purposeAnswer+" "+id, data)
}
