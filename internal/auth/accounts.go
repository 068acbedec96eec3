package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"lotse/internal/auth/access"
	"lotse/internal/auth/passkey"
	"lotse/internal/auth/password"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// Options is how accounts work. Zero values stand for the defaults.
type Options struct {
	Idle     time.Duration // a session ends when nothing was asked for so long; 30 min
	Absolute time.Duration // a session ends after so long in any case; 12 h
	Fresh    time.Duration // how long who proved who they are needs not do so again; 10 min
	Elevated time.Duration // how long access to all sites lasts; 30 min
	// SecondFactor are the roles whose holders have to have a second factor.
	SecondFactor []Role
	// SecondPerson lets what is managed wait for a second administrator.
	SecondPerson bool
	// Suspicions says what follows from each; what is not there is recorded.
	Suspicions map[Suspicion]Action
	// Hasher of passwords; nil: one with the default cost.
	Hasher *password.Hasher
	// Passkeys are those of the installation's address; nil: there are none.
	Passkeys *passkey.Site
	// Back is where identity providers send people back to; empty: nobody signs in so.
	Back string
	// Client asks identity providers, and bounds what they answer; nil: a plain one.
	Client *http.Client
}

func (o Options) withDefaults() Options {
	or := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	or(&o.Idle, 30*time.Minute)
	or(&o.Absolute, 12*time.Hour)
	or(&o.Fresh, 10*time.Minute)
	or(&o.Elevated, 30*time.Minute)
	if o.Hasher == nil {
		o.Hasher = password.New(password.DefaultParams(), password.Budget())
	}
	return o
}

// Accounts are the persons who get in. It is safe for concurrent use; everything it
// knows is in the database, so any number of nodes may have one.
type Accounts struct {
	db    *store.DB
	vault *sealed.Vault
	opts  Options
	pace  pace
	known providers
}

// NewAccounts are the accounts in a database, sealed by a vault.
func NewAccounts(db *store.DB, vault *sealed.Vault, o Options) *Accounts {
	return &Accounts{db: db, vault: vault, opts: o.withDefaults()}
}

// InvalidError says what of a request is not right, by a code.
type InvalidError struct{ Field, Code string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Code }

// What stands in the way of a change.
var (
	ErrState = errors.New("not in the state the account is in")
	ErrOwn   = errors.New("not of one's own account")
)

// profile is what is sealed of a person.
type profile struct {
	Login string `json:"login"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
}

// about are the words that everybody knows of a person.
func (p profile) about() []string { return []string{p.Login, p.Name, p.Email} }

// Purposes of what is sealed, and of MACs.
const (
	purposeProfile = "user profile"
	purposeOrigin  = "session origin"
	purposeReason  = "elevation reason"
	macLogin       = "login name"
	macNetwork     = "network"
	macTries       = "tries"
)

// purposeCredential binds a credential to its user and kind: none is good elsewhere.
func purposeCredential(kind, user string) string { return "credential " + kind + " " + user }

// normalLogin is a login name as it is compared.
func normalLogin(login string) string {
	return cases.Fold().String(norm.NFKC.String(strings.TrimSpace(login)))
}

// network is what an address is counted as: one house has many addresses, and a
// client of IPv6 changes its own.
func network(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid():
		return "none"
	case a.IsLoopback():
		return "loopback"
	case a.Is4():
		return netip.PrefixFrom(a, 24).Masked().String()
	}
	return netip.PrefixFrom(a, 56).Masked().String()
}

// sealJSON seals a value of the tenant.
func sealJSON(ctx context.Context, v *sealed.Tenant, purpose string, value any) ([]byte, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("seal a %s: %w", purpose, err)
	}
	return v.SealTenant(ctx, purpose, plain)
}

// openJSON opens what sealJSON made.
func openJSON(ctx context.Context, v *sealed.Tenant, purpose string, data []byte, value any) error {
	plain, err := v.OpenTenant(ctx, purpose, data)
	if err != nil {
		return err
	}
	if json.Unmarshal(plain, value) != nil {
		return fmt.Errorf("open a %s: not what was sealed", purpose)
	}
	return nil
}

// look reads something of a tenant's rows.
func look[T any](ctx context.Context, t *store.Tenant, f func(*store.Tx) (T, error)) (value T, err error) {
	err = t.Read(ctx, func(tx *store.Tx) (err error) {
		value, err = f(tx)
		return err
	})
	return value, err
}

// actorOfUser names a person as an actor.
func actorOfUser(id string) string { return userPrefix + id }

const userPrefix = "user:"

// nobody is the actor of what is tried before it is known by whom.
const nobody = "nobody"

// userOf is the id of the account of an actor. [store.ErrNotFound] when it has none.
func userOf(by access.Actor) (string, error) {
	id, ok := strings.CutPrefix(by.ID, userPrefix)
	if !ok || by.Kind != access.User {
		return "", store.ErrNotFound
	}
	return id, nil
}

// Known tells whether an actor has an account.
func Known(by access.Actor) bool {
	_, err := userOf(by)
	return err == nil
}

// rolesOf are the roles of a row.
func rolesOf(u *store.User) []Role {
	roles := make([]Role, len(u.Roles))
	for i, role := range u.Roles {
		roles[i] = Role(role)
	}
	return roles
}

// texts are roles as a row has them, in the order of Roles.
func texts(roles []Role) []string {
	var all []string
	for _, role := range Roles() {
		if slices.Contains(roles, role) {
			all = append(all, string(role))
		}
	}
	return all
}

// manages tells whether an account can manage the others.
func manages(u *store.User) bool {
	return u.State == store.UserActive && slices.Contains(u.Roles, string(Administrator))
}
