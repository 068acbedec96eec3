package backup_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lotse/internal/backup"
	"lotse/internal/importer"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/store"
)

// TestElsewhere restores on another machine, from each kind of storage into each.
func TestElsewhere(t *testing.T) {
	for _, from := range kinds() {
		for _, to := range kinds() {
			t.Run(from.name+" into "+to.name, func(t *testing.T) {
				old := newHouse(t, from, "").found()
				small, large := old.add("small", 10), old.add("large", 17<<20)
				dir, keys := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "keys")
				made := old.backup(dir)
				if made.Blobs != 3 || made.Copied != 3 || made.Rows < 6 {
					t.Errorf("made %+v", made)
				}
				old.keyring(keys)
				h := newHouse(t, to, old.master())
				if r := h.mustRestore(old, dir, keys, func(o *backup.RestoreOptions) { o.Check = true }); r.Live != 2 || r.Blobs != 3 {
					t.Errorf("checked: %+v", r)
				}
				h.untouched()
				r := h.mustRestore(old, dir, keys)
				if r.Live != 2 || r.Erased+r.Expired+r.Unreadable+r.Missing != 0 || r.Blobs != 3 || r.Rows != made.Rows {
					t.Errorf("restored: %+v", r)
				}
				h.same("small", small)
				h.same("large", large)
				h.add("more", 5) // and it goes on
				must(t, h.DB.System().Settled(t.Context()))
			})
		}
	}
}

// TestErasureReachesBackups: what is erased after a backup cannot be read from it
// once the keyring, or a newer copy of it, says so: neither rows nor segments.
func TestErasureReachesBackups(t *testing.T) {
	for _, k := range kinds() {
		for _, where := range []string{"copy", "present"} {
			t.Run(k.name+" "+where, func(t *testing.T) {
				old := newHouse(t, k, "").found()
				kept := old.add("kept", 100)
				old.add("gone", 200)
				dir, before, after := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "1"), filepath.Join(t.TempDir(), "2")
				old.backup(dir)
				old.keyring(before)
				old.purge("gone")
				old.keyring(after)
				h := newHouse(t, k, old.master())
				if where == "present" { // the database is lost, the keyring is not; an old copy does not bring anything back
					h.Keys, after = old.Keys, before
				}
				r := h.mustRestore(old, dir, after)
				if r.Live != 1 || r.Erased != 1 {
					t.Errorf("restored: %+v", r)
				}
				h.same("kept", kept)
				im := h.importOf("gone")
				if im.State != importer.Purged || im.Purged.IsZero() || im.Request != nil {
					t.Errorf("%+v", im)
				}
				if _, err := h.sealed().Open(t.Context(), "gone", "request", []byte("x")); !errors.Is(err, sealed.ErrErased) {
					t.Errorf("its key: %v", err)
				}
				must(t, h.Blobs.List(t.Context(), tenant+"/gone/", func(i blob.Info) error {
					t.Errorf("there is %s", i.Key)
					return nil
				}))
				h.audited("gone", "import.purged")
			})
		}
	}
}

// TestOldRowsWithNewestKeyring puts the rows and segments of an old backup in place
// by hand: with the newest keyring, and with none, nothing of them can be read.
func TestOldRowsWithNewestKeyring(t *testing.T) {
	k := kinds()[0]
	old := newHouse(t, k, "").found()
	old.add("gone", 200)
	dir, keys, newest := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "k"), filepath.Join(t.TempDir(), "n")
	old.backup(dir)
	old.keyring(keys)
	h := newHouse(t, k, old.master())
	h.mustRestore(old, dir, keys) // all is there
	if _, _, err := h.read("gone"); err != nil {
		t.Fatal(err)
	}
	old.purge("gone")
	old.keyring(newest)
	other := newHouse(t, k, old.master())
	other.mustRestore(old, dir, newest)
	h.Keys = other.Keys
	h.open()
	if _, _, err := h.read("gone"); !errors.Is(err, sealed.ErrErased) {
		t.Errorf("with the newest keyring: %v", err)
	}
	h.Keys = newHouse(t, k, old.master()).Keys
	h.open()
	if _, err := h.vault.Tenant(t.Context(), tenant); !errors.Is(err, sealed.ErrNoKey) {
		t.Errorf("without a keyring: %v", err)
	}
}

