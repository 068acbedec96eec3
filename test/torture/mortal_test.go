package torture

import (
	"errors"
	"io/fs"
	"sync"

	"lotse/internal/sealed/durable"
	"lotse/internal/store"
)

// errDead is what everything answers that belongs to a process that has died.
var errDead = errors.New("the process is dead")

// mortal counts the durable steps of a process and lets it die just before one of
// them. From then on nothing of it can read or write any more.
type mortal struct {
	mu    sync.Mutex
	last  int // the step it dies at; 0: it lives
	steps int
	names []string
	gone  bool
	death chan struct{} // closed at its death
}

// newMortal makes a process that dies at a step, counted from 1.
func newMortal(last int) *mortal { return &mortal{last: last, death: make(chan struct{})} }

// step is called before each durable step.
func (m *mortal) step(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return errDead
	}
	m.steps++
	m.names = append(m.names, name)
	if m.steps == m.last {
		m.gone = true
		close(m.death)
		return errDead
	}
	return nil
}

func (m *mortal) dead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gone
}

// spare lets the process live from now on, if it has not died: it reports whether.
func (m *mortal) spare() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = 0
	return !m.gone
}

func (m *mortal) alive() error {
	if m.dead() {
		return errDead
	}
	return nil
}

// kill ends the process wherever it stands.
func (m *mortal) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.gone {
		m.gone = true
		close(m.death)
	}
}

// transaction is for [store.Config]: commits are steps, before they are sent and
// before they are known to have happened.
func (m *mortal) transaction(p store.Point) error {
	err := m.alive()
	switch {
	case err != nil:
	case p.Write && p.Stage == store.StageCommit:
		err = m.step("commit")
	case p.Write && p.Stage == store.StageCommitted:
		err = m.step("answer to commit")
	}
	if err != nil {
		return store.Fault(store.Permanent) // nobody tries again who is dead
	}
	return nil
}

// files are those of a mortal: each Sync and SyncDir is a step.
type files struct {
	durable.Files
	m *mortal
}

// Create is of [durable.Files].
func (f *files) Create(name string) (durable.File, error) { return f.open(f.Files.Create, name) }

// Append is of [durable.Files].
func (f *files) Append(name string) (durable.File, error) { return f.open(f.Files.Append, name) }

// Overwrite is of [durable.Files].
func (f *files) Overwrite(name string) (durable.File, error) {
	return f.open(f.Files.Overwrite, name)
}

func (f *files) open(how func(string) (durable.File, error), name string) (durable.File, error) {
	if err := f.m.alive(); err != nil {
		return nil, err
	}
	one, err := how(name)
	if err != nil {
		return nil, err
	}
	return &written{one, f.m}, nil
}

// Open is of [durable.Files].
func (f *files) Open(name string) (durable.Opened, error) {
	if err := f.m.alive(); err != nil {
		return nil, err
	}
	return f.Files.Open(name)
}

// Mkdir is of [durable.Files].
func (f *files) Mkdir(name string) error {
	return skip(f.m, func() error { return f.Files.Mkdir(name) })
}

// Rename is of [durable.Files].
func (f *files) Rename(from, to string) error {
	return skip(f.m, func() error { return f.Files.Rename(from, to) })
}

// Remove is of [durable.Files].
func (f *files) Remove(name string) error {
	return skip(f.m, func() error { return f.Files.Remove(name) })
}

// ReadDir is of [durable.Files].
func (f *files) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.m.alive(); err != nil {
		return nil, err
	}
	return f.Files.ReadDir(name)
}

// SyncDir is of [durable.Files].
func (f *files) SyncDir(name string) error {
	if err := f.m.step("names"); err != nil {
		return err
	}
	return f.Files.SyncDir(name)
}

// skip does nothing for the dead.
func skip(m *mortal, work func() error) error {
	if err := m.alive(); err != nil {
		return err
	}
	return work()
}

type written struct {
	durable.File
	m *mortal
}

func (f *written) Write(p []byte) (int, error) {
	if err := f.m.alive(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *written) Sync() error {
	if err := f.m.step("bytes"); err != nil {
		return err
	}
	return f.File.Sync()
}
