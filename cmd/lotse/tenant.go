package main

import (
	"errors"
	"fmt"
	"time"

	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/node"
	"lotse/internal/sealed/blob"
	"lotse/internal/store"
)

// tenantCmd is about organisations whose data is walled off from all others.
type tenantCmd struct {
	List          tenantListCmd          `cmd:"" help:"List all tenants."`
	Create        tenantCreateCmd        `cmd:"" help:"Add a tenant, with a key of its own."`
	Administrator tenantAdministratorCmd `cmd:"" help:"Make an access token that administers a tenant: for its first administrator, or when nobody gets in any more."`
	Destroy       tenantDestroyCmd       `cmd:"" help:"End a tenant for ever: erase its key and all its segments; nobody reaches its rows any more."`
}

// operator is who acts in audit events of commands of an administrator.
const operator = "console"

type tenantListCmd struct {
	configFlags
}

// Run lists.
func (c tenantListCmd) Run(s *session) error {
	return withStores(s, c.sources(), func(in *node.Stores) error {
		all, err := in.DB.System().Tenants(s.ctx)
		if err != nil {
			return err
		}
		for _, t := range all {
			destroyed := ""
			if !t.Destroyed.IsZero() {
				destroyed = "  destroyed " + t.Destroyed.Format(time.RFC3339)
			}
			_, _ = fmt.Fprintf(s.out, "%s  %s  created %s%s\n", t.ID, t.Name, t.Created.Format(time.RFC3339), destroyed)
		}
		return nil
	})
}

type tenantCreateCmd struct {
	configFlags

	ID   string `arg:"" help:"Lower-case letters, digits and hyphens, at most 64; it is never used again."`
	Name string `arg:"" help:"Name of the organisation."`
}

// Run makes the key first: a tenant without one is of no use.
func (c tenantCreateCmd) Run(s *session) error {
	return withStores(s, c.sources(), func(in *node.Stores) error {
		all, err := in.DB.System().Tenants(s.ctx)
		if err != nil {
			return err
		}
		for _, t := range all {
			if t.ID == c.ID {
				return &usageError{errors.New(s.phrases.Say("admin.tenant.taken", nil))}
			}
		}
		if err := in.Vault().CreateTenant(s.ctx, c.ID); err != nil {
			return err
		}
		if err := in.DB.System().CreateTenant(s.ctx, c.ID, c.Name); err != nil {
			return err
		}
		s.say("admin.tenant.created", map[string]any{"ID": c.ID})
		return nil
	})
}

type tenantAdministratorCmd struct {
	configFlags

	ID string `arg:"" help:"The tenant to administer."`
}

// Run makes a token, which is all that goes to standard output.
func (c tenantAdministratorCmd) Run(s *session) error {
	return withStores(s, c.sources(), func(in *node.Stores) error {
		_, secret, err := auth.NewTokens(in.DB).Create(s.ctx, access.Actor{ID: operator, Tenant: c.ID},
			auth.New{Name: "administrator, made at the console", Role: auth.Administrator})
		if errors.Is(err, store.ErrNoTenant) {
			return &usageError{errors.New(s.phrases.Say("admin.tenant.none", nil))}
		}
		if err != nil {
			return err
		}
		s.term.Note("admin.tenant.administrator", map[string]any{"ID": c.ID})
		_, err = fmt.Fprintln(s.out, secret)
		return err
	})
}

type tenantDestroyCmd struct {
	configFlags

	ID  string `arg:"" help:"The tenant to destroy."`
	Yes string `help:"The same id again: what is destroyed cannot be had back from anywhere." placeholder:"ID"`
}

// Run destroys the key first: from then on nothing of the tenant can be read, here
// and in every backup.
func (c tenantDestroyCmd) Run(s *session) error {
	if c.Yes != c.ID {
		return &usageError{errors.New(s.phrases.Say("admin.tenant.confirm", nil))}
	}
	return withStores(s, c.sources(), func(in *node.Stores) error {
		err := in.DB.Tenant(c.ID).Write(s.ctx, func(tx *store.Tx) error {
			return tx.Audit(store.Event{Actor: operator, Event: "tenant.destroyed"})
		})
		if errors.Is(err, store.ErrNoTenant) {
			return &usageError{errors.New(s.phrases.Say("admin.tenant.none", nil))}
		}
		if err != nil {
			return err
		}
		if err := in.Vault().DestroyTenant(s.ctx, c.ID); err != nil {
			return err
		}
		if err := in.DB.System().DestroyTenant(s.ctx, c.ID); err != nil {
			return err
		}
		s.say("admin.tenant.destroyed", map[string]any{"ID": c.ID})
		return deleteBlobs(s, in.Blobs, c.ID+"/")
	})
}

// deleteBlobs frees what nobody can read any more.
func deleteBlobs(s *session, blobs blob.Store, prefix string) error {
	var keys []string
	err := blobs.List(s.ctx, prefix, func(b blob.Info) error {
		if keys = append(keys, b.Key); len(keys) < 1000 {
			return nil
		}
		err := blobs.Delete(s.ctx, keys...)
		keys = keys[:0]
		return err
	})
	if err != nil {
		return err
	}
	return blobs.Delete(s.ctx, keys...)
}
