package node

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lotse/internal/audit"
	"lotse/internal/config"
	"lotse/internal/store"
	"lotse/test/peer"
)

// TestHeadsFile: heads are appended, each on its line, as verifying reads them; a folder
// that is not there is an error and says so.
func TestHeadsFile(t *testing.T) {
	if headsFile("") != nil {
		t.Error("heads are exported to nowhere")
	}
	dir := t.TempDir()
	var want, got []store.Head
	for i := range 3 {
		h := store.Head{Tenant: "main", Seq: int64(i + 1), Hash: "h", Signed: 1, Public: "p", Signature: "s"}
		want = append(want, h)
		if err := headsFile(dir)(h); err != nil { // as after a restart
			t.Fatal(err)
		}
	}
	text, err := os.Open(filepath.Join(dir, headsName))
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	if err := audit.ReadHeads(text, func(h store.Head) error { got = append(got, h); return nil }); err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := headsFile(filepath.Join(dir, "nowhere"))(want[0]); err == nil || !strings.Contains(err.Error(), "audit.heads_dir") {
		t.Errorf("%v", err)
	}
}

// TestSyslogTLS: files that are not what they should be are named, and the receiver's name
// is the one of the address.
func TestSyslogTLS(t *testing.T) {
	cert, key := peer.SelfSigned(t, t.TempDir())
	for name, c := range map[string]struct {
		config config.Syslog
		wrong  string
	}{
		"all is there":     {config.Syslog{CAFile: cert, CertFile: cert, KeyFile: key}, ""},
		"nothing is named": {config.Syslog{}, ""},
		"no file":          {config.Syslog{CAFile: "/nowhere"}, "audit.syslog.ca_file"},
		"no certificate":   {config.Syslog{CAFile: key}, "audit.syslog.ca_file"},
		"no pair":          {config.Syslog{CertFile: key, KeyFile: cert}, "audit.syslog.cert_file"},
	} {
		c.config.Address = "tls://syslog.example.org:6514"
		secure, err := syslogTLS(c.config)
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && secure.ServerName != "syslog.example.org" {
			t.Errorf("%s: %q", name, secure.ServerName)
		}
	}
	if secure, err := syslogTLS(config.Syslog{Address: "udp://127.0.0.1:514"}); secure != nil || err != nil {
		t.Errorf("%v, %v", secure, err)
	}
}
