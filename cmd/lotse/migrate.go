package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"lotse/internal/config"
	"lotse/internal/node"
	"lotse/internal/store"
)

// migrateCmd is about the schema of the database.
type migrateCmd struct {
	Status migrateStatusCmd `cmd:"" help:"Show the migrations of the database."`
	Up     migrateUpCmd     `cmd:"" help:"Bring the database up to date. 'lotse serve' does so by itself."`
}

type migrateStatusCmd struct {
	configFlags
}

// Run lists the migrations.
func (c migrateStatusCmd) Run(s *session) error {
	return withDatabase(s, c.sources(), func(ctx context.Context, db *store.DB) error { return printStatus(ctx, s.out, db) })
}

type migrateUpCmd struct {
	configFlags
}

// Run brings the database up to date.
func (c migrateUpCmd) Run(s *session) error {
	return withDatabase(s, c.sources(), func(ctx context.Context, db *store.DB) error {
		if _, err := db.Migrate(ctx); err != nil {
			return err
		}
		return printStatus(ctx, s.out, db)
	})
}

func withDatabase(s *session, from config.Sources, f func(context.Context, *store.DB) error) error {
	cfg, _, err := config.Load(from)
	if err != nil {
		return err
	}
	db, err := node.OpenDatabase(s.ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(f(s.ctx, db), db.Close())
}

func printStatus(ctx context.Context, w io.Writer, db *store.DB) error {
	schema, err := db.Status(ctx)
	if err != nil {
		return err
	}
	for _, m := range append(schema.Applied, schema.Pending...) {
		when := "pending"
		if !m.Applied.IsZero() {
			when = m.Applied.Format("2006-01-02 15:04:05")
		}
		if _, err := fmt.Fprintf(w, "%05d  %-20s  %s\n", m.Version, when, m.Name); err != nil {
			return err
		}
	}
	return nil
}
