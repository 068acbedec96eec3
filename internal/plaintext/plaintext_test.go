package plaintext

import "testing"

// TestAllow is who may be spoken to without TLS.
func TestAllow(t *testing.T) {
	all := Exceptions{{"pacs.example.org:104", "old"}, {"10.1.0.0/16", "range"}, {"192.0.2.7", "one"}, {":8080", "all interfaces"}, {"2001:db8::/32", "six"}}
	for address, want := range map[string]string{
		"pacs.example.org:104": "old", "PACS.example.org:104": "old", "10.1.2.3:104": "range", "[::ffff:10.1.2.3]:104": "range", "192.0.2.7:1": "one",
		":8080": "all interfaces", "[2001:db8::1]:104": "six", "localhost:1": "", "127.3.2.1:1": "", "[::1]:1": "", "/var/run/postgresql": "",
	} {
		if reason, ok := all.Allow(address); !ok || reason != want {
			t.Errorf("%s: %q, %t; want %q", address, reason, ok, want)
		}
	}
	for _, address := range []string{"pacs.example.org:105", "other.example.org:104", "10.2.0.1:104", "192.0.2.8:1", "0.0.0.0:8080", ":8081", "[2001:db9::1]:104",
		"10.1.2.3", "", "localhost.example.org:1", "127.0.0.1.example.org:1", "10.1.2.3.example.org:104"} {
		if reason, ok := all.Allow(address); ok {
			t.Errorf("%q is permitted: %q", address, reason)
		}
	}
}

// TestCheck is what an exception has to be.
func TestCheck(t *testing.T) {
	for _, e := range []Exception{{"a:1", "r"}, {"10.0.0.0/8", "r"}, {"10.0.0.1", "r"}, {":8080", "r"}, {"[2001:db8::1]:104", "r"}} {
		if err := e.Check(); err != nil {
			t.Errorf("%v: %v", e, err)
		}
	}
	for _, e := range []Exception{{"a:1", " "}, {"", "r"}, {"a", "r"}, {"0.0.0.0/0", "r"}, {"::/0", "r"}, {"a:b", "r"}, {"a:99999", "r"}, {"10.0.0.0/33", "r"}} {
		if e.Check() == nil {
			t.Errorf("%v is taken", e)
		}
	}
}
