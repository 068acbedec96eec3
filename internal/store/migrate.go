package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// migrationLock is the number of the advisory lock that migrations hold on
// PostgreSQL ("lotse" in ASCII).
const migrationLock = 0x6c6f747365

// Migration is a numbered change of the schema.
type Migration struct {
	Version int64
	Name    string    // of its file
	Applied time.Time // zero while pending
}

// Schema tells which migrations the database has.
type Schema struct {
	Version int64 // of the database
	Latest  int64 // that this program has
	Applied []Migration
	Pending []Migration
}

// migrator holds what migrating needs beside the pools, until close.
type migrator struct {
	provider *goose.Provider
	close    func() error
}

// Migrate brings the schema up to date and tells which migrations it ran. Nodes
// may start at once: one migrates, the others wait for it.
func (db *DB) Migrate(ctx context.Context) ([]Migration, error) {
	var done []Migration
	err := db.migrating(ctx, func(p *goose.Provider) error {
		results, err := p.Up(ctx)
		for _, r := range results {
			done = append(done, Migration{Version: r.Source.Version, Name: path.Base(r.Source.Path), Applied: time.Now().UTC()})
		}
		return err
	})
	return done, err
}

// Status tells which migrations have been applied and which are pending.
func (db *DB) Status(ctx context.Context) (Schema, error) {
	var s Schema
	err := db.migrating(ctx, func(p *goose.Provider) error {
		states, err := p.Status(ctx)
		if err != nil {
			return err
		}
		for _, state := range states {
			one := Migration{Version: state.Source.Version, Name: path.Base(state.Source.Path)}
			if state.State == goose.StateApplied {
				one.Applied = state.AppliedAt.UTC()
				s.Applied = append(s.Applied, one)
			} else {
				s.Pending = append(s.Pending, one)
			}
		}
		s.Version, s.Latest, err = p.GetVersions(ctx)
		return err
	})
	return s, err
}

// migrating takes its turn and calls f. Looking takes its turn as well, since
// goose makes its table when it first looks.
func (db *DB) migrating(ctx context.Context, f func(*goose.Provider) error) error {
	if db.closed.Load() {
		return ErrClosed
	}
	unlock, err := db.lockMigrations(ctx)
	if err != nil {
		return fmt.Errorf("database: wait for the migrations of another process: %w", err)
	}
	defer unlock()
	m, err := db.engine.migrator()
	if err != nil {
		return fmt.Errorf("database: prepare migrations: %w", err)
	}
	if err := errors.Join(f(m.provider), m.close()); err != nil {
		return fmt.Errorf("database: migrate: %w", err)
	}
	return nil
}

// lockMigrations takes turns with other processes. PostgreSQL's turn is part of
// its provider.
func (db *DB) lockMigrations(ctx context.Context) (unlock func(), err error) {
	if db.config.Engine != SQLite {
		return func() {}, nil
	}
	return lockBeside(ctx, db.config.Path+".migrating")
}

// lockBeside holds a lock of SQLite on a file of its own, which the end of the
// process releases whatever happens, on every operating system.
func lockBeside(ctx context.Context, file string) (unlock func(), err error) {
	pool, err := openPool(file, 1, []string{"journal_mode(DELETE)", "busy_timeout(100)"})
	if err != nil {
		return nil, err
	}
	for attempt := 0; ; attempt++ {
		if _, err = pool.ExecContext(ctx, "BEGIN EXCLUSIVE"); err == nil {
			return func() { _ = pool.Close() }, nil
		}
		if kind, _ := (sqliteEngine{}).classify(err); kind != Busy || !pause(ctx, attempt) {
			_ = pool.Close()
			return nil, err
		}
	}
}

func (e sqliteEngine) migrator() (*migrator, error) {
	folder, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return nil, err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, e.db.writer, folder, goose.WithDisableGlobalRegistry(true))
	return &migrator{provider: p, close: func() error { return nil }}, err
}

// migrator on PostgreSQL has connections without the limits of Open, since a
// migration may take long, that see the rows of all tenants.
func (e postgresEngine) migrator() (*migrator, error) {
	folder, err := fs.Sub(migrations, "migrations/postgres")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 600))
	if err != nil {
		return nil, err
	}
	config, err := e.db.parseDSN()
	if err != nil {
		return nil, err
	}
	pool := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "SELECT set_config('lotse.tenant', '"+everyone+"', false)")
		return err
	}))
	p, err := goose.NewProvider(goose.DialectPostgres, pool, folder,
		goose.WithDisableGlobalRegistry(true), goose.WithSessionLocker(locker))
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return &migrator{provider: p, close: pool.Close}, nil
}
