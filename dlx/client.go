package dlx

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// Header is the request header that asks a portal for DLX instead of its
// page for people. Any value counts.
const Header = "X-DICOM-LINK-EXCHANGE"

// Config is how a Client works. The zero value is ready to use.
type Config struct {
	// Transport carries the requests; nil means NewTransport(nil). Share one
	// among clients. Redirects are followed by the Client, not by it.
	Transport http.RoundTripper
	// InsecureHTTP permits http to other hosts than this machine itself. Even
	// then nothing goes from https back to http.
	InsecureHTTP bool
	// AllowHosts are hosts ("host" or "host:port") that a person or an
	// administrator confirmed: answers may go to them although the link
	// names another site.
	AllowHosts []string
	// SameSite reports whether two origins belong to one registrable domain;
	// it needs the public suffix list. nil means: only equal hosts do.
	SameSite func(a, b *url.URL) bool
	// Languages are asked for, most wanted first (BCP 47).
	Languages []string
	// UserAgent names the software; "lotse-dlx" when empty.
	UserAgent string
	// Patience is how long one List or Fetch waits in all for a portal that
	// says 503 with a time; 10 minutes when 0, not at all when negative.
	Patience time.Duration
	// Retries is how often Fetch tries again without having got any further;
	// 5 when 0, never when negative.
	Retries int
	// RequestTimeout bounds every call except downloads; 60 s when 0.
	RequestTimeout time.Duration
	// StallTimeout bounds how long a download may go without a byte; 2 minutes when 0.
	StallTimeout time.Duration
	// MaxJSON and MaxList bound an answer, and the answer of List, in bytes
	// after decompression; 1 MiB and 16 MiB when 0.
	MaxJSON, MaxList int64
	// Waiting is told of every wait before it begins. It may be called by
	// several goroutines.
	Waiting func(Waiting)
	// Now and After replace the clock in tests.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
}

// WaitReason says why a call waits.
type WaitReason string

// The reasons to wait.
const (
	WaitNotReady    WaitReason = "not ready"   // the portal prepares the exam
	WaitUnavailable WaitReason = "unavailable" // the portal or the connection is down
)

// Waiting tells a person that nothing happens until then.
type Waiting struct {
	Until  time.Time
	Reason WaitReason
}

// Client is a consumer of DLX portals, safe for concurrent use.
type Client struct{ cfg Config }

// Format prints nothing of what is inside, for any verb: the transport is in use.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "dlx.Client") }

const (
	maxRedirects   = 5
	defaultAgent   = "lotse-dlx"
	defaultJSON    = 1 << 20
	defaultList    = 16 << 20
	defaultRetries = 5
)

// New returns a client.
func New(cfg Config) *Client {
	if cfg.Transport == nil {
		cfg.Transport = NewTransport(nil)
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = defaultAgent
	}
	if cfg.Retries == 0 {
		cfg.Retries = defaultRetries
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	cfg.Patience = orDuration(cfg.Patience, 10*time.Minute)
	cfg.RequestTimeout = orDuration(cfg.RequestTimeout, time.Minute)
	cfg.StallTimeout = orDuration(cfg.StallTimeout, 2*time.Minute)
	if cfg.MaxJSON <= 0 {
		cfg.MaxJSON = defaultJSON
	}
	if cfg.MaxList <= 0 {
		cfg.MaxList = defaultList
	}
	return &Client{cfg: cfg}
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// NewTransport returns a transport with sane limits that honours the proxy of
// the environment. control, when not nil, is called with every address before
// it is connected to, after name resolution (net.Dialer.Control): an error
// from it keeps a link from reaching into the own network, and comes back as
// kind Blocked. With a proxy it sees the proxy's address only.
func NewTransport(control func(network, address string, conn syscall.RawConn) error) *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	if control != nil {
		dialer.Control = func(network, address string, conn syscall.RawConn) error {
			if control(network, address, conn) != nil {
				return errBlocked
			}
			return nil
		}
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           20,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    15 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
