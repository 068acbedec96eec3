package file_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lotse/internal/sealed/durable"
	"lotse/internal/sealed/durable/durabletest"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/file"
	"lotse/internal/sealed/keyring/keyringtest"
)

func open(t testing.TB, dir string, now func() time.Time) *file.Store {
	t.Helper()
	s, err := file.Open(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	keyringtest.Run(t, func(t *testing.T, now func() time.Time) (keyring.Store, func() keyring.Store) {
		dir := t.TempDir()
		return open(t, dir, now), func() keyring.Store { return open(t, dir, now) }
	})
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keyring")
	s := open(t, dir, nil)
	must(t, s.Put(t.Context(), "t", "a", []byte("x")))
	must(t, s.Delete(t.Context(), "t", "b"))
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		info, err2 := d.Info()
		if err = errors.Join(err, err2); err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
}

// Whatever returned nil is so after a loss of power.
func TestDurable(t *testing.T) {
	ctx := t.Context()
	u, err := durabletest.Open(t.TempDir())
	must(t, err)
	reopen := func() *file.Store {
		must(t, u.Crash())
		s, err := file.New(u, nil)
		must(t, err)
		return s
	}
	s := reopen()
	must(t, s.Put(ctx, "t", "a", []byte("one")))
	must(t, s.Put(ctx, "t", "b", []byte("two")))
	s = reopen()
	got, err := s.Get(ctx, "t", "a")
	if err != nil || string(got) != "one" {
		t.Fatalf("after a crash: %q, %v", got, err)
	}
	must(t, s.Replace(ctx, "t", "a", []byte("one"), []byte("new")))
	s = reopen()
	if got, err = s.Get(ctx, "t", "a"); err != nil || string(got) != "new" {
		t.Fatalf("replaced, after a crash: %q, %v", got, err)
	}
	must(t, s.Delete(ctx, "t", "a"))
	s = reopen()
	if _, err = s.Get(ctx, "t", "a"); !errors.Is(err, keyring.ErrErased) {
		t.Fatalf("deleted, after a crash: %v", err)
	}
	if _, err = s.Get(ctx, "t", "b"); err != nil {
		t.Fatal(err)
	}
}

// stopping fails every operation from the nth on, as a process that ends there.
type stopping struct {
	durable.Files
	left int
}

var errStopped = errors.New("stopped")

func (s *stopping) step() error {
	if s.left--; s.left < 0 {
		return errStopped
	}
	return nil
}

func (s *stopping) Append(name string) (durable.File, error) {
	if err := s.step(); err != nil {
		return nil, err
	}
	f, err := s.Files.Append(name)
	return &stoppingFile{f, s}, err
}

func (s *stopping) Overwrite(name string) (durable.File, error) {
	if err := s.step(); err != nil {
		return nil, err
	}
	f, err := s.Files.Overwrite(name)
	return &stoppingFile{f, s}, err
}

func (s *stopping) Remove(name string) error {
	return errors.Join(s.step(), func() error {
		if s.left < 0 {
			return nil
		}
		return s.Files.Remove(name)
	}())
}

func (s *stopping) SyncDir(name string) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.Files.SyncDir(name)
}

type stoppingFile struct {
	durable.File
	s *stopping
}

func (f *stoppingFile) Sync() error {
	if err := f.s.step(); err != nil {
		return err
	}
	return f.File.Sync()
}

