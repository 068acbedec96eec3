package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"lotse/internal/api/idempotency"
	"lotse/internal/api/problem"
	"lotse/internal/auth/access"
)

// Options are what a Server needs. Only Authorizer is necessary.
type Options struct {
	Listen            string         // host:port
	PublicURL         string         // scheme://host[:port] as people type it
	CertFile, KeyFile string         // PEM; both or none
	TrustedProxies    []netip.Prefix // whose X-Forwarded-For, X-Forwarded-Proto and X-Request-Id count
	MetricsListen     string         // host:port of /metrics; empty or "off": none
	Version           string         // of Lotse, for the OpenAPI document

	Authorizer   access.Authorizer
	SecondPerson SecondPerson      // nil: no change waits for a second person
	Idempotency  idempotency.Store // needed by routes that are Idempotent
	Checks       []Check           // of /readyz
	Metrics      http.Handler      // what /metrics answers; nil: no such listener
	Meter        Meter             // nil: nothing is counted
	Log          *slog.Logger

	// Translate turns the errors of use cases into problems; nil where it knows none,
	// which becomes problem.Internal.
	Translate func(error) *problem.Problem

	Stop      time.Duration // what running requests get when the server stops; 10 s
	Stall     time.Duration // how long a client may neither send nor take a byte; 30 s
	Poll      time.Duration // between two looks at what a stream shows; 500 ms
	Heartbeat time.Duration // between two comments on a quiet stream; 15 s
	CertPoll  time.Duration // between two looks at CertFile and KeyFile; 5 s
	Recheck   time.Duration // between two looks at whether a stream's client may still have it; 30 s
	MaxStream time.Duration // after which a client has to connect to a stream anew; 15 min
}

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.Stop, 10*time.Second)
	set(&o.Stall, 30*time.Second)
	set(&o.Poll, 500*time.Millisecond)
	set(&o.Heartbeat, 15*time.Second)
	set(&o.CertPoll, 5*time.Second)
	set(&o.MaxStream, 15*time.Minute)
	set(&o.Recheck, 30*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = noMeter{}
	}
	return o
}

// Server is the HTTP side of a node. Register all routes before it serves.
type Server struct {
	Options
	mux      *http.ServeMux
	api      huma.API
	routes   []Route
	pending  *Route // of the operation that is being registered
	origins  *http.CrossOriginProtection
	ready    *readiness
	stopping context.Context // ends when the server begins to stop
	stop     context.CancelFunc
	bound    *bound
}

// New is a server with the routes that every node has: health, the OpenAPI document
// and its page.
func New(o Options) (*Server, error) {
	if o.Authorizer == nil {
		return nil, errors.New("api: no Authorizer")
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("api: certificate and key belong together")
	}
	s := &Server{Options: o.withDefaults(), mux: http.NewServeMux(), origins: http.NewCrossOriginProtection()}
	if o.PublicURL != "" {
		if err := s.origins.AddTrustedOrigin(strings.TrimSuffix(o.PublicURL, "/")); err != nil {
			return nil, errors.Join(errors.New("api: the public URL is no origin"), err)
		}
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.ready = newReadiness(s.Checks, s.Log)
	s.api = s.newAPI()
	s.Handle(Route{Pattern: "GET /healthz", Permission: access.Public}, http.HandlerFunc(healthz))
	s.Handle(Route{Pattern: "GET /readyz", Permission: access.Public}, http.HandlerFunc(s.readyz))
	s.registerDocs()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.newExchange(r)
	rw := newWriter(w, s.Stall)
	if hasBody(r) {
		rw.expect(time.Now().Add(s.Stall))
	}
	r = r.WithContext(withExchange(r.Context(), x))
	s.commonHeaders(rw.Header(), x)
	done := s.Meter.Begin()
	defer func() {
		reason := recover()
		if reason != nil && reason != http.ErrAbortHandler { //nolint:errorlint // the sentinel is panicked with as it is
			s.panicked(rw, r, reason)
			if rw.truncated {
				reason = http.ErrAbortHandler
			} else {
				reason = nil
			}
		}
		rw.finish()
		done(x.route(), rw.status(), time.Since(x.begun))
		s.access(r, x, rw)
		if reason != nil {
			panic(http.ErrAbortHandler)
		}
	}()
	s.dispatch(rw, r, x)
}

// dispatch finds the route.
func (s *Server) dispatch(w *writer, r *http.Request, x *exchange) {
	if err := s.origins.Check(r); err != nil {
		s.fail(w, r, problem.New(problem.CrossOrigin, ""))
		return
	}
	if strings.ContainsFunc(r.URL.Path, func(c rune) bool { return c < ' ' || c == utf8.RuneError }) { // nothing of ours is called so
		s.fail(w, r, problem.New(problem.NotFound, ""))
		return
	}
	_, pattern := s.mux.Handler(r)
	if pattern == "" { // 404 or 405, in our words
		answer := &silent{header: http.Header{}}
		s.mux.ServeHTTP(answer, r)
		if allow := answer.header["Allow"]; answer.code == http.StatusMethodNotAllowed {
			w.Header()["Allow"] = allow
		}
		if answer.code/100 == 3 { // the path is written another way: nothing of ours is
			answer.code = http.StatusNotFound
		}
		s.fail(w, r, problem.New(problem.ForStatus(answer.code), ""))
		return
	}
	x.pattern = pattern
	s.mux.ServeHTTP(w, r)
}

// silent takes only status and headers of an answer.
type silent struct {
	header http.Header
	code   int
}

// Header implements http.ResponseWriter.
func (s *silent) Header() http.Header { return s.header }

// Write implements http.ResponseWriter.
func (s *silent) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (s *silent) WriteHeader(code int) { s.code = code }

// commonHeaders are on every answer; handlers may replace them.
func (s *Server) commonHeaders(h http.Header, x *exchange) {
	h.Set(problem.RequestIDHeader, x.id)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	if strings.HasPrefix(s.PublicURL, "https:") {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
}
