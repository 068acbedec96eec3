// Package durabletest has a double of [durable.Files] that forgets what was not
// synced, as a loss of power does; killing a process does not.
package durabletest

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"sync"
	"syscall"
	"time"

	"lotse/internal/sealed/durable"
)

// Unsynced are files of which only what was synced is on the disk: the bytes to the
// last Sync of the file, under the names of the last SyncDir of the folder. All else
// is in memory until Crash, or until the process ends, however it ends. So a folder
// that was written through it has, after a kill, what a loss of power would have
// left in the worst case.
type Unsynced struct {
	disk *durable.Folder

	mu    sync.Mutex
	root  *node
	epoch int
}

// node is a file or a folder as it seems to be.
type node struct {
	dir     map[string]*node // nil for a file
	durable map[string]*node // the folder's names as of its last SyncDir

	data   []byte // of a file, while not all of it is on the disk
	synced []byte // of a file: what would be left of data
	onDisk bool   // the file is on the disk under its name, with all its bytes

	size     int64
	modified time.Time
}

// Open opens such files over a folder, with what is in it.
func Open(dir string) (*Unsynced, error) {
	disk, err := durable.OpenFolder(dir)
	if err != nil {
		return nil, err
	}
	u := &Unsynced{disk: disk}
	if u.root, err = u.load("."); err != nil {
		return nil, err
	}
	return u, nil
}

// Crash forgets what is not durable. Files that are open fail from now on.
func (u *Unsynced) Crash() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	root, err := u.load(".")
	u.root = root
	u.epoch++
	return err
}

// load reads what is on the disk.
func (u *Unsynced) load(name string) (*node, error) {
	n := newFolder()
	entries, err := u.disk.ReadDir(name)
	if err != nil {
		return n, err
	}
	for _, e := range entries {
		child := &node{onDisk: true}
		if e.IsDir() {
			if child, err = u.load(path.Join(name, e.Name())); err != nil {
				return n, err
			}
		} else if info, err := e.Info(); err == nil {
			child.size, child.modified = info.Size(), info.ModTime()
		} else {
			return n, err
		}
		n.dir[e.Name()], n.durable[e.Name()] = child, child
	}
	return n, nil
}

func newFolder() *node { return &node{dir: map[string]*node{}, durable: map[string]*node{}} }

// find gives a node as it seems to be.
func (u *Unsynced) find(name string) (*node, error) {
	if name == "." {
		return u.root, nil
	}
	parent, err := u.folder(path.Dir(name))
	if err != nil {
		return nil, err
	}
	n := parent.dir[path.Base(name)]
	if n == nil {
		return nil, fs.ErrNotExist
	}
	return n, nil
}

func (u *Unsynced) folder(name string) (*node, error) {
	n, err := u.find(name)
	if err == nil && n.dir == nil {
		err = syscall.ENOTDIR
	}
	return n, err
}

// bytes gives what a file seems to have.
func (u *Unsynced) bytes(n *node, name string) ([]byte, error) {
	if !n.onDisk {
		return n.data, nil
	}
	f, err := u.disk.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
}

// inMemory makes a file one that is changed.
func (u *Unsynced) inMemory(n *node, name string) error {
	if !n.onDisk {
		return nil
	}
	b, err := u.bytes(n, name)
	n.data, n.synced, n.onDisk = b, bytes.Clone(b), false
	return err
}

// SyncDir puts on the disk what the folder has: new names with what is durable of
// what they name, and the end of those that are gone.
func (u *Unsynced) SyncDir(name string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := u.folder(name)
	if err != nil {
		return err
	}
	if !u.reachable(name) {
		n.durable = clone(n.dir) // on the disk when the folder itself is
		return nil
	}
	return u.settle(n, name)
}

// reachable says whether a folder's own name is durable.
func (u *Unsynced) reachable(name string) bool {
	if name == "." {
		return true
	}
	parent, err := u.find(path.Dir(name))
	if err != nil || !u.reachable(path.Dir(name)) {
		return false
	}
	n := parent.dir[path.Base(name)]
	return n != nil && parent.durable[path.Base(name)] == n
}

// settle makes the disk agree with a folder whose names became durable.
func (u *Unsynced) settle(n *node, name string) error {
	for base, old := range n.durable {
		now := n.dir[base]
		if now == old || now != nil && now.dir == nil && old.dir == nil {
			continue // the same, or one that takes its place in one step
		}
		if err := u.wipe(old, path.Join(name, base)); err != nil {
			return err
		}
	}
	for base, child := range n.dir {
		if n.durable[base] == child {
			continue
		}
		if err := u.place(child, path.Join(name, base)); err != nil {
			return err
		}
	}
	n.durable = clone(n.dir)
	return nil
}

// wipe removes a file or folder from the disk.
func (u *Unsynced) wipe(n *node, name string) error {
	for base, child := range n.durable {
		if err := u.wipe(child, path.Join(name, base)); err != nil {
			return err
		}
	}
	if err := u.disk.Remove(name); err != nil && !isAbsent(err) {
		return err
	}
	return nil
}

// place puts what is durable of a file or folder on the disk.
func (u *Unsynced) place(n *node, name string) error {
	if n.dir == nil {
		return u.store(n, name)
	}
	if err := u.disk.Mkdir(name); err != nil {
		return err
	}
	for base, child := range n.durable {
		if err := u.place(child, path.Join(name, base)); err != nil {
			return err
		}
	}
	return nil
}

// store writes what is durable of a file, in one step.
func (u *Unsynced) store(n *node, name string) error {
	const temp = ".unsynced~"
	if err := u.disk.Remove(temp); err != nil && !isAbsent(err) {
		return err
	}
	f, err := u.disk.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(n.synced)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := u.disk.Rename(temp, name); err != nil {
		return err
	}
	if bytes.Equal(n.data, n.synced) {
		n.data, n.synced, n.onDisk = nil, nil, true
	}
	return nil
}
