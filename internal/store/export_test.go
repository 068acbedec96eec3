package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lotse/internal/importer"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// exported collects an export.
func exported(t *testing.T, db *store.DB) ([]store.Row, store.Exported) {
	t.Helper()
	var rows []store.Row
	of, err := db.System().Export(t.Context(), func(r store.Row) error {
		rows = append(rows, store.Row{Table: r.Table, Columns: slices.Clone(r.Columns), Values: slices.Clone(r.Values)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows, of
}

func refill(t *testing.T, db *store.DB, schema int64, rows []store.Row) error {
	return db.Refill(t.Context(), schema, func(put func(store.Row) error) error {
		for _, r := range rows {
			if err := put(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// byName orders the columns of rows, which the engines may keep in other orders.
func byName(rows []store.Row) []string {
	var all []string
	for _, r := range rows {
		values := make([]string, len(r.Columns))
		for i, c := range r.Columns {
			values[i] = fmt.Sprintf("%s=%T %v", c, r.Values[i], r.Values[i])
		}
		slices.Sort(values)
		all = append(all, fmt.Sprint(r.Table, values))
	}
	return all
}

// TestExport exports from each engine and refills each other: the rows are the same.
func TestExport(t *testing.T) {
	storetest.Each(t, func(t *testing.T, from storetest.Place) {
		db := from.Migrated(t)
		a, b := storetest.Tenant(t, db), storetest.Tenant(t, db)
		storetest.Fill(t, a, "1")
		storetest.Fill(t, b, "2")
		if err := db.System().AddSchedule(t.Context(), "sweep", time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := db.System().SetInstallation(t.Context(), "x", "ümlaut\n"); err != nil {
			t.Fatal(err)
		}
		rows, of := exported(t, db)
		for _, table := range append(store.Tables(), "tenants", "schedules", "installation") {
			if !slices.ContainsFunc(rows, func(r store.Row) bool { return r.Table == table }) {
				t.Errorf("nothing of %s was exported", table)
			}
		}
		storetest.Each(t, func(t *testing.T, to storetest.Place) {
			other := to.Open(t)
			if empty, err := other.Empty(t.Context()); err != nil || !empty {
				t.Fatalf("a new database is empty: %v, %v", empty, err)
			}
			if err := refill(t, other, of.Schema, rows); err != nil {
				t.Fatal(err)
			}
			if err := other.System().Settled(t.Context()); !errors.Is(err, store.ErrUnsettled) {
				t.Errorf("before it is settled: %v", err)
			}
			if err := other.System().Settle(t.Context(), func(*store.Restored) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if err := other.System().Settled(t.Context()); err != nil {
				t.Error(err)
			}
			again, _ := exported(t, other)
			if d := cmp.Diff(byName(rows), byName(again)); d != "" {
				t.Error(d)
			}
			if err := refill(t, other, of.Schema, rows); !errors.Is(err, store.ErrNotEmpty) {
				t.Errorf("into a database with rows: %v", err)
			}
		})
	})
}

// TestExportHasAllTables finds tables that somebody forgot to name.
func TestExportHasAllTables(t *testing.T) {
	for engine, catalog := range map[string]string{
		"sqlite":     "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
		"postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
	} {
		t.Run(engine, func(t *testing.T) {
			place := storetest.SQLite
			if engine == "postgresql" {
				place = storetest.PostgreSQL
			}
			p := place(t)
			p.Migrated(t)
			raw := openRaw(t, p.Config.DSN)
			if engine == "sqlite" {
				var err error
				if raw, err = sql.Open("sqlite", p.Config.Path); err != nil {
					t.Fatal(err)
				}
				defer raw.Close()
			}
			found, err := raw.Query(catalog)
			if err != nil {
				t.Fatal(err)
			}
			defer found.Close()
			known := append(store.Tables(), "tenants", "schedules", "installation", "goose_db_version")
			for found.Next() {
				var name string
				if err := found.Scan(&name); err != nil {
					t.Fatal(err)
				}
				if !slices.Contains(known, name) {
					t.Errorf("the table %s is in no backup", name)
				}
			}
		})
	}
}

// TestExportIsOneState lets rows come while an export runs: it has none of them.
func TestExportIsOneState(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		db := p.Migrated(t)
		tenant := storetest.Tenant(t, db)
		storetest.Fill(t, tenant, "1")
		before, _ := exported(t, db)
		count := 0
		_, err := db.System().Export(t.Context(), func(store.Row) error {
			if count == 0 {
				storetest.Fill(t, storetest.Tenant(t, db), "2")
			}
			count++
			return nil
		})
		if err != nil || count != len(before) {
			t.Errorf("%d rows, want %d (%v)", count, len(before), err)
		}
	})
}

// TestRefillIsWhole: rows that do not fit leave nothing behind, and what is newer
// than the program is refused.
func TestRefillIsWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		db := p.Migrated(t)
		storetest.Fill(t, storetest.Tenant(t, db), "1")
		rows, of := exported(t, db)
		to := storetest.SQLite(t).Open(t)
		for name, bad := range map[string]store.Row{
			"table":   {Table: "goose_db_version", Columns: []string{"id"}, Values: []any{int64(1)}},
			"column":  {Table: "tenants", Columns: []string{"id) VALUES (1); --"}, Values: []any{"x"}},
			"values":  {Table: "tenants", Columns: []string{"id", "name"}, Values: []any{"x"}},
			"foreign": {Table: "sites", Columns: []string{"tenant_id", "id", "name", "created_at"}, Values: []any{"nobody", "x", "x", int64(1)}},
		} {
			if err := refill(t, to, of.Schema, append(slices.Clone(rows), bad)); err == nil {
				t.Errorf("%s: taken", name)
			}
			if empty, err := to.Empty(t.Context()); err != nil || !empty {
				t.Fatalf("%s: something stayed (%v)", name, err)
			}
		}
		if err := refill(t, to, of.Schema+1000, rows); !errors.Is(err, store.ErrNewer) {
			t.Errorf("a newer schema: %v", err)
		}
		if err := refill(t, to, of.Schema, rows); err != nil {
			t.Error(err)
		}
	})
}

// TestOlderSchemas refills from every schema there was since installations exist:
// it is brought up to date.
func TestOlderSchemas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		_, latest := exported(t, p.Migrated(t))
		for schema := int64(2); schema <= latest.Schema; schema++ {
			db := storetest.SQLite(t).Open(t)
			row := store.Row{Table: "tenants", Columns: []string{"id", "name", "created_at"}, Values: []any{"a", "A", int64(1)}}
			if err := refill(t, db, schema, []store.Row{row}); err != nil {
				t.Fatal(err)
			}
			if s, err := db.Status(t.Context()); err != nil || s.Version != s.Latest {
				t.Errorf("schema %d: %+v, %v", schema, s, err)
			}
		}
	})
}

// TestVoid: what belonged to the processes and people of before is void.
func TestVoid(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		db := p.Migrated(t)
		tenant := storetest.Tenant(t, db)
		storetest.Fill(t, tenant, "1")
		sys := db.System()
		must(t, sys.SetInstallation(t.Context(), "setup.hash", "done"))
		var lease int64
		must(t, tenant.Write(t.Context(), func(tx *store.Tx) (err error) {
			if _, _, err = tx.Enqueue(store.Job{Kind: "try", Subject: "s"}); err != nil {
				return err
			}
			if _, err = tx.BeginIdempotent("running", "r", "h", time.Hour); err != nil {
				return err
			}
			im := &store.Import{ID: "up", Kind: "upload", State: importer.Fetching, CreatedBy: "x", Expires: tx.Now().Add(time.Hour)}
			part := &store.Part{Import: "up", Role: store.RoleCame, Key: "k"}
			if err := errors.Join(tx.InsertImport(im), tx.InsertPart(part)); err != nil {
				return err
			}
			if err := tx.InsertUpload(&store.Upload{ID: "upload-2", Import: "up", Part: part.Number, Length: 1}); err != nil {
				return err
			}
			lease, err = tx.LeaseUpload("upload-2", time.Hour)
			return err
		}))
		jobs, _, err := sys.Claim(t.Context(), "node", time.Hour, []store.Want{{Kind: "try", Limit: 1}})
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		var voided store.Voided
		must(t, sys.Settle(t.Context(), func(r *store.Restored) (err error) {
			if voided, err = r.Void(); err != nil {
				return err
			}
			return r.Tenant(tenant.ID(), func(tx *store.Tx) error { return tx.Audit(store.Event{Actor: "x", Event: "y"}) })
		}))
		if voided.Tokens == 0 || voided.Sessions != 1 || voided.Jobs != 1 || voided.Uploads != 1 || voided.Requests == 0 {
			t.Errorf("%+v", voided)
		}
		if _, err := sys.Installation(t.Context(), "setup.hash"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the setting up: %v", err)
		}
		must(t, tenant.Read(t.Context(), func(tx *store.Tx) error {
			if a, err := tx.Approval("approval"); err != nil || a.State != store.ApprovalExpired || a.Request != nil {
				t.Errorf("what waited for a second person: %+v, %v", a, err)
			}
			tokens, err := tx.Tokens()
			must(t, err)
			for _, one := range tokens {
				if one.Revoked.IsZero() {
					t.Errorf("token %s is good", one.ID)
				}
			}
			u, err := tx.Upload("upload-2")
			must(t, err)
			if u.Leased || u.Lease <= lease {
				t.Errorf("upload: %+v", u)
			}
			return nil
		}))
		if err := tenant.Write(t.Context(), func(tx *store.Tx) error { return tx.Fence(jobs[0]) }); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("the lease of before: %v", err)
		}
		again, _, err := sys.Claim(t.Context(), "node", time.Hour, []store.Want{{Kind: "try", Limit: 1}})
		if err != nil || len(again) != 1 || again[0].Attempt != 1 || again[0].Token <= jobs[0].Token {
			t.Errorf("claimed again: %+v, %v", again, err)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
