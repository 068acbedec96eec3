package e2e

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// holder does what the holder of a site's database can do.
func (s *site) holder(statements ...string) {
	s.t.Helper()
	driver, dsn := "sqlite", "file:"+filepath.Join(s.dir, "data", "lotse.db")
	if url := s.node.Config["DATABASE_URL"]; url != "" {
		driver, dsn = "pgx", url // it owns its tables
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	free := []string{"DROP TRIGGER audit_events_unchanged", "DROP TRIGGER audit_events_undeleted"}
	if driver == "pgx" {
		free = []string{"SELECT set_config('lotse.tenant', '*', false)", "DROP TRIGGER audit_events_stay ON audit_events"}
	}
	for _, one := range append(free, statements...) {
		if _, err := db.Exec(one); err != nil {
			s.t.Fatalf("%s: %v", one, err)
		}
	}
}

// TestAuditVerify: what a gateway wrote verifies while it runs, when it has stopped, and
// in another house that a backup was restored into; what was changed is named.
func TestAuditVerify(t *testing.T) {
	for name, shared := range map[string]bool{"sqlite": false, "postgresql and S3": true} {
		t.Run(name, func(t *testing.T) {
			heads := t.TempDir()
			s := newSite(t, shared)
			if r := s.command("audit", "verify").want(t, 1); !strings.Contains(r.err, "lotse migrate up") {
				t.Errorf("an empty database: %s", r.err)
			}
			s.node.Config["AUDIT_HEADS_DIR"] = heads
			s.start().setUp()
			s.uploaded(exam(t, 1))
			s.command("audit", "verify").want(t, 0)
			if status := s.status(http.MethodGet, "/api/v1/audit/verify"); status != http.StatusOK {
				t.Errorf("over the API: %d", status)
			}
			dir, key := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "backup.key")
			s.stop()
			file := filepath.Join(heads, "audit-heads.log")
			all := s.command("audit", "verify", "--heads", file).want(t, 0).out
			for _, want := range []string{"is whole", " signed heads and "} {
				if !strings.Contains(all, want) || strings.Contains(all, " 0 exported") || strings.Contains(all, "not at hand") || strings.Contains(all, "Not ") {
					t.Errorf("no %q in\n%s", want, all)
				}
			}
			if german := s.command("--lang", "de", "audit", "verify", "--heads", file).want(t, 0).out; !strings.Contains(german, "unversehrt") {
				t.Error(german)
			}
			s.command("backup", dir, "--key-file", key).want(t, 0)
			keys := filepath.Join(t.TempDir(), "keys")
			s.command("keys", "backup", keys).want(t, 0)
			other := newSite(t, shared).moveIn(s)
			other.command("restore", dir, "--key-file", key, "--keyring", keys).want(t, 0)
			if out := other.command("audit", "verify", "--heads", file).want(t, 0).out; !strings.Contains(out, "Not linked yet, and so not proven: 1") {
				t.Errorf("after the restore:\n%s", out)
			}
			other.start().setUp()
			other.stop()
			if out := other.command("audit", "verify", "--heads", file).want(t, 0).out; !strings.Contains(out, "is whole") || strings.Contains(out, "Not ") {
				t.Errorf("after the restored gateway ran:\n%s", out)
			}

			master := filepath.Join(s.dir, "data", "master.key")
			if err := os.Rename(master, master+".away"); err != nil {
				t.Fatal(err)
			}
			if out := s.command("audit", "verify").want(t, 0).out; !strings.Contains(out, "not at hand") {
				t.Errorf("without the keys:\n%s", out)
			}
			if out := s.command("audit", "verify", "--heads", file).want(t, 0).out; strings.Contains(out, "not at hand") {
				t.Errorf("without the keys, with heads:\n%s", out)
			}
			if err := os.Rename(master+".away", master); err != nil {
				t.Fatal(err)
			}

			s.holder("UPDATE audit_events SET actor = 'nobody' WHERE event = 'import.created'")
			r := s.command("audit", "verify").want(t, 1)
			if !strings.Contains(r.out, "is not what was written") || !strings.Contains(r.err, "ask who had access") {
				t.Errorf("%s%s", r.out, r.err)
			}
			if r := s.command("audit", "verify", "--json").want(t, 1); !strings.Contains(r.out, `"code":"changed"`) {
				t.Error(r.out)
			}
			nonsense := filepath.Join(t.TempDir(), "heads")
			if err := os.WriteFile(nonsense, []byte("nonsense"), 0o600); err != nil {
				t.Fatal(err)
			}
			s.command("audit", "verify", "--heads", nonsense).want(t, 2)
			s.command("audit", "verify", "--tenant", "nobody").want(t, 2)
		})
	}
}
