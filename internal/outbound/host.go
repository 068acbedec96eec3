package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// hosts are the entries of an allow-list: the ports of each host, by its one
// spelling; port "" stands for all.
type hosts map[string]map[string]bool

func parseHosts(entries []string) (hosts, error) {
	all := hosts{}
	for i, entry := range entries {
		host, port := strings.TrimSpace(entry), ""
		if h, p, err := net.SplitHostPort(host); err == nil {
			host, port = h, p
			if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
				return nil, fmt.Errorf("entry %d: no port", i+1)
			}
		}
		host, err := spelling(strings.Trim(host, "[]"))
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		if all[host] == nil {
			all[host] = map[string]bool{}
		}
		all[host][port] = true
	}
	return all, nil
}

// has reports whether a host may be asked on a port.
func (h hosts) has(host, port string) bool { return h[host][""] || h[host][port] }

var errHost = errors.New("no host name")

// spelling is the one spelling of a host under which it is compared.
func spelling(host string) (string, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.WithZone("").Unmap().String(), nil
	}
	profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false)) // names with '_' exist
	ascii, err := profile.ToASCII(strings.TrimSuffix(host, "."))
	if err != nil || ascii == "" || strings.ContainsAny(ascii, "*/:@ ") {
		return "", errHost
	}
	return strings.ToLower(ascii), nil
}

// isNumber reports a host that is an address, or may be taken for one: resolvers
// read 2130706433 and 0x7f.1 as addresses.
func isNumber(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return strings.HasPrefix(last, "0x") || strings.Trim(last, "0123456789") == ""
}

// isLocalName reports a name that only means something inside (RFC 6761, RFC 6762).
func isLocalName(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch last {
	case host, "localhost", "local", "internal", "lan", "home", "corp", "intranet":
		return true
	}
	return strings.HasSuffix(host, ".home.arpa")
}

// otherProtocol reports a port that is known for something that is not HTTP and
// could be talked into doing something: those that browsers refuse
// (fetch.spec.whatwg.org, "bad port"), and some of databases and DICOM.
func otherProtocol(port string) bool {
	switch port {
	case "0", "1", "7", "9", "11", "13", "15", "17", "19", "20", "21", "22", "23", "25", "37", "42", "43", "53", "69", "77", "79", "87",
		"95", "101", "102", "103", "104", "109", "110", "111", "113", "115", "117", "119", "123", "135", "137", "139", "143", "161", "179", "389",
		"427", "445", "465", "512", "513", "514", "515", "526", "530", "531", "532", "540", "548", "554", "556", "563", "587", "601", "636",
		"989", "990", "993", "995", "1433", "1521", "1719", "1720", "1723", "2049", "2375", "2761", "2762", "3306", "3389", "3659", "4045", "4190",
		"5060", "5061", "5432", "5900", "6000", "6379", "6566", "6665", "6666", "6667", "6668", "6669", "6679", "6697", "9200", "10080", "11112", "11211",
		"27017":
		return true
	}
	return false
}
