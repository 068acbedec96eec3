package outbound

import "net/netip"

// judge knows which addresses are not of public hosts (IANA registries of
// special-purpose addresses, RFC 6890).
type judge struct {
	spans  []span // looked through in order
	public netip.Prefix
	nat64  netip.Prefix
}

type span struct {
	prefix netip.Prefix
	reason Reason
}

func newJudge() *judge {
	j := &judge{
		public: netip.MustParsePrefix("2000::/3"),     // all of IPv6 that is assigned so far
		nat64:  netip.MustParsePrefix("64:ff9b::/96"), // an IPv4 address in its last bytes (RFC 6052 §2.1)
	}
	for _, group := range []struct {
		reason   Reason
		prefixes []string
	}{
		{Metadata, []string{
			"169.254.0.0/16", "fe80::/10", // link-local, where most clouds have it
			"100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "fd00:ec2::254/128", "fd20:ce::254/128",
		}},
		{Internal, []string{
			"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10", // private
			"127.0.0.0/8", "::1/128", // loopback
			"100.64.0.0/10", // shared between a provider and its customers
		}},
		{Special, []string{
			"0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
			"224.0.0.0/4", "240.0.0.0/4",
			"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", // assignments of the IETF with Teredo, documentation, 6to4
		}},
	} {
		for _, p := range group.prefixes {
			j.spans = append(j.spans, span{netip.MustParsePrefix(p), group.reason})
		}
	}
	return j
}

// of says why an address is not one of a public host, "" when it is one. Addresses
// that carry another one inside are judged by that; the tunnels of 6to4 and Teredo
// are history, and no public host is behind them.
func (j *judge) of(a netip.Addr) Reason {
	a = a.WithZone("").Unmap()
	if j.nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, s := range j.spans {
		if s.prefix.Contains(a) {
			return s.reason
		}
	}
	if !a.IsValid() || a.Is6() && !j.public.Contains(a) {
		return Special
	}
	return ""
}
