package store_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// TestWallOfRows tries with SQL of its own, as the role of the product, to reach
// rows of another tenant in every table that [store.Tables] names.
func TestWallOfRows(t *testing.T) {
	p := storetest.PostgreSQL(t)
	db := p.Migrated(t)
	a, b := storetest.Tenant(t, db), storetest.Tenant(t, db)
	storetest.Fill(t, a, "1")
	storetest.Fill(t, b, "2")
	if err := db.System().SetInstallation(t.Context(), "x", "y"); err != nil {
		t.Fatal(err)
	}
	raw := openRaw(t, p.Config.DSN)
	in := func(setting, statement string, args ...any) (int64, error) {
		tx, err := raw.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.Exec("SELECT set_config('lotse.tenant', $1, true)", setting); err != nil {
			t.Fatal(err)
		}
		result, err := tx.Exec(statement, args...)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}
	for _, table := range store.Tables() {
		for setting, want := range map[string]int64{"": 0, b.ID(): 1, "*": 2} {
			if table == "audit_events" { // one that is linked and one that is not
				want *= 2
			}
			if n, err := in(setting, "SELECT * FROM "+table); err != nil || n != want {
				t.Errorf("%s as %q: %d rows, want %d (%v)", table, setting, n, want, err)
			}
		}
		for _, statement := range []string{"SELECT * FROM TABLE WHERE tenant_id = $1",
			"UPDATE TABLE SET tenant_id = tenant_id WHERE tenant_id = $1", "DELETE FROM TABLE WHERE tenant_id = $1"} {
			n, err := in(b.ID(), strings.ReplaceAll(statement, "TABLE", table), a.ID())
			if added(table) && err != nil && strings.Contains(err.Error(), "added only") {
				continue
			}
			if err != nil || n != 0 {
				t.Errorf("%s: b reaches %d rows of a (%v)", statement, n, err)
			}
		}
		_, err := in(b.ID(), "UPDATE "+table+" SET tenant_id = $1", a.ID())
		if err == nil || !added(table) && !strings.Contains(err.Error(), "row-level security") {
			t.Errorf("%s: b gives its rows to a: %v", table, err)
		}
	}
	if n, err := in(b.ID(), "SELECT * FROM installation"); err != nil || n != 0 {
		t.Errorf("b sees %d rows of the installation (%v)", n, err)
	}
}

// added reports the tables whose rows are added only.
func added(table string) bool {
	return table == "audit_events" || table == "audit_links" || table == "audit_heads"
}

// rawDB opens the database past the package, with all rights.
func rawDB(t *testing.T, p storetest.Place) *sql.DB {
	if p.Config.Engine == store.PostgreSQL {
		return openRaw(t, p.AdminDSN)
	}
	raw, err := sql.Open("sqlite", "file:"+p.Config.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

// TestAuditStays: the database itself refuses to change or delete what is in the
// audit trail, even for its owner.
func TestAuditStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		storetest.Fill(t, storetest.Tenant(t, p.Migrated(t)), "1")
		raw := rawDB(t, p)
		statements := []string{"UPDATE audit_events SET actor = 'nobody'", "DELETE FROM audit_events", "UPDATE audit_links SET seq = 7",
			"DELETE FROM audit_links", "UPDATE audit_heads SET hash = ''", "DELETE FROM audit_heads"}
		if p.Config.Engine == store.PostgreSQL {
			statements = append(statements, "TRUNCATE audit_heads, audit_links, audit_pending, audit_events")
		}
		for _, statement := range statements {
			if _, err := raw.Exec(statement); err == nil || !strings.Contains(err.Error(), "added only") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		var n int
		if err := raw.QueryRow("SELECT count(*) FROM audit_events WHERE actor = 'user-1'").Scan(&n); err != nil || n != 1 {
			t.Errorf("%d events, %v", n, err)
		}
	})
}

// TestPurgedIsEmpty: the database itself refuses personal columns in an import that
// is marked as purged.
func TestPurgedIsEmpty(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		storetest.Fill(t, storetest.Tenant(t, p.Migrated(t)), "1")
		raw := rawDB(t, p)
		for _, column := range []string{"request", "secrets", "question", "fetched", "decision", "intake_key"} {
			rest := ""
			for _, other := range []string{"request", "secrets", "question", "fetched", "decision", "intake_key"} {
				if other != column {
					rest += ", " + other + " = NULL"
				}
			}
			if _, err := raw.Exec("UPDATE imports SET purged_at = 1" + rest); err == nil || !strings.Contains(err.Error(), "purged_is_empty") {
				t.Errorf("purged with %s: %v", column, err)
			}
		}
		if _, err := raw.Exec("UPDATE imports SET purge_at = expires_at + 1"); err == nil {
			t.Error("purged after it expires")
		}
	})
}

// TestTables: every table that has tenants' rows is named, after those it refers
// to.
func TestTables(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		p.Migrated(t)
		raw := rawDB(t, p)
		tables := `SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'tenant_id'`
		references := `SELECT m.name, f."table" FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`
		if p.Config.Engine == store.PostgreSQL {
			tables = `SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'tenant_id'`
			references = `SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'`
		}
		named := store.Tables()
		var found []string
		for _, row := range query(t, raw, tables, 1) {
			if row[0] != "schedules" && row[0] != "installation" { // of the system
				found = append(found, row[0])
			}
		}
		if want := slices.Sorted(slices.Values(named)); !slices.Equal(slices.Sorted(slices.Values(found)), want) {
			t.Errorf("tables %q, named %q", found, want)
		}
		for _, row := range query(t, raw, references, 2) {
			if from, to := slices.Index(named, row[0]), slices.Index(named, row[1]); row[1] != "tenants" && from <= to {
				t.Errorf("%s comes before %s, which it refers to", row[0], row[1])
			}
		}
	})
}

func query(t *testing.T, raw *sql.DB, statement string, columns int) [][]string {
	t.Helper()
	rows, err := raw.Query(statement)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all [][]string
	for rows.Next() {
		row := make([]string, columns)
		dest := make([]any, columns)
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
