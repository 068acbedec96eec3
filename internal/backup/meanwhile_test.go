package backup_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"lotse/internal/backup"
	"lotse/internal/importer"
	"lotse/internal/sealed/blob"
	"lotse/internal/store"
)

// meanwhile is a blob store in which something happens before each reading.
type meanwhile struct {
	blob.Store
	mu      sync.Mutex
	happens func() // once
}

func (m *meanwhile) ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error) {
	m.mu.Lock()
	f := m.happens
	m.happens = nil
	if f != nil {
		f()
	}
	m.mu.Unlock()
	return m.Store.ReadAt(ctx, key, p, off)
}

// TestMeanwhile lets segments go between the rows and the copying of segments.
func TestMeanwhile(t *testing.T) {
	for _, c := range []struct {
		name    string
		happens func(h *house, blobs blob.Store)
		made    backup.Made
		state   importer.State
		missing int
	}{
		{"erased", func(h *house, _ blob.Store) { h.purge("b") }, backup.Made{Blobs: 2, Copied: 1, Erased: 1}, importer.Purged, 0},
		{"dropped", func(h *house, _ blob.Store) { h.drop("b") }, backup.Made{Blobs: 1, Copied: 1}, importer.Review, 0},
		{"lost", func(h *house, blobs blob.Store) { h.lose(blobs, "b") }, backup.Made{Blobs: 2, Copied: 1, Missing: 1}, importer.Review, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := kinds()[0]
			old := newHouse(t, k, "").found()
			a := old.add("a", 10)
			old.add("b", 10)
			dir, keys := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "k")
			old.keyring(keys) // before it happens
			blobs := old.Blobs
			old.Blobs = &meanwhile{Store: blobs, happens: func() { c.happens(old, blobs) }}
			made := old.backup(dir)
			if made.Blobs != c.made.Blobs || made.Copied != c.made.Copied || made.Erased != c.made.Erased || made.Missing != c.made.Missing {
				t.Errorf("%+v", made)
			}
			h := newHouse(t, k, old.master())
			r := h.mustRestore(old, dir, keys)
			h.same("a", a)
			if r.Missing != c.missing || h.importOf("b").State != c.state {
				t.Errorf("%+v, %s", r, h.importOf("b").State)
			}
		})
	}
}

// TestKeepsChanging gives up, and leaves the last backup as it was.
func TestKeepsChanging(t *testing.T) {
	k := kinds()[0]
	old := newHouse(t, k, "").found()
	old.add("a", 10)
	dir := filepath.Join(t.TempDir(), "b")
	old.backup(dir)
	before := contents(t, dir)
	old.add("b", 10)
	blobs := old.Blobs
	m := &meanwhile{Store: blobs}
	var change func()
	change = func() { // each time other segments
		old.Blobs = blobs
		old.drop("b")
		old.write("b", []byte("more"))
		m.happens = change
	}
	m.happens = change
	in := old.Installation
	in.Blobs = m
	_, err := backup.Make(t.Context(), in, backup.MakeOptions{Dir: dir, KeyFile: old.kept()})
	refused(t, err, backup.KeepsChanging)
	after := contents(t, dir)
	if len(after) != len(before) || string(after["manifest"]) != string(before["manifest"]) {
		t.Errorf("%d files, then %d", len(before), len(after))
	}
	old.Blobs = blobs
	if made := old.backup(dir); made.Blobs != 2 {
		t.Errorf("%+v", made)
	}
}

// TestInterruptedBackup ends a backup in the middle: the last one stays, and the
// next one goes on.
func TestInterruptedBackup(t *testing.T) {
	k := kinds()[0]
	old := newHouse(t, k, "").found()
	old.add("a", 10)
	dir, keys := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "k")
	old.backup(dir)
	old.purge("a")
	b := old.add("b", 33<<20)
	old.keyring(keys)
	ctx, cancel := context.WithCancel(t.Context())
	in := old.Installation
	in.Blobs = &meanwhile{Store: old.Blobs, happens: cancel}
	if _, err := backup.Make(ctx, in, backup.MakeOptions{Dir: dir, KeyFile: old.kept()}); err == nil {
		t.Fatal("it ended well")
	}
	first := newHouse(t, k, old.master())
	if r := first.mustRestore(old, dir, keys, func(o *backup.RestoreOptions) { o.Check = true }); r.Erased != 1 || r.Live != 0 {
		t.Errorf("%+v", r)
	}
	if made := old.backup(dir); made.Blobs != 3 {
		t.Errorf("%+v", made)
	}
	h := newHouse(t, k, old.master())
	h.mustRestore(old, dir, keys)
	h.same("b", b)
}

// drop takes a part back, as an upload that is terminated does.
func (h *house) drop(id string) {
	h.t.Helper()
	var dropped []store.Segment
	must(h.t, h.DB.Tenant(tenant).Write(h.t.Context(), func(tx *store.Tx) (err error) {
		dropped, err = tx.DropSegments(id, 1)
		return err
	}))
	for _, s := range dropped {
		must(h.t, h.Blobs.Delete(h.t.Context(), tenant+"/"+id+"/"+s.ID))
	}
}

// lose deletes segments behind the back of everybody.
func (h *house) lose(blobs blob.Store, id string) {
	h.t.Helper()
	var keys []string
	must(h.t, blobs.List(h.t.Context(), tenant+"/"+id+"/", func(i blob.Info) error { keys = append(keys, i.Key); return nil }))
	must(h.t, blobs.Delete(h.t.Context(), keys...))
}
