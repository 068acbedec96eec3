package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"lotse/internal/auth/access"
	"lotse/internal/auth/oidc"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

const kindIdentity = "identity" // at a provider

// Methods of those who sign in by a provider.
const (
	ByProvider       Method = "provider"
	ByProviderStrong Method = "provider-second-factor" // the provider asked for more than a password
)

// ErrNoRights: who it is, is known, and no group of theirs may do anything here.
var ErrNoRights = errors.New("no group of this person may do anything here")

// sealedAttempt travels in a cookie of the browser, which cannot read it: only the
// browser that began can come back.
type sealedAttempt struct {
	Provider string       `json:"provider"`
	Attempt  oidc.Attempt `json:"attempt"`
	User     string       `json:"user,omitempty"` // who proves again who they are
	Session  string       `json:"session,omitempty"`
}

const purposeAttempt = "sign-in attempt"

// BeginSignIn starts to sign in by a provider. The secret goes into a cookie of the
// browser, which goes to the address. by is who proves again who they are; an actor
// without a session begins to log in. [store.ErrNotFound], [oidc.ErrUnreachable].
func (a *Accounts) BeginSignIn(ctx context.Context, tenant, provider string, by access.Actor) (secret, address string, err error) {
	v, err := a.vault.Tenant(ctx, tenant)
	if err != nil {
		return "", "", hidden(err)
	}
	p, _, err := a.openProvider(ctx, v, provider)
	if err != nil {
		return "", "", err
	}
	kept := sealedAttempt{Provider: provider, Session: by.Session}
	if by.Session != "" {
		if kept.User, err = userOf(by); err != nil {
			return "", "", err
		}
	}
	if kept.Attempt, address, err = p.Begin(ctx, by.Session != ""); err != nil {
		return "", "", err
	}
	data, err := sealJSON(ctx, v, purposeAttempt, kept)
	if err != nil {
		return "", "", err
	}
	return v.ID() + "." + base64.RawURLEncoding.EncodeToString(data), address, nil
}

// AttemptTime is how long a cookie with an attempt is good.
func AttemptTime() time.Duration { return oidc.AttemptTime }

// SignIn takes the provider's answer to what BeginSignIn began in this browser, and
// logs the person in, with an account that is made at the first time and has what
// rights the provider says at each. [ErrLogin], [ErrNoRights], [ErrRolesApart], and
// the errors of package oidc.
func (a *Accounts) SignIn(ctx context.Context, tenant, secret string, answer oidc.Answer) (*Entry, error) {
	v, err := a.vault.Tenant(ctx, tenant)
	if err != nil {
		return nil, hidden(err)
	}
	begun, err := a.takeAttempt(ctx, v, secret)
	if err != nil {
		return nil, err
	}
	p, kept, err := a.openProvider(ctx, v, begun.Provider)
	if err != nil {
		return nil, errors.Join(ErrLogin, dropNotFound(err))
	}
	t, err := a.unnamed(ctx, v)
	if err != nil {
		return nil, err
	}
	who, err := p.Finish(ctx, begun.Attempt, answer)
	if errors.Is(err, oidc.ErrInvalid) || errors.Is(err, oidc.ErrRefused) {
		return nil, errors.Join(err, a.failedBy(ctx, tenant, begun.User, ByProvider, "not-valid"))
	} else if err != nil {
		return nil, err
	}
	m := ByProvider
	if kept.SecondFactor || who.SecondFactor {
		m = ByProviderStrong
	}
	user, err := a.accountOf(ctx, v, begun.Provider, who, kept)
	if err != nil {
		return nil, err
	}
	if begun.Session == "" {
		return a.enter(ctx, v, user, m, t.succeeded)
	}
	if user != begun.User {
		return nil, errors.Join(ErrLogin, a.failedBy(ctx, tenant, begun.User, m, "another-account"))
	}
	if err := a.db.Tenant(tenant).Write(ctx, t.succeeded); err != nil {
		return nil, err
	}
	return a.Proved(ctx, access.Actor{ID: actorOfUser(user), Tenant: tenant, Kind: access.User, Session: begun.Session}, m)
}

