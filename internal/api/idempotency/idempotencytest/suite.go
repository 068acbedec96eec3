// Package idempotencytest is what every idempotency.Store has to pass, and a store in
// memory for tests.
package idempotencytest

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lotse/internal/api/idempotency"
)

// Suite tests a store. tenants are two that exist; advance lets the lease of attempts
// that are running run out.
func Suite(t *testing.T, store idempotency.Store, tenants [2]string, advance func()) {
	s := suite{store, tenants}
	t.Run("replay", s.replay)
	t.Run("abandon", s.abandon)
	t.Run("scope", s.scope)
	t.Run("crash", func(t *testing.T) { s.crash(t, advance) })
	t.Run("race", s.race)
}

type suite struct {
	store   idempotency.Store
	tenants [2]string
}

func (s suite) attempt(tenant int, key, id string, hash byte) idempotency.Attempt {
	return idempotency.Attempt{Tenant: s.tenants[tenant], Actor: "actor", Route: "POST /things", Key: key, Hash: [32]byte{hash}, ID: id}
}

// begin expects a state.
func (s suite) begin(t *testing.T, a idempotency.Attempt, want idempotency.State) idempotency.Reply {
	t.Helper()
	state, reply, err := s.store.Begin(t.Context(), a)
	if err != nil || state != want {
		t.Fatalf("begin: state %v, %v; want %v", state, err, want)
	}
	return reply
}

func created() idempotency.Reply {
	return idempotency.Reply{Status: 201, Header: http.Header{"Location": {"/things/1"}}, Body: []byte(`{"id":1}`)}
}

func (s suite) replay(t *testing.T) {
	a := s.attempt(0, "replay", "1", 1)
	s.begin(t, a, idempotency.Run)
	s.begin(t, s.attempt(0, "replay", "2", 1), idempotency.Busy)
	s.begin(t, s.attempt(0, "replay", "3", 2), idempotency.Mismatch)
	if err := s.store.Finish(t.Context(), a, created()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(created(), s.begin(t, s.attempt(0, "replay", "4", 1), idempotency.Replay)); diff != "" {
		t.Error(diff)
	}
	s.begin(t, s.attempt(0, "replay", "5", 2), idempotency.Mismatch)
}

func (s suite) abandon(t *testing.T) {
	a := s.attempt(0, "abandon", "1", 1)
	s.begin(t, a, idempotency.Run)
	if err := s.store.Abandon(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	s.begin(t, s.attempt(0, "abandon", "2", 2), idempotency.Run)
}

func (s suite) scope(t *testing.T) {
	s.begin(t, s.attempt(0, "scope", "1", 1), idempotency.Run)
	s.begin(t, s.attempt(1, "scope", "2", 1), idempotency.Run)
	actor, route := s.attempt(0, "scope", "3", 1), s.attempt(0, "scope", "4", 1)
	actor.Actor, route.Route = "other", "POST /others"
	s.begin(t, actor, idempotency.Run)
	s.begin(t, route, idempotency.Run)
}

// crash: an attempt that never ended makes room, and can do no harm when it wakes up.
func (s suite) crash(t *testing.T, advance func()) {
	old, next := s.attempt(0, "crash", "1", 1), s.attempt(0, "crash", "2", 1)
	s.begin(t, old, idempotency.Run)
	advance()
	s.begin(t, next, idempotency.Run)
	_ = s.store.Finish(t.Context(), old, idempotency.Reply{Status: 200}) // may tell that it lost its place
	_ = s.store.Abandon(t.Context(), old)
	s.begin(t, s.attempt(0, "crash", "3", 1), idempotency.Busy)
	if err := s.store.Finish(t.Context(), next, created()); err != nil {
		t.Fatal(err)
	}
	if got := s.begin(t, s.attempt(0, "crash", "4", 1), idempotency.Replay); got.Status != 201 {
		t.Errorf("the lost attempt's answer was kept: %d", got.Status)
	}
}

// race: of many at once exactly one runs.
func (s suite) race(t *testing.T) {
	var wg sync.WaitGroup
	states := make(chan idempotency.State, 16)
	for i := range cap(states) {
		wg.Go(func() {
			state, _, err := s.store.Begin(context.WithoutCancel(t.Context()), s.attempt(0, "race", string(rune('a'+i)), 1))
			if err != nil {
				t.Error(err)
			}
			states <- state
		})
	}
	wg.Wait()
	close(states)
	ran := 0
	for state := range states {
		if state == idempotency.Run {
			ran++
		}
	}
	if ran != 1 {
		t.Errorf("%d of %d attempts at once ran", ran, cap(states))
	}
}
