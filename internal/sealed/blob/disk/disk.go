// Package disk keeps blobs as files in a folder of one node, one file each, at the
// path that is the key. Files have mode 0600, folders 0700.
//
// A blob is written under another name, synced, and moved to its own; then the
// folder is synced, and every folder above that is new. Only then Commit returns.
package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"

	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/durable"
)

const (
	// incomplete is the folder of what is being written. Keys have no dots.
	incomplete = ".incomplete"

	// abandoned is the age from which what is being written belongs to no process.
	abandoned = 24 * time.Hour

	// checkSize is how many bytes Check writes.
	checkSize = 3<<20 + 1
)

// Store is a [blob.Store] over files.
type Store struct {
	files durable.Files
	tree  *durable.Tree
}

// Open opens the store in a folder, which it makes when absent, and removes what a
// process left unfinished there a day ago or earlier.
func Open(dir string) (*Store, error) {
	files, err := durable.OpenFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the blob store: %w", err)
	}
	return New(files)
}

// New is [Open] over any files.
func New(files durable.Files) (*Store, error) {
	s := &Store{files: files, tree: durable.NewTree(files)}
	if err := s.tree.Mkdir(incomplete); err != nil {
		return nil, failure("opening the store", err)
	}
	left, err := files.ReadDir(incomplete)
	if err != nil {
		return nil, failure("opening the store", err)
	}
	for _, e := range left {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = files.Remove(path.Join(incomplete, e.Name())) // the next opening tries again
		}
	}
	return s, nil
}

// failure says what a failure of the file system means. All may pass but those that
// a person must mend.
func failure(op string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w: %w", blob.ErrFull, err)
	}
	permanent := errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOTDIR)
	return &blob.Error{Op: op, Retry: !permanent, Err: err}
}

// absent says whether nothing is at a path; a file may be where a folder should be.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// Create begins a file under another name.
func (s *Store) Create(_ context.Context, key string) (blob.Writer, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, err
	}
	temp := path.Join(incomplete, strings.ToLower(rand.Text()))
	f, err := s.files.Create(temp)
	if err != nil {
		return nil, failure("creating", err)
	}
	return &writer{store: s, file: f, temp: temp, key: key}, nil
}

type writer struct {
	store     *Store
	file      durable.File
	temp, key string
	size      int64
	done      bool
}

func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, fs.ErrClosed
	}
	if w.size+int64(len(p)) > blob.MaxSize {
		return 0, blob.ErrTooLarge
	}
	n, err := w.file.Write(p)
	w.size += int64(n)
	if err != nil {
		return n, failure("writing", err)
	}
	return n, nil
}

func (w *writer) Commit(ctx context.Context) error {
	if w.done {
		return fs.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		w.Abort()
		return err
	}
	w.done = true
	err := errors.Join(w.file.Sync(), w.file.Close())
	if err == nil {
		err = w.store.tree.Publish(w.temp, w.key)
	}
	if err != nil {
		_ = w.store.files.Remove(w.temp) // or a later opening does
		return failure("committing", err)
	}
	return nil
}

func (w *writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	_ = w.file.Close()
	_ = w.store.files.Remove(w.temp) // or a later opening does
}

// ReadAt opens the file for every call.
func (s *Store) ReadAt(ctx context.Context, key string, p []byte, off int64) (n int, err error) {
	if err := errors.Join(blob.CheckKey(key), ctx.Err()); err != nil {
		return 0, err
	}
	f, err := s.files.Open(key)
	if absent(err) {
		return 0, fmt.Errorf("%w: %s", blob.ErrNotFound, key)
	} else if err != nil {
		return 0, failure("opening", err)
	}
	n, err = f.ReadAt(p, off)
	_ = f.Close() // nothing was written
	if err != nil && n < len(p) && !isEOF(err) {
		return n, failure("reading", err)
	}
	return n, err
}

// Delete removes the files and what folders become empty by it.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	dirs := map[string]bool{}
	for _, key := range keys {
		if err := errors.Join(blob.CheckKey(key), ctx.Err()); err != nil {
			return err
		}
		if err := s.files.Remove(key); err != nil && !absent(err) {
			return failure("deleting", err)
		}
		dirs[path.Dir(key)] = true
	}
	for dir := range dirs {
		// Also where nothing was removed now: an earlier call may have failed here.
		if err := s.files.SyncDir(dir); err != nil && !absent(err) {
			return failure("deleting", err)
		}
		s.tree.Prune(dir)
	}
	return nil
}

// Check writes a blob, reads it back and deletes it.
func (s *Store) Check(ctx context.Context) error { return blob.RoundTrip(ctx, s, checkSize) }
