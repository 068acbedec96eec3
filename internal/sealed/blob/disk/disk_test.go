package disk_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/blobtest"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/durable"
)

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, t.TempDir()) })
}

func open(t *testing.T, dir string) *disk.Store {
	t.Helper()
	s, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "blobs")
	blobtest.Put(t, open(t, dir), "t/i/s", []byte("x"))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// full are files of a disk that is used up after some bytes.
type full struct {
	durable.Files
	left int
}

type fullFile struct {
	durable.File
	f *full
}

func (f *full) Create(name string) (durable.File, error) {
	file, err := f.Files.Create(name)
	return fullFile{file, f}, err
}

func (f fullFile) Write(p []byte) (int, error) {
	if f.f.left < len(p) {
		n, err := f.File.Write(p[:f.f.left])
		return n, errors.Join(err, &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	}
	f.f.left -= len(p)
	return f.File.Write(p)
}

func TestFull(t *testing.T) {
	dir := t.TempDir()
	files, err := durable.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := disk.New(&full{files, 100})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(t.Context(), "t/i/s")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(make([]byte, 101)); !errors.Is(err, blob.ErrFull) || !blob.Temporary(err) {
		t.Errorf("write on a full disk = %v", err)
	}
	w.Abort()
	if left, err := os.ReadDir(filepath.Join(dir, ".incomplete")); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// What another process is writing stays; what has been left for long goes.
func TestAbandoned(t *testing.T) {
	dir := t.TempDir()
	w, err := open(t, dir).Create(t.Context(), "t/i/s")
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, ".incomplete", "old")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Error("what was left is still there")
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if keys := blobtest.Keys(t, s, ""); len(keys) != 1 {
		t.Errorf("keys %q", keys)
	}
}

// A key never leads out of the folder, not even by a link in it.
func TestLink(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	s := open(t, dir)
	if err := os.Symlink(outside, filepath.Join(dir, "t")); err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(t.Context(), "t/s")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context()); err == nil {
		t.Error("a blob was written through a link")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside: %v, %v", entries, err)
	}
}
