package node

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"lotse/internal/config"
)

// TestDestinationCAs: the file's authorities come to the system's; a file without any is
// a mistake that is told at the start.
func TestDestinationCAs(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	dir := t.TempDir()
	good, empty := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(good, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if pool, err := authorities("dicom.ca_file", ""); pool != nil || err != nil {
		t.Errorf("nothing set: %v %v", pool, err)
	}
	system, err := authorities("dicom.ca_file", good)
	if err != nil || system == nil {
		t.Fatal(err)
	}
	for _, bad := range []string{empty, filepath.Join(dir, "absent.pem")} {
		if _, err := authorities("dicom.ca_file", bad); err == nil {
			t.Errorf("%s is taken", filepath.Base(bad))
		}
	}
}

// TestProviderClient: identity providers are asked with the house's authorities, and by
// the proxy unless they are inside.
func TestProviderClient(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	var asked atomic.Int32
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked.Add(1); w.WriteHeader(http.StatusBadGateway) }))
	defer outside.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		file   string
		direct bool
		well   bool // the server's certificate
		asked  int32
	}{{file, false, true, 1}, {"", false, false, 1}, {file, true, true, 0}} {
		asked.Store(0)
		c := config.Default()
		c.Security.ProviderCAFile, c.Security.ProviderDirect, c.Outbound.Proxy = test.file, test.direct, config.NewSecret(outside.URL)
		client, err := providerClient(&c)
		if err != nil {
			t.Fatal(err)
		}
		get := func(address string) bool {
			r, err := client.Get(address)
			if err == nil {
				_ = r.Body.Close()
			}
			return err == nil
		}
		if get(server.URL) != test.well || get("https://id.invalid/") || asked.Load() != test.asked {
			t.Errorf("%+v: the proxy was asked %d times", test, asked.Load())
		}
	}
	c := config.Default()
	c.Security.ProviderCAFile = filepath.Join(t.TempDir(), "absent.pem")
	if _, err := providerClient(&c); err == nil || !strings.HasPrefix(err.Error(), "security.provider_ca_file") {
		t.Error(err)
	}
}

// TestFirstEnd reads when certificates end, and nothing of what is none.
func TestFirstEnd(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "chain.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.TLS.CertFile, c.DICOM.CAFile = file, filepath.Join(t.TempDir(), "absent.pem")
	if got := certificates(&c)(); len(got) != 1 || got[0].What != "tls.cert_file" || !got[0].Ends.Equal(server.Certificate().NotAfter) {
		t.Errorf("%+v", got)
	}
}
