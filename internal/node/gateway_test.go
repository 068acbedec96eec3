package node

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
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