// AttemptTenant is whose an attempt is.
func AttemptTenant(secret string) string {
	for i, c := range secret {
		if c == '.' {
			return secret[:i]
		}
	}
	return ""
}

func (a *Accounts) openAttempt(ctx context.Context, v *sealed.Tenant, secret string) (sealedAttempt, error) {
	var begun sealedAttempt
	tenant := AttemptTenant(secret)
	if tenant != v.ID() {
		return begun, oidc.ErrInvalid
	}
	data, err := base64.RawURLEncoding.DecodeString(secret[len(tenant)+1:])
	if err != nil {
		return begun, oidc.ErrInvalid
	}
	err = openJSON(ctx, v, purposeAttempt, data, &begun)
	if errors.Is(err, sealed.ErrDamaged) {
		err = oidc.ErrInvalid
	}
	return begun, err
}

// takeAttempt opens an attempt, once: a provider ends what it gave when its code comes
// twice (RFC 6749 §4.1.2), and nobody would get in.
func (a *Accounts) takeAttempt(ctx context.Context, v *sealed.Tenant, secret string) (sealedAttempt, error) {
	begun, err := a.openAttempt(ctx, v, secret)
	if err != nil {
		return begun, err
	}
	err = a.db.Tenant(v.ID()).Write(ctx, func(tx *store.Tx) error {
		return spend(tx, digest(kindIdentity+" "+begun.Attempt.State), oidc.AttemptTime)
	})
	if errors.Is(err, ErrLogin) {
		err = oidc.ErrInvalid
	}
	return begun, err
}

// rights are what somebody may do by the groups a provider says.
func (n *NewProvider) rights(groups []string) (roles []Role, sites []string, err error) {
	for _, group := range groups {
		roles = append(roles, n.Roles[group]...)
		sites = append(sites, n.Sites[group]...)
	}
	slices.Sort(sites)
	sites = slices.Compact(sites)
	if len(roles) == 0 || len(n.Sites) > 0 && len(sites) == 0 {
		return nil, nil, ErrNoRights
	}
	return roles, sites, checkRoles(roles)
}

// accountOf is the account of a person at a provider. It is known by issuer and
// subject, and by nothing else: not by a login name or address that somebody may get.
func (a *Accounts) accountOf(ctx context.Context, v *sealed.Tenant, provider string, who oidc.Identity, kept *secretProvider) (string, error) {
	lookup, err := v.MAC(ctx, kindIdentity, who.Issuer+"\x00"+who.Subject)
	if err != nil {
		return "", err
	}
	c, err := look(ctx, a.db.Tenant(v.ID()), func(tx *store.Tx) (*store.Credential, error) { return tx.CredentialByLookup(kindIdentity, lookup) })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	known := err == nil
	roles, sites, err := kept.rights(who.Groups)
	if err != nil {
		user := ""
		if known {
			user = c.User
		}
		return "", errors.Join(err, a.failedBy(ctx, v.ID(), user, ByProvider, "no-rights"))
	}
	if known {
		return c.User, a.refresh(ctx, v, provider, c, who, roles, sites)
	}
	return a.admit(ctx, v, provider, lookup, who, roles, sites)
}

// shown is what a person is called here. Providers call people what they like.
func shown(who oidc.Identity) profile {
	p := profile{Login: written(who.Login, mostLogin), Name: written(who.Name, mostName)}
	if email := strings.TrimSpace(who.Email); isAddress(email) && len(email) <= mostEmail {
		p.Email = email
	}
	for _, other := range []string{p.Email, p.Name, who.Subject} {
		if p.Login == "" {
			p.Login = written(other, mostLogin)
		}
	}
	if p.Name == "" {
		p.Name = p.Login
	}
	return p
}

// How long the names of somebody who signs in by a provider are at most, as NewUser has it.
const (
	mostLogin = 100 - len(" (012345)") // which follows where somebody else has it
	mostName  = 200
	mostEmail = 254
)

