// Package file keeps the entries of a keyring in a folder of one node:
//
//	<tenant>/<id>.key    one wrapped entry
//	<tenant>/erased      the tombstones, a line each: id, space, 16 digits of microseconds
//
// Deleting an entry appends its tombstone, writes over the entry and removes it, each
// synced before the next. A lock on the folder orders the processes that share it.
package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"lotse/internal/sealed/durable"
	"lotse/internal/sealed/keyring"
)

const (
	suffix   = ".key"
	erased   = "erased"
	temp     = ".incomplete"
	maxEntry = 64 << 10 // bytes of an entry
	maxLog   = 1 << 30  // bytes of tombstones that are read
)

// Store is a [keyring.Store] over files.
type Store struct {
	files durable.Files
	tree  *durable.Tree
	lock  func() (unlock func(), err error)
	now   func() time.Time

	mu sync.RWMutex
}

// Open opens the keyring in a folder, which it makes when absent, and destroys the
// entries that have a tombstone: a crash, or a restored copy, may have left them.
// now is the clock of the tombstones; time.Now when nil.
func Open(dir string, now func() time.Time) (*Store, error) {
	files, err := durable.OpenFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the keyring: %w", err)
	}
	return open(files, now, func() (func(), error) { return lockFolder(dir) })
}

// New is Open over any files, for one process.
func New(files durable.Files, now func() time.Time) (*Store, error) {
	return open(files, now, func() (func(), error) { return func() {}, nil })
}

func open(files durable.Files, now func() time.Time, lock func() (func(), error)) (*Store, error) {
	if now == nil {
		now = time.Now
	}
	s := &Store{files: files, tree: durable.NewTree(files), now: now, lock: lock}
	if err := s.exclusive(context.Background(), s.finish); err != nil {
		return nil, fmt.Errorf("opening the keyring: %w", err)
	}
	return s, nil
}

