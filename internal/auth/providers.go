package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"lotse/internal/auth/access"
	"lotse/internal/auth/oidc"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// BackPath is where identity providers send people back to, below the public address.
const BackPath = "/login/back"

// NewProvider is an identity provider as an administrator sets it.
type NewProvider struct {
	Name         string              `json:"name" minLength:"1" maxLength:"60" doc:"What people read at the login."`
	Issuer       string              `json:"issuer" minLength:"1" maxLength:"400" doc:"Its address, as it calls itself (OpenID Connect Discovery)."`
	ClientID     string              `json:"client_id" minLength:"1" maxLength:"200"`
	ClientSecret *string             `json:"client_secret,omitempty" maxLength:"400" doc:"It is never shown again; absent: as before."`
	Scopes       []string            `json:"scopes,omitempty" nullable:"false" maxItems:"20" doc:"Beyond openid, profile and email."`
	RolesClaim   string              `json:"roles_claim" minLength:"1" maxLength:"100" doc:"The claim that has somebody's groups."`
	Roles        map[string][]Role   `json:"roles" nullable:"false" doc:"What the members of a group may do here. Who is in none of these groups does not get in."`
	Sites        map[string][]string `json:"sites,omitempty" nullable:"false" doc:"Which sites the members of a group reach, by their ids. Empty: all reach all. Otherwise, who is in none of these groups does not get in."`
	SecondFactor bool                `json:"second_factor,omitempty" doc:"The provider asks everybody for a second factor, whether it says so or not."`
}

// Provider is an identity provider as it is listed.
type Provider struct {
	ID string `json:"id"`
	NewProvider
	Version int64  `json:"version" doc:"Grows with every change; also the ETag."`
	Back    string `json:"redirect_uri" doc:"To be registered at the provider: where it sends people back to."`
}

// Kept is the id and the version.
func (p *Provider) Kept() (id string, version int64) { return p.ID, p.Version }

// secretProvider is what is sealed of a provider.
type secretProvider struct {
	NewProvider
	Secret string `json:"secret"`
}

func purposeProvider(id string) string { return "provider " + id }

// check says what of a provider cannot work.
func (a *Accounts) checkProvider(n *NewProvider) error {
	n.Name = strings.TrimSpace(n.Name)
	switch err := a.providerConfig(n, "").Check(); {
	case n.Name == "":
		return &InvalidError{"name", "empty"}
	case err != nil:
		field, _, _ := strings.Cut(err.Error(), ":")
		return &InvalidError{field, "no-provider"}
	case len(n.Roles) == 0:
		return &InvalidError{"roles", "empty"}
	}
	for group, roles := range n.Roles {
		if err := checkRoles(roles); errors.Is(err, ErrNoRole) || group == "" {
			return &InvalidError{"roles", "unknown"}
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (a *Accounts) providerConfig(n *NewProvider, secret string) oidc.Config {
	return oidc.Config{Issuer: n.Issuer, ClientID: n.ClientID, ClientSecret: secret, RedirectURL: a.opts.Back, Scopes: n.Scopes, RolesClaim: n.RolesClaim}
}

// checkSites says whether all sites of a provider are there.
func (n *NewProvider) checkSites(tx *store.Tx) error {
	for _, ids := range n.Sites {
		if err := (&NewUser{Sites: ids}).checkSites(tx); err != nil {
			return err
		}
	}
	return nil
}

// AddProvider lets people sign in by an identity provider. [store.ErrConflict] when
// the name is taken.
func (a *Accounts) AddProvider(ctx context.Context, by access.Actor, n NewProvider) (*Provider, error) {
	if err := a.checkProvider(&n); err != nil {
		return nil, err
	}
	kept := secretProvider{NewProvider: n}
	if n.ClientSecret != nil {
		kept.Secret = *n.ClientSecret
	}
	row := &store.Provider{ID: store.NewID(), Name: n.Name}
	if err := a.sealProvider(ctx, by.Tenant, row, kept); err != nil {
		return nil, err
	}
	err := a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		if err := n.checkSites(tx); err != nil {
			return err
		}
		if err := tx.InsertProvider(row); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "provider.created", Detail: map[string]any{"provider": row.ID, "after": kept.told()}})
	})
	if err != nil {
		return nil, err
	}
	return a.providerView(row, kept), nil
}

// sealProvider seals what is kept of a provider.
func (a *Accounts) sealProvider(ctx context.Context, tenant string, row *store.Provider, kept secretProvider) error {
	v, err := a.vault.Tenant(ctx, tenant)
	if err != nil {
		return err
	}
	kept.ClientSecret = nil
	row.Config, err = sealJSON(ctx, v, purposeProvider(row.ID), kept)
	return err
}

// told is what the audit trail says of a provider.
func (s secretProvider) told() map[string]any {
	return map[string]any{"issuer": s.Issuer, "client_id": s.ClientID, "roles_claim": s.RolesClaim, "roles": s.Roles, "sites": s.Sites, "second_factor": s.SecondFactor}
}

func (a *Accounts) providerView(row *store.Provider, kept secretProvider) *Provider {
	n := kept.NewProvider
	n.Name, n.ClientSecret = row.Name, nil
	return &Provider{ID: row.ID, NewProvider: n, Version: row.Version, Back: a.opts.Back}
}

