package node

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	if pool, err := destinationCAs(""); pool != nil || err != nil {
		t.Errorf("nothing set: %v %v", pool, err)
	}
	system, err := destinationCAs(good)
	if err != nil || system == nil {
		t.Fatal(err)
	}
	for _, bad := range []string{empty, filepath.Join(dir, "absent.pem")} {
		if _, err := destinationCAs(bad); err == nil {
			t.Errorf("%s is taken", filepath.Base(bad))
		}
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
