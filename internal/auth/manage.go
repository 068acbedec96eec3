package auth

import (
	"context"
	"errors"
	"slices"

	"lotse/internal/auth/access"
	"lotse/internal/store"
)

// change runs f on an account that is not deleted and saves it. The last who manages
// the others stays so: [ErrLast].
func (a *Accounts) change(ctx context.Context, by access.Actor, id string, version int64, f func(tx *store.Tx, u *store.User) (event string, detail map[string]any, err error)) error {
	return a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		all, err := tx.LockUsers()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(u store.User) bool { return u.ID == id })
		if i < 0 {
			return store.ErrNotFound
		}
		u := &all[i]
		if version >= 0 && u.Version != version {
			return store.ErrStale
		}
		managed := manages(u)
		event, detail, err := f(tx, u)
		if err != nil {
			return err
		}
		if managed && !slices.ContainsFunc(all, func(u store.User) bool { return manages(&u) }) {
			return ErrLast
		}
		if err := tx.SaveUser(u); err != nil {
			return err
		}
		detail["user"] = id
		return tx.Audit(store.Event{Actor: by.ID, Event: event, Detail: detail})
	})
}

// ChangeUser replaces what is set of an account; version is the one that was seen, or
// -1. Its sessions end when it may do something else afterwards. [store.ErrConflict]
// when the login name is taken.
func (a *Accounts) ChangeUser(ctx context.Context, by access.Actor, id string, version int64, n NewUser) error {
	if err := n.check(); err != nil {
		return err
	}
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return err
	}
	next, err := a.row(ctx, v, id, n)
	if err != nil {
		return err
	}
	return a.change(ctx, by, id, version, func(tx *store.Tx, u *store.User) (string, map[string]any, error) {
		if err := n.checkSites(tx); err != nil {
			return "", nil, err
		}
		switch other, err := tx.UserByLogin(next.Login); {
		case err == nil && other.ID != id:
			return "", nil, store.ErrConflict
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return "", nil, err
		}
		detail := map[string]any{"roles": next.Roles, "roles_before": u.Roles, "sites": next.Sites, "sites_before": u.Sites, "login_changed": u.Login != next.Login}
		if !slices.Equal(u.Roles, next.Roles) || !slices.Equal(u.Sites, next.Sites) {
			if _, err := tx.EndSessions(id, ""); err != nil {
				return "", nil, err
			}
		}
		u.Login, u.Profile, u.Roles, u.Sites = next.Login, next.Profile, next.Roles, next.Sites
		return "user.changed", detail, nil
	})
}

// BlockUser keeps a person out until an administrator lets them in again.
func (a *Accounts) BlockUser(ctx context.Context, by access.Actor, id string) error {
	if actorOfUser(id) == by.ID {
		return ErrOwn
	}
	return a.change(ctx, by, id, -1, func(tx *store.Tx, u *store.User) (string, map[string]any, error) {
		if u.State != store.UserActive {
			return "", nil, ErrState
		}
		u.State = store.UserBlocked
		n, err := tx.EndSessions(id, "")
		return "user.blocked", map[string]any{"sessions_ended": n}, err
	})
}

// UnblockUser lets a person in again.
func (a *Accounts) UnblockUser(ctx context.Context, by access.Actor, id string) error {
	return a.change(ctx, by, id, -1, func(tx *store.Tx, u *store.User) (string, map[string]any, error) {
		if u.State != store.UserBlocked {
			return "", nil, ErrState
		}
		u.State = store.UserActive
		return "user.unblocked", map[string]any{}, tx.LiftThrottlesOf(id)
	})
}

// DeleteUser makes an account a pseudonym: nothing of the person is left, and the id
// stays for the audit trail.
func (a *Accounts) DeleteUser(ctx context.Context, by access.Actor, id string) error {
	if actorOfUser(id) == by.ID {
		return ErrOwn
	}
	return a.change(ctx, by, id, -1, func(tx *store.Tx, u *store.User) (string, map[string]any, error) {
		u.State, u.Login, u.Profile = store.UserDeleted, "", nil
		err := a.cutOff(tx, id)
		return "user.deleted", map[string]any{}, errors.Join(err, tx.ForgetNetworks(id))
	})
}

// cutOff ends all that somebody gets in with.
func (a *Accounts) cutOff(tx *store.Tx, id string) error {
	if _, err := tx.EndSessions(id, ""); err != nil {
		return err
	}
	if _, err := tx.EndElevations(id); err != nil {
		return err
	}
	if _, err := tx.DeleteCredentials(id); err != nil {
		return err
	}
	return tx.LiftThrottlesOf(id)
}

// RecoverUser helps somebody who cannot get in any more: all sessions and factors end,
// and there is a new first password, which is shown this once.
func (a *Accounts) RecoverUser(ctx context.Context, by access.Actor, id string) (string, error) {
	if actorOfUser(id) == by.ID {
		return "", ErrOwn
	}
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return "", err
	}
	plain := initialPassword()
	data, err := a.sealPassword(ctx, v, id, plain)
	if err != nil {
		return "", err
	}
	err = a.change(ctx, by, id, -1, func(tx *store.Tx, _ *store.User) (string, map[string]any, error) {
		if err := a.cutOff(tx, id); err != nil {
			return "", nil, err
		}
		return "user.recovered", map[string]any{}, putPassword(tx, id, data, store.CredentialInitial)
	})
	if err != nil {
		return "", err
	}
	return plain, nil
}

// ResetFactors ends the second factors of a person who has lost them, and all
// sessions; the password stays.
func (a *Accounts) ResetFactors(ctx context.Context, by access.Actor, id string) error {
	if actorOfUser(id) == by.ID {
		return ErrOwn
	}
	return a.change(ctx, by, id, -1, func(tx *store.Tx, _ *store.User) (string, map[string]any, error) {
		all, err := tx.CredentialsOf(id)
		if err != nil {
			return "", nil, err
		}
		n := 0
		for _, c := range all {
			if !isFactor(c.Kind) {
				continue
			}
			if err := tx.DeleteCredential(id, c.ID); err != nil {
				return "", nil, err
			}
			n++
		}
		_, err = tx.EndSessions(id, "")
		return "user.factors-reset", map[string]any{"factors": n}, err
	})
}