// TestNoKeyring: without its keyring, and with another one, a backup is refused.
func TestNoKeyring(t *testing.T) {
	k := kinds()[0]
	old := newHouse(t, k, "").found()
	old.add("one", 10)
	dir, early, keys := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "e"), filepath.Join(t.TempDir(), "k")
	old.keyring(early)
	old.add("two", 10)
	two := old.importOf("two")
	old.backup(dir)
	old.keyring(keys)

	h := newHouse(t, k, old.master())
	_, err := h.restore(old, dir, "")
	refused(t, err, backup.NoKeyring)
	h.untouched()

	_, err = h.restore(old, dir, early) // it has no key for the second import
	refused(t, err, backup.Unreadable)
	h.untouched()

	stranger := newHouse(t, k, "")
	_, err = stranger.restore(old, dir, keys)
	refused(t, err, backup.OtherMaster)
	stranger.found()
	other := newHouse(t, k, stranger.master())
	other.Keys = stranger.Keys
	_, err = other.restore(old, dir, "")
	refused(t, err, backup.OtherKeyring)

	same := newHouse(t, k, old.master()) // another keyring, under the same master key
	must(t, same.vault.CreateTenant(t.Context(), tenant))
	_, err = same.restore(old, dir, keys)
	refused(t, err, backup.OtherKeyring)

	raw, err := os.ReadFile(keys)
	must(t, err)
	lines := bytes.SplitAfter(raw, []byte("\n"))
	for name, bad := range map[string][]byte{"cut": raw[:len(raw)-5], "without a line": bytes.Join(append(lines[:2:2], lines[3:]...), nil), "empty": nil} {
		path := filepath.Join(t.TempDir(), "bad")
		must(t, os.WriteFile(path, bad, 0o600))
		if _, err := h.restore(old, dir, path); err == nil {
			t.Errorf("the copy %s was taken", name)
		}
	}
	h.untouched()

	r := h.mustRestore(old, dir, early, func(o *backup.RestoreOptions) { o.EraseUnreadable = true })
	if r.Live != 1 || r.Unreadable != 1 || h.importOf("two").State != importer.Purged || two.State == importer.Purged {
		t.Errorf("%+v", r)
	}
}

// TestNothingGivesAway looks for what must not be in a backup: keys, the keyring,
// names, also where one has the backup's key.
func TestNothingGivesAway(t *testing.T) {
	k := kinds()[0]
	old := newHouse(t, k, "").found()
	plain := old.add("one", 100_000)
	dir := filepath.Join(t.TempDir(), "b")
	old.backup(dir)
	master, err := os.ReadFile(old.master())
	must(t, err)
	rawMaster, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(master)))
	must(t, err)
	secrets := map[string][]byte{"name": []byte(patient), "bytes": plain[:32], "master key": bytes.TrimSpace(master), "raw master key": rawMaster}
	for e, err := range old.Keys.List(t.Context(), tenant) {
		must(t, err)
		id := e.ID
		entry, err := old.Keys.Get(t.Context(), tenant, id)
		must(t, err)
		secrets["entry "+id] = entry[2:]
		secrets["encoded "+id] = []byte(base64.StdEncoding.EncodeToString(entry))
	}
	files := contents(t, dir)
	for name, content := range backup.Opened(t, dir, old.kept()) {
		files["opened "+name] = content
	}
	if len(files) < 6 {
		t.Errorf("%d files", len(files))
	}
	for name, content := range files {
		for what, secret := range secrets {
			if bytes.Contains(content, secret) {
				t.Errorf("%s is in %s", what, name)
			}
		}
		if !strings.HasPrefix(name, "opened ") && bytes.Contains(content, []byte("Klinik")) {
			t.Errorf("%s is not sealed", name)
		}
	}
	if !bytes.Contains(files["opened tables"], []byte("Klinik")) {
		t.Error("the test opens nothing")
	}
}

