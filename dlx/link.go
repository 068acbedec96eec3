package dlx

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// maxLink bounds a link or a redirect target, in bytes.
const maxLink = 4096

// schemeless is a link as a person types it from paper.
var schemeless = regexp.MustCompile(`^[^/:?#@\s]+\.[^/:?#@\s]+(:[0-9]{1,5})?/`)

// parseLink reads a link from paper, normalised by cleanURL.
func parseLink(text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxLink {
		return nil, &Error{Kind: BadLink}
	}
	if schemeless.MatchString(text) {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, &Error{Kind: BadLink} // the error would quote the link
	}
	return cleanURL(u)
}

// cleanURL returns u in the one form everything here works with: http or
// https, ASCII host, no default port, no user, no fragment.
func cleanURL(u *url.URL) (*url.URL, error) {
	if u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || u.User != nil || u.Host == "" {
		return nil, &Error{Kind: BadLink}
	}
	host, err := asciiHost(u.Hostname())
	if err != nil {
		return nil, &Error{Kind: BadLink}
	}
	clean := *u
	clean.Fragment, clean.RawFragment = "", ""
	port := u.Port()
	if port == "" || port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http" {
		clean.Host = host
		if strings.Contains(host, ":") {
			clean.Host = "[" + host + "]"
		}
		return &clean, nil
	}
	clean.Host = net.JoinHostPort(host, port)
	return &clean, nil
}

// secure reports whether u may be asked at all.
func (c *Client) secure(u *url.URL) bool {
	return u.Scheme == "https" || c.cfg.InsecureHTTP || loopback(u.Hostname())
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// trusts reports whether secrets of a link on site may go to u: the same
// site, never less encrypted, or a host that was confirmed.
func (c *Client) trusts(site, u *url.URL) bool {
	if site.Scheme == "https" && u.Scheme != "https" {
		return false
	}
	if site.Hostname() == u.Hostname() || c.cfg.SameSite != nil && c.cfg.SameSite(origin(site), origin(u)) {
		return true
	}
	for _, allowed := range c.cfg.AllowHosts {
		if matchesHost(allowed, u) {
			return true
		}
	}
	return false
}

// matchesHost compares with an entry of AllowHosts: a host, or a host and port.
func matchesHost(entry string, u *url.URL) bool {
	port := ""
	if h, p, err := net.SplitHostPort(entry); err == nil {
		entry, port = h, p
	}
	host, err := asciiHost(strings.Trim(strings.TrimSpace(entry), "[]"))
	return err == nil && host == u.Hostname() && (port == "" || port == portOf(u))
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}

// origin is scheme and host of u, without anything secret.
func origin(u *url.URL) *url.URL { return &url.URL{Scheme: u.Scheme, Host: u.Host} }

// sameOrigin reports whether a and b are the same scheme, host and port.
func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// below appends path segments to base, each escaped, nothing cleaned away.
func below(base *url.URL, segments ...string) *url.URL {
	u := *base
	path, raw := strings.TrimRight(u.Path, "/"), strings.TrimRight(u.EscapedPath(), "/")
	for _, s := range segments {
		path += "/" + s
		raw += "/" + url.PathEscape(s)
	}
	u.Path, u.RawPath = path, raw
	u.RawQuery, u.ForceQuery = "", false
	return &u
}

// tokenNames are the query parameters that portals use for the token, most
// telling first.
var tokenNames = []string{"token", "dlxtoken", "code", "t", "id", "key", "tan", "link", "share"}

// findToken looks for the token's value in the URLs a probe went through,
// the last one first: a path that ends in /token/{value}, else the query
// parameter that holds it (DIN/TS 19455, /token/{value}).
func findToken(trail []*url.URL) (Secret, bool) {
	for i := len(trail) - 1; i >= 0; i-- {
		if _, value, ok := splitToken(trail[i]); ok {
			return NewSecret(value), true
		}
	}
	for i := len(trail) - 1; i >= 0; i-- {
		if value := queryToken(trail[i].Query()); usableSegment(value) {
			return NewSecret(value), true
		}
	}
	return Secret{}, false
}

// splitToken takes …/token/{value} apart into the base path, escaped, and the value.
func splitToken(u *url.URL) (base, value string, ok bool) {
	segments := strings.Split(strings.TrimRight(u.EscapedPath(), "/"), "/")
	n := len(segments)
	if n < 2 || !strings.EqualFold(segments[n-2], "token") {
		return "", "", false
	}
	value, err := url.PathUnescape(segments[n-1])
	if err != nil || !usableSegment(value) {
		return "", "", false
	}
	return strings.Join(segments[:n-2], "/"), value, true
}

// usableSegment refuses what would change the path it is put into.
func usableSegment(s string) bool { return s != "" && s != "." && s != ".." }

func queryToken(query url.Values) string {
	for _, want := range tokenNames {
		for name, values := range query {
			if strings.EqualFold(name, want) && len(values) > 0 && values[0] != "" {
				return values[0]
			}
		}
	}
	if len(query) == 1 {
		for _, values := range query {
			return values[0]
		}
	}
	return ""
}
