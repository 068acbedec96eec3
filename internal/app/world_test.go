package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/queue"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/file"
	"lotse/internal/store"
	"lotse/internal/tus"
	"lotse/test/peer"
)

// world is a gateway with real storage in a folder of its own.
type world struct {
	*Gateway
	t   *testing.T
	dir string
	who Who

	stop    context.CancelFunc
	working sync.WaitGroup
}

// shift moves the database's clock.
type shift struct {
	mu sync.Mutex
	by time.Duration
}

func (s *shift) get() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by
}

func (s *shift) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by += d
}

// newWorld opens a gateway in dir; the same folder again is a restart.
func newWorld(t *testing.T, dir string, clock *shift, vary func(*GatewayOptions)) *world {
	t.Helper()
	config := store.Config{Engine: store.SQLite, Path: filepath.Join(dir, "lotse.db")}
	if clock != nil {
		config.Shift = clock.get
	}
	blobs, err := disk.Open(filepath.Join(dir, "blobs"))
	must(t, err)
	keys, err := file.Open(filepath.Join(dir, "keyring"), nil)
	must(t, err)
	return openWorld(t, dir, config, blobs, keys, vary)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openWorld opens a gateway over storage.
func openWorld(t *testing.T, dir string, config store.Config, blobs blob.Store, keys keyring.Store, vary func(*GatewayOptions)) *world {
	t.Helper()
	ctx := t.Context()
	db, err := store.Open(ctx, config)
	must(t, err)
	_, err = db.Migrate(ctx)
	must(t, err)
	master, err := keyring.CreateMasterFile(filepath.Join(dir, "master.key"))
	must(t, err)
	vault := sealed.New(blobs, keyring.New(keys, master), sealed.Options{})
	tenants, err := db.System().Tenants(ctx)
	must(t, err)
	if len(tenants) == 0 {
		must(t, vault.CreateTenant(ctx, "main"))
		must(t, db.System().CreateTenant(ctx, "main", "main"))
	}
	o := GatewayOptions{Version: "test", Transport: func() http.RoundTripper { return http.DefaultTransport }, InsecureHTTP: true, FolderRoots: []string{dir}, Portals: []string{"127.0.0.1", "localhost"}}
	if vary != nil {
		vary(&o)
	}
	log := newTestLog(t)
	w := &world{Gateway: NewGateway(db, vault, blobs, log, o), t: t, dir: dir, who: Who{Tenant: "main", Actor: "test"}}
	workers := queue.New(db.System(), queue.Options{Node: "test " + store.NewID(), Log: log, RetryFirst: 50 * time.Millisecond,
		Concurrency: Concurrency(2, 2, 2, 2)})
	w.Register(workers)
	var run context.Context
	run, w.stop = context.WithCancel(context.WithoutCancel(ctx))
	w.working.Go(func() {
		if err := workers.Run(run); err != nil {
			t.Errorf("workers: %v", err)
		}
	})
	t.Cleanup(func() {
		w.close()
		_ = db.Close()
	})
	return w
}

func (w *world) close() {
	w.stop()
	w.working.Wait()
}

func newTestLog(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(testLog{t}, nil)) }

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// until waits for an import to be in a state.
func (w *world) until(id string, states ...importer.State) *Snapshot {
	w.t.Helper()
	var last *Snapshot
	peer.Await(w.t, testPatience, "the import to be "+string(states[0]), func() bool {
		s, err := w.Snapshot(w.t.Context(), w.who, id)
		if errors.Is(err, store.ErrUnknown) { // whether it is noted that somebody saw it
			return false
		}
		if err != nil {
			w.t.Fatal(err)
		}
		last = s
		for _, state := range states {
			if s.State == state {
				return true
			}
		}
		if s.State == importer.Broken && states[0] != importer.Purged {
			w.t.Fatalf("the import failed: %s", show(s))
		}
		return false
	})
	return last
}

func show(v any) string {
	raw, _ := json.MarshalIndent(v, "", "  ")
	return string(raw)
}

// upload brings one file into an import.
func (w *world) upload(id, name string, content []byte) {
	w.t.Helper()
	ctx := w.t.Context()
	uploads := w.Uploads(w.who)
	up, err := uploads.Create(ctx, tus.Upload{Length: int64(len(content)), Metadata: map[string]string{"import": id, "path": name}})
	if err != nil {
		w.t.Fatal(err)
	}
	lease, err := uploads.Lease(ctx, up)
	if err != nil {
		w.t.Fatal(err)
	}
	defer lease.Release()
	if _, err := lease.Write(content); err != nil {
		w.t.Fatal(err)
	}
	if _, err := lease.Commit(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// folder is a destination that is a folder.
func (w *world) folder() (id, path string) {
	w.t.Helper()
	path = filepath.Join(w.dir, "archive")
	d, err := w.AddDestination(w.t.Context(), w.who, NewDestination{Name: "archive " + store.NewID(), Address: "dir:" + path})
	if err != nil {
		w.t.Fatal(err)
	}
	return d.ID, path
}

// files counts the files under a folder.
func files(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testPatience is how long a test waits for what must happen.
const testPatience = 60 * time.Second
