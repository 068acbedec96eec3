// Package hostname writes the hosts of portals in one way, reads them to people, and
// tells when one imitates another.
package hostname

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// ErrHost: a text is neither host nor host:port.
var ErrHost = errors.New("no host")

// letters are those that a name has in the end. Others come of characters that look
// like signs: a wide backslash becomes one.
const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_."

// Canonical is the one spelling of host[:port] in which hosts are compared: punycode,
// small letters, without the port of https.
func Canonical(text string) (string, error) {
	u, err := url.Parse("//" + strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", ErrHost
	}
	name := u.Hostname()
	if a, err := netip.ParseAddr(name); err == nil {
		name = a.WithZone("").Unmap().String()
	} else {
		profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false)) // names with '_' exist
		name, err = profile.ToASCII(strings.TrimSuffix(name, "."))
		name = strings.ToLower(name)
		if err != nil || name == "" || strings.HasSuffix(name, ".") || strings.Trim(name, letters) != "" {
			return "", ErrHost
		}
		if again, err := profile.ToASCII(name); err != nil || again != name {
			return "", ErrHost
		}
		if _, err := netip.ParseAddr(name); err == nil {
			return "", ErrHost // digits of other scripts
		}
	}
	if u.Port() == "" || u.Port() == "443" {
		if strings.Contains(name, ":") {
			return "[" + name + "]", nil
		}
		return name, nil
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
		return "", ErrHost
	}
	return net.JoinHostPort(name, u.Port()), nil
}

// Covers reports whether an entry of a list of hosts stands for a host, both canonical:
// without a port it stands for all.
func Covers(entry, host string) bool { return entry == host || entry == withoutPort(host) }

// Readable is a canonical host as people read it, punycode in its own letters. It is
// never to be shown alone: letters can imitate others.
func Readable(host string) string {
	name, err := idna.Punycode.ToUnicode(host)
	if err != nil || strings.HasPrefix(name, ".") || strings.Contains(name, "..") {
		return host
	}
	return name
}