// finish destroys entries that have a tombstone.
func (s *Store) finish() error {
	ctx := context.Background()
	for tenant, err := range s.Tenants(ctx) {
		if err != nil {
			return err
		}
		for t, err := range s.Erased(ctx, tenant) {
			if err != nil {
				return err
			}
			exists, err := durable.Exists(s.files, entryName(tenant, t.ID))
			if err == nil && exists {
				err = s.destroy(tenant, t.ID)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Error is a failure of the file system.
type Error struct {
	Op  string
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("keyring: %s: %v", e.Op, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary says whether a later call may succeed: not where permissions are missing.
func (e *Error) Temporary() bool {
	return !errors.Is(e.Err, fs.ErrPermission) && !errors.Is(e.Err, syscall.EROFS)
}

func failure(op string, err error) error { return &Error{op, err} }

// exclusive runs work while no other process changes the keyring.
func (s *Store) exclusive(ctx context.Context, work func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	unlock, err := s.lock()
	if err != nil {
		return failure("locking the folder", err)
	}
	defer unlock()
	return work()
}

func entryName(tenant, id string) string { return tenant + "/" + id + suffix }

// Put is of [keyring.Store].
func (s *Store) Put(ctx context.Context, tenant, id string, wrapped []byte) error {
	if err := keyring.CheckNames(tenant, id); err != nil {
		return err
	}
	return s.exclusive(ctx, func() error {
		if _, err := s.get(tenant, id); err == nil {
			return keyring.ErrExists
		} else if !errors.Is(err, keyring.ErrNotFound) {
			return err
		}
		return s.write(tenant, id, wrapped)
	})
}

func (s *Store) write(tenant, id string, wrapped []byte) error {
	if err := s.files.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failure("writing an entry", err)
	}
	if err := s.tree.WriteFile(temp, entryName(tenant, id), wrapped); err != nil {
		return failure("writing an entry", err)
	}
	return nil
}

// Replace is of [keyring.Store].
func (s *Store) Replace(ctx context.Context, tenant, id string, old, wrapped []byte) error {
	if err := keyring.CheckNames(tenant, id); err != nil {
		return err
	}
	return s.exclusive(ctx, func() error {
		now, err := s.get(tenant, id)
		if err != nil {
			return err
		}
		if string(now) != string(old) {
			return keyring.ErrChanged
		}
		return s.write(tenant, id, wrapped)
	})
}

// Get is of [keyring.Store].
func (s *Store) Get(ctx context.Context, tenant, id string) ([]byte, error) {
	if err := errors.Join(keyring.CheckNames(tenant, id), ctx.Err()); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.get(tenant, id)
}

// get gives an entry, or says from the tombstones why there is none.
func (s *Store) get(tenant, id string) ([]byte, error) {
	b, err := durable.ReadFile(s.files, entryName(tenant, id), maxEntry)
	if err == nil {
		return b, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, failure("reading an entry", err)
	}
	gone, err := s.isErased(tenant, id)
	if err == nil && gone {
		err = keyring.ErrErased
	} else if err == nil {
		err = keyring.ErrNotFound
	}
	return nil, err
}

// Delete is of [keyring.Store]. Repeated, it finishes what was interrupted.
func (s *Store) Delete(ctx context.Context, tenant, id string) error {
	if err := keyring.CheckNames(tenant, id); err != nil {
		return err
	}
	return s.exclusive(ctx, func() error {
		gone, err := s.isErased(tenant, id)
		if err != nil {
			return err
		}
		if !gone {
			if err := s.bury(tenant, id); err != nil {
				return failure("leaving a tombstone", err)
			}
		}
		return s.destroy(tenant, id)
	})
}

func (s *Store) destroy(tenant, id string) error {
	b, err := durable.ReadFile(s.files, entryName(tenant, id), maxEntry)
	if err == nil {
		_, _ = rand.Read(b) // never fails
		err = s.tree.Destroy(tenant, entryName(tenant, id), b)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = s.files.SyncDir(tenant) // an earlier call may have failed here
	}
	if err != nil {
		return failure("destroying an entry", err)
	}
	return nil
}

// List is of [keyring.Store].
func (s *Store) List(ctx context.Context, tenant string) iter.Seq2[keyring.Entry, error] {
	return func(yield func(keyring.Entry, error) bool) {
		if err := errors.Join(keyring.CheckName(tenant), ctx.Err()); err != nil {
			yield(keyring.Entry{}, err)
			return
		}
		entries, err := s.files.ReadDir(tenant)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield(keyring.Entry{}, failure("listing", err))
			return
		}
		for _, e := range entries {
			id, ok := strings.CutSuffix(e.Name(), suffix)
			if !ok || keyring.CheckName(id) != nil {
				continue
			}
			info, err := e.Info()
			switch {
			case errors.Is(err, fs.ErrNotExist): // destroyed meanwhile
			case err != nil:
				yield(keyring.Entry{}, failure("listing", err))
				return
			case !yield(keyring.Entry{ID: id, Made: info.ModTime().UTC()}, nil):
				return
			}
		}
	}
}

// Made is of [keyring.Store].
func (s *Store) Made(ctx context.Context, tenant, id string) (time.Time, error) {
	if _, err := s.Get(ctx, tenant, id); err != nil { // or the tombstone that decides
		return time.Time{}, err
	}
	f, err := s.files.Open(entryName(tenant, id))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, keyring.ErrErased // meanwhile
	} else if err != nil {
		return time.Time{}, failure("reading an entry", err)
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil {
		return time.Time{}, failure("reading an entry", err)
	}
	return info.ModTime().UTC(), nil
}

// Tenants is of [keyring.Store].
func (s *Store) Tenants(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := ctx.Err(); err != nil {
			yield("", err)
			return
		}
		entries, err := s.files.ReadDir(".")
		if err != nil {
			yield("", failure("listing", err))
			return
		}
		for _, e := range entries {
			if e.IsDir() && keyring.CheckName(e.Name()) == nil && !yield(e.Name(), nil) {
				return
			}
		}
	}
}

// Check is of [keyring.Store].
func (s *Store) Check(ctx context.Context) error {
	return s.exclusive(ctx, func() error {
		probe := path.Join("self.test", strings.ToLower(rand.Text())+suffix)
		if err := s.tree.Mkdir("self.test"); err != nil {
			return failure("checking the folder", err)
		}
		defer s.tree.Prune("self.test")
		if err := s.files.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failure("checking the folder", err)
		}
		if err := s.tree.WriteFile(temp, probe, []byte("probe")); err != nil {
			return failure("checking the folder", err)
		}
		b, err := durable.ReadFile(s.files, probe, maxEntry)
		if err == nil && string(b) != "probe" {
			err = errors.New("the folder gave back other bytes than were written")
		}
		if err = errors.Join(err, s.tree.Destroy("self.test", probe, []byte("-----"))); err != nil {
			return failure("checking the folder", err)
		}
		return nil
	})
}
