package store_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx" for what goes past the package

	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

func openRaw(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	raw, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

// TestWall tries with SQL of its own, as the role of the product, what the package
// does not offer: rows of another tenant, in every table.
func TestWall(t *testing.T) {
	p := storetest.PostgreSQL(t)
	db := p.Migrated(t)
	a, b := storetest.Tenant(t, db), storetest.Tenant(t, db)
	for _, tenant := range []*store.Tenant{a, b} {
		err := tenant.Write(t.Context(), func(tx *store.Tx) error {
			_, _, err := tx.Enqueue(store.Job{Kind: "fetch", Subject: "x"})
			return errors.Join(err, tx.AddSite("1", "North"))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	raw := openRaw(t, p.Config.DSN)
	for _, c := range []struct{ table, column string }{{"tenants", "id"}, {"sites", "tenant_id"}, {"jobs", "tenant_id"}} {
		in := func(setting, statement string, args ...any) (n int64, err error) {
			tx, err := raw.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			if setting != "" {
				if _, err := tx.Exec("SELECT set_config('lotse.tenant', $1, true)", setting); err != nil {
					t.Fatal(err)
				}
			}
			result, err := tx.Exec(strings.NewReplacer("TABLE", c.table, "COLUMN", c.column).Replace(statement), args...)
			if err != nil {
				return 0, err
			}
			return result.RowsAffected()
		}
		for setting, want := range map[string]int64{"": 0, b.ID(): 1, "*": 2} {
			if n, err := in(setting, "SELECT * FROM TABLE"); err != nil || n != want {
				t.Errorf("%s as %q: %d rows, want %d (%v)", c.table, setting, n, want, err)
			}
		}
		if n, err := in(b.ID(), "SELECT * FROM TABLE WHERE COLUMN = $1", a.ID()); err != nil || n != 0 {
			t.Errorf("%s: b reads %d rows of a (%v)", c.table, n, err)
		}
		if n, err := in(b.ID(), "UPDATE TABLE SET COLUMN = COLUMN WHERE COLUMN = $1", a.ID()); err != nil || n != 0 {
			t.Errorf("%s: b changes %d rows of a (%v)", c.table, n, err)
		}
		if n, err := in(b.ID(), "DELETE FROM TABLE WHERE COLUMN = $1", a.ID()); err != nil || n != 0 {
			t.Errorf("%s: b deletes %d rows of a (%v)", c.table, n, err)
		}
		if c.table == "tenants" {
			continue
		}
		if _, err := in(b.ID(), "UPDATE TABLE SET COLUMN = $1", a.ID()); err == nil || !strings.Contains(err.Error(), "row-level security") {
			t.Errorf("%s: b gives its rows to a: %v", c.table, err)
		}
	}
}

// TestEveryTableHasAWall finds tables of later migrations that forgot it, and keys
// that do not begin with the tenant.
func TestEveryTableHasAWall(t *testing.T) {
	p := storetest.PostgreSQL(t)
	p.Migrated(t)
	rows, err := openRaw(t, p.AdminDSN).Query(`
		SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,
		  (SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
		   WHERE i.indrelid = c.oid AND i.indisprimary)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public' AND c.relname <> 'goose_db_version'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tables := 0
	for rows.Next() {
		var table string
		var wall bool
		var key sql.NullString
		if err := rows.Scan(&table, &wall, &key); err != nil {
			t.Fatal(err)
		}
		tables++
		if !wall {
			t.Errorf("table %s has no wall: SELECT lotse_wall('%s')", table, table)
		}
		if key.String != "tenant_id" && table != "tenants" {
			t.Errorf("the primary key of %s begins with %q, not with tenant_id", table, key.String)
		}
	}
	if err := rows.Err(); err != nil || tables < 4 {
		t.Errorf("%d tables, %v", tables, err)
	}
}

func TestRoleThatBypassesTheWall(t *testing.T) {
	p := storetest.PostgreSQL(t)
	_, err := store.Open(t.Context(), store.Config{Engine: store.PostgreSQL, DSN: p.AdminDSN})
	if !errors.Is(err, store.ErrBypass) || !strings.Contains(err.Error(), "CREATE ROLE") {
		t.Errorf("a superuser: %v", err)
	}
}

func TestOpenSaysNothingSecret(t *testing.T) {
	for _, dsn := range []string{
		"postgres://lotse:geheim@127.0.0.1:1/lotse?connect_timeout=1",
		"postgres://lotse:geheim@127.0.0.1:port/lotse",
		"host=/nowhere password=geheim user=lotse",
	} {
		_, err := store.Open(t.Context(), store.Config{Engine: store.PostgreSQL, DSN: dsn})
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%v", err)
		}
	}
}

// TestServerGone cuts the connections of a node: what had not been committed runs
// again on a new connection.
func TestServerGone(t *testing.T) {
	p := storetest.PostgreSQL(t)
	db := p.Migrated(t)
	tenant := storetest.Tenant(t, db)
	admin := openRaw(t, p.AdminDSN)
	runs := 0
	err := tenant.Write(t.Context(), func(tx *store.Tx) error {
		if runs++; runs == 1 {
			cut(t, admin)
		}
		return tx.AddSite("1", "North")
	})
	if err != nil || runs != 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
	cut(t, admin) // idle connections
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func cut(t *testing.T, admin *sql.DB) {
	t.Helper()
	_, err := admin.ExecContext(context.WithoutCancel(t.Context()),
		"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'lotse' AND datname = current_database()")
	if err != nil {
		t.Fatal(err)
	}
}
