package dimse

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"lotse/dimse/pdu"
	"lotse/test/peer"
)

// wantFile checks that storescp +B kept exactly the bytes of the object.
func wantFile(t *testing.T, scp *peer.SCP, o object) {
	t.Helper()
	for _, f := range scp.Files(t) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasSuffix(b, o.data) && bytes.Contains(b[:len(b)-len(o.data)], []byte(o.syntax)) {
			return
		}
	}
	t.Errorf("no file with the bytes of %s among %d", o.instance, len(scp.Files(t)))
}

func TestEchoStorescp(t *testing.T) {
	scp := peer.StoreSCP(t)
	a := dial(t, scp.Addr(), scp.AET, Config{})
	for range 3 {
		if r, err := a.Echo(t.Context()); err != nil || r.Status != Success {
			t.Fatalf("echo: %v, %v", r.Status, err)
		}
	}
	if err := a.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := a.Echo(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("echo after release: %v", err)
	}
}

func TestStoreStorescp(t *testing.T) {
	for name, args := range map[string][]string{
		"default": nil, "largest PDU": {"-pdu", "131072"}, "smallest PDU": {"-pdu", "4096"}, "fork": {"--fork"},
	} {
		t.Run(name, func(t *testing.T) {
			scp := peer.StoreSCP(t, append([]string{"+B", "+xa", "-v"}, args...)...)
			objects := []object{
				newObject(1, 10, ExplicitVRLittleEndian), newObject(2, 530_000, ExplicitVRLittleEndian),
				newObject(3, 530_000, ImplicitVRLittleEndian), newObject(4, 3<<20, ExplicitVRLittleEndian),
			}
			a := dial(t, scp.Addr(), scp.AET, Config{}, objects...)
			for _, o := range objects {
				store(t, a, o)
			}
			if err := a.Release(t.Context()); err != nil {
				t.Error(err)
			}
			for _, o := range objects {
				wantFile(t, scp, o)
			}
		})
	}
}

// TestStorePieces sends through pieces of awkward sizes.
func TestStorePieces(t *testing.T) {
	scp := peer.StoreSCP(t, "+B", "-pdu", "4096")
	small, large := newObject(1, 1001, ExplicitVRLittleEndian), newObject(2, 100_001, ExplicitVRLittleEndian)
	a := dial(t, scp.Addr(), scp.AET, Config{}, small)
	for i, c := range []struct {
		object object
		sizes  []int
	}{
		{small, []int{1}}, {small, []int{2}}, {small, []int{3, 1, 4, 1, 5, 9}}, {small, []int{5, 0, 1}},
		{large, []int{7, 0, 4085}}, {large, []int{4090, 1, 4096}}, {large, []int{65536, 3}}, {large, []int{99_999}},
	} {
		r := c.object.request()
		r.SOPInstance = newObject(100+i, 0, c.object.syntax).instance
		r.Data = &pieces{data: c.object.data, sizes: c.sizes}
		if resp, err := a.Store(t.Context(), r); err != nil || resp.Status != Success {
			t.Fatalf("sizes %v: %v, %v", c.sizes, resp.Status, err)
		}
		file, err := os.ReadFile(filepath.Join(scp.Dir, "CT."+r.SOPInstance))
		if err != nil || !bytes.HasSuffix(file, c.object.data) {
			t.Errorf("sizes %v: damaged, %v", c.sizes, err)
		}
	}
}

// pieces gives data in pieces of the sizes, in turn, then fails with err or io.EOF.
// Each piece is overwritten at the next call, as a real source would.
type pieces struct {
	data  []byte
	sizes []int
	err   error
	calls int
	piece []byte
	next  func() // called before each piece
}

func (p *pieces) Next() ([]byte, error) {
	clear(p.piece)
	if p.next != nil {
		p.next()
	}
	if len(p.data) == 0 {
		if p.err != nil {
			return nil, p.err
		}
		return nil, io.EOF
	}
	n := min(p.sizes[p.calls%len(p.sizes)], len(p.data))
	p.calls++
	p.piece = append(p.piece[:0], p.data[:n]...)
	p.data = p.data[n:]
	return p.piece, nil
}

func TestStoreOrthanc(t *testing.T) {
	orthanc := peer.Orthanc(t, nil)
	objects := []object{newObject(1, 530_000, ExplicitVRLittleEndian), newObject(2, 1000, ImplicitVRLittleEndian)}
	a := dial(t, orthanc.DICOMAddr(), orthanc.AET, Config{}, objects...)
	for _, o := range objects {
		store(t, a, o)
	}
	if err := a.Release(t.Context()); err != nil {
		t.Error(err)
	}
	ids := orthanc.Instances(t)
	if len(ids) != len(objects) {
		t.Fatalf("%d instances", len(ids))
	}
	for _, id := range ids {
		file, tags := orthanc.File(t, id), orthanc.Tags(t, id)
		found := false
		for _, o := range objects {
			found = found || tags["SOPInstanceUID"] == o.instance && bytes.HasSuffix(file, o.data)
		}
		if !found {
			t.Errorf("%v: no such bytes were sent", tags["SOPInstanceUID"])
		}
	}
}

