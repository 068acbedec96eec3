package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/test/peer"
)

// selfSigned makes a certificate for 127.0.0.1 and its key, as files.
func selfSigned(t *testing.T) (keyFile, certFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "archive"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	dir := t.TempDir()
	keyFile, certFile = filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600))
	pool = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(cert)
	must(t, err)
	pool.AddCert(parsed)
	return keyFile, certFile, pool
}

// TestArchiveOfOwnAuthority delivers by TLS to an archive for which the house's own
// authority vouches.
func TestArchiveOfOwnAuthority(t *testing.T) {
	t.Parallel()
	keyFile, certFile, pool := selfSigned(t)
	scp := peer.StoreSCP(t, "+B", "+tls", keyFile, certFile, "-ic")
	w := newWorld(t, t.TempDir(), nil, func(o *GatewayOptions) { o.DestinationCAs = pool })
	s := w.small(2)
	w.decideFor(s, w.destinationAt("dicom://"+scp.AET+"@"+scp.Addr()+"?tls=on", ""))
	s = w.until(s.ID, importer.Arrived)
	if n := len(scp.Files(t)); n != 2 || s.Delivery[0].Delivered != 2 {
		t.Errorf("%d files arrived: %s", n, show(s))
	}
}
