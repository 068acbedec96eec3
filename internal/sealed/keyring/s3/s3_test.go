package s3_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"lotse/internal/sealed/bucket"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/keyringtest"
	"lotse/internal/sealed/keyring/s3"
	"lotse/test/peer"
)

func config(gw *peer.S3Peer, name string) bucket.Config {
	return bucket.Config{
		Endpoint: gw.Endpoint(), Region: gw.Region, Bucket: name, Prefix: "lotse/keyring",
		AccessKey: gw.AccessKey, SecretKey: gw.SecretKey, PathStyle: true,
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	gw := peer.VersityGW(t)
	keyringtest.Run(t, func(t *testing.T, now func() time.Time) (keyring.Store, func() keyring.Store) {
		c := config(gw, gw.Bucket(t))
		open := func() keyring.Store {
			s, err := s3.Open(t.Context(), c, now)
			must(t, err)
			return s
		}
		return open(), open
	})
}

func TestRefusesVersions(t *testing.T) {
	gw := peer.VersityGW(t)
	if _, err := s3.Open(t.Context(), config(gw, gw.VersionedBucket(t)), nil); !errors.Is(err, s3.ErrVersioned) {
		t.Errorf("versioned bucket: %v", err)
	}
	name := gw.VersionedBucket(t)
	must(t, gw.Client().SuspendVersioning(t.Context(), name))
	if _, err := s3.Open(t.Context(), config(gw, name), nil); !errors.Is(err, s3.ErrVersioned) {
		t.Errorf("bucket that was versioned: %v", err)
	}
	name = gw.Bucket(t)
	s, err := s3.Open(t.Context(), config(gw, name), nil)
	must(t, err)
	must(t, gw.Client().EnableVersioning(t.Context(), name))
	if err := s.Check(t.Context()); !errors.Is(err, s3.ErrVersioned) {
		t.Errorf("bucket that becomes versioned: %v", err)
	}
	if _, err := s3.Open(t.Context(), config(gw, "none-such"), nil); err == nil {
		t.Error("a bucket that is not there is opened")
	}
	c := config(gw, gw.Bucket(t))
	c.SecretKey = "wrong-wrong-wrong"
	if _, err := s3.Open(t.Context(), c, nil); err == nil {
		t.Error("a bucket that does not say whether it is versioned is opened")
	}
}

// A server that takes a put whatever its condition says is refused.
func TestRefusesUnconditional(t *testing.T) {
	gw := peer.VersityGW(t)
	for _, header := range []string{"If-None-Match", "If-Match"} {
		c := config(gw, gw.Bucket(t))
		c.Endpoint = without(t, gw, header)
		s, err := s3.Open(t.Context(), c, nil)
		must(t, err)
		if err := s.Check(t.Context()); !errors.Is(err, s3.ErrUnconditional) {
			t.Errorf("without %s: %v", header, err)
		}
	}
}

// without is a proxy to the server that hides a header from it and signs again.
func without(t *testing.T, gw *peer.S3Peer, header string) string {
	t.Helper()
	to, err := url.Parse(gw.Endpoint())
	must(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
		r.Out.Header.Del(header)
		r.Out.Header.Del("Authorization")
		*r.Out = *signer.SignV4(*r.Out, gw.AccessKey, gw.SecretKey, "", gw.Region)
	}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + ln.Addr().String()
}

// A deletion that was interrupted after its tombstone holds for everybody.
func TestTombstoneDecides(t *testing.T) {
	gw := peer.VersityGW(t)
	c := config(gw, gw.Bucket(t))
	s, err := s3.Open(t.Context(), c, nil)
	must(t, err)
	must(t, s.Put(t.Context(), "t", "a", []byte("a key")))
	b, err := bucket.Open(c)
	must(t, err)
	must(t, b.PutBytes(t.Context(), "erased/t/a", []byte("1790000000000000"), bucket.Condition{}))
	if _, err := s.Get(t.Context(), "t", "a"); !errors.Is(err, keyring.ErrErased) {
		t.Errorf("get = %v", err)
	}
	must(t, s.Delete(t.Context(), "t", "a"))
	if there, err := b.Exists(t.Context(), "entries/t/a"); there || err != nil {
		t.Errorf("the entry is there: %v, %v", there, err)
	}
	for stone, err := range s.Erased(t.Context(), "t") {
		if err != nil || stone.At.UnixMicro() != 1790000000000000 {
			t.Errorf("tombstone %v, %v: not its first time", stone, err)
		}
	}
}