func TestStoreDcmqrscp(t *testing.T) {
	archive := peer.DCMQRSCP(t)
	o := newObject(1, 1000, ExplicitVRLittleEndian)
	a := dial(t, archive.Addr(), archive.AET, Config{}, o)
	store(t, a, o)
}

// TestUserIdentity sends an identity to storescp, which ignores it.
func TestUserIdentity(t *testing.T) {
	scp := peer.StoreSCP(t)
	for _, id := range []*pdu.UserIdentity{
		{Type: pdu.IdentityUsername, Primary: []byte("user")},
		{Type: pdu.IdentityUsernamePasscode, PositiveResponse: true, Primary: []byte("user"), Secondary: []byte("secret")},
	} {
		a := dial(t, scp.Addr(), scp.AET, Config{Identity: id})
		if r, err := a.Echo(t.Context()); err != nil || r.Status != Success {
			t.Errorf("echo: %v, %v", r.Status, err)
		}
		if err := a.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestRefusedByPeer(t *testing.T) {
	scp := peer.StoreSCP(t, "--refuse")
	_, err := Dial(t.Context(), scp.Addr(), Config{CallingAE: "LOTSE", CalledAE: scp.AET}, []PresentationContext{VerificationContext(1)})
	var refused *RejectError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v", err)
	}
	if refused.Temporary() != (refused.Result == pdu.RejectedTransient) || Temporary(err) != refused.Temporary() {
		t.Errorf("temporary %v with result %d", Temporary(err), refused.Result)
	}
}

// TestNoContextAccepted offers storescp only what it does not know.
func TestNoContextAccepted(t *testing.T) {
	scp := peer.StoreSCP(t)
	o := newObject(1, 10, ExplicitVRLittleEndian)
	o.class = "1.2.3.4.5"
	a := dial(t, scp.Addr(), scp.AET, Config{}, o)
	var refused *ContextError
	if _, err := a.Store(t.Context(), o.request()); !errors.As(err, &refused) || !refused.Proposed || Temporary(err) {
		t.Errorf("got %v", err)
	}
	if _, err := a.Store(t.Context(), newObject(1, 10, jpegLosless).request()); !errors.As(err, &refused) || refused.Proposed {
		t.Errorf("not proposed: got %v", err)
	}
	if err := a.Release(t.Context()); err != nil {
		t.Errorf("release: %v", err)
	}
}

func TestAbortedByPeer(t *testing.T) {
	for _, arg := range []string{"--abort-after", "--abort-during"} {
		scp := peer.StoreSCP(t, arg)
		o := newObject(1, 8<<20, ExplicitVRLittleEndian)
		a := dial(t, scp.Addr(), scp.AET, Config{Timeouts: quick}, o)
		_, err := a.Store(t.Context(), o.request())
		var aborted *AbortError
		if !errors.As(err, &aborted) || !Temporary(err) {
			t.Errorf("%s: got %v", arg, err)
		}
		if _, again := a.Store(t.Context(), o.request()); !errors.Is(again, err) {
			t.Errorf("%s: second store: %v", arg, again)
		}
	}
}

// TestSourceFails checks that a peer keeps nothing of an object whose source fails.
func TestSourceFails(t *testing.T) {
	scp := peer.StoreSCP(t, "+B", "--fork", "-v")
	o := newObject(1, 400_000, ExplicitVRLittleEndian)
	broken := errors.New("broken source")
	for name, source := range map[string]Chunks{
		"at once":    &pieces{err: broken},
		"in between": &pieces{data: o.data[:200_000], sizes: []int{60_001}, err: broken},
		"at the end": &pieces{data: o.data, sizes: []int{50_000}, err: broken},
		"odd":        FromBytes(o.data[:1001]),
		"empty":      FromBytes(nil),
	} {
		a := dial(t, scp.Addr(), scp.AET, Config{}, o)
		r := o.request()
		r.Data = source
		_, err := a.Store(t.Context(), r)
		var failed *SourceError
		if !errors.As(err, &failed) || Temporary(err) {
			t.Errorf("%s: got %v", name, err)
		}
		<-a.lingering // the peer has closed, so it has decided
	}
	if files := scp.Files(t); len(files) != 0 {
		t.Errorf("kept %v", files)
	}
}

// TestCancel ends a context in the middle of an object, of a response and of nothing.
func TestCancel(t *testing.T) {
	scp := peer.StoreSCP(t, "+B", "--fork", "-d")
	o := newObject(1, 4<<20, ExplicitVRLittleEndian)
	a := dial(t, scp.Addr(), scp.AET, Config{}, o)
	ctx, cancel := context.WithCancel(t.Context())
	r := o.request()
	source := &pieces{data: o.data, sizes: []int{300_000}}
	source.next = func() {
		if source.calls == 5 {
			cancel()
		}
	}
	r.Data = source
	if _, err := a.Store(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-a.lingering
	peer.Await(t, 10*time.Second, "A-ABORT in the log of the peer", func() bool {
		return bytes.Contains([]byte(scp.Log()), []byte("Abort"))
	})
	if files := scp.Files(t); len(files) != 0 {
		t.Errorf("kept %v", files)
	}
	if _, err := a.Store(t.Context(), o.request()); !errors.Is(err, context.Canceled) {
		t.Errorf("afterwards: %v", err)
	}
	b := dial(t, scp.Addr(), scp.AET, Config{}, o)
	if _, err := b.Store(ctx, o.request()); !errors.Is(err, context.Canceled) {
		t.Errorf("ended before: %v", err)
	}
	store(t, b, o) // nothing had been sent, the association lives
}

func TestCancelBeforeResponse(t *testing.T) {
	scp := peer.StoreSCP(t, "--sleep-during", "20")
	o := newObject(1, 1000, ExplicitVRLittleEndian)
	a := dial(t, scp.Addr(), scp.AET, Config{Timeouts: quick}, o)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := a.Store(ctx, o.request()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestPeerKilled kills storescp in the middle of an object.
func TestPeerKilled(t *testing.T) {
	scp := peer.StoreSCP(t)
	o := newObject(1, 16<<20, ExplicitVRLittleEndian)
	a := dial(t, scp.Addr(), scp.AET, Config{Timeouts: quick}, o)
	r := o.request()
	source := &pieces{data: o.data, sizes: []int{500_000}}
	source.next = func() {
		if source.calls == 3 {
			scp.Kill()
		}
	}
	r.Data = source
	_, err := a.Store(t.Context(), r)
	var lost *LostError
	if !errors.As(err, &lost) || !Temporary(err) {
		t.Errorf("got %v", err)
	}
}

// TestManyContexts stores over several associations as planned.
func TestManyContexts(t *testing.T) {
	scp := peer.StoreSCP(t, "-pm", "--fork", "--ignore")
	keys := manyKeys(150)
	stored := 0
	for _, contexts := range Plan(keys) {
		a, err := Dial(t.Context(), scp.Addr(), Config{CallingAE: "LOTSE", CalledAE: scp.AET}, contexts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.Close() })
		for _, k := range keys {
			if _, err := a.Find(k.SOPClass, k.TransferSyntax); err != nil {
				continue
			}
			o := newObject(stored, 10, k.TransferSyntax)
			o.class = k.SOPClass
			store(t, a, o)
			stored++
		}
		if err := a.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if stored != len(keys) {
		t.Errorf("%d of %d stored", stored, len(keys))
	}
}

// TestQuickAck compares the delay per object with and without TCP_QUICKACK. An
// unmodified storescp writes its responses in two parts under Nagle's algorithm.
func TestQuickAck(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("TCP_QUICKACK is for Linux")
	}
	scp := peer.StoreSCP(t, "--ignore", "--fork")
	o := newObject(1, 1000, ExplicitVRLittleEndian)
	measure := func(disable bool) time.Duration {
		a := dial(t, scp.Addr(), scp.AET, Config{DisableQuickAck: disable}, o)
		begin := time.Now()
		for range 50 {
			store(t, a, o)
		}
		return time.Since(begin)
	}
	with, without := measure(false), measure(true)
	t.Logf("50 objects: %v with, %v without TCP_QUICKACK", with, without)
	if without < 4*with {
		t.Errorf("TCP_QUICKACK gains too little: %v instead of %v", with, without)
	}
}

// certificate makes a self-signed certificate for 127.0.0.1 and its files.
func certificate(t testing.TB) (pair tls.Certificate, pool *x509.CertPool, keyFile, certFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keyFile, certFile = filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	for name, block := range map[string]*pem.Block{keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}, certFile: {Type: "CERTIFICATE", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool, keyFile, certFile
}

func TestStoreTLS(t *testing.T) {
	pair, pool, keyFile, certFile := certificate(t)
	scp := peer.StoreSCP(t, "+B", "+tls", keyFile, certFile, "+cf", certFile, "-v")
	objects := []object{newObject(1, 10, ExplicitVRLittleEndian), newObject(2, 2<<20, ExplicitVRLittleEndian)}
	cfg := Config{TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}}
	a := dial(t, scp.Addr(), scp.AET, cfg, objects...)
	for _, o := range objects {
		store(t, a, o)
	}
	if err := a.Release(t.Context()); err != nil {
		t.Error(err)
	}
	for _, o := range objects {
		wantFile(t, scp, o)
	}
	strange := Config{CallingAE: "LOTSE", CalledAE: "X", TLS: &tls.Config{}}
	if _, err := Dial(t.Context(), scp.Addr(), strange, []PresentationContext{VerificationContext(1)}); err == nil || Temporary(err) {
		t.Errorf("unknown certificate: %v", err)
	}
}
