package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lotse/internal/auth/access"
	"lotse/internal/store"
)

// tokenPrefix tells a token from other secrets where one turns up by mistake.
const tokenPrefix = "lotse_"

// freshToken is how long a token counts as proved just now after it was made.
const freshToken = time.Hour

// Tokens knows who asks by the token shown. Only digests of tokens are kept: a
// token has 256 random bits, so that a digest gives nothing away.
type Tokens struct{ db *store.DB }

var _ access.Authorizer = (*Tokens)(nil)

// NewTokens decides by the tokens in a database.
func NewTokens(db *store.DB) *Tokens { return &Tokens{db} }

// ErrLast: it is the last administrator who can still get in.
var ErrLast = errors.New("nobody could manage this installation any more")

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func newSecret() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails: it ends the process instead
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Authorize returns who asks, when they may.
func (t *Tokens) Authorize(ctx context.Context, r access.Request) (access.Actor, error) {
	if r.Permission == access.Public {
		return access.Actor{}, nil
	}
	if !strings.HasPrefix(r.Token, tokenPrefix) {
		return access.Actor{}, access.ErrUnauthenticated
	}
	tenant, token, err := t.db.System().FindToken(ctx, digest(r.Token))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return access.Actor{}, access.ErrUnauthenticated
	case err != nil:
		return access.Actor{}, fmt.Errorf("look for the token: %w", err)
	case r.Tenant != "" && r.Tenant != tenant:
		return access.Actor{}, access.ErrNotFound
	case personal(r.Permission) || !Role(token.Role).May(r.Permission):
		return access.Actor{}, access.ErrForbidden
	case fresh(r.Permission) && token.Found.Sub(token.Created) >= freshToken:
		return access.Actor{}, access.ErrStale
	}
	return access.Actor{ID: actorID(token.ID), Tenant: tenant, Kind: access.Token}, nil
}

// New is a token to make.
type New struct {
	Name    string    `json:"name" minLength:"1" maxLength:"100"`
	Role    Role      `json:"role" enum:"administrator,auditor,integrator"`
	Expires time.Time `json:"expires,omitzero" doc:"When it ends; never when absent."`
}

// Token is a token as it is listed.
type Token struct {
	ID string `json:"id"`
	New
	Created time.Time `json:"created"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// Create makes a token of a tenant. The secret is shown this once.
func (t *Tokens) Create(ctx context.Context, by access.Actor, n New) (*Token, string, error) {
	if !table()[n.Role].token {
		return nil, "", fmt.Errorf("create a token: there is no role %q for one", n.Role)
	}
	secret := tokenPrefix + newSecret()
	token := store.Token{ID: store.NewID(), Hash: digest(secret), Name: n.Name, Role: string(n.Role), Expires: n.Expires}
	err := t.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		token.Created = tx.Now()
		return insert(tx, by.ID, &token)
	})
	if err != nil {
		return nil, "", fmt.Errorf("create a token: %w", err)
	}
	return view(token), secret, nil
}

func insert(tx *store.Tx, by string, token *store.Token) error {
	if err := tx.InsertToken(token); err != nil {
		return err
	}
	return tx.Audit(store.Event{Actor: by, Event: "token.created", Detail: map[string]any{"token": token.ID, "role": token.Role}})
}

func view(t store.Token) *Token {
	return &Token{ID: t.ID, New: New{Name: t.Name, Role: Role(t.Role), Expires: t.Expires}, Created: t.Created, Revoked: t.Revoked}
}

// List returns the tenant's tokens, without their secrets.
func (t *Tokens) List(ctx context.Context, by access.Actor) ([]Token, error) {
	var list []store.Token
	err := t.db.Tenant(by.Tenant).Read(ctx, func(tx *store.Tx) (err error) {
		list, err = tx.Tokens()
		return err
	})
	out := make([]Token, len(list))
	for i := range list {
		out[i] = *view(list[i])
	}
	return out, err
}

// Own returns the token that an actor came with. [store.ErrNotFound] when the actor is
// no token.
func (t *Tokens) Own(ctx context.Context, by access.Actor) (*Token, error) {
	list, err := t.List(ctx, by)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(one Token) bool { return actorID(one.ID) == by.ID })
	if i < 0 {
		return nil, store.ErrNotFound
	}
	return &list[i], nil
}

// actorID names who comes with a token.
func actorID(token string) string { return "token:" + token }

// Revoke ends a token; [ErrLast] for the last one of an administrator where no person
// is one.
func (t *Tokens) Revoke(ctx context.Context, by access.Actor, id string) error {
	return t.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		all, err := tx.Tokens()
		if err != nil {
			return err
		}
		works := func(one store.Token) bool {
			return Role(one.Role).May(TokensManage) && one.Revoked.IsZero() && (one.Expires.IsZero() || one.Expires.After(tx.Now()))
		}
		i := slices.IndexFunc(all, func(one store.Token) bool { return one.ID == id })
		if i >= 0 && works(all[i]) && !slices.ContainsFunc(slices.Delete(slices.Clone(all), i, i+1), works) {
			users, err := tx.Users()
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(users, func(u store.User) bool { return manages(&u) }) {
				return ErrLast
			}
		}
		if err := tx.RevokeToken(id); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "token.revoked", Detail: map[string]any{"token": id}})
	})
}
