package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lotse/internal/backup"
	"lotse/internal/importer"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/blobtest"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/blob/s3"
	"lotse/internal/sealed/bucket"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/file"
	keys3 "lotse/internal/sealed/keyring/s3"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
	"lotse/test/peer"
)

const tenant = "main"

// patient is a name that must be found nowhere.
const patient = "Verborgen^Vera"

// house is an installation.
type house struct {
	backup.Installation
	t     *testing.T
	dir   string
	clock *storetest.Clock
	vault *sealed.Vault
}

// kind of storage.
type kind struct {
	name  string
	place func(testing.TB) storetest.Place
	s3    bool
}

func kinds() []kind {
	return []kind{{"sqlite", storetest.SQLite, false}, {"postgresql", storetest.PostgreSQL, true}}
}

// newHouse makes an empty one. It has the master key of another, when that is given.
func newHouse(t *testing.T, k kind, master string) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), clock: new(storetest.Clock)}
	h.DB = k.place(t).Open(t, h.clock.Config)
	if master == "" {
		master = filepath.Join(h.dir, "master.key")
	}
	var err error
	h.Master, err = keyring.CreateMasterFile(master)
	must(t, err)
	if k.s3 {
		gw := peer.VersityGW(t)
		config := bucket.Config{Endpoint: gw.Endpoint(), Region: gw.Region, Bucket: gw.Bucket(t), AccessKey: gw.AccessKey, SecretKey: gw.SecretKey, PathStyle: true}
		h.Blobs, err = s3.Open(config, s3.Options{})
		must(t, err)
		config.Bucket = gw.Bucket(t)
		h.Keys, err = keys3.Open(t.Context(), config, nil)
		must(t, err)
	} else {
		h.Blobs, err = disk.Open(filepath.Join(h.dir, "blobs"))
		must(t, err)
		h.Keys, err = file.Open(filepath.Join(h.dir, "keyring"), nil)
		must(t, err)
	}
	h.open()
	return h
}

// open forgets the keys that are held in memory.
func (h *house) open() {
	h.vault = sealed.New(h.Blobs, keyring.New(h.Keys, h.Master), sealed.Options{})
}

// found makes the tenant.
func (h *house) found() *house {
	h.t.Helper()
	_, err := h.DB.Migrate(h.t.Context())
	must(h.t, err)
	must(h.t, h.vault.CreateTenant(h.t.Context(), tenant))
	must(h.t, h.DB.System().CreateTenant(h.t.Context(), tenant, "Klinik"))
	return h
}

func (h *house) master() string { return filepath.Join(h.dir, "master.key") }

func (h *house) sealed() *sealed.Tenant {
	h.t.Helper()
	v, err := h.vault.Tenant(h.t.Context(), tenant)
	must(h.t, err)
	return v
}

// add makes an import in review with a part of random bytes, and returns them.
func (h *house) add(id string, size int) []byte {
	h.t.Helper()
	ctx, v := h.t.Context(), h.sealed()
	must(h.t, v.CreateImport(ctx, id))
	request, err := v.Seal(ctx, id, "request", []byte(patient))
	must(h.t, err)
	must(h.t, h.DB.Tenant(tenant).Write(ctx, func(tx *store.Tx) error {
		im := &store.Import{ID: id, Kind: "upload", State: importer.Review, CreatedBy: "x", Expires: tx.Now().Add(168 * time.Hour), Request: request}
		return errors.Join(tx.InsertImport(im), tx.InsertPart(&store.Part{Import: id, Role: store.RoleCame, Key: "k"}))
	}))
	plain := blobtest.Random(uint64(len(id)+size), size)
	h.write(id, plain)
	return plain
}

// write puts bytes into an import's part.
func (h *house) write(id string, plain []byte) {
	h.t.Helper()
	ctx := h.t.Context()
	w := h.sealed().Writer(ctx, id, sealed.WriterOptions{Commit: func(_ context.Context, list []sealed.Segment) error {
		return h.DB.Tenant(tenant).Write(ctx, func(tx *store.Tx) error {
			var rows []store.Segment
			for _, s := range list {
				rows = append(rows, store.Segment{ID: s.ID, Start: s.Offset, Size: s.Size})
			}
			return tx.AddSegments(id, 1, rows)
		})
	}})
	_, err := w.Write(plain)
	must(h.t, err)
	must(h.t, w.Flush(ctx))
}

