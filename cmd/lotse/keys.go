package main

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"lotse/internal/backup"
	"lotse/internal/node"
	"lotse/internal/sealed/keyring"
)

// keysCmd is about the keyring.
type keysCmd struct {
	Backup keysBackupCmd `cmd:"" help:"Copy the keyring into a file, which replaces itself: keys that were erased are gone from it."`
	Rotate keysRotateCmd `cmd:"" help:"Wrap all keys with another master key. Stop the gateway before."`
	Show   keysShowCmd   `cmd:"" help:"Show of which tenants there are keys, and how many; no keys."`
}

type keysBackupCmd struct {
	configFlags

	File string `arg:"" help:"The copy." type:"path"`
}

// Run copies the keyring.
func (c keysBackupCmd) Run(s *session) error {
	return withStores(s, c.sources(), func(in *node.Stores) error {
		copied, err := backup.CopyKeyring(s.ctx, in.Keys, in.Master, c.File)
		if err != nil {
			return err
		}
		s.say("admin.keys.copied", map[string]any{"Keys": copied.Keys, "Erased": copied.Erased})
		return nil
	})
}

type keysRotateCmd struct {
	configFlags

	NewKeyFile string `help:"The new master key; made when it is absent." type:"path" placeholder:"FILE" required:""`
}

// Run rotates. When it is interrupted, the same again finishes it.
func (c keysRotateCmd) Run(s *session) error {
	return withStores(s, c.sources(), func(in *node.Stores) error {
		nodes, err := in.DB.System().Nodes(s.ctx)
		if err != nil {
			return err
		}
		var alive []string
		for _, n := range nodes {
			if n.Alive {
				alive = append(alive, n.Name)
			}
		}
		if len(alive) > 0 { // they know only the old key
			return &backup.Refusal{Code: backup.Alive, Detail: strings.Join(alive, ", ")}
		}
		next, err := keyring.CreateMasterFile(c.NewKeyFile)
		if err != nil {
			return err
		}
		changed, err := keyring.New(in.Keys, next, in.Master).Rotate(s.ctx, in.Master, next)
		if errors.Is(err, keyring.ErrMaster) {
			return &backup.Refusal{Code: backup.OtherMaster, Err: err}
		}
		if err != nil {
			return err
		}
		s.say("admin.keys.rotated", map[string]any{"Count": changed, "ID": next.ID()})
		s.say("admin.keys.next", map[string]any{"File": c.NewKeyFile})
		return nil
	})
}

type keysShowCmd struct {
	configFlags
}

// Run lists the tenants of the keyring.
func (c keysShowCmd) Run(s *session) error {
	return withStores(s, c.sources(), func(in *node.Stores) error {
		_, _ = fmt.Fprintf(s.out, "master  %s\n", in.Master.ID())
		ring := keyring.New(in.Keys, in.Master)
		for tenant, err := range in.Keys.Tenants(s.ctx) {
			if err != nil {
				return err
			}
			keys, err := count(in.Keys.List(s.ctx, tenant))
			if err != nil {
				return err
			}
			erased, err := count(in.Keys.Erased(s.ctx, tenant))
			if err != nil {
				return err
			}
			_, err = ring.Tenant(s.ctx, tenant)
			_, _ = fmt.Fprintf(s.out, "tenant  %s  %s  keys %d  erased %d\n", tenant, keyState(err), keys, erased)
		}
		return nil
	})
}

// keyState says in a word whether the key of a tenant opens.
func keyState(err error) string {
	switch {
	case err == nil:
		return "opens"
	case errors.Is(err, keyring.ErrErased):
		return "erased"
	case errors.Is(err, keyring.ErrMaster):
		return "other-master"
	}
	return "damaged"
}

func count[T any](seq iter.Seq2[T, error]) (n int, err error) {
	for _, err := range seq {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}
