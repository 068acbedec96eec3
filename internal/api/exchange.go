package api

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"lotse/internal/api/problem"
	"lotse/internal/auth/access"
)

// exchange is what is known about one request. It is filled on the way in and logged on
// the way out, by one goroutine.
type exchange struct {
	id       string
	begun    time.Time
	remote   netip.Addr
	secure   bool
	pattern  string // of the route; empty: none
	importID string // of the path
	host     string // as the client calls this server
	asked    *access.Request
	session  string       // secret of the session that a browser has
	refused  problem.Code // that it was answered with; empty: none
}

// route is the pattern, for people and counters.
func (x *exchange) route() string {
	if x.pattern == "" {
		return "none"
	}
	return x.pattern
}

// exchangeKey finds the exchange in a context.
type exchangeKey struct{}

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// exchangeOf returns the exchange of a request, an empty one elsewhere.
func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// RequestID names the request that ctx belongs to; empty elsewhere.
func RequestID(ctx context.Context) string { return exchangeOf(ctx).id }

// Remote is the client's address, behind trusted proxies. It is personal data: for the
// audit trail, not for logs.
func Remote(ctx context.Context) netip.Addr { return exchangeOf(ctx).remote }

// Secure tells whether the client's connection is encrypted, to us or to a trusted proxy.
func Secure(ctx context.Context) bool { return exchangeOf(ctx).secure }

// newExchange looks at who asks. Headers of forwarding count only from trusted proxies.
func (s *Server) newExchange(r *http.Request) *exchange {
	x := &exchange{id: rand.Text(), begun: time.Now(), secure: r.TLS != nil, host: hostOf(r), session: sessionOf(r)}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		x.remote = peer.Addr().Unmap()
	}
	if !s.trusted(x.remote) {
		return x
	}
	if id := r.Header.Get(problem.RequestIDHeader); usableID(id) {
		x.id = id
	}
	if protos := forwarded(r, "X-Forwarded-Proto"); len(protos) > 0 {
		x.secure = strings.EqualFold(protos[len(protos)-1], "https")
	}
	hops := forwarded(r, "X-Forwarded-For")
	for i := len(hops) - 1; i >= 0 && s.trusted(x.remote); i-- {
		hop, err := netip.ParseAddr(hops[i])
		if err != nil {
			break
		}
		x.remote = hop.Unmap()
	}
	return x
}

// trusted tells whether an address is a trusted proxy.
func (s *Server) trusted(a netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(a.WithZone("")) {
			return true
		}
	}
	return false
}

// forwarded lists the values of a header that proxies append to.
func forwarded(r *http.Request, name string) []string {
	var all []string
	for _, line := range r.Header.Values(name) {
		for v := range strings.SplitSeq(line, ",") {
			if v = strings.TrimSpace(v); v != "" {
				all = append(all, v)
			}
		}
	}
	return all
}

// usableID tells whether a proxy's id of a request can be ours.
func usableID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

// access writes the line of a request that is done.
func (s *Server) access(r *http.Request, x *exchange, w *writer) {
	level := slog.LevelInfo
	switch {
	case w.status() >= 500:
		level = slog.LevelError
	case x.pattern == "GET /healthz" || x.pattern == "GET /readyz":
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("route", x.route()), slog.Int("status", w.status()), slog.Int64("bytes", w.bytes),
		slog.Duration("duration", time.Since(x.begun)), slog.String("request_id", x.id),
	}
	if x.refused != "" {
		attrs = append(attrs, slog.String("problem", string(x.refused)))
	}
	if x.importID != "" {
		attrs = append(attrs, slog.String("import", x.importID))
	}
	s.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// note logs what lies behind a problem, and keeps its code for the line of the request.
func (s *Server) note(ctx context.Context, p *problem.Problem) {
	exchangeOf(ctx).refused = p.Code
	cause := errors.Unwrap(p)
	if cause == nil || errors.Is(cause, context.Canceled) {
		return
	}
	x := exchangeOf(ctx)
	level := slog.LevelError
	if p.Status < 500 {
		level = slog.LevelInfo
	}
	s.Log.LogAttrs(ctx, level, "problem", slog.String("code", string(p.Code)), slog.String("err", cause.Error()),
		slog.String("route", x.route()), slog.String("request_id", x.id))
}

// panicked answers for a handler that panicked. The panic's value may hold anything, so
// only one of the runtime is logged.
func (s *Server) panicked(w *writer, r *http.Request, reason any) {
	what := "a value"
	if e, ok := reason.(runtime.Error); ok {
		what = e.Error()
	}
	x := exchangeOf(r.Context())
	s.Log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("what", what), slog.String("route", x.route()),
		slog.String("request_id", x.id), slog.String("stack", string(debug.Stack())))
	if w.code != 0 {
		w.truncated = true
		return
	}
	_ = problem.Write(w, problem.New(problem.Internal, "")) // the client has gone
}
