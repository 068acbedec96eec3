package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"lotse/internal/app"
	"lotse/internal/audit"
	"lotse/internal/backup"
	"lotse/internal/config"
	"lotse/internal/node"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// auditCmd is about the audit trail.
type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Prove that nobody changed the audit trail."`
}

type auditVerifyCmd struct {
	configFlags

	Heads  string `help:"Signed heads that were exported before: the file of audit.heads_dir, or answers of GET /audit/heads." type:"existingfile" placeholder:"FILE"`
	Tenant string `help:"Only this tenant." placeholder:"ID"`
	JSON   bool   `help:"Print the reports as JSON, one on each line."`
}

// errTampered ends a verification that found something. What it was is said already.
var errTampered = errors.New("the audit trail is not as it was written")

// Run verifies, tenant by tenant. It needs the database alone; with the keyring beside
// it, it also knows which key the heads must be signed with.
func (c auditVerifyCmd) Run(s *session) error {
	return withDatabase(s, c.sources(), func(ctx context.Context, db *store.DB) error {
		schema, err := db.Status(ctx)
		if err != nil {
			return err
		}
		if len(schema.Pending) > 0 {
			return &backup.Refusal{Code: backup.Outdated, Detail: fmt.Sprintf("%d, %d", schema.Version, schema.Latest)}
		}
		tenants, err := db.System().Tenants(ctx)
		if err != nil {
			return err
		}
		vault := c.vault(s)
		found, wrong := false, int64(0)
		for _, t := range tenants {
			if c.Tenant != "" && c.Tenant != t.ID {
				continue
			}
			found = true
			r, err := app.VerifyChain(ctx, db, vault, t.ID, c.heads(), nil)
			if err != nil {
				return err
			}
			wrong += r.Wrong
			if err := c.print(s, r); err != nil {
				return err
			}
		}
		if !found {
			return &usageError{errors.New(s.phrases.Say("admin.tenant.none", nil))}
		}
		if wrong > 0 {
			return errTampered
		}
		return nil
	})
}

// vault opens the keys; nil where they are not at hand, which the report says.
func (c auditVerifyCmd) vault(s *session) *sealed.Vault {
	cfg, _, err := config.Load(c.sources())
	if err != nil {
		return nil
	}
	vault, err := node.OpenKeys(s.ctx, cfg)
	if err != nil {
		return nil
	}
	return vault
}

// heads reads the exported heads; nil without a file.
func (c auditVerifyCmd) heads() func(func(store.Head) error) error {
	if c.Heads == "" {
		return nil
	}
	return func(each func(store.Head) error) error {
		f, err := os.Open(c.Heads)
		if err != nil {
			return err
		}
		err = audit.ReadHeads(f, each)
		if err != nil {
			err = &usageError{fmt.Errorf("--heads: %w", err)}
		}
		return errors.Join(err, f.Close())
	}
}

// print says what a verification came to.
func (c auditVerifyCmd) print(s *session, r *audit.Report) error {
	if c.JSON {
		return json.NewEncoder(s.out).Encode(r)
	}
	s.say("admin.audit.checked", map[string]any{"Tenant": r.Tenant, "Links": r.Links, "Heads": r.Heads, "Exported": r.Exported})
	for _, f := range r.Findings {
		seq := strconv.FormatInt(f.Seq, 10)
		if f.Until > f.Seq {
			seq += "–" + strconv.FormatInt(f.Until, 10)
		}
		s.say("admin.audit.found."+string(f.Code), map[string]any{"Seq": seq, "Event": f.Event})
	}
	if more := r.Wrong - int64(len(r.Findings)); more > 0 {
		s.say("admin.audit.more", map[string]any{"Count": more})
	}
	if r.Wrong == 0 {
		s.say("admin.audit.whole", nil)
	}
	if r.Unlinked > 0 {
		s.say("admin.audit.unlinked", map[string]any{"Count": r.Unlinked, "Since": r.OldestUnlinked.Format(time.RFC3339)})
	}
	if r.Last > r.Signed {
		s.say("admin.audit.unsigned", map[string]any{"From": r.Signed + 1, "Last": r.Last})
	}
	if !r.Pinned && r.Heads > 0 {
		s.say("admin.audit.unpinned", nil)
	}
	return nil
}
