package durabletest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"syscall"
	"time"

	"lotse/internal/sealed/durable"
)

func clone(m map[string]*node) map[string]*node { return maps.Clone(m) }

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// file is one that is open for writing.
type file struct {
	u     *Unsynced
	n     *node
	epoch int
	at    int // where to write, or -1 for the end
}

// Create is of [durable.Files].
func (u *Unsynced) Create(name string) (durable.File, error) { return u.open(name, false, true, 0) }

// Append is of [durable.Files].
func (u *Unsynced) Append(name string) (durable.File, error) { return u.open(name, true, true, -1) }

// Overwrite is of [durable.Files].
func (u *Unsynced) Overwrite(name string) (durable.File, error) { return u.open(name, true, false, 0) }

func (u *Unsynced) open(name string, existing, fresh bool, at int) (durable.File, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	parent, err := u.folder(path.Dir(name))
	if err != nil {
		return nil, err
	}
	n := parent.dir[path.Base(name)]
	switch {
	case n == nil && !fresh:
		return nil, fs.ErrNotExist
	case n == nil:
		n = &node{modified: time.Now()}
		parent.dir[path.Base(name)] = n
	case n.dir != nil:
		return nil, syscall.EISDIR
	case !existing:
		return nil, fs.ErrExist
	default:
		if err := u.inMemory(n, name); err != nil {
			return nil, err
		}
	}
	return &file{u: u, n: n, epoch: u.epoch, at: at}, nil
}

func (f *file) lock() error {
	f.u.mu.Lock()
	if f.n == nil || f.epoch != f.u.epoch {
		f.u.mu.Unlock()
		return fs.ErrClosed
	}
	return nil
}

// Write changes what the file seems to have.
func (f *file) Write(p []byte) (int, error) {
	if err := f.lock(); err != nil {
		return 0, err
	}
	defer f.u.mu.Unlock()
	at := f.at
	if at < 0 {
		at = len(f.n.data)
	} else {
		f.at += len(p)
	}
	f.n.put(p, at)
	f.n.size, f.n.modified = int64(len(f.n.data)), time.Now()
	return len(p), nil
}

// put writes p into the data, which it makes longer as needed.
func (n *node) put(p []byte, at int) {
	k := copy(n.data[at:], p)
	n.data = append(n.data, p[k:]...)
}

// Sync makes durable what the file has.
func (f *file) Sync() error {
	if err := f.lock(); err != nil {
		return err
	}
	defer f.u.mu.Unlock()
	f.n.synced = bytes.Clone(f.n.data)
	if name, ok := f.u.durableName(f.u.root, ".", f.n); ok {
		return f.u.store(f.n, name)
	}
	return nil
}

// durableName finds under which name a file is on the disk.
func (u *Unsynced) durableName(n *node, name string, want *node) (string, bool) {
	for base, child := range n.durable {
		if child == want {
			return path.Join(name, base), true
		}
		if found, ok := u.durableName(child, path.Join(name, base), want); ok {
			return found, true
		}
	}
	return "", false
}

// Close ends writing, and makes nothing durable.
func (f *file) Close() error {
	f.u.mu.Lock()
	defer f.u.mu.Unlock()
	if f.n == nil {
		return fs.ErrClosed
	}
	f.n = nil
	return nil
}

// opened is a file that is read: from memory, or from the disk.
type opened struct {
	io.ReaderAt
	io.Closer
	info fs.FileInfo
}

func (o opened) Stat() (fs.FileInfo, error) { return o.info, nil }

// Open is of [durable.Files].
func (u *Unsynced) Open(name string) (durable.Opened, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := u.find(name)
	if err != nil {
		return nil, err
	}
	if n.dir != nil {
		return nil, syscall.EISDIR
	}
	if n.onDisk {
		return u.disk.Open(name)
	}
	b := bytes.Clone(n.data)
	return opened{bytes.NewReader(b), io.NopCloser(nil), n.entry(path.Base(name))}, nil
}

// Mkdir is of [durable.Files].
func (u *Unsynced) Mkdir(name string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	parent, err := u.folder(path.Dir(name))
	if err != nil {
		return err
	}
	if parent.dir[path.Base(name)] != nil {
		return fs.ErrExist
	}
	parent.dir[path.Base(name)] = newFolder()
	return nil
}

// Rename is of [durable.Files].
func (u *Unsynced) Rename(from, to string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := u.find(from)
	if err != nil {
		return err
	}
	source, err := u.folder(path.Dir(from))
	if err != nil {
		return err
	}
	target, err := u.folder(path.Dir(to))
	if err != nil {
		return err
	}
	if n.dir == nil {
		if err := u.inMemory(n, from); err != nil {
			return err
		}
	}
	delete(source.dir, path.Base(from))
	target.dir[path.Base(to)] = n
	return nil
}

// Remove is of [durable.Files].
func (u *Unsynced) Remove(name string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := u.find(name)
	if err != nil {
		return err
	}
	if len(n.dir) > 0 {
		return syscall.ENOTEMPTY
	}
	parent, err := u.folder(path.Dir(name))
	if err != nil {
		return err
	}
	delete(parent.dir, path.Base(name))
	return nil
}

// ReadDir is of [durable.Files].
func (u *Unsynced) ReadDir(name string) ([]fs.DirEntry, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := u.folder(name)
	if err != nil {
		return nil, err
	}
	var all []fs.DirEntry
	for base, child := range n.dir {
		all = append(all, fs.FileInfoToDirEntry(child.entry(base)))
	}
	return all, nil
}

// entry describes a file or folder as it was.
type entry struct {
	name     string
	folder   bool
	size     int64
	modified time.Time
}

func (n *node) entry(name string) entry {
	return entry{name: name, folder: n.dir != nil, size: n.size, modified: n.modified}
}

// Name is of [fs.FileInfo].
func (e entry) Name() string { return e.name }

// Size is of [fs.FileInfo].
func (e entry) Size() int64 { return e.size }

// Mode is of [fs.FileInfo].
func (e entry) Mode() fs.FileMode {
	if e.folder {
		return fs.ModeDir | 0o700
	}
	return 0o600
}

// ModTime is of [fs.FileInfo].
func (e entry) ModTime() time.Time { return e.modified }

// IsDir is of [fs.FileInfo].
func (e entry) IsDir() bool { return e.folder }

// Sys is of [fs.FileInfo].
func (e entry) Sys() any { return nil }
