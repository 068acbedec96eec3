package auth

import (
	"context"
	"errors"
	"fmt"

	"lotse/internal/auth/access"
	"lotse/internal/auth/password"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// Kinds of credentials. Other ways to prove who somebody is add theirs here.
const (
	kindPassword = "password"
	kindTOTP     = "totp"
)

// isFactor tells whether a kind is a second factor.
func isFactor(kind string) bool { return kind == kindTOTP || kind == kindPasskey }

// checkNew says what is wrong with a new password.
func checkNew(field, plain string, p profile) error {
	if weakness := password.Check(plain, p.about()...); weakness != "" {
		return &InvalidError{field, string(weakness)}
	}
	return nil
}

// sealPassword is what is kept of a password: its hash, sealed, so that the database
// alone gives nobody anything to try passwords on.
func (a *Accounts) sealPassword(ctx context.Context, v *sealed.Tenant, user, plain string) ([]byte, error) {
	hash, err := a.opts.Hasher.Hash(ctx, plain)
	if err != nil {
		return nil, err
	}
	return v.SealTenant(ctx, purposeCredential(kindPassword, user), []byte(hash))
}

// putPassword replaces the password of a user.
func putPassword(tx *store.Tx, user string, data []byte, state string) error {
	all, err := tx.CredentialsOf(user)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Kind != kindPassword {
			continue
		}
		if err := tx.DeleteCredential(user, c.ID); err != nil {
			return err
		}
	}
	return tx.InsertCredential(&store.Credential{ID: store.NewID(), User: user, Kind: kindPassword, State: state, Data: data})
}

// setPassword replaces the hash of a password with one of the present cost.
func (a *Accounts) setPassword(ctx context.Context, v *sealed.Tenant, user, plain, state string) error {
	data, err := a.sealPassword(ctx, v, user, plain)
	if err != nil {
		return err
	}
	return a.db.Tenant(v.ID()).Write(ctx, func(tx *store.Tx) error { return putPassword(tx, user, data, state) })
}

// own reads the account of an actor and opens its profile.
func (a *Accounts) own(ctx context.Context, by access.Actor) (*sealed.Tenant, *store.User, profile, error) {
	var p profile
	id, err := userOf(by)
	if err != nil {
		return nil, nil, p, err
	}
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return nil, nil, p, err
	}
	u, err := look(ctx, a.db.Tenant(by.Tenant), func(tx *store.Tx) (*store.User, error) { return tx.User(id) })
	if err == nil {
		err = openJSON(ctx, v, purposeProfile+" "+id, u.Profile, &p)
	}
	return v, u, p, err
}

// ReplacePassword replaces the password that somebody else gave, as the next step of a
// login. The new one must not be the present one.
func (a *Accounts) ReplacePassword(ctx context.Context, by access.Actor, plain string) (*Entry, error) {
	v, u, p, err := a.own(ctx, by)
	if err != nil {
		return nil, err
	}
	// Elsewhere, comparing would let whoever holds a session find the password out.
	if state, err := a.State(ctx, by); err != nil || state.Step != StepPassword {
		return nil, errors.Join(ErrStep, err)
	}
	if err := checkNew("password", plain, p); err != nil {
		return nil, err
	}
	switch same, err := a.isPassword(ctx, v, by, u.ID, plain); {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, err
	case same:
		return nil, &InvalidError{"password", "not-new"}
	}
	data, err := a.sealPassword(ctx, v, u.ID, plain)
	if err != nil {
		return nil, err
	}
	return a.atStep(ctx, by, StepPassword, func(tx *store.Tx, u *store.User, s *store.Session) error {
		if err := putPassword(tx, u.ID, data, store.CredentialActive); err != nil {
			return err
		}
		s.Proved = tx.Now()
		return passwordChanged(tx, by, s.ID)
	})
}