// A deletion that ends between any two steps is either not begun, or finished by
// the next opening; a key is never back once it was said to be erased.
func TestDeleteStopsAnywhere(t *testing.T) {
	ctx := t.Context()
	finished := false
	for n := 0; !finished && n < 50; n++ {
		for _, lost := range []bool{false, true} {
			u, err := durabletest.Open(t.TempDir())
			must(t, err)
			s, err := file.New(u, nil)
			must(t, err)
			must(t, s.Put(ctx, "t", "a", []byte("a key")))
			stop := &stopping{u, 1 << 30}
			s, err = file.New(stop, nil)
			must(t, err)
			stop.left = n
			err = s.Delete(ctx, "t", "a")
			finished = err == nil
			if err != nil && !errors.Is(err, errStopped) {
				t.Fatal(err)
			}
			if lost {
				must(t, u.Crash())
			}
			s, err = file.New(u, nil)
			must(t, err)
			tombstones := 0
			for range s.Erased(ctx, "t") {
				tombstones++
			}
			got, err := s.Get(ctx, "t", "a")
			switch {
			case tombstones == 0 && string(got) == "a key" && !finished:
			case tombstones == 1 && errors.Is(err, keyring.ErrErased):
			default:
				t.Errorf("stopped at step %d, lost %v: %d tombstones, %q, %v", n, lost, tombstones, got, err)
			}
			must(t, s.Delete(ctx, "t", "a"))
			if _, err := s.Get(ctx, "t", "a"); !errors.Is(err, keyring.ErrErased) {
				t.Errorf("deleted again: %v", err)
			}
		}
	}
	if !finished {
		t.Error("the deletion never finished")
	}
}

// A tombstone that a crash cut off is none, and does not spoil the next.
func TestTornTombstone(t *testing.T) {
	for _, torn := range []string{"a", "a ", "a 17000000", "a 1700000000000000", "b 1700000000000000\na 1"} {
		dir := t.TempDir()
		s := open(t, dir, nil)
		must(t, s.Put(t.Context(), "t", "a", []byte("x")))
		must(t, os.WriteFile(filepath.Join(dir, "t", "erased"), []byte(torn), 0o600))
		s = open(t, dir, nil)
		if _, err := s.Get(t.Context(), "t", "a"); err != nil {
			t.Errorf("%q: %v", torn, err)
		}
		must(t, s.Delete(t.Context(), "t", "a"))
		n := 0
		for stone, err := range s.Erased(t.Context(), "t") {
			must(t, err)
			if stone.ID == "a" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%q: %d tombstones", torn, n)
		}
	}
}

// The bytes of a deleted entry are written over before the name goes.
func TestOverwrites(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	secret := bytes.Repeat([]byte("SECRET"), 10)
	must(t, s.Put(t.Context(), "t", "a", secret))
	f, err := os.Open(filepath.Join(dir, "t", "a.key"))
	must(t, err)
	defer f.Close()
	must(t, s.Delete(t.Context(), "t", "a"))
	b := make([]byte, len(secret))
	if n, err := f.ReadAt(b, 0); n != len(secret) || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	if bytes.Contains(b, []byte("SECRET")) {
		t.Error("the bytes of the entry are still there")
	}
}

func TestMasterFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	if _, err := keyring.MasterFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent = %v", err)
	}
	made, err := keyring.CreateMasterFile(path)
	must(t, err)
	again, err := keyring.CreateMasterFile(path)
	must(t, err)
	if made.ID() != again.ID() {
		t.Error("the second opening made another key")
	}
	sealed, err := made.Wrap(context.Background(), []byte("a"), []byte("plain"))
	must(t, err)
	if got, err := again.Unwrap(context.Background(), []byte("a"), sealed); err != nil || string(got) != "plain" {
		t.Errorf("unwrap = %q, %v", got, err)
	}
	if _, err := again.Unwrap(context.Background(), []byte("b"), sealed); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("unwrap elsewhere = %v", err)
	}
	for name, spoil := range map[string]func() error{
		"readable": func() error { return os.Chmod(path, 0o640) },
		"short":    func() error { return os.WriteFile(path, []byte("c2hvcnQ=\n"), 0o600) },
		"text":     func() error { return os.WriteFile(path, []byte("not base64"), 0o600) },
	} {
		must(t, os.Chmod(path, 0o600))
		must(t, spoil())
		if _, err := keyring.CreateMasterFile(path); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("left in the folder: %v", entries)
	}
}
