package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// RsyslogPeer is rsyslog as a receiver of messages over TLS (RFC 5425).
type RsyslogPeer struct {
	*Process
	Port   int
	CAFile string // who signed its certificate
	t      testing.TB
	dir    string
}

// Rsyslog starts rsyslogd with an empty file of messages.
func Rsyslog(t testing.TB) *RsyslogPeer {
	t.Helper()
	if found, _ := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_gtls.so"); len(found) == 0 {
		t.Skip("skipped: rsyslog-gnutls is not installed")
	}
	r := &RsyslogPeer{t: t, dir: t.TempDir(), Port: FreePort(t)}
	certificate, key := SelfSigned(t, r.dir)
	r.CAFile = certificate
	config := fmt.Sprintf(`global(workDirectory="%[1]s" maxMessageSize="256k" parser.escapeControlCharactersOnReceive="off"
  defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="%[2]s" defaultNetstreamDriverCertFile="%[2]s" defaultNetstreamDriverKeyFile="%[3]s")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="whole" type="string" string="%%syslogpriority%%.%%syslogfacility%% %%app-name%% %%msgid%% %%msg%%\n")
ruleset(name="keep") { action(type="omfile" file="%[1]s/messages" template="whole" asyncWriting="off" flushOnTXEnd="on") }
input(type="imtcp" address="127.0.0.1" port="%[4]d" ruleset="keep")
`, r.dir, certificate, key, r.Port)
	if err := os.WriteFile(filepath.Join(r.dir, "rsyslog.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Start()
	return r
}

// Start starts it once more, after it was killed or stopped.
func (r *RsyslogPeer) Start() {
	r.t.Helper()
	r.Process = start(r.t, r.dir, "rsyslogd", r.Port, "-n", "-f", filepath.Join(r.dir, "rsyslog.conf"), "-iNONE")
}

// Messages are the messages that it took so far.
func (r *RsyslogPeer) Messages() []string {
	text, err := os.ReadFile(filepath.Join(r.dir, "messages"))
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	return strings.FieldsFunc(string(text), func(c rune) bool { return c == '\n' })
}

// SelfSigned makes a certificate of this machine, which is its own authority, and its
// key, as PEM files in a folder.
func SelfSigned(t testing.TB, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
