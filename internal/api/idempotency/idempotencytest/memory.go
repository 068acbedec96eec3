package idempotencytest

import (
	"context"
	"sync"

	"lotse/internal/api/idempotency"
)

// Memory is a store for tests.
type Memory struct {
	mu      sync.Mutex
	entries map[[4]string]*entry
}

type entry struct {
	attempt idempotency.Attempt
	reply   *idempotency.Reply
	expired bool
}

// NewMemory is an empty store.
func NewMemory() *Memory { return &Memory{entries: map[[4]string]*entry{}} }

func place(a idempotency.Attempt) [4]string { return [4]string{a.Tenant, a.Actor, a.Route, a.Key} }

// Begin implements idempotency.Store.
func (m *Memory) Begin(_ context.Context, a idempotency.Attempt) (idempotency.State, idempotency.Reply, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[place(a)]
	switch {
	case e == nil || e.expired && e.reply == nil:
		m.entries[place(a)] = &entry{attempt: a}
		return idempotency.Run, idempotency.Reply{}, nil
	case e.attempt.Hash != a.Hash:
		return idempotency.Mismatch, idempotency.Reply{}, nil
	case e.reply == nil:
		return idempotency.Busy, idempotency.Reply{}, nil
	}
	return idempotency.Replay, *e.reply, nil
}

// Finish implements idempotency.Store.
func (m *Memory) Finish(_ context.Context, a idempotency.Attempt, r idempotency.Reply) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[place(a)]; e != nil && e.attempt.ID == a.ID {
		e.reply = &r
	}
	return nil
}

// Abandon implements idempotency.Store.
func (m *Memory) Abandon(_ context.Context, a idempotency.Attempt) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[place(a)]; e != nil && e.attempt.ID == a.ID {
		delete(m.entries, place(a))
	}
	return nil
}

// Expire lets the leases of all running attempts run out.
func (m *Memory) Expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		e.expired = true
	}
}
