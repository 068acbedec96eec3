// Package durable writes files so that they survive a loss of power, over a small
// contract of file operations whose durability is explicit: nothing is durable
// before it was synced, neither bytes (File.Sync) nor names (Files.SyncDir). The
// double in durabletest forgets what was not.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"sync"
)

// Files are the files under a folder. Names are relative paths with '/'; none
// leaves the folder. Errors are those of package os.
type Files interface {
	// Create makes a file for writing; fs.ErrExist when there is one. Mode 0600.
	Create(name string) (File, error)
	// Append opens a file, which it makes when absent, for writing at its end.
	Append(name string) (File, error)
	// Overwrite opens a file for writing over its bytes.
	Overwrite(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (Opened, error)
	// Mkdir makes a folder of mode 0700; fs.ErrExist when there is one.
	Mkdir(name string) error
	// Rename moves a file into the place of another or of none, in one step.
	Rename(from, to string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// ReadDir lists a folder.
	ReadDir(name string) ([]fs.DirEntry, error)
	// SyncDir makes the names in a folder durable.
	SyncDir(name string) error
}

// File is a file that is written.
type File interface {
	io.Writer
	io.Closer
	// Sync makes the bytes durable.
	Sync() error
}

// Opened is a file that is read.
type Opened interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// Tree makes names durable in folders that come and go. It is safe for concurrent
// use in one process.
type Tree struct {
	files Files

	mu     sync.RWMutex // held for writing while a folder is removed
	synced sync.Map     // folder → struct{}: its own name is durable
}

// NewTree makes a tree over files.
func NewTree(files Files) *Tree { return &Tree{files: files} }

// Publish gives a finished and synced file its name, durably: with all the folders
// it needs, and their names.
func (t *Tree) Publish(from, to string) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for try := 0; ; try++ {
		if err := t.mkdir(path.Dir(to)); err != nil {
			return err
		}
		err := t.files.Rename(from, to)
		if err == nil {
			return t.files.SyncDir(path.Dir(to))
		}
		if !errors.Is(err, fs.ErrNotExist) || try == 3 {
			return err
		}
		t.forget(path.Dir(to)) // another process removed the folder
	}
}

// Mkdir makes a folder and those it is in, durably.
func (t *Tree) Mkdir(dir string) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.mkdir(dir)
}

func (t *Tree) mkdir(dir string) error {
	if dir == "." {
		return nil
	}
	if _, ok := t.synced.Load(dir); ok {
		return nil
	}
	if err := t.mkdir(path.Dir(dir)); err != nil {
		return err
	}
	if err := t.files.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Also where the folder was there: who made it may not have come to this yet.
	if err := t.files.SyncDir(path.Dir(dir)); err != nil {
		return err
	}
	t.synced.Store(dir, struct{}{})
	return nil
}

func (t *Tree) forget(dir string) {
	for ; dir != "."; dir = path.Dir(dir) {
		t.synced.Delete(dir)
	}
}

// Prune removes a folder that has become empty, and those above that become empty
// by it. One that is not empty stays.
func (t *Tree) Prune(dir string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ; dir != "."; dir = path.Dir(dir) {
		if t.files.Remove(dir) != nil {
			return
		}
		t.synced.Delete(dir)
	}
}
