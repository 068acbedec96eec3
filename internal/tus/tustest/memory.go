// Package tustest has the tests that every tus.Store passes, and a Store in memory
// whose calls can be made to fail.
package tustest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"lotse/internal/tus"
)

// Memory is a tus.Store for tests, empty when new.
type Memory struct {
	// Fault, when not nil, is asked before "create", "info", "lease", "write", "commit"
	// and "terminate"; its error is the call's. It may be called concurrently.
	Fault func(call string) error

	mu      sync.Mutex
	next    int
	uploads map[string]*upload
	// Commits counts the commits; Dropped are the bytes written and not committed.
	Commits int
	Dropped int
}

type upload struct {
	tus.Upload
	data   []byte
	leased bool
	gone   bool
}

func (m *Memory) fault(call string) error {
	if m.Fault == nil {
		return nil
	}
	return m.Fault(call)
}

// find needs the lock.
func (m *Memory) find(id string) (*upload, error) {
	u, ok := m.uploads[id]
	switch {
	case !ok:
		return nil, fmt.Errorf("look it up: %w", tus.NotFound)
	case u.gone:
		return nil, fmt.Errorf("look it up: %w", tus.Gone)
	}
	return u, nil
}

// Create implements tus.Store.
func (m *Memory) Create(_ context.Context, u tus.Upload) (string, error) {
	if err := m.fault("create"); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.uploads == nil {
		m.uploads = map[string]*upload{}
	}
	m.next++
	id := fmt.Sprintf("u%d", m.next)
	u.Offset = 0
	m.uploads[id] = &upload{Upload: u}
	return id, nil
}

// Info implements tus.Store.
func (m *Memory) Info(_ context.Context, id string) (tus.Upload, error) {
	if err := m.fault("info"); err != nil {
		return tus.Upload{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u, err := m.find(id)
	if err != nil {
		return tus.Upload{}, err
	}
	return u.Upload, nil
}

// Terminate implements tus.Store.
func (m *Memory) Terminate(_ context.Context, id string) error {
	if err := m.fault("terminate"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u, err := m.find(id)
	switch {
	case err != nil:
		return err
	case u.leased:
		return tus.Locked
	}
	u.gone, u.data = true, nil
	return nil
}

// Content returns what is committed of an upload, and how it is described.
func (m *Memory) Content(id string) ([]byte, tus.Upload) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.uploads[id]
	if u == nil {
		return nil, tus.Upload{}
	}
	return append([]byte(nil), u.data[:min(u.Offset, int64(len(u.data)))]...), u.Upload
}

// IDs lists the uploads that are there, in the order of their creation.
func (m *Memory) IDs() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for i := 1; i <= m.next; i++ {
		if id := fmt.Sprintf("u%d", i); !m.uploads[id].gone {
			ids = append(ids, id)
		}
	}
	return ids
}

// Lease implements tus.Store.
func (m *Memory) Lease(_ context.Context, id string) (tus.Lease, error) {
	if err := m.fault("lease"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u, err := m.find(id)
	switch {
	case err != nil:
		return nil, err
	case u.leased:
		return nil, tus.Locked
	}
	u.leased = true
	return &lease{m: m, u: u, at: u.Offset}, nil
}

type lease struct {
	m        *Memory
	u        *upload
	at       int64
	pending  []byte
	released bool
}

func (l *lease) Offset() int64 { return l.at }

func (l *lease) Write(p []byte) (int, error) {
	if err := l.m.fault("write"); err != nil {
		return 0, err
	}
	l.pending = append(l.pending, p...)
	return len(p), nil
}

func (l *lease) Commit(ctx context.Context) (int64, error) {
	if err := errors.Join(ctx.Err(), l.m.fault("commit")); err != nil {
		return l.at, err
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.u.data = append(l.u.data, l.pending...)
	l.at += int64(len(l.pending))
	l.u.Offset = l.at
	l.m.Commits++
	l.pending = nil
	return l.at, nil
}

func (l *lease) Discard() {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.m.Dropped += len(l.pending)
	l.pending = nil
}

func (l *lease) Release() {
	if l.released {
		return
	}
	l.released = true
	l.Discard()
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.u.leased = false
}
