package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Folder are the files of a folder of the operating system.
type Folder struct{ root *os.Root }

// OpenFolder opens a folder, which it makes, mode 0700 and durably, when absent.
func OpenFolder(dir string) (*Folder, error) {
	if err := makeFolder(dir); err != nil {
		return nil, fmt.Errorf("making the folder %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the folder: %w", err)
	}
	return &Folder{root: root}, nil
}

// makeFolder makes a folder and those it is in and makes their names durable.
func makeFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return syscall.ENOTDIR
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return fs.ErrNotExist
	}
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close lets go of the folder.
func (f *Folder) Close() error { return f.root.Close() }

// Create is of [Files].
func (f *Folder) Create(name string) (File, error) {
	return f.file(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
}

// Append is of [Files].
func (f *Folder) Append(name string) (File, error) {
	return f.file(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
}

// Overwrite is of [Files].
func (f *Folder) Overwrite(name string) (File, error) { return f.file(name, os.O_WRONLY) }

func (f *Folder) file(name string, flag int) (File, error) {
	file, err := f.root.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Open is of [Files].
func (f *Folder) Open(name string) (Opened, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Mkdir is of [Files].
func (f *Folder) Mkdir(name string) error { return f.root.Mkdir(name, 0o700) }

// Rename is of [Files].
func (f *Folder) Rename(from, to string) error { return f.root.Rename(from, to) }

// Remove is of [Files].
func (f *Folder) Remove(name string) error { return f.root.Remove(name) }

// ReadDir is of [Files].
func (f *Folder) ReadDir(name string) ([]fs.DirEntry, error) {
	dir, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	entries, err := dir.ReadDir(-1)
	return entries, errors.Join(err, dir.Close())
}

// SyncDir is of [Files].
func (f *Folder) SyncDir(name string) error {
	dir, err := f.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
