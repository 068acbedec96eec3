package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/blobtest"
	"lotse/internal/sealed/blob/s3"
	"lotse/internal/sealed/bucket"
	"lotse/test/peer"
)

func config(gw *peer.S3Peer, name string) bucket.Config {
	return bucket.Config{
		Endpoint: gw.Endpoint(), Region: gw.Region, Bucket: name, Prefix: "lotse/blobs",
		AccessKey: gw.AccessKey, SecretKey: gw.SecretKey, PathStyle: true,
	}
}

func open(t *testing.T, c bucket.Config, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.Open(c, o)
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	gw := peer.VersityGW(t)
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, config(gw, gw.Bucket(t)), s3.Options{}) })
}

// With a small budget, more writers than there is memory for still come to an end:
// none waits while it holds a part of the budget.
func TestBudget(t *testing.T) {
	gw := peer.VersityGW(t)
	s := open(t, config(gw, gw.Bucket(t)), s3.Options{Budget: blob.MaxSize})
	ctx := t.Context()
	const writers = 12
	done := make(chan error, writers)
	for i := range writers {
		go func() { done <- fill(ctx, s, i) }()
	}
	for range writers {
		must(t, <-done)
	}

	// All of it in one hand: others wait for their beginning, and no longer than they
	// want; a write without memory says so instead of waiting.
	w, err := s.Create(ctx, "t/i/all")
	must(t, err)
	r, ok := w.(blob.Reserver)
	if !ok || !r.Reserve(blob.MaxSize) || r.Reserve(blob.MaxSize+1) {
		t.Fatal("the budget is not what it should be")
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := s.Create(short, "t/i/none"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("create without memory = %v", err)
	}
	w.Abort()
	if w, err = s.Create(ctx, "t/i/next"); err != nil {
		t.Errorf("create after that: %v", err)
	} else {
		w.Abort()
	}
}

// fill writes 5 MB in blobs as large as the budget allows.
func fill(ctx context.Context, s *s3.Store, i int) error {
	const step = 100_000
	left := 50
	for n := 0; left > 0; n++ {
		w, err := s.Create(ctx, fmt.Sprintf("t/i%d/%d", i, n))
		if err != nil {
			return err
		}
		size := 0
		for ; left > 0 && (size == 0 || w.(blob.Reserver).Reserve(step)); left-- {
			if _, err := w.Write(blobtest.Random(uint64(left), step)); err != nil {
				return err
			}
			size++
		}
		if err := w.Commit(ctx); err != nil {
			return err
		}
	}
	return nil
}

func TestBusy(t *testing.T) {
	gw := peer.VersityGW(t)
	s := open(t, config(gw, gw.Bucket(t)), s3.Options{Budget: blob.MaxSize})
	all, err := s.Create(t.Context(), "t/i/all")
	must(t, err)
	other, err := s.Create(t.Context(), "t/i/other")
	must(t, err)
	defer other.Abort()
	for all.(blob.Reserver).Reserve(1 << 20) {
		_, err := all.Write(make([]byte, 1<<20))
		must(t, err)
	}
	if _, err := other.Write(make([]byte, 2<<20)); !errors.Is(err, blob.ErrBusy) || !blob.Temporary(err) {
		t.Errorf("write without memory = %v", err)
	}
	all.Abort()
}

// tamper is a proxy to the server that changes what passes.
func tamper(t *testing.T, target string, change func(*http.Request, *http.Response)) string {
	t.Helper()
	to, err := url.Parse(target)
	must(t, err)
	proxy := &httputil.ReverseProxy{
		// The host stays, as it is signed.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
		},
		ModifyResponse: func(r *http.Response) error { change(r.Request, r); return nil },
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + ln.Addr().String()
}

// Check refuses a server that gives back other bytes, also only those of uploads in
// parts.
func TestCheckFindsCorruption(t *testing.T) {
	gw := peer.VersityGW(t)
	c := config(gw, gw.Bucket(t))
	var large atomic.Bool
	c.Endpoint = tamper(t, gw.Endpoint(), func(r *http.Request, a *http.Response) {
		if r.Method == http.MethodGet && a.ContentLength > 5<<20 {
			large.Store(true)
			a.Body = io.NopCloser(io.MultiReader(io.LimitReader(a.Body, 100), bytes.NewReader([]byte{1, 2, 3, 4}), skip(a.Body, 4)))
		}
	})
	err := open(t, c, s3.Options{}).Check(t.Context())
	if !errors.Is(err, blob.ErrCorrupts) || blob.Temporary(err) || !large.Load() {
		t.Errorf("check = %v, read in parts: %v", err, large.Load())
	}
}

type lazySkip struct {
	r io.Reader
	n int64
}

func skip(r io.Reader, n int64) io.Reader { return &lazySkip{r, n} }

func (s *lazySkip) Read(p []byte) (int, error) {
	if s.n > 0 {
		if _, err := io.CopyN(io.Discard, s.r, s.n); err != nil {
			return 0, err
		}
		s.n = 0
	}
	return s.r.Read(p)
}

// Which failures pass by themselves.
func TestTemporary(t *testing.T) {
	gw := peer.VersityGW(t)
	good := config(gw, gw.Bucket(t))
	status := func(code int) string {
		return tamper(t, gw.Endpoint(), func(_ *http.Request, a *http.Response) { a.StatusCode = code })
	}
	for name, c := range map[string]struct {
		change    func(*bucket.Config)
		temporary bool
		is        error
	}{
		"no bucket":     {func(c *bucket.Config) { c.Bucket = "none-such" }, false, nil},
		"wrong secret":  {func(c *bucket.Config) { c.SecretKey = "wrong-wrong-wrong" }, false, nil},
		"unknown key":   {func(c *bucket.Config) { c.AccessKey = "unknown" }, false, nil},
		"nobody there":  {func(c *bucket.Config) { c.Endpoint = fmt.Sprintf("http://127.0.0.1:%d", peer.FreePort(t)) }, true, nil},
		"server fails":  {func(c *bucket.Config) { c.Endpoint = status(http.StatusServiceUnavailable) }, true, nil},
		"server full":   {func(c *bucket.Config) { c.Endpoint = status(http.StatusInsufficientStorage) }, true, blob.ErrFull},
		"not supported": {func(c *bucket.Config) { c.Endpoint = status(http.StatusNotImplemented) }, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conf := good
			c.change(&conf)
			s := open(t, conf, s3.Options{})
			key := "t/i/" + strings.ReplaceAll(name, " ", "-") // others delete theirs meanwhile
			w, err := s.Create(t.Context(), key)
			must(t, err)
			_, err = w.Write([]byte("x"))
			must(t, err)
			err = w.Commit(t.Context())
			if err == nil || blob.Temporary(err) != c.temporary || errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%v, temporary %v", err, blob.Temporary(err))
			}
			_, err2 := s.ReadAt(t.Context(), key, make([]byte, 1), 0)
			if err2 == nil || blob.Temporary(err2) != c.temporary || errors.Is(err2, blob.ErrNotFound) {
				t.Errorf("read: %v, temporary %v", err2, blob.Temporary(err2))
			}
			if s.Delete(t.Context(), key) == nil || s.Delete(t.Context(), key, "t/i/r") == nil {
				t.Error("a deletion that did not happen succeeds")
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v, want %v", err, c.is)
			}
			if strings.Contains(fmt.Sprint(err), conf.SecretKey) {
				t.Error("the error shows the secret")
			}
		})
	}
}

