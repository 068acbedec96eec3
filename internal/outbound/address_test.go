package outbound

import (
	"net/netip"
	"testing"
)

func TestJudge(t *testing.T) {
	j := newJudge()
	for reason, addresses := range map[Reason][]string{
		"": {"8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.167.255.255", "223.255.255.255", "126.0.0.1",
			"2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2003::1"},
		Internal: {"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "127.255.0.1", "::1", "100.64.0.1",
			"fd12::1", "fc00::", "fec0::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1"},
		Metadata: {"169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16",
			"::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"},
		Special: {"0.0.0.0", "0.1.2.3", "::", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1",
			"255.255.255.255", "240.0.0.1", "ff02::1", "2001:db8::1", "3fff::1", "2002:7f00:1::", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
			"64:ff9b:1::a00:1", "100::1", "::7f00:1", "::808:808", "5f00::1", "4000::1", "::ffff:0:7f00:1"},
	} {
		for _, text := range addresses {
			if got := j.of(netip.MustParseAddr(text)); got != reason {
				t.Errorf("%s: %q, want %q", text, got, reason)
			}
		}
	}
	if j.of(netip.Addr{}) == "" {
		t.Error("no address is permitted")
	}
}

// FuzzJudge compares with what package netip knows, for an address itself and in
// every form that carries it inside.
func FuzzJudge(f *testing.F) {
	for _, text := range []string{"10.0.0.1", "8.8.8.8", "::1", "2002:a00:1::", "64:ff9b::a00:1", "2001::1", "fe80::1", "224.0.0.1", "255.255.255.255"} {
		f.Add(netip.MustParseAddr(text).AsSlice())
	}
	j := newJudge()
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		a = a.Unmap()
		inside := !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified()
		if inside && j.of(a) == "" {
			t.Errorf("%s is permitted", a)
		}
		if !a.Is4() {
			return
		}
		four := a.As4()
		mapped, translated := netip.AddrFrom16(a.As16()), [16]byte{1: 0x64, 2: 0xff, 3: 0x9b}
		copy(translated[12:], four[:])
		for _, carrier := range []netip.Addr{mapped, netip.AddrFrom16(translated)} {
			if j.of(carrier) != j.of(a) {
				t.Errorf("%s: %q, and %q by itself", carrier, j.of(carrier), j.of(a))
			}
		}
		sixToFour, teredo := [16]byte{0: 0x20, 1: 0x02}, [16]byte{0: 0x20, 1: 0x01}
		copy(sixToFour[2:], four[:])
		for i, b := range four {
			teredo[12+i] = ^b
		}
		for _, tunnel := range [][16]byte{sixToFour, teredo} {
			if j.of(netip.AddrFrom16(tunnel)) == "" {
				t.Errorf("%s is permitted", netip.AddrFrom16(tunnel))
			}
		}
	})
}

func TestSpelling(t *testing.T) {
	for entry, want := range map[string]string{
		"Portal.Example.": "portal.example", "MÜNCHEN.de": "xn--mnchen-3ya.de", "::FFFF:10.0.0.1": "10.0.0.1", "FE80::1": "fe80::1",
		"my_host.example": "my_host.example",
	} {
		if got, err := spelling(entry); err != nil || got != want {
			t.Errorf("%q: %q, %v", entry, got, err)
		}
	}
	for _, entry := range []string{"", "*.example", "https://a", "a b", "a/b", "host:0", "host:http", "host:70000", "u@h"} {
		if _, err := New(Config{AllowHosts: []string{entry}}); err == nil {
			t.Errorf("%q is accepted", entry)
		}
		if _, err := New(Config{AllowHTTP: []string{entry}}); err == nil {
			t.Errorf("%q is accepted for http", entry)
		}
	}
}
