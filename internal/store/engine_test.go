package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func openFile(t *testing.T) (*DB, *Tenant) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "a folder%20?#") // a name that a URL would change
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), Config{Engine: SQLite, Path: filepath.Join(folder, "lotse.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.System().CreateTenant(t.Context(), "a", "A"); err != nil {
		t.Fatal(err)
	}
	return db, db.Tenant("a")
}

// TestSQLiteIsDurable: what a commit promises depends on these settings.
func TestSQLiteIsDurable(t *testing.T) {
	db, _ := openFile(t)
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "temp_store": "2",
	} {
		var got string
		if err := db.writer.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, want %s (%v)", pragma, got, want, err)
		}
	}
	for _, name := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(db.config.Path + name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("file %q: %v, %v", name, info, err)
		}
	}
}

// TestSQLiteFull fills a database that may not grow; when it may, it goes on.
func TestSQLiteFull(t *testing.T) {
	db, tenant := openFile(t)
	limit := func(pages string) {
		if _, err := db.writer.Exec("PRAGMA max_page_count = " + pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // not below what it has
	fill := func(tx *Tx) error { return tx.AddSite(NewID(), strings.Repeat("x", 100_000)+NewID()) }
	err := tenant.Write(t.Context(), fill)
	var e *Error
	if !errors.Is(err, ErrFull) || !errors.As(err, &e) || !e.Temporary() {
		t.Errorf("a full database: %v", err)
	}
	limit("100000")
	if err := tenant.Write(t.Context(), fill); err != nil {
		t.Error(err)
	}
}

// TestSQLiteInterrupted: a writer whose context ends in a statement leaves the
// database free for the next.
func TestSQLiteInterrupted(t *testing.T) {
	_, tenant := openFile(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := tenant.Write(ctx, func(tx *Tx) error {
		if err := tx.AddSite("1", "North"); err != nil {
			return err
		}
		cancel()
		_, err := tx.systemExec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if err := tenant.Write(t.Context(), func(tx *Tx) error { return tx.AddSite("1", "North") }); err != nil {
		t.Error(err)
	}
}

// TestClassifyPostgreSQL: what the server says, and that its details stay out.
func TestClassifyPostgreSQL(t *testing.T) {
	for code, want := range map[string]Kind{
		"23505": Conflict, "40001": Busy, "40P01": Busy, "55P03": Busy, "57014": Busy, "53100": Full,
		"53300": Unavailable, "57P01": Unavailable, "57P03": Unavailable, "08006": Unavailable, "25006": Unavailable, "58030": Unavailable,
		"42P01": Permanent, "22P02": Permanent, "23503": Permanent, "XX000": Permanent,
	} {
		err := &pgconn.PgError{Code: code, Message: "relation", Detail: "Key (name)=(Meier) exists"}
		if kind, detail := (postgresEngine{}).classify(err); kind != want || strings.Contains(detail, "Meier") {
			t.Errorf("%s: %v, %s", code, kind, detail)
		}
	}
	if kind, detail := (postgresEngine{}).classify(&pgconn.PgError{Code: "22P02", Message: `invalid input: "Meier"`}); strings.Contains(detail, "Meier") {
		t.Errorf("%v, %s", kind, detail)
	}
	for code, want := range map[string]bool{"23505": false, "40001": false, "57P01": true} {
		if got := (postgresEngine{}).uncertain(&pgconn.PgError{Code: code}); got != want {
			t.Errorf("the outcome of a commit refused with %s is uncertain: %v", code, got)
		}
	}
	if !(postgresEngine{}).uncertain(context.DeadlineExceeded) {
		t.Error("the outcome of a commit that timed out is certain")
	}
}
