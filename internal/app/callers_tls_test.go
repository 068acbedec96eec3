package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
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

	"lotse/internal/store/storetest"
	"lotse/test/peer"
)

// issuer signs certificates for a test, into files as DCMTK wants them.
type issuer struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t, dir: t.TempDir()}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	i.issue("ca", template)
	return i
}

// issue makes a key and a certificate, NAME.key and NAME.pem; the first one signs itself
// and the others.
func (i *issuer) issue(name string, template *x509.Certificate) {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(i.t, err)
	if i.key == nil {
		i.key, i.cert = key, template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.cert, &key.PublicKey, i.key)
	must(i.t, err)
	i.cert, err = x509.ParseCertificate(der)
	must(i.t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(i.t, err)
	must(i.t, os.WriteFile(i.file(name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(i.t, os.WriteFile(i.file(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

func (i *issuer) file(name string) string { return filepath.Join(i.dir, name) }

// named issues a certificate for a common name.
func (i *issuer) named(name string) {
	i.t.Helper()
	ca := i.cert
	i.issue(name, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}})
	i.cert = ca
}

// TestCertificateTells: two tenants whose senders have the same AE title and address
// are told apart by the certificate; who has the one of neither is not let in.
func TestCertificateTells(t *testing.T) {
	ca := newIssuer(t)
	for _, name := range []string{"lotse", "ct.main.example", "ct.second.example", "ct.third.example"} {
		ca.named(name)
	}
	pair, err := tls.LoadX509KeyPair(ca.file("lotse.pem"), ca.file("lotse.key"))
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	w := nodeOn(t, storetest.SQLite(t), t.TempDir(), &shift{})
	for name, who := range map[string]Who{"ct.main.example": w.who, "CN=ct.second.example": second} {
		_, err := w.AddCaller(t.Context(), who, NewCaller{Name: "CT", CallingAE: "CT1", Subject: name}) // from anywhere
		must(t, err)
	}
	port := fmt.Sprint(w.secureReceiver(&tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs: pool, MinVersion: tls.VersionTLS12}))
	dir := dicomFiles(t, 1, 1)
	for name, admitted := range map[string]bool{"ct.main.example": true, "ct.second.example": true, "ct.third.example": false} {
		out, err := peer.Try(t, "storescu", "-aet", "CT1", "-aec", "LOTSE", "+tls", ca.file(name+".key"), ca.file(name+".pem"), "+cf", ca.file("ca.pem"),
			"+sd", "127.0.0.1", port, dir)
		if (err == nil) != admitted || !admitted && !strings.Contains(out, notRecognized) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if a, b := w.bySite(w.who), w.bySite(second); a[""] != 1 || b[""] != 1 {
		t.Errorf("main has %v, the second %v", a, b)
	}
}
