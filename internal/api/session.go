package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"lotse/internal/auth/access"
)

// Cookie is the only one that lasts. Its prefix makes browsers take it from this host
// and over an encrypted connection only, or from this computer itself, which they
// trust as much.
const Cookie = "__Host-lotse"

// PageHeader is on every request of our own pages that changes something. A page of
// another site cannot send it: its browser would have to ask here first.
const PageHeader = "X-Lotse-Page"

// SessionCookie is the cookie that hands a session to a browser. SameSite is Lax, so
// that a link in a letter, or the way back from an identity provider, arrives logged
// in; what changes something is protected by more than that. It ends with the browser,
// which others may use next.
func SessionCookie(secret string) http.Cookie {
	return http.Cookie{Name: Cookie, Value: secret, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// NoSessionCookie makes a browser forget it.
func NoSessionCookie() http.Cookie {
	c := SessionCookie("")
	c.MaxAge = -1
	return c
}

// attemptCookie ties the way back from an identity provider to the browser that went
// there. It lives for minutes.
const attemptCookie = "__Host-lotse-attempt"

// AttemptCookie is the cookie of somebody who goes to an identity provider. SameSite
// is Lax: the way back begins at another site.
func AttemptCookie(secret string, lasts time.Duration) http.Cookie {
	return http.Cookie{Name: attemptCookie, Value: secret, Path: "/", MaxAge: int(lasts.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// NoAttemptCookie makes a browser forget it.
func NoAttemptCookie() http.Cookie {
	c := AttemptCookie("", 0)
	c.MaxAge = -1
	return c
}

// AttemptOf is the secret of the attempt that a request comes back with; empty without.
func AttemptOf(r *http.Request) string {
	c, err := r.Cookie(attemptCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// sessionOf is the secret of the session that a request comes with.
func sessionOf(r *http.Request) string {
	c, err := r.Cookie(Cookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// PresentSession is the secret of the session that the browser of a request has, whether
// or not it lasts; empty: none. A login replaces it.
func PresentSession(ctx context.Context) string { return exchangeOf(ctx).session }

// forged tells whether a request could be another site's: it changes something, is
// known by what a browser adds by itself, and no page of ours says that it made it.
// [http.CrossOriginProtection] lets pass what has neither Origin nor Sec-Fetch-Site,
// as that of an old browser may.
func forged(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return r.Header.Get(PageHeader) == ""
}

// CanKeep tells whether a browser would keep the cookie: the connection is encrypted,
// or to the computer itself.
func (s *Server) CanKeep(ctx context.Context) bool {
	x := exchangeOf(ctx)
	return x.secure || strings.HasPrefix(s.PublicURL, "https:") || trustworthy(x.host)
}

// trustworthy tells whether a host is this computer to a browser (W3C Secure
// Contexts §3.1).
func trustworthy(hostport string) bool {
	u, err := url.Parse("http://" + hostport)
	if err != nil {
		return false
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// reauthorize asks again whether the one who asked may still do so, for what takes
// long, and returns a context in which they reach what they reach now: access to all
// sites ends while a stream goes on. It prolongs nothing.
func (s *Server) reauthorize(ctx context.Context) (context.Context, error) {
	x := exchangeOf(ctx)
	if x.asked == nil {
		return ctx, nil
	}
	again := *x.asked
	again.Passive, again.Open = true, true
	actor, err := s.Authorizer.Authorize(ctx, again)
	if p := refusal(err); p != nil {
		return ctx, p
	}
	actor.Remote, actor.Agent = again.Remote, again.Agent
	return access.WithActor(ctx, actor), nil
}

// from is the actor of a request that asks nobody: where it comes from.
func from(r *http.Request, x *exchange) access.Actor {
	return access.Actor{Remote: x.remote, Agent: agent(r)}
}

// hostOf is what the client calls this server; a trusted proxy passes it on.
func hostOf(r *http.Request) string {
	if _, _, err := net.SplitHostPort(r.Host); err != nil && strings.Count(r.Host, ":") > 1 && !strings.HasPrefix(r.Host, "[") {
		return "" // an address without brackets
	}
	return r.Host
}