// A body that was changed on its way is refused by the server.
func TestChecksum(t *testing.T) {
	gw := peer.VersityGW(t)
	c := config(gw, gw.Bucket(t))
	b, err := bucket.Open(c)
	must(t, err)
	wrong := make([]byte, 32)
	if err := b.Put(t.Context(), "x", bytes.NewReader([]byte("bytes")), 5, wrong, bucket.Condition{}); err == nil {
		t.Error("the server took bytes with another checksum")
	}
	if there, err := b.Exists(t.Context(), "x"); there || err != nil {
		t.Errorf("exists = %v, %v", there, err)
	}
}

func TestConfigHidesSecrets(t *testing.T) {
	c := bucket.Config{Endpoint: "https://s3.example.org", SecretKey: "s3cr3t", SessionToken: "t0k3n"}
	text, err := c.MarshalText()
	must(t, err)
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %q %d", c, c, c, &c), fmt.Sprint(struct{ C bucket.Config }{c}), string(text), c.LogValue().String()} {
		if strings.Contains(s, "s3cr3t") || strings.Contains(s, "t0k3n") {
			t.Errorf("%q shows a secret", s)
		}
	}
	for _, endpoint := range []string{"", "s3.example.org", "ftp://x", "https://", "https://u:p@x", "https://x/path"} {
		if _, err := bucket.Open(bucket.Config{Endpoint: endpoint, Bucket: "b"}); err == nil {
			t.Errorf("endpoint %q is accepted", endpoint)
		}
	}
}
