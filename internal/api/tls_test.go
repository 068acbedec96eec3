package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lotse/internal/api"
	"lotse/internal/auth/access"
)

// pair makes a self-signed certificate for 127.0.0.1 in a folder.
func pair(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLS: HTTP/2, long answers and streams work over it, and a new certificate is taken
// without a new start.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pair(t, dir, "old")
	st := &state{version: 1}
	n := start(t, api.Options{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), Stall: 100 * time.Millisecond, CertPoll: 10 * time.Millisecond}, func(s *api.Server) {
		api.RegisterEvents(s, api.Operation{ID: "watch", Path: "/things/{import}", Permission: access.Public}, st.look)
		s.Handle(api.Route{Pattern: "GET /slow", Permission: access.Public}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("slow"))
			<-time.After(300 * time.Millisecond) // longer than a client may stall
			_, err := w.Write([]byte("slow"))
			if err != nil || !api.Secure(r.Context()) {
				t.Errorf("after a while: %v", err)
			}
		}))
	})
	ask := func(path string) (string, *http.Response) {
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the name is what is looked at
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Get(n.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text := make([]byte, 4)
		if _, err := answer.Body.Read(text); err != nil && !strings.Contains(err.Error(), "EOF") {
			t.Errorf("%s: %v", path, err)
		}
		return answer.TLS.PeerCertificates[0].Subject.CommonName, answer
	}
	name, answer := ask("/slow")
	if name != "old" || answer.ProtoMajor != 2 {
		t.Errorf("%s %s", name, answer.Proto)
	}
	ask("/api/v1/things/known")
	// A key that does not belong to the certificate leaves the old pair in force.
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	waitFor(t, n, "the old one stays", func() { ask("/healthz") })
	if name, _ := ask("/healthz"); name != "old" {
		t.Errorf("a broken pair: %s", name)
	}
	pair(t, dir, "new")
	waitFor(t, n, "was read again", func() { ask("/healthz") })
	if name, _ := ask("/healthz"); name != "new" {
		t.Errorf("afterwards: %s", name)
	}
}

// waitFor does something until the log says so.
func waitFor(t *testing.T, n *node, line string, do func()) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(n.log.String(), line); do() {
		if time.Now().After(deadline) {
			t.Fatalf("no %q in the log:\n%s", line, n.log)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// TestNoCertificate: a pair that cannot be read keeps the server from starting, and the
// addresses are free again.
func TestNoCertificate(t *testing.T) {
	s, err := api.New(api.Options{Authorizer: &gate{}, Listen: "127.0.0.1:0", CertFile: "absent.pem", KeyFile: "absent.pem"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "tls.cert_file") {
		t.Errorf("%v", err)
	}
}

// TestAddressTaken: the error names the key of the configuration.
func TestAddressTaken(t *testing.T) {
	n := start(t, api.Options{}, nil)
	taken := strings.TrimPrefix(n.url, "http://")
	for key, o := range map[string]api.Options{
		"listen: ":         {Listen: taken},
		"metrics.listen: ": {Listen: "127.0.0.1:0", MetricsListen: taken, Metrics: http.NotFoundHandler()},
	} {
		o.Authorizer = &gate{}
		s, err := api.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s%v", key, err)
		}
	}
	s, err := api.New(api.Options{Authorizer: &gate{}, Listen: "localhost:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a, _ := s.Addresses(); !strings.HasPrefix(a.String(), "127.0.0.1:") {
		t.Errorf("localhost is %s", a)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	a, _ := s.Addresses()
	_, port, _ := net.SplitHostPort(a.String())
	for _, host := range []string{"127.0.0.1", "::1"} {
		c, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil && host == "::1" { // this machine has none
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		answer, err := http.Get("http://" + net.JoinHostPort(host, port) + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", host, answer.StatusCode)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
