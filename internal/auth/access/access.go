// Package access has the words in which the API asks who somebody is and what they
// may do. It decides nothing: one Authorizer does, behind every route.
package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
)

// Permission names what a route does, as in imports.read.
type Permission string

// Public is the permission of routes that ask nobody. It has to be said, too.
const Public Permission = "public"

// Any is the permission of everybody who is known, whatever they may do, also before
// their login is complete.
const Any Permission = "any"

// Kind says what an actor is.
type Kind string

// The kinds of actors.
const (
	User  Kind = "user"  // a person
	Token Kind = "token" // another system
	Node  Kind = "node"  // Lotse itself
)

// Actor is who does something. No field names a person.
type Actor struct {
	ID      string
	Tenant  string
	Kind    Kind
	Session string     // id of the session of a person, as it is listed; empty for others
	Sites   []string   // ids of the sites whose imports may be reached; empty: all
	Remote  netip.Addr // where from, behind trusted proxies: for the audit trail only
	Agent   string     // the client as it names itself, at most 256 bytes: for the audit trail only
}

// Request is what an Authorizer has to decide on.
type Request struct {
	Permission Permission
	Tenant     string     // that the address names; empty: the actor's own
	Token      string     // of Authorization: Bearer; empty: none
	Session    string     // of the cookie of a person; empty: none
	Route      string     // its pattern
	Remote     netip.Addr // of the client, behind trusted proxies
	Agent      string     // the client as it names itself
	Passive    bool       // nobody did anything for it to be sent: it prolongs no session
	Open       bool       // of a request that goes on: where from was judged when it began
}

// String leaves the secrets out.
func (r Request) String() string { return fmt.Sprintf("%s for %s", r.Permission, r.Route) }

// Format leaves the secrets out whatever the verb.
func (r Request) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, r.String()) }

// LogValue leaves the secrets out.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// What an Authorizer answers when it says no. Everything else is a failure: it is
// logged, and the client is asked to try again.
var (
	ErrUnauthenticated = errors.New("nobody is known by this token")    // 401
	ErrForbidden       = errors.New("not permitted")                    // 403
	ErrNotFound        = errors.New("no such tenant")                   // 404: also when another tenant has it
	ErrUnfinished      = errors.New("the login is not complete")        // 403: permitted, once it is
	ErrStale           = errors.New("who asks was not proved just now") // 403: permitted, once it is proved again
)

// Authorizer is the one place that decides.
type Authorizer interface {
	// Authorize returns who asks, when they may. The error is one of the above, or a
	// failure to decide.
	Authorize(ctx context.Context, r Request) (Actor, error)
}

// actorKey finds the actor in a context.
type actorKey struct{}

// WithActor is ctx on behalf of an actor.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// From returns on whose behalf ctx runs.
func From(ctx context.Context) (Actor, bool) {
	a, ok := ctx.Value(actorKey{}).(Actor)
	return a, ok
}
