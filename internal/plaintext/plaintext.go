// Package plaintext says to whom anything may be sent, or from whom taken, without
// TLS: to this machine itself, and to peers for which an administrator gave a reason.
package plaintext

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Exception permits plaintext to a peer.
type Exception struct {
	Peer   string // host:port, as it is set elsewhere; or an address or range like 10.1.0.0/16
	Reason string
}

// Exceptions are all that are in force.
type Exceptions []Exception

// Allow returns why plaintext to host:port is permitted, nothing for this machine
// itself; ok is false when it is not. Names are compared, never resolved: what they
// lead to is not the administrator's word.
func (all Exceptions) Allow(address string) (reason string, ok bool) {
	if Local(address) {
		return "", true
	}
	at := slices.IndexFunc(all, func(e Exception) bool { return e.covers(address) })
	if at < 0 {
		return "", false
	}
	return all[at].Reason, true
}

func (e Exception) covers(address string) bool {
	if strings.EqualFold(e.Peer, address) {
		return true
	}
	network, err := parseNetwork(e.Peer)
	if err != nil {
		return false
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return err == nil && network.Contains(a.Unmap())
}

// Check says what is wrong with an exception, in words that follow its key.
func (e Exception) Check() error {
	if strings.TrimSpace(e.Reason) == "" {
		return errors.New("has no reason; say why this peer cannot do TLS, and until when")
	}
	if network, err := parseNetwork(e.Peer); err == nil {
		if network.Bits() == 0 {
			return errors.New("is everybody; name the peers")
		}
		return nil
	}
	_, port, err := net.SplitHostPort(e.Peer)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n > 65535 {
		return errors.New("is no peer; write host:port, or a range like 10.1.0.0/16")
	}
	return nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

// Local tells whether host:port, or the path of a socket, is on this machine only.
func Local(address string) bool {
	if strings.HasPrefix(address, "/") {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.Unmap().IsLoopback()
}