// ChangePassword replaces one's own password; the present one is needed. All other
// sessions end, and the one that asks gets a new secret.
func (a *Accounts) ChangePassword(ctx context.Context, by access.Actor, present, plain string) (*Entry, error) {
	v, u, p, err := a.own(ctx, by)
	if err != nil {
		return nil, err
	}
	if err := checkNew("password", plain, p); err != nil {
		return nil, err
	}
	if err := a.prove(ctx, v, by, u, present); err != nil {
		return nil, err
	}
	if present == plain {
		return nil, &InvalidError{"password", "not-new"}
	}
	data, err := a.sealPassword(ctx, v, u.ID, plain)
	if err != nil {
		return nil, err
	}
	return a.atStep(ctx, by, StepIn, func(tx *store.Tx, u *store.User, s *store.Session) error {
		if err := putPassword(tx, u.ID, data, store.CredentialActive); err != nil {
			return err
		}
		s.Proved = tx.Now()
		return passwordChanged(tx, by, s.ID)
	})
}

// passwordChanged ends the other sessions and tells of the change.
func passwordChanged(tx *store.Tx, by access.Actor, session string) error {
	user, err := userOf(by)
	if err != nil {
		return err
	}
	n, err := tx.EndSessions(user, session)
	if err != nil {
		return err
	}
	return tx.Audit(store.Event{Actor: by.ID, Event: "password.changed", Detail: map[string]any{"sessions_ended": n}})
}

// isPassword compares a password with that of a user. [store.ErrNotFound] when the
// user has none.
func (a *Accounts) isPassword(ctx context.Context, v *sealed.Tenant, by access.Actor, user, plain string) (bool, error) {
	all, err := look(ctx, a.db.Tenant(by.Tenant), func(tx *store.Tx) ([]store.Credential, error) { return tx.CredentialsOf(user) })
	if err != nil {
		return false, err
	}
	for _, c := range all {
		if c.Kind != kindPassword {
			continue
		}
		hash, err := v.OpenTenant(ctx, purposeCredential(kindPassword, user), c.Data)
		if err != nil {
			return false, err
		}
		ok, _, err := a.opts.Hasher.Verify(ctx, string(hash), plain)
		return ok, err
	}
	return false, store.ErrNotFound
}

// prove checks the password of somebody who is in, and counts the tries as at a login:
// whoever has a session of theirs cannot find the password out by it.
func (a *Accounts) prove(ctx context.Context, v *sealed.Tenant, by access.Actor, u *store.User, plain string) error {
	t, err := a.begin(ctx, v, u.Login, false)
	if err != nil {
		return err
	}
	if _, err := a.checkPassword(ctx, v, t, plain); err != nil {
		if errors.Is(err, ErrLogin) {
			err = errors.Join(err, a.failed(ctx, v.ID(), t, ByPassword))
		}
		return err
	}
	return a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error { return t.succeeded(tx) })
}

// Again proves once more who somebody is who is in, by the password.
func (a *Accounts) Again(ctx context.Context, by access.Actor, plain string) (*Entry, error) {
	v, u, _, err := a.own(ctx, by)
	if err != nil {
		return nil, err
	}
	if err := a.prove(ctx, v, by, u, plain); err != nil {
		return nil, err
	}
	return a.Proved(ctx, by, ByPassword)
}

// Proved notes that somebody who is in proved once more who they are: what every way
// of doing so ends in.
func (a *Accounts) Proved(ctx context.Context, by access.Actor, m Method) (*Entry, error) {
	e, err := a.atStep(ctx, by, StepIn, func(tx *store.Tx, _ *store.User, s *store.Session) error {
		s.Proved = tx.Now()
		return tx.Audit(store.Event{Actor: by.ID, Event: "login.again", Detail: map[string]any{"session": s.ID, "method": m}})
	})
	if err != nil {
		err = fmt.Errorf("prove again: %w", err)
	}
	return e, err
}

// MinPassword is how many characters a password has at least.
const MinPassword = password.MinLength