// read gives the bytes of an import and its request, in this order of failing.
func (h *house) read(id string) (part, request []byte, err error) {
	ctx, v := h.t.Context(), h.sealed()
	var list []sealed.Segment
	var column []byte
	err = h.DB.Tenant(tenant).Read(ctx, func(tx *store.Tx) error {
		im, err := tx.Import(id)
		if err != nil {
			return err
		}
		column, list = im.Request, nil
		rows, err := tx.Segments(id, 1)
		for _, s := range rows {
			list = append(list, sealed.Segment{ID: s.ID, Offset: s.Start, Size: s.Size})
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if request, err = v.Open(ctx, id, "request", column); err != nil {
		return nil, nil, err
	}
	r := v.Reader(id, list)
	part, err = io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	return part, request, err
}

// same makes sure that an import is as it was.
func (h *house) same(id string, plain []byte) {
	h.t.Helper()
	part, request, err := h.read(id)
	if err != nil || !bytes.Equal(part, plain) || string(request) != patient {
		h.t.Errorf("%s: %d bytes, want %d; %q (%v)", id, len(part), len(plain), request, err)
	}
}

func (h *house) importOf(id string) (im *store.Import) {
	h.t.Helper()
	must(h.t, h.DB.Tenant(tenant).Read(h.t.Context(), func(tx *store.Tx) (err error) {
		im, err = tx.Import(id)
		return err
	}))
	return im
}

// purge erases an import as the gateway does.
func (h *house) purge(id string) {
	h.t.Helper()
	ctx, v := h.t.Context(), h.sealed()
	must(h.t, v.DestroyImport(ctx, id))
	var keys []string
	must(h.t, h.Blobs.List(ctx, v.Prefix(id), func(i blob.Info) error { keys = append(keys, i.Key); return nil }))
	must(h.t, h.Blobs.Delete(ctx, keys...))
	must(h.t, h.DB.Tenant(tenant).Write(ctx, func(tx *store.Tx) error {
		if err := tx.PurgeImport(id); err != nil {
			return err
		}
		im, err := tx.LockImport(id)
		if err != nil {
			return err
		}
		im.State, im.Purged = importer.Purged, tx.Now()
		return tx.SaveImport(im)
	}))
}

// kept is where the backup's key is.
func (h *house) kept() string { return filepath.Join(h.dir, "backup.key") }

func (h *house) backup(dir string) *backup.Made {
	h.t.Helper()
	made, err := backup.Make(h.t.Context(), h.Installation, backup.MakeOptions{Dir: dir, KeyFile: h.kept(), Version: "test"})
	must(h.t, err)
	return made
}

func (h *house) keyring(path string) {
	h.t.Helper()
	_, err := backup.CopyKeyring(h.t.Context(), h.Keys, h.Master, path)
	must(h.t, err)
}

// restore restores a backup of another house.
func (h *house) restore(from *house, dir, keys string, vary ...func(*backup.RestoreOptions)) (*backup.Result, error) {
	h.t.Helper()
	o := backup.RestoreOptions{Dir: dir, KeyFile: from.kept(), Keyring: keys}
	for _, f := range vary {
		f(&o)
	}
	defer h.open()
	return backup.Restore(h.t.Context(), h.Installation, o)
}

func (h *house) mustRestore(from *house, dir, keys string, vary ...func(*backup.RestoreOptions)) *backup.Result {
	h.t.Helper()
	r, err := h.restore(from, dir, keys, vary...)
	must(h.t, err)
	return r
}

// untouched makes sure that an installation has nothing.
func (h *house) untouched() {
	h.t.Helper()
	if empty, err := h.DB.Empty(h.t.Context()); err != nil || !empty {
		h.t.Errorf("the database is not empty (%v)", err)
	}
	must(h.t, h.Blobs.List(h.t.Context(), "", func(i blob.Info) error {
		h.t.Errorf("there is a blob %s", i.Key)
		return nil
	}))
	for name, err := range h.Keys.Tenants(h.t.Context()) {
		h.t.Errorf("there are keys of %s (%v)", name, err)
	}
}

// refused makes sure that an error is a refusal with a code.
func refused(t *testing.T, err error, code backup.Code) {
	t.Helper()
	var r *backup.Refusal
	if !errors.As(err, &r) || r.Code != code {
		t.Errorf("%v, want %s", err, code)
	}
}

// contents gives all files below a folder by their names.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all[filepath.ToSlash(rel)] = b
		return err
	}))
	return all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