// TestAgain makes backups into one folder: each copies what is new and drops what
// has gone, and one that is interrupted anywhere leaves the last as it was.
func TestAgain(t *testing.T) {
	k := kinds()[0]
	old := newHouse(t, k, "").found()
	one := old.add("one", 10)
	old.add("two", 10)
	dir, keys := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "k")
	old.backup(dir)
	old.purge("two")
	three := old.add("three", 10)
	must(t, os.WriteFile(filepath.Join(dir, "blobs", tenant, "one", "stranger"), nil, 0o600))
	if made := old.backup(dir); made.Blobs != 2 || made.Copied != 1 || made.Removed != 2 {
		t.Errorf("the second: %+v", made)
	}
	if files := contents(t, dir); len(files) != 5 { // with the lock
		t.Errorf("%d files: %v", len(files), files)
	}
	if made := old.backup(dir); made.Copied != 0 || made.Removed != 0 {
		t.Errorf("the third: %+v", made)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "blobs", tenant, "one", "*"))
	must(t, err)
	must(t, os.Truncate(segments[0], 50)) // a file that a crash of the disk cut
	if made := old.backup(dir); made.Copied != 1 {
		t.Errorf("the fourth: %+v", made)
	}
	old.keyring(keys)
	h := newHouse(t, k, old.master())
	h.mustRestore(old, dir, keys)
	h.same("one", one)
	h.same("three", three)
}

// TestDamage changes every file of a backup, and takes each away: a restore refuses
// and changes nothing.
func TestDamage(t *testing.T) {
	k := kinds()[0]
	old := newHouse(t, k, "").found()
	old.add("one", 100)
	old.add("two", 100)
	dir, keys := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "k")
	old.backup(dir)
	old.keyring(keys)
	h := newHouse(t, k, old.master())
	try := func(what string) {
		t.Helper()
		if _, err := h.restore(old, dir, keys); err == nil {
			t.Fatalf("%s: restored", what)
		}
		h.untouched()
	}
	all := contents(t, dir)
	for name, content := range all {
		if name == ".lock" {
			continue
		}
		path := filepath.Join(dir, name)
		for _, at := range []int{0, len(content) / 2, len(content) - 1} {
			bad := bytes.Clone(content)
			bad[at] ^= 1
			must(t, os.WriteFile(path, bad, 0o600))
			try(name + " changed")
		}
		must(t, os.WriteFile(path, content[:len(content)-1], 0o600))
		try(name + " cut")
		must(t, os.Remove(path))
		try(name + " gone")
		must(t, os.WriteFile(path, content, 0o600))
	}
	var blobs []string
	for name := range all {
		if strings.HasPrefix(name, "blobs/") {
			blobs = append(blobs, name)
		}
	}
	must(t, os.WriteFile(filepath.Join(dir, blobs[0]), all[blobs[1]], 0o600))
	try("another segment in its place")
	must(t, os.WriteFile(filepath.Join(dir, blobs[0]), all[blobs[0]], 0o600))
	h.mustRestore(old, dir, keys)
}

