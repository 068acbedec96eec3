package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"lotse/internal/synth"
	"lotse/test/peer"
)

// TestProviderOffersLittle: with the tools of DCMTK, whoever is named may echo and store
// and ask for nothing; nobody else gets in; by default only this machine gets that far.
func TestProviderOffersLittle(t *testing.T) {
	port := peer.FreePort(t)
	s := startServer(t, nil, "LOTSE_DICOM_LISTEN=127.0.0.1:"+strconv.Itoa(port), "LOTSE_DICOM_QUIET=1s",
		"LOTSE_CONFIG="+write(t, t.TempDir(), "lotse.yaml", []byte("dicom:\n  callers:\n    - {ae_title: CT1, addresses: [127.0.0.1]}\n    - {ae_title: FAR, addresses: [10.0.0.0/8]}\n")))
	raw, err := synth.Slice(synth.SliceOptions{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, t.TempDir(), "slice.dcm", raw)
	to := []string{"-aec", "LOTSE", "127.0.0.1", strconv.Itoa(port)}
	as := func(title string, more ...string) []string {
		return append(append([]string{"-aet", title}, more...), to...)
	}
	find := []string{"-k", "0008,0052=STUDY", "-k", "0020,000D"}
	for name, c := range map[string]struct {
		program string
		args    []string
		ok      bool
	}{
		"echo":                {"echoscu", as("CT1"), true},
		"store":               {"storescu", append(as("CT1"), file), true},
		"find studies":        {"findscu", as("CT1", append(find, "-S")...), false},
		"find patients":       {"findscu", as("CT1", append(find, "-P")...), false},
		"find in a worklist":  {"findscu", as("CT1", "-W", "-k", "0010,0010"), false},
		"move":                {"movescu", as("CT1", "-S", "-aem", "CT1", "-k", "0008,0052=STUDY", "-k", "0020,000D=1.2"), false},
		"get":                 {"getscu", as("CT1", "-S", "-k", "0008,0052=STUDY", "-k", "0020,000D=1.2"), false},
		"nobody echoes":       {"echoscu", as("NOBODY"), false},
		"nobody stores":       {"storescu", append(as("NOBODY"), file), false},
		"from elsewhere":      {"echoscu", as("FAR"), false},
		"another title":       {"echoscu", []string{"-aet", "CT1", "-aec", "OTHER", "127.0.0.1", strconv.Itoa(port)}, false},
		"small letters":       {"echoscu", as("ct1"), false},
		"promiscuous classes": {"storescu", append(as("CT1", "-R"), file), true},
	} {
		out, err := peer.Try(t, c.program, c.args...)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	peer.Await(t, patience, "the received import", func() bool { one := s.only(); return one != nil && one.State == "review" })
	explained := lotse(t, "config", "check").out
	if !strings.Contains(explained, "dicom.listen") || !strings.Contains(explained, "127.0.0.1:11112") {
		t.Errorf("by default it listens elsewhere:\n%s", explained)
	}
}

// authority signs certificates; each call makes a pair of files.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority " + rand.Text()}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = write(t, t.TempDir(), "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// sign makes a key and a certificate for 127.0.0.1.
func (a *authority) sign(name string) (keyFile, certFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	dir := a.t.TempDir()
	return write(a.t, dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		write(a.t, dir, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestProviderWantsCertificate: with an authority for senders, one has to show a
// certificate of it, and the name that is configured.
func TestProviderWantsCertificate(t *testing.T) {
	port, ours, others := peer.FreePort(t), newAuthority(t), newAuthority(t)
	key, cert := ours.sign("lotse")
	startServer(t, nil, "LOTSE_DICOM_LISTEN=127.0.0.1:"+strconv.Itoa(port), "LOTSE_DICOM_TLS_CERT_FILE="+cert, "LOTSE_DICOM_TLS_KEY_FILE="+key,
		"LOTSE_DICOM_TLS_CLIENT_CA_FILE="+ours.file,
		"LOTSE_CONFIG="+write(t, t.TempDir(), "lotse.yaml", []byte("dicom:\n  callers:\n    - {ae_title: CT1, addresses: [127.0.0.1], client_subject: ct1}\n")))
	ct1, ct1cert := ours.sign("ct1")
	ct2, ct2cert := ours.sign("ct2")
	fake, fakeCert := others.sign("ct1")
	for name, c := range map[string]struct {
		tls []string
		ok  bool
	}{
		"its certificate":        {[]string{"+tls", ct1, ct1cert, "+cf", ours.file}, true},
		"another's":              {[]string{"+tls", ct2, ct2cert, "+cf", ours.file}, false},
		"of another authority":   {[]string{"+tls", fake, fakeCert, "+cf", ours.file}, false},
		"none":                   {[]string{"+tla", "+cf", ours.file}, false},
		"plaintext":              {nil, false},
		"the server is checked":  {[]string{"+tls", ct1, ct1cert, "+cf", others.file}, false},
		"its certificate, again": {[]string{"+tls", ct1, ct1cert, "+cf", ours.file}, true},
	} {
		args := append(append([]string{"-to", "5", "-ta", "5", "-td", "5"}, c.tls...), "-aet", "CT1", "-aec", "LOTSE", "127.0.0.1", strconv.Itoa(port))
		out, err := peer.Try(t, "echoscu", args...)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
