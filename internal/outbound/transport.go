package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

func (g *Guard) newTransport() *http.Transport {
	t := &http.Transport{
		DialContext:            g.dial,
		TLSClientConfig:        &tls.Config{RootCAs: g.cfg.Roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           50,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    15 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: g.cfg.MaxHeader,
	}
	if g.cfg.Proxy != nil {
		t.Proxy = http.ProxyURL(g.cfg.Proxy)
	}
	return t
}

// dial connects to a host, or to the proxy, and to none of its addresses that may
// not be reached: each is judged when its socket is about to connect.
func (g *Guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, Resolver: g.cfg.Resolver}
	if g.cfg.Proxy == nil {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, &BlockedError{Reason: BadTarget}
		}
		if host, err = spelling(host); err != nil {
			return nil, &BlockedError{Reason: BadTarget}
		}
		d.Control = func(_, connected string, _ syscall.RawConn) error { return g.admit(host, port, connected) }
	}
	return d.DialContext(ctx, network, address)
}

// admit judges the address that a connection to a host is about to go to.
func (g *Guard) admit(host, port, connected string) error {
	to, err := netip.ParseAddrPort(connected)
	if err != nil {
		return &BlockedError{Host: host, Reason: Special}
	}
	reason := g.judge.of(to.Addr())
	switch {
	case reason == "":
		return nil
	case !g.hosts.has(host, port):
	case reason == Internal, g.hosts.has(to.Addr().WithZone("").Unmap().String(), port):
		return nil
	}
	return &BlockedError{Host: host, Reason: reason}
}

// permit judges a request before anything is resolved or sent.
func (g *Guard) permit(u *url.URL) error {
	port := u.Port()
	switch {
	case u.Scheme == "http" && port == "":
		port = "80"
	case u.Scheme == "https" && port == "":
		port = "443"
	case u.Scheme != "http" && u.Scheme != "https":
		return &BlockedError{Reason: BadTarget}
	}
	host, err := spelling(u.Hostname())
	if err != nil {
		return &BlockedError{Reason: BadTarget}
	}
	blocked := func(r Reason) error { return &BlockedError{Host: net.JoinHostPort(host, port), Reason: r} }
	switch {
	case u.Scheme == "http" && !g.plain.has(host, port):
		return blocked(PlainHTTP)
	case otherProtocol(port) && !g.hosts[host][port]:
		return blocked(Port)
	case g.cfg.Proxy == nil || g.hosts.has(host, port):
		return nil
	case isNumber(host):
		return blocked(BareNumber)
	case isLocalName(host):
		return blocked(Internal)
	}
	return nil
}

// roundTripper is the http.RoundTripper of a Guard.
type roundTripper struct{ guard *Guard }

// RoundTrip sends a request if it may be sent. An error that is a *BlockedError is
// that and nothing around it.
func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	g := r.guard
	if err := g.permit(req.URL); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), g.cfg.MaxTime)
	resp, err := g.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		var blocked *BlockedError
		if errors.As(err, &blocked) {
			return nil, blocked
		}
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, left: g.cfg.MaxBody, cancel: cancel}
	return resp, nil
}

// body bounds what is read, and for how long.
type body struct {
	io.ReadCloser
	left   int64
	cancel context.CancelFunc
}

// Read gives ErrTooLarge in place of a byte too many.
func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}

// Close ends the request.
func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
