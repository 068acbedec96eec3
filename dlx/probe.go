package dlx

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Portal is what stands behind a link.
type Portal struct {
	// Host is the host that answers go to, in punycode: show it.
	Host string
	// ForeignHost is set when answers would go to another site than the link
	// names: show it, and go on only with a client whose AllowHosts has it.
	ForeignHost string
	// APIBase is where the calls go.
	APIBase   *url.URL
	APIInfo   []APIInfo
	Questions []Question

	site  *url.URL // origin that the link names
	token Secret
}

// Format prints the host only, for any verb.
func (p *Portal) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "dlx.Portal("+p.Host+")") }

// NeedsToken reports whether the link does not show its token, so that a
// person must be asked for it (UseToken).
func (p *Portal) NeedsToken() bool { return p.token.IsZero() }

// UseToken sets the token as a person read it from the paper.
func (p *Portal) UseToken(value string) error {
	value = strings.TrimSpace(value)
	if !usableSegment(value) || len(value) > maxLink {
		return &Error{Kind: TokenUnknown}
	}
	p.token = NewSecret(value)
	return nil
}

// Probe asks a link of any shape what is behind it (DIN/TS 19455,
// /token/{value}). The kinds of its errors: BadLink, NotDLX, Unavailable,
// Insecure, TooManyRedirects, Blocked, Protocol.
func (c *Client) Probe(ctx context.Context, link string) (*Portal, error) {
	const op = "probe"
	u, err := parseLink(link)
	if err != nil {
		return nil, &Error{Kind: BadLink, Op: op}
	}
	a, err := c.call(ctx, request{op: op, method: http.MethodGet, url: u, header: askDLX()}, c.cfg.MaxJSON)
	if err != nil {
		return nil, err
	}
	if !a.ok() {
		return nil, a.failure(op, NotDLX)
	}
	infos, questions, ok := decodeQuestions(a.body)
	if !ok {
		return nil, &Error{Kind: NotDLX, Op: op, Host: a.host()}
	}
	base, err := apiBase(op, infos, a.trail[len(a.trail)-1])
	if err != nil {
		return nil, err
	}
	if !c.secure(base) {
		return nil, &Error{Kind: Insecure, Op: op, Host: base.Host, Reason: PlainHTTP}
	}
	p := &Portal{Host: base.Host, APIBase: base, APIInfo: infos, Questions: questions, site: origin(u)}
	p.token, _ = findToken(a.trail)
	if !c.trusts(p.site, base) {
		p.ForeignHost = base.Host
	}
	return p, nil
}

func askDLX() http.Header {
	h := http.Header{"Accept": {"application/json, */*;q=0.1"}}
	h.Set(Header, "1")
	return h
}

// APIInfo asks a portal's base URL what it offers (DIN/TS 19455, /api_info).
func (c *Client) APIInfo(ctx context.Context, base string) ([]APIInfo, error) {
	const op = "api info"
	u, err := parseLink(base)
	if err != nil {
		return nil, &Error{Kind: BadLink, Op: op}
	}
	a, err := c.call(ctx, request{op: op, method: http.MethodGet, url: below(u, "api_info"), header: askDLX()}, c.cfg.MaxJSON)
	if err != nil {
		return nil, err
	}
	if !a.ok() {
		return nil, a.failure(op, NotDLX)
	}
	infos, ok := decodeInfo(a.body)
	if !ok {
		return nil, &Error{Kind: NotDLX, Op: op, Host: a.host()}
	}
	return infos, nil
}

// apiBase is where the calls go: apiBasePath, resolved against the URL that
// answered; where there is none, what stands before /token/{value}, else /dlx/v1.
func apiBase(op string, infos []APIInfo, from *url.URL) (*url.URL, error) {
	if path := basePath(infos); path != "" && len(path) <= maxLink {
		if base, err := from.Parse(path); err == nil {
			return declaredBase(op, base, from)
		}
	}
	base := origin(from)
	if prefix, _, ok := splitToken(from); ok {
		base.RawPath = prefix
		base.Path, _ = url.PathUnescape(prefix) // came from a valid escaped path
		return base, nil
	}
	base.Path = "/dlx/v1"
	return base, nil
}

// basePath prefers the version this client speaks.
func basePath(infos []APIInfo) string {
	best := ""
	for _, info := range infos {
		if info.BasePath == "" {
			continue
		}
		if strings.TrimLeft(strings.ToLower(info.Version), "v") == "1" {
			return info.BasePath
		}
		if best == "" {
			best = info.BasePath
		}
	}
	return best
}

// declaredBase checks apiBasePath. Portals behind a proxy that ends TLS often
// declare their own host with http: there https is meant, and safe.
func declaredBase(op string, base, from *url.URL) (*url.URL, error) {
	plain := *base
	plain.RawQuery, plain.ForceQuery = "", false
	clean, err := cleanURL(&plain)
	if err != nil {
		return nil, &Error{Kind: Protocol, Op: op, Host: from.Host}
	}
	if from.Scheme == "https" && clean.Scheme == "http" {
		if clean.Hostname() != from.Hostname() || clean.Port() != "" {
			return nil, &Error{Kind: Insecure, Op: op, Host: clean.Host, Reason: PlainHTTP}
		}
		clean.Scheme, clean.Host = "https", from.Host
	}
	return clean, nil
}
