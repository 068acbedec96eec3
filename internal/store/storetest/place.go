// Package storetest has the conformance suite of the database, which SQLite and
// PostgreSQL run alike, and opens databases for the tests of other packages:
//
//	storetest.Each(t, func(t *testing.T, p storetest.Place) {
//		db := p.Migrated(t)
//		tenant := storetest.Tenant(t, db)
//		…
//	})
package storetest

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/store"
	"lotse/test/peer"
)

// Place is where a database is; several nodes may open the same.
type Place struct {
	Config store.Config
	// AdminDSN connects as a superuser, on PostgreSQL.
	AdminDSN string
}

// SQLite is a new database file.
func SQLite(t testing.TB) Place {
	return Place{Config: store.Config{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "lotse.db")}}
}

// PostgreSQL is a new database on the test process's server; the test is skipped
// where PostgreSQL is not installed.
func PostgreSQL(t testing.TB) Place {
	t.Helper()
	d := peer.Postgres(t)
	return Place{Config: store.Config{Engine: store.PostgreSQL, DSN: d.DSN}, AdminDSN: d.AdminDSN}
}

// Each runs f on a new database of each engine.
func Each(t *testing.T, f func(t *testing.T, p Place)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgresql", func(t *testing.T) { f(t, PostgreSQL(t)) })
}

// Open opens the database as one more node, until the test ends.
func (p Place) Open(t testing.TB, change ...func(*store.Config)) *store.DB {
	t.Helper()
	config := p.Config
	for _, f := range change {
		f(&config)
	}
	db, err := store.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// Migrated is [Place.Open] with the newest schema.
func (p Place) Migrated(t testing.TB, change ...func(*store.Config)) *store.DB {
	t.Helper()
	db := p.Open(t, change...)
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// Tenant creates a tenant.
func Tenant(t testing.TB, db *store.DB) *store.Tenant {
	t.Helper()
	id := store.NewID()
	if err := db.System().CreateTenant(t.Context(), id, "Hospital "+id); err != nil {
		t.Fatal(err)
	}
	return db.Tenant(id)
}

// Clock moves the time of databases in a test, on top of the time that passes.
type Clock struct{ shift atomic.Int64 }

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) { c.shift.Add(int64(d)) }

// Config makes a database follow the clock.
func (c *Clock) Config(config *store.Config) {
	config.Shift = func() time.Duration { return time.Duration(c.shift.Load()) }
}

// Nth fails the nth time (from 1) that a write transaction comes to the stage, and
// only then.
func Nth(stage store.Stage, n int64, kind store.Kind) func(*store.Config) {
	var count atomic.Int64
	return func(c *store.Config) {
		c.Faults = func(p store.Point) error {
			if p.Write && p.Stage == stage && count.Add(1) == n {
				return store.Fault(kind)
			}
			return nil
		}
	}
}

// Switch fails write transactions at a stage while it is on.
type Switch struct {
	on    atomic.Bool
	Stage store.Stage
	Kind  store.Kind
}

// Set turns the failing on or off.
func (s *Switch) Set(on bool) { s.on.Store(on) }

// Config makes a database ask the switch.
func (s *Switch) Config(c *store.Config) {
	c.Faults = func(p store.Point) error {
		if s.on.Load() && p.Write && p.Stage == s.Stage {
			return store.Fault(s.Kind)
		}
		return nil
	}
}

func kindOf(err error) (store.Kind, bool) {
	var e *store.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Kind, true
}