// TestRefusals: what would mix or give away is refused.
func TestRefusals(t *testing.T) {
	k := kinds()[0]
	old := newHouse(t, k, "").found()
	old.add("one", 10)
	dir := filepath.Join(t.TempDir(), "b")
	try := func(h *house, dir, key string) error {
		_, err := backup.Make(t.Context(), h.Installation, backup.MakeOptions{Dir: dir, KeyFile: key})
		return err
	}
	refused(t, try(old, dir, filepath.Join(dir, "key")), backup.KeyInside)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(dir, link))
	must(t, os.MkdirAll(dir, 0o700))
	refused(t, try(old, dir, filepath.Join(link, "deep", "key")), backup.KeyInside)
	refused(t, try(old, dir, old.master()), backup.KeyIsMaster)
	if len(contents(t, dir)) != 0 {
		t.Error("a refused backup left something")
	}
	full := t.TempDir()
	must(t, os.WriteFile(filepath.Join(full, "holiday.jpg"), nil, 0o600))
	refused(t, try(old, full, old.kept()), backup.ForeignFolder)
	old.backup(dir)
	refused(t, try(old, dir, filepath.Join(t.TempDir(), "another")), backup.WrongKey)
	other := newHouse(t, k, "").found()
	refused(t, try(other, dir, old.kept()), backup.ForeignBackup)

	empty := newHouse(t, k, old.master())
	_, err := empty.restore(old, t.TempDir(), "")
	refused(t, err, backup.NoBackup)
	_, err = empty.restore(old, filepath.Join(dir, "nowhere"), "")
	refused(t, err, backup.NoBackup)
	_, err = empty.restore(other, dir, "")
	if !errors.Is(err, fs.ErrNotExist) { // a restore makes no key
		t.Error(err)
	}
	_, err = old.restore(old, dir, "")
	refused(t, err, backup.NotEmpty)
	empty.Keys, empty.Blobs = old.Keys, old.Blobs // no rows, but segments: of this backup, so it goes on
	empty.mustRestore(old, dir, "")
	mixed := newHouse(t, k, old.master())
	mixed.Keys = old.Keys
	w, err := mixed.Blobs.Create(t.Context(), "main/other/0")
	must(t, err)
	_, err = w.Write([]byte("x"))
	must(t, err)
	must(t, w.Commit(t.Context()))
	_, err = mixed.restore(old, dir, "")
	refused(t, err, backup.NotEmpty)
}

// TestTime: what is due by now is erased in restoring; a clock that may be wrong is
// asked about first.
func TestTime(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			old := newHouse(t, k, "").found()
			old.add("one", 10)
			dir, keys := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "k")
			old.backup(dir)
			old.keyring(keys)
			h := newHouse(t, k, old.master())
			h.clock.Pass(-time.Hour)
			_, err := h.restore(old, dir, keys)
			refused(t, err, backup.ClockBehind)
			h.clock.Pass(time.Hour + 95*time.Hour)
			if r := h.mustRestore(old, dir, keys, func(o *backup.RestoreOptions) { o.Check = true }); r.Live != 1 {
				t.Errorf("after 95 hours: %+v", r)
			}
			h.clock.Pass(74 * time.Hour)
			_, err = h.restore(old, dir, keys)
			refused(t, err, backup.ClockUncertain)
			h.untouched()
			r := h.mustRestore(old, dir, keys, func(o *backup.RestoreOptions) { o.ClockIsRight = true })
			if r.Live != 0 || r.Expired != 1 || r.Blobs != 0 || h.importOf("one").State != importer.Purged {
				t.Errorf("after 169 hours: %+v", r)
			}
			if _, err := h.sealed().Seal(t.Context(), "one", "x", nil); !errors.Is(err, sealed.ErrErased) {
				t.Errorf("its key: %v", err)
			}
			must(t, h.Blobs.List(t.Context(), "", func(i blob.Info) error { t.Error(i.Key); return nil }))
		})
	}
}

// TestPausedErasing: where erasing was paused, a restore does not erase by itself.
func TestPausedErasing(t *testing.T) {
	k := kinds()[0]
	old := newHouse(t, k, "").found()
	must(t, old.DB.System().SetInstallation(t.Context(), "clock.paused", "gap"))
	dir := filepath.Join(t.TempDir(), "b")
	old.backup(dir)
	h := newHouse(t, k, old.master())
	h.Keys = old.Keys
	_, err := h.restore(old, dir, "")
	refused(t, err, backup.ClockUncertain)
	h.mustRestore(old, dir, "", func(o *backup.RestoreOptions) { o.ClockIsRight = true })
	if why, err := h.DB.System().Installation(t.Context(), "clock.paused"); err != nil || why != "" {
		t.Errorf("%q, %v", why, err)
	}
}

