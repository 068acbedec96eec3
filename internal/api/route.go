package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"lotse/internal/api/idempotency"
	"lotse/internal/api/problem"
	"lotse/internal/auth/access"
)

// DefaultBody is how large a request may be unless its route says otherwise, in bytes.
const DefaultBody = 1 << 20

// Unlimited as a route's Body leaves size and time of the body to the handler.
const Unlimited = -1

// Route is what is served at one pattern.
type Route struct {
	Pattern    string // of http.ServeMux; {tenant} and {import} in it are known to the shell
	Permission access.Permission
	Body       int64 // how large a request may be, in bytes; 0: DefaultBody; or Unlimited
	Idempotent bool  // a creation: answers are kept by idempotency key
	Passive    bool  // pages ask it by themselves: it prolongs nobody's session
	// SecondPerson lets the change wait for another administrator, where that is wanted.
	SecondPerson bool
	Page         bool // asks nobody, and yet changes what a browser has: only our pages may
}

// Handle registers a route. One without a permission, one that is there twice, and an
// idempotent one without a store panic: the program does not start.
func (s *Server) Handle(route Route, h http.Handler) {
	if route.Permission == "" {
		panic(fmt.Sprintf("api: the route %q names no permission", route.Pattern))
	}
	if route.Idempotent {
		if s.Idempotency == nil || route.Body == Unlimited {
			panic(fmt.Sprintf("api: the route %q is idempotent and has no store, or no limit", route.Pattern))
		}
		h = idempotency.Handler(s.Idempotency, route.Pattern, s.Log, h)
	}
	s.mux.Handle(route.Pattern, s.guard(route, h))
	s.routes = append(s.routes, route)
}

// Routes lists all routes, in the order of their registration.
func (s *Server) Routes() []Route { return slices.Clone(s.routes) }

// guard bounds the body and asks whether the route may be used.
func (s *Server) guard(route Route, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r.Context())
		x.importID = loggable(r.PathValue("import"))
		approved, carries := r.Context().Value(carriedOut{}).(access.Actor)
		actor := approved
		switch {
		case carries:
		case route.Permission != access.Public:
			var p *problem.Problem
			if actor, p = s.authorize(route, r, x); p != nil {
				s.fail(w, r, p)
				return
			}
		case route.Page && forged(r):
			s.fail(w, r, problem.New(problem.CrossOrigin, ""))
			return
		default:
			actor = from(r, x)
		}
		r = r.WithContext(access.WithActor(r.Context(), actor))
		switch {
		case !hasBody(r):
		case route.Body == Unlimited:
			control := http.NewResponseController(w)
			_ = control.SetReadDeadline(time.Time{}) // the handler's affair, until it is done
			defer func() { _ = control.SetReadDeadline(time.Now().Add(s.Stall)) }()
		default:
			limit := route.Body
			if limit == 0 {
				limit = DefaultBody
			}
			if r.ContentLength > limit {
				s.fail(w, r, problem.New(problem.TooLarge, ""))
				return
			}
			r.Body = newBody(w, r.Body, limit, s.Stall)
		}
		if !carries {
			kept, p := s.second(w, r, route, actor)
			if p != nil {
				s.fail(w, r, p)
			}
			if kept || p != nil {
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// hasBody tells whether a request has, or may have, a body.
func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// authorize asks the one place that decides.
func (s *Server) authorize(route Route, r *http.Request, x *exchange) (access.Actor, *problem.Problem) {
	asked := access.Request{Permission: route.Permission, Tenant: r.PathValue("tenant"), Token: bearer(r), Route: route.Pattern, Remote: x.remote,
		Agent: agent(r), Passive: route.Passive}
	if asked.Token == "" {
		if asked.Session = sessionOf(r); asked.Session != "" && forged(r) {
			return access.Actor{}, problem.New(problem.CrossOrigin, "")
		}
	}
	actor, err := s.Authorizer.Authorize(r.Context(), asked)
	if p := refusal(err); p != nil {
		return actor, p
	}
	x.asked = &asked
	actor.Remote, actor.Agent = asked.Remote, asked.Agent
	return actor, nil
}

// refusal is the problem that an answer of the Authorizer is; nil: none.
func refusal(err error) *problem.Problem {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, access.ErrUnauthenticated):
		return problem.New(problem.Unauthenticated, "")
	case errors.Is(err, access.ErrForbidden):
		return problem.New(problem.Forbidden, "")
	case errors.Is(err, access.ErrNotFound):
		return problem.New(problem.NotFound, "")
	case errors.Is(err, access.ErrUnfinished):
		return problem.New(problem.LoginUnfinished, "")
	case errors.Is(err, access.ErrStale):
		return problem.New(problem.Reauthenticate, "")
	}
	return problem.New(problem.Unavailable, "").Because(fmt.Errorf("authorising: %w", err))
}

// agent is what the client calls itself, cut to what the audit trail keeps.
func agent(r *http.Request) string {
	const most = 256
	name := strings.ToValidUTF8(r.UserAgent(), "")
	return strings.ToValidUTF8(name[:min(len(name), most)], "")
}

// bearer is the token of the request (RFC 6750 §2.1); empty when there is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// loggable is an id from a path when it looks like one of ours, lest anything else get
// into the logs.
func loggable(id string) string {
	if len(id) != 36 || strings.Trim(id, "0123456789abcdef-") != "" {
		return ""
	}
	return id
}

// fail answers with a problem, and logs what lies behind it.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	s.note(r.Context(), p)
	_ = problem.Write(w, p) // the client has gone
}
