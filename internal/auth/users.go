package auth

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"slices"
	"strings"
	"time"

	"lotse/internal/auth/access"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// NewUser is an account as an administrator sets it.
type NewUser struct {
	Login string   `json:"login" minLength:"1" maxLength:"100" doc:"What the person logs in with; unique, whatever its case."`
	Name  string   `json:"name" minLength:"1" maxLength:"200"`
	Email string   `json:"email,omitempty" maxLength:"254"`
	Roles []Role   `json:"roles" minItems:"1" maxItems:"4" nullable:"false" enum:"clerk,physician,administrator,auditor"`
	Sites []string `json:"sites,omitempty" maxItems:"1000" nullable:"false" doc:"Ids of the sites whose imports may be reached; empty: all."`
}

// User is an account as it is listed. A deleted one has nothing but its id and times.
type User struct {
	ID string `json:"id"`
	NewUser
	State   string    `json:"state" enum:"active,blocked,deleted"`
	Version int64     `json:"version" doc:"Grows with every change; also the ETag."`
	Factors []string  `json:"factors" nullable:"false" doc:"Kinds of second factors that can be proved."`
	Initial bool      `json:"initial_password" doc:"The password was given by an administrator and is to be changed at the next login."`
	Created time.Time `json:"created"`
	Entered time.Time `json:"entered,omitzero" doc:"The last login."`
	TermsAt time.Time `json:"terms_accepted,omitzero"`
	TermsOf int64     `json:"terms_version,omitempty" doc:"The version of the terms of use that was accepted."`
}

// check says what is wrong with an account.
func (n *NewUser) check() error {
	n.Login, n.Name, n.Email = strings.TrimSpace(n.Login), strings.TrimSpace(n.Name), strings.TrimSpace(n.Email)
	switch {
	case normalLogin(n.Login) == "":
		return &InvalidError{"login", "empty"}
	case n.Name == "":
		return &InvalidError{"name", "empty"}
	case n.Email != "" && (!strings.Contains(n.Email, "@") || strings.ContainsAny(n.Email, " \t\r\n,;<>")):
		return &InvalidError{"email", "no-address"}
	}
	if err := checkRoles(n.Roles); errors.Is(err, ErrNoRole) {
		return &InvalidError{"roles", "unknown"}
	} else if err != nil {
		return err
	}
	return nil
}

// checkSites says whether all sites are there.
func (n *NewUser) checkSites(tx *store.Tx) error {
	if len(n.Sites) == 0 {
		return nil
	}
	all, err := tx.Sites()
	if err != nil {
		return err
	}
	for _, id := range n.Sites {
		if !slices.ContainsFunc(all, func(s store.Site) bool { return s.ID == id }) {
			return &InvalidError{"sites", "unknown"}
		}
	}
	return nil
}

// row is an account as it is kept.
func (a *Accounts) row(ctx context.Context, v *sealed.Tenant, id string, n NewUser) (*store.User, error) {
	mac, err := v.MAC(ctx, macLogin, normalLogin(n.Login))
	if err != nil {
		return nil, err
	}
	data, err := sealJSON(ctx, v, purposeProfile+" "+id, profile{n.Login, n.Name, n.Email})
	if err != nil {
		return nil, err
	}
	return &store.User{ID: id, Login: mac, Profile: data, Roles: texts(n.Roles), Sites: n.Sites, State: store.UserActive}, nil
}

// initialPassword is one that nobody has chosen: 100 random bits, easy to type.
func initialPassword() string {
	raw := make([]byte, 13)
	_, _ = rand.Read(raw) // never fails: it ends the process instead
	text := strings.ToLower(base32.StdEncoding.EncodeToString(raw))
	return strings.Join([]string{text[:5], text[5:10], text[10:15], text[15:20]}, "-")
}

// CreateUser makes an account and its first password, which is shown this once and
// has to be changed at the first login. [store.ErrConflict] when the login name is
// taken.
func (a *Accounts) CreateUser(ctx context.Context, by access.Actor, n NewUser) (*User, string, error) {
	plain := initialPassword()
	u, err := a.create(ctx, by.Tenant, n, plain, store.CredentialInitial, func(insert func(*store.Tx) error) error {
		return a.db.Tenant(by.Tenant).Write(ctx, insert)
	}, by.ID)
	if err != nil {
		return nil, "", err
	}
	return u, plain, nil
}

