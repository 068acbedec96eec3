package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Named are servers that an administrator named and that say themselves where else to
// ask: identity providers. They may be inside. The zero value asks them directly, with
// the system's certificate authorities.
type Named struct {
	Proxy *url.URL       // carries every request but those to this computer, when set
	Roots *x509.CertPool // replaces the system's certificate authorities
}

const (
	namedTime      = 20 * time.Second // of a request, from its beginning to the end of its answer
	namedBody      = 1 << 20          // of an answer: descriptions, keys and tokens
	namedRedirects = 3
)

// Client asks such servers: by https (by http on this computer only), never a metadata
// service, without following redirects to other hosts, and with answers that are
// bounded. What was not permitted is a [*BlockedError] within the error.
func (n Named) Client() *http.Client {
	t := namedTransport{judge: newJudge()}
	dialer := net.Dialer{Timeout: namedTime, Control: func(_, connected string, _ syscall.RawConn) error { return t.admit(connected) }}
	t.transport = &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: n.Roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		MaxIdleConns: 10, MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 15 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		Proxy: func(r *http.Request) (*url.URL, error) {
			if n.Proxy == nil || isHere(r.URL.Hostname()) {
				return nil, nil
			}
			return n.Proxy, nil
		},
	}
	return &http.Client{Transport: t, Timeout: namedTime, CheckRedirect: sameHost}
}

// sameHost follows redirects within a server only: a secret is sent along.
func sameHost(r *http.Request, via []*http.Request) error {
	if len(via) > namedRedirects || r.URL.Scheme != via[0].URL.Scheme || r.URL.Host != via[0].URL.Host {
		return &BlockedError{Host: r.URL.Host, Reason: Redirects}
	}
	return nil
}

// isHere tells whether a host is this computer.
func isHere(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// namedTransport is the http.RoundTripper of Named.
type namedTransport struct {
	judge     *judge
	transport *http.Transport
}

// RoundTrip sends a request if it may be sent.
func (t namedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.permit(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	answer, err := t.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = &body{ReadCloser: answer.Body, left: namedBody, cancel: func() {}}
	return answer, nil
}

// permit judges a request before anything is resolved or sent; a proxy would connect
// without asking admit.
func (t namedTransport) permit(u *url.URL) error {
	host, err := spelling(u.Hostname())
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return &BlockedError{Host: u.Hostname(), Reason: BadTarget}
	}
	if u.Scheme == "http" && !isHere(host) {
		return &BlockedError{Host: host, Reason: PlainHTTP}
	}
	if !isNumber(host) {
		return nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return &BlockedError{Host: host, Reason: BareNumber} // an address in a spelling that hides it
	}
	if t.judge.of(a) == Metadata {
		return &BlockedError{Host: host, Reason: Metadata}
	}
	return nil
}

// admit judges the address that a connection is about to go to.
func (t namedTransport) admit(connected string) error {
	to, err := netip.ParseAddrPort(connected)
	if err != nil {
		return errors.Join(&BlockedError{Reason: Special}, err)
	}
	if t.judge.of(to.Addr()) == Metadata {
		return &BlockedError{Host: to.Addr().String(), Reason: Metadata}
	}
	return nil
}
