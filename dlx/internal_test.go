package dlx

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Names from RFC 3492 §7.1 and of domains as they are registered.
func TestASCIIHost(t *testing.T) {
	for in, want := range map[string]string{
		"Portal.Example.": "portal.example", "röntgen-köln.de": "xn--rntgen-kln-ecbh.de", "bücher.example": "xn--bcher-kva.example",
		"straße.de": "xn--strae-oqa.de", "ＰＯＲＴＡＬ．example": "portal.example", "例え。テスト": "xn--r8jz45g.xn--zckzah",
		"他们为什么不说中文.example": "xn--ihqwcrb4cv8a8dqg056pqjye.example", "аррӏе.com": "xn--80ak6aa92e.com",
		"MajiでKoiする5秒前.example": "xn--majikoi5-783gue6qz075azm5e.example", "a_b.example": "a_b.example",
		"127.0.0.1": "127.0.0.1", "::FFFF:127.0.0.1": "127.0.0.1", "2001:DB8::1": "2001:db8::1", "pörtal.example": "xn--prtal-jua.example",
	} {
		if got, err := asciiHost(in); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", ".", "a..b", "a b", "a/b", "a%b", "℀.example", "a\u200db.example", "1.2.3", "0x7f000001", "fe80::1%eth0",
		"☃.example", "\xff.example", strings.Repeat("a", 64) + ".example", strings.Repeat("ü", 300), strings.Repeat("a.", 140) + "b"} {
		if got, err := asciiHost(in); err == nil {
			t.Errorf("%q: %s", in, got)
		}
	}
}

func TestContentRange(t *testing.T) {
	for in, want := range map[string][4]int64{
		"bytes 5-99/100": {5, 99, 100, 1}, "Bytes 0-0/*": {0, 0, -1, 1}, "bytes */100": {0, 0, 100, 0}, "bytes 5-4/100": {5, 4, 100, 0},
		"bytes 5-100/100": {5, 100, 100, 0}, "": {0, 0, -1, 0}, "bytes": {0, 0, -1, 0}, "items 1-2/3": {0, 0, -1, 0},
		"bytes -1-5/9": {0, 0, 9, 0}, "bytes 1-9223372036854775807/*": {1, 0, -1, 0},
	} {
		first, last, total, ok := contentRange(in)
		if ok != (want[3] == 1) || total != want[2] || ok && (first != want[0] || last != want[1]) {
			t.Errorf("%q: %d %d %d %v", in, first, last, total, ok)
		}
	}
}

// The last line of defence behind the checks of redirects and apiBasePath.
func TestTrustsNeverLessEncrypted(t *testing.T) {
	c := New(Config{InsecureHTTP: true, AllowHosts: []string{"a.example"}})
	secure, plain := &url.URL{Scheme: "https", Host: "a.example"}, &url.URL{Scheme: "http", Host: "a.example"}
	if c.trusts(secure, plain) || !c.trusts(plain, secure) || !c.trusts(plain, plain) {
		t.Error("https may become http")
	}
}

// Even a signature with the right key does not make another header acceptable.
func TestVerifyWantsItsOwnHeader(t *testing.T) {
	s := signer{key: make([]byte, 32), now: time.Now}
	good, err := s.sign("exam", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	payload := strings.Split(good, ".")[1]
	for header, want := range map[string]bool{jwtHeader: true, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS512"}`)): false} {
		signed := header + "." + payload
		if _, ok := s.verify(signed + "." + s.signature(signed)); ok != want {
			t.Errorf("accepted: %v", ok)
		}
	}
}