// SetUp makes the first administrator, a person, by the one-time secret. [ErrUsed],
// *ThrottledError as with a token.
func (a *Accounts) SetUp(ctx context.Context, tokens *Tokens, tenant, secret string, n NewUser, plain string) (*User, error) {
	n.Roles, n.Sites = []Role{Administrator}, nil
	if err := n.check(); err != nil {
		return nil, inside("user", err)
	}
	if err := checkNew("user.password", plain, profile{n.Login, n.Name, n.Email}); err != nil {
		return nil, err
	}
	return a.create(ctx, tenant, n, plain, store.CredentialActive, func(insert func(*store.Tx) error) error {
		return tokens.redeem(ctx, tenant, secret, insert)
	}, setupActor)
}

// inside names the field that an invalid one is in.
func inside(field string, err error) error {
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		return &InvalidError{field + "." + invalid.Field, invalid.Code}
	}
	return err
}

func (a *Accounts) create(ctx context.Context, tenant string, n NewUser, plain, state string, write func(func(*store.Tx) error) error, by string) (*User, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	v, err := a.vault.Tenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	u, err := a.row(ctx, v, store.NewID(), n)
	if err != nil {
		return nil, err
	}
	data, err := a.sealPassword(ctx, v, u.ID, plain)
	if err != nil {
		return nil, err
	}
	err = write(func(tx *store.Tx) error {
		if err := n.checkSites(tx); err != nil {
			return err
		}
		one := *u
		if err := tx.InsertUser(&one); err != nil {
			return err
		}
		u.Created, u.Version = one.Created, one.Version
		if err := putPassword(tx, u.ID, data, state); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by, Event: "user.created", Detail: map[string]any{"user": u.ID, "roles": u.Roles, "sites": u.Sites}})
	})
	if err != nil {
		return nil, err
	}
	return userView(u, profile{n.Login, n.Name, n.Email}, []store.Credential{{Kind: kindPassword, State: state}}), nil
}

func userView(u *store.User, p profile, credentials []store.Credential) *User {
	view := &User{ID: u.ID, NewUser: NewUser{Login: p.Login, Name: p.Name, Email: p.Email, Roles: rolesOf(u), Sites: u.Sites}, State: u.State, Version: u.Version,
		Factors: []string{}, Created: u.Created, Entered: u.Entered, TermsAt: u.TermsAt, TermsOf: u.Terms}
	for _, c := range credentials {
		switch {
		case c.Kind == kindPassword:
			view.Initial = c.State == store.CredentialInitial
		case isFactor(c.Kind) && c.State == store.CredentialActive:
			view.Factors = append(view.Factors, c.Kind)
		}
	}
	return view
}

// Users lists all accounts, deleted ones too.
func (a *Accounts) Users(ctx context.Context, by access.Actor) ([]User, error) {
	return a.users(ctx, by.Tenant, func(tx *store.Tx) ([]store.User, error) { return tx.Users() })
}

// User returns an account. [store.ErrNotFound].
func (a *Accounts) User(ctx context.Context, by access.Actor, id string) (*User, error) {
	all, err := a.users(ctx, by.Tenant, func(tx *store.Tx) ([]store.User, error) {
		u, err := tx.User(id)
		return []store.User{*u}, err
	})
	if err != nil {
		return nil, err
	}
	return &all[0], nil
}

// Own returns the account of an actor. [store.ErrNotFound] when it has none.
func (a *Accounts) Own(ctx context.Context, by access.Actor) (*User, error) {
	id, err := userOf(by)
	if err != nil {
		return nil, err
	}
	return a.User(ctx, by, id)
}

func (a *Accounts) users(ctx context.Context, tenant string, read func(tx *store.Tx) ([]store.User, error)) ([]User, error) {
	v, err := a.vault.Tenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var rows []store.User
	var credentials map[string][]store.Credential
	err = a.db.Tenant(tenant).Read(ctx, func(tx *store.Tx) (err error) {
		if rows, err = read(tx); err != nil {
			return err
		}
		credentials = map[string][]store.Credential{}
		for _, u := range rows {
			if credentials[u.ID], err = tx.CredentialsOf(u.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]User, len(rows))
	for i := range rows {
		var p profile
		if rows[i].Profile != nil {
			if err := openJSON(ctx, v, purposeProfile+" "+rows[i].ID, rows[i].Profile, &p); err != nil {
				return nil, err
			}
		}
		out[i] = *userView(&rows[i], p, credentials[rows[i].ID])
	}
	return out, nil
}

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
