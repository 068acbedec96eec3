package outbound

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// readNamed asks a named server for a page.
func readNamed(client *http.Client, address string) (string, error) {
	r, err := client.Get(address)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return string(text), err
}

// authoritiesOf are those that signed a server's certificate.
func authoritiesOf(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

// TestNamed: a server inside is asked, by TLS and with the authorities that are given,
// and what it says of other places is followed only where it cannot do harm.
func TestNamed(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/right", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
	for from, to := range map[string]string{"/within": "/right", "/away": other.URL, "/round": "/round", "/metadata": "http://169.254.169.254/latest"} {
		mux.Handle(from, http.RedirectHandler(to, http.StatusTemporaryRedirect))
	}
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1<<20+1)) })
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, strings.Repeat("x", 64<<20))
		_ = z.Close()
	})
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	client := Named{Roots: authoritiesOf(server)}.Client()
	for _, path := range []string{"/right", "/within"} {
		if text, err := readNamed(client, server.URL+path); err != nil || text != "here" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	for path, want := range map[string]Reason{"/away": Redirects, "/round": Redirects, "/metadata": Redirects} {
		var blocked *BlockedError
		if _, err := readNamed(client, server.URL+path); !errors.As(err, &blocked) || blocked.Reason != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"/huge", "/bomb"} {
		if text, err := readNamed(client, server.URL+path); !errors.Is(err, ErrTooLarge) || len(text) > 1<<20 {
			t.Errorf("%s: %d bytes, %v", path, len(text), err)
		}
	}
	if elsewhere.Load() != 0 {
		t.Error("another host was asked")
	}
	var unknown x509.UnknownAuthorityError
	if _, err := readNamed(Named{}.Client(), server.URL+"/right"); !errors.As(err, &unknown) {
		t.Errorf("an authority that nobody knows: %v", err)
	}
}

// TestNamedBlocked: no metadata service is asked, however it is spelled, and nothing
// without TLS but on this computer; with a proxy as without.
func TestNamedBlocked(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked.Add(1); w.WriteHeader(http.StatusBadGateway) }))
	defer proxy.Close()
	through, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]Reason{
		"https://169.254.169.254/": Metadata, "https://[::ffff:169.254.169.254]/": Metadata, "https://[fe80::1]/": Metadata,
		"https://[64:ff9b::a9fe:a9fe]/": Metadata, "https://168.63.129.16/": Metadata, "https://2852039166/": BareNumber,
		"https://0xa9.0xfe.0xa9.0xfe/": BareNumber, "http://id.example.org/": PlainHTTP, "ftp://id.example.org/": BadTarget,
	} {
		for _, named := range []Named{{}, {Proxy: through}} {
			var blocked *BlockedError
			if _, err := readNamed(named.Client(), address); !errors.As(err, &blocked) || blocked.Reason != want {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	if asked.Load() != 0 {
		t.Error("the proxy was asked")
	}
	client := Named{Proxy: through}.Client()
	if _, err := readNamed(client, "https://id.example.org/"); err == nil || asked.Load() != 1 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	defer here.Close()
	if text, err := readNamed(client, here.URL); err != nil || text != "here" || asked.Load() != 1 {
		t.Errorf("this computer: %q, %v", text, err)
	}
}

// TestNamedNames: a name that leads to a metadata service is judged when it is resolved.
func TestNamedNames(t *testing.T) {
	if (namedTransport{judge: newJudge()}).admit("169.254.169.254:443") == nil || (namedTransport{judge: newJudge()}).admit("[fd00:ec2::254]:443") == nil || (namedTransport{judge: newJudge()}).admit("nowhere") == nil {
		t.Error("a metadata service is connected to")
	}
	for _, inside := range []string{"10.1.2.3:443", "127.0.0.1:8443", "[fd12::1]:443"} {
		if err := (namedTransport{judge: newJudge()}).admit(inside); err != nil {
			t.Errorf("%s: %v", inside, err)
		}
	}
}

// TestNamedSlow: an answer that does not come to an end is bounded by its time.
func TestNamedSlow(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := Named{}.Client()
	if client.Timeout <= 0 || client.Timeout > time.Minute {
		t.Fatalf("it waits %s", client.Timeout)
	}
	client.Timeout = 100 * time.Millisecond // the listener never answers
	if _, err := readNamed(client, "http://"+l.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
