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

// Kept is the id and the version.
func (u *User) Kept() (id string, version int64) { return u.ID, u.Version }

// check says what is wrong with an account.
func (n *NewUser) check() error {
	n.Login, n.Name, n.Email = strings.TrimSpace(n.Login), strings.TrimSpace(n.Name), strings.TrimSpace(n.Email)
	switch {
	case normalLogin(n.Login) == "":
		return &InvalidError{"login", "empty"}
	case n.Name == "":
		return &InvalidError{"name", "empty"}
	case n.Email != "" && !isAddress(n.Email):
		return &InvalidError{"email", "no-address"}
	}
	if err := checkRoles(n.Roles); errors.Is(err, ErrNoRole) {
		return &InvalidError{"roles", "unknown"}
	} else if err != nil {
		return err
	}
	return nil
}

// isAddress tells whether a text can be an e-mail address.
func isAddress(text string) bool {
	return strings.Contains(text, "@") && !strings.ContainsAny(text, " \t\r\n,;<>")
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