// TestEndedTenant: a tenant whose key was destroyed after the backup stays ended.
func TestEndedTenant(t *testing.T) {
	k := kinds()[0]
	old := newHouse(t, k, "").found()
	old.add("one", 10)
	must(t, old.vault.CreateTenant(t.Context(), "other"))
	must(t, old.DB.System().CreateTenant(t.Context(), "other", "Other"))
	dir, keys := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "k")
	old.backup(dir)
	must(t, old.vault.DestroyTenant(t.Context(), tenant))
	old.keyring(keys)
	h := newHouse(t, k, old.master())
	if r := h.mustRestore(old, dir, keys); r.Erased != 1 || r.Live != 0 {
		t.Errorf("%+v", r)
	}
	all, err := h.DB.System().Tenants(t.Context())
	must(t, err)
	if len(all) != 2 || all[0].Destroyed.IsZero() || !all[1].Destroyed.IsZero() {
		t.Errorf("%+v", all)
	}
	if _, err := h.vault.Tenant(t.Context(), "other"); err != nil {
		t.Error(err)
	}
}

// TestInterruptedRestore fails in the middle and goes on with the same segments; an
// unfinished one does not serve and is in no backup.
func TestInterruptedRestore(t *testing.T) {
	k := kinds()[0]
	old := newHouse(t, k, "").found()
	one := old.add("one", 10)
	dir, keys := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "k")
	old.backup(dir)
	old.keyring(keys)
	h := newHouse(t, k, old.master())
	good := h.DB
	fail := func(c *store.Config) {
		c.Faults = func(p store.Point) error {
			if p.Write && p.Stage == store.StageCommit {
				return store.Fault(store.Full)
			}
			return nil
		}
	}
	place := k.place(t)
	h.DB = place.Open(t, fail)
	if _, err := h.restore(old, dir, keys); !errors.Is(err, store.ErrFull) {
		t.Fatal(err)
	}
	h.DB = good
	h.mustRestore(old, dir, keys)
	h.same("one", one)

	half := newHouse(t, k, old.master())
	must(t, half.DB.Refill(t.Context(), 2, func(func(store.Row) error) error { return nil }))
	_, err := backup.Make(t.Context(), half.Installation, backup.MakeOptions{Dir: filepath.Join(t.TempDir(), "x"), KeyFile: half.kept()})
	if !errors.Is(err, store.ErrUnsettled) {
		t.Error(err)
	}
}

// TestBusyFolder: one backup at a time.
func TestBusyFolder(t *testing.T) {
	old := newHouse(t, kinds()[0], "").found()
	dir := filepath.Join(t.TempDir(), "b")
	unlock := backup.Lock(t, dir)
	_, err := backup.Make(t.Context(), old.Installation, backup.MakeOptions{Dir: dir, KeyFile: old.kept()})
	refused(t, err, backup.Busy)
	unlock()
	old.backup(dir)
}

// TestKeyringCopyReplacesItself: the copy of before is written over.
func TestKeyringCopyReplacesItself(t *testing.T) {
	old := newHouse(t, kinds()[0], "").found()
	old.add("one", 10)
	path := filepath.Join(t.TempDir(), "keys")
	old.keyring(path)
	first, err := os.ReadFile(path)
	must(t, err)
	held, err := os.Open(path) // the file of before, which has no name any more
	must(t, err)
	defer held.Close()
	old.purge("one")
	old.keyring(path)
	over := make([]byte, len(first))
	_, err = held.ReadAt(over, 0)
	must(t, err)
	if bytes.Equal(over[:20], first[:20]) || bytes.Equal(over[len(over)-20:], first[len(first)-20:]) {
		t.Error("the bytes of before are still there")
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".lotse-*")); len(left) > 0 {
		t.Error(left)
	}
}

// audited makes sure that there is an event of the restore about an import.
func (h *house) audited(id, event string) {
	h.t.Helper()
	must(h.t, h.DB.Tenant(tenant).Read(h.t.Context(), func(tx *store.Tx) error {
		events, err := tx.Events(id)
		must(h.t, err)
		for _, e := range events {
			if e.Event == event && e.Actor == "restore" {
				return nil
			}
		}
		h.t.Errorf("no event %s of %s", event, id)
		return nil
	}))
}
