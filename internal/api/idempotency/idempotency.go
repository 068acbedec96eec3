// Package idempotency lets a client send a creation again without creating twice:
// the header Idempotency-Key and what the first request with it was answered.
//
// The package is the protocol; a Store keeps the answers. Only successful answers
// (2xx) are kept; after any other the key is free again.
package idempotency

import (
	"context"
	"net/http"
)

// Header carries the key.
const Header = "Idempotency-Key"

// ReplayedHeader marks an answer that was given before.
const ReplayedHeader = "Idempotency-Replayed"

// MaxReply is how much of an answer is kept, in bytes; creations answer with less.
const MaxReply = 64 << 10

// Attempt is one request with a key. A Store keeps Key and Hash only as MACs of the
// tenant: a request's body may be guessed from its hash.
type Attempt struct {
	Tenant, Actor, Route string
	Key                  string
	Hash                 [32]byte // SHA-256 of method, path, content type and body
	ID                   string   // random: tells this attempt from a later one with the same key
}

// Reply is an answer that can be given again. A Store seals it like all of a tenant.
type Reply struct {
	Status int
	Header http.Header // the few of kept
	Body   []byte
}

// State is what a Store says of an attempt.
type State int

// The states of an attempt.
const (
	Run      State = iota // the first: go on, then Finish or Abandon
	Replay                // answered before: give Reply again
	Busy                  // the first one is still running
	Mismatch              // the key was used for another request
)

// Store keeps the answers, for at least a day. Attempts of different tenants, actors
// or routes never meet. An attempt that neither finished nor was abandoned within
// its lease (a crash) makes room for the next one.
type Store interface {
	// Begin claims the key. Of several at once exactly one gets Run.
	Begin(ctx context.Context, a Attempt) (State, Reply, error)
	// Finish keeps the answer, durably, unless the attempt lost its place.
	Finish(ctx context.Context, a Attempt, r Reply) error
	// Abandon frees the key, unless the attempt lost its place.
	Abandon(ctx context.Context, a Attempt) error
}

// attemptKey finds the attempt in a context.
type attemptKey struct{}

// From returns the attempt that a handler runs in, for a use case that makes its
// creation unique by it in its own transaction: that closes the gap between the
// creation's commit and Finish.
func From(ctx context.Context) (Attempt, bool) {
	a, ok := ctx.Value(attemptKey{}).(Attempt)
	return a, ok
}