// Providers lists the identity providers of a tenant, without their secrets.
func (a *Accounts) Providers(ctx context.Context, by access.Actor) ([]Provider, error) {
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return nil, err
	}
	rows, err := look(ctx, a.db.Tenant(by.Tenant), (*store.Tx).Providers)
	if err != nil {
		return nil, err
	}
	out := make([]Provider, len(rows))
	for i := range rows {
		var kept secretProvider
		if err := openJSON(ctx, v, purposeProvider(rows[i].ID), rows[i].Config, &kept); err != nil {
			return nil, err
		}
		out[i] = *a.providerView(&rows[i], kept)
	}
	return out, nil
}

// Provider returns an identity provider. [store.ErrNotFound].
func (a *Accounts) Provider(ctx context.Context, by access.Actor, id string) (*Provider, error) {
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return nil, err
	}
	row, kept, err := a.readProvider(ctx, v, id)
	if err != nil {
		return nil, err
	}
	return a.providerView(row, *kept), nil
}

// ChangeProvider replaces what is set of a provider; version is the one that was seen.
// Who is in stays in until their session ends.
func (a *Accounts) ChangeProvider(ctx context.Context, by access.Actor, id string, version int64, n NewProvider) (*Provider, error) {
	if err := a.checkProvider(&n); err != nil {
		return nil, err
	}
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return nil, err
	}
	row, before, err := a.readProvider(ctx, v, id)
	if err != nil {
		return nil, err
	}
	if row.Version != version {
		return nil, store.ErrStale
	}
	next := secretProvider{NewProvider: n, Secret: before.Secret}
	if n.ClientSecret != nil {
		next.Secret = *n.ClientSecret
	}
	if n.ClientSecret == nil && n.Issuer != before.Issuer { // a secret goes to whom it was meant for only
		return nil, &InvalidError{"client_secret", "missing"}
	}
	row.Name = n.Name
	if err := a.sealProvider(ctx, by.Tenant, row, next); err != nil {
		return nil, err
	}
	err = a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		if err := n.checkSites(tx); err != nil {
			return err
		}
		all, err := tx.Providers()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(p store.Provider) bool { return p.Name == n.Name && p.ID != id }) {
			return store.ErrConflict
		}
		one := *row
		if err := tx.SaveProvider(&one); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "provider.changed", Detail: map[string]any{"provider": id, "before": before.told(), "after": next.told(),
			"secret_changed": n.ClientSecret != nil}})
	})
	if err != nil {
		return nil, err
	}
	row.Version++
	return a.providerView(row, next), nil
}

// DeleteProvider ends signing in by a provider. The accounts stay; nobody gets into
// them by it.
func (a *Accounts) DeleteProvider(ctx context.Context, by access.Actor, id string) error {
	return a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		if err := tx.DeleteProvider(id); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "provider.deleted", Detail: map[string]any{"provider": id}})
	})
}

// ProviderName is what everybody may know of a provider.
type ProviderName struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ProviderNames lists by whom people of a tenant can sign in; none where there is no
// such tenant.
func (a *Accounts) ProviderNames(ctx context.Context, tenant string) ([]ProviderName, error) {
	out := []ProviderName{}
	err := a.db.Tenant(tenant).Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Providers()
		out = out[:0]
		for _, row := range rows {
			out = append(out, ProviderName{row.ID, row.Name})
		}
		return err
	})
	if errors.Is(err, store.ErrNoTenant) {
		return []ProviderName{}, nil
	}
	return out, err
}

// readProvider reads a provider and opens its configuration.
func (a *Accounts) readProvider(ctx context.Context, v *sealed.Tenant, id string) (*store.Provider, *secretProvider, error) {
	row, err := look(ctx, a.db.Tenant(v.ID()), func(tx *store.Tx) (*store.Provider, error) { return tx.Provider(id) })
	if err != nil {
		return nil, nil, err
	}
	var kept secretProvider
	err = openJSON(ctx, v, purposeProvider(id), row.Config, &kept)
	return row, &kept, err
}

// providers remembers what providers said of themselves.
type providers struct {
	mu  sync.Mutex
	all map[string]*oidc.Provider // by tenant, id and version
}

// manyProviders bounds what is remembered.
const manyProviders = 1000

// openProvider is a provider ready to be asked.
func (a *Accounts) openProvider(ctx context.Context, v *sealed.Tenant, id string) (*oidc.Provider, *secretProvider, error) {
	row, kept, err := a.readProvider(ctx, v, id)
	if err != nil {
		return nil, nil, err
	}
	a.known.mu.Lock()
	defer a.known.mu.Unlock()
	key := fmt.Sprintf("%s %s %d", v.ID(), id, row.Version)
	if p, ok := a.known.all[key]; ok {
		return p, kept, nil
	}
	p, err := oidc.New(a.providerConfig(&kept.NewProvider, kept.Secret), a.opts.Client, nil)
	if err != nil {
		return nil, nil, err
	}
	if a.known.all == nil || len(a.known.all) >= manyProviders {
		a.known.all = map[string]*oidc.Provider{}
	}
	a.known.all[key] = p
	return p, kept, nil
}