// written is a text on one line, without what turns the writing around, and of so many
// characters at most.
func written(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	all := []rune(strings.Join(strings.Fields(text), " "))
	return strings.TrimSpace(string(all[:min(len(all), most)]))
}

// admit makes an account at the first time. Its login name is for people to read: it
// has no password. Where somebody else has that name, it gets another one.
func (a *Accounts) admit(ctx context.Context, v *sealed.Tenant, provider, lookup string, who oidc.Identity, roles []Role, sites []string) (string, error) {
	id := store.NewID()
	data, err := sealJSON(ctx, v, purposeCredential(kindIdentity, id), map[string]string{"provider": provider, "issuer": who.Issuer, "subject": who.Subject})
	if err != nil {
		return "", err
	}
	p := shown(who)
	var rows []*store.User
	for _, login := range []string{p.Login, p.Login + " (" + id[len(id)-6:] + ")"} {
		row, err := a.row(ctx, v, id, NewUser{Login: login, Name: p.Name, Email: p.Email, Roles: roles, Sites: sites})
		if err != nil {
			return "", err
		}
		rows = append(rows, row)
	}
	user := id
	err = a.db.Tenant(v.ID()).Write(ctx, func(tx *store.Tx) error {
		user = id
		if c, err := tx.CredentialByLookup(kindIdentity, lookup); err == nil { // another node was faster
			user = c.User
			return nil
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		row := *rows[0]
		if err := tx.InsertUser(&row); errors.Is(err, store.ErrConflict) {
			row = *rows[1]
			err = tx.InsertUser(&row)
			if err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		c := store.Credential{ID: store.NewID(), User: id, Kind: kindIdentity, State: store.CredentialActive, Lookup: lookup, Data: data}
		if err := tx.InsertCredential(&c); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: providerActor(provider), Event: "user.created", Detail: map[string]any{"user": id, "roles": row.Roles, "sites": row.Sites}})
	})
	return user, err
}

func providerActor(id string) string { return "provider:" + id }

// refresh gives an account the rights and names that its provider says now. The last
// who manages this installation goes on to: a provider's mistake locks nobody out.
func (a *Accounts) refresh(ctx context.Context, v *sealed.Tenant, provider string, c *store.Credential, who oidc.Identity, roles []Role, sites []string) error {
	u, err := look(ctx, a.db.Tenant(v.ID()), func(tx *store.Tx) (*store.User, error) { return tx.User(c.User) })
	if err != nil || u.State != store.UserActive {
		return errors.Join(ErrLogin, err)
	}
	var before profile
	if err := openJSON(ctx, v, purposeProfile+" "+u.ID, u.Profile, &before); err != nil {
		return err
	}
	now := shown(who)
	now.Login = before.Login
	if slices.Equal(u.Roles, texts(roles)) && slices.Equal(u.Sites, sites) && now == before {
		return nil
	}
	next, err := a.row(ctx, v, u.ID, NewUser{Login: now.Login, Name: now.Name, Email: now.Email, Roles: roles, Sites: sites})
	if err != nil {
		return err
	}
	by := access.Actor{ID: providerActor(provider), Tenant: v.ID(), Kind: access.Node}
	err = a.change(ctx, by, u.ID, -1, func(tx *store.Tx, u *store.User) (string, map[string]any, error) {
		detail := map[string]any{"roles": next.Roles, "roles_before": u.Roles, "sites": next.Sites, "sites_before": u.Sites, "login_changed": false}
		if !slices.Equal(u.Roles, next.Roles) || !slices.Equal(u.Sites, next.Sites) {
			if _, err := tx.EndSessions(u.ID, ""); err != nil {
				return "", nil, err
			}
		}
		u.Profile, u.Roles, u.Sites = next.Profile, next.Roles, next.Sites
		return "user.changed", detail, nil
	})
	if errors.Is(err, ErrLast) {
		return nil
	}
	return err
}
