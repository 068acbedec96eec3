// Package outbound is the only way out for requests that are made for a user: whoever
// can hand in a link could otherwise have this server ask the hospital's own network.
//
// A [Guard] judges the address that is really connected to, after name resolution,
// so that neither a redirect nor a name that changes its answer leads inside. Give
// Guard.Transport to what follows redirects itself, such as package dlx, or take a
// client of Guard.Client for each import. What asks servers that an administrator named and
// that name further ones, identity providers, takes [Named]; requests to the own PACS do not belong here.
package outbound

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Config is what an administrator permits. The zero value permits https to public
// addresses.
type Config struct {
	// AllowHosts are hosts, "name", "address", or either with ":port", exactly. Their
	// addresses may be internal ones. Link-local addresses, among them those of
	// metadata services, must be named as addresses. With a port, the port may be one that is
	// known for another protocol.
	AllowHosts []string
	// AllowHTTP are hosts, written alike, that may be asked without encryption.
	AllowHTTP []string
	// MaxBody bounds a response body as it is read, in bytes; 512 GiB when 0.
	MaxBody int64
	// MaxHeader bounds a response's header, in bytes; 64 KiB when 0.
	MaxHeader int64
	// MaxTime bounds a request from its beginning to the end of its body; 12 hours when 0.
	MaxTime time.Duration
	// MaxRedirects is how many redirects a Client follows; 5 when 0.
	MaxRedirects int
	// Proxy carries every request, when set. Then the proxy resolves names and must
	// keep requests outside; addresses in place of names are refused here.
	Proxy *url.URL
	// Resolver resolves names; the system's when nil.
	Resolver *net.Resolver
	// Roots replaces the system's certificate authorities.
	Roots *x509.CertPool
}

// Reason says why a request was not made. Its text is for logs.
type Reason string

// Reasons.
const (
	Internal   Reason = "internal address"                       // private, loopback, shared (RFC 6598)
	Metadata   Reason = "metadata or link-local address"         // of cloud machines, above all
	Special    Reason = "address that belongs to no public host" // documentation, multicast, tunnels …
	PlainHTTP  Reason = "http instead of https"
	Port       Reason = "port of another protocol"
	BareNumber Reason = "address instead of a name" // which the proxy would not judge
	BadTarget  Reason = "neither http nor https, or no host"
	Redirects  Reason = "too many redirects"
)

// BlockedError says that a request was not made. It names host and reason, never more of
// the URL.
type BlockedError struct {
	Host   string // with its port where that matters
	Reason Reason
}

func (e *BlockedError) Error() string { return "outbound: " + string(e.Reason) + " (" + e.Host + ")" }

// Blocked is true. Toolkits that do not know this package ask for it.
func (e *BlockedError) Blocked() bool { return true }

// ErrTooLarge ends reading a body that is larger than Config.MaxBody.
var ErrTooLarge = errors.New("outbound: the answer is larger than permitted")

// Guard is a guarded way out, safe for concurrent use.
type Guard struct {
	cfg       Config
	judge     *judge
	hosts     hosts // that may be internal
	plain     hosts // that may be asked without encryption
	transport *http.Transport
}

// New returns a guard. Its error says which entry of cfg cannot be understood.
func New(cfg Config) (*Guard, error) {
	cfg.MaxBody = cmp.Or(cfg.MaxBody, 512<<30)
	cfg.MaxHeader = cmp.Or(cfg.MaxHeader, 64<<10)
	cfg.MaxTime = cmp.Or(cfg.MaxTime, 12*time.Hour)
	cfg.MaxRedirects = cmp.Or(cfg.MaxRedirects, 5)
	g := &Guard{cfg: cfg, judge: newJudge()}
	var err error
	if g.hosts, err = parseHosts(cfg.AllowHosts); err != nil {
		return nil, fmt.Errorf("outbound: allowed hosts: %w", err)
	}
	if g.plain, err = parseHosts(cfg.AllowHTTP); err != nil {
		return nil, fmt.Errorf("outbound: hosts without encryption: %w", err)
	}
	g.transport = g.newTransport()
	return g, nil
}

// Transport carries single requests; connections are shared by all its users.
func (g *Guard) Transport() http.RoundTripper { return roundTripper{g} }

// Close closes the connections that are kept for the next request.
func (g *Guard) Close() { g.transport.CloseIdleConnections() }
