package tus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/tus"
)

func noise(random *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(random.Uint32())
	}
	return p
}

// cutting is a listener whose connections break after a random number of bytes.
type cutting struct {
	net.Listener
	most int
	cuts *atomic.Int64
}

type cutConn struct {
	net.Conn
	left int
	cuts *atomic.Int64
}

func (l cutting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &cutConn{Conn: conn, left: 1 + rand.IntN(l.most), cuts: l.cuts}, nil
}

func (c *cutConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.cuts.Add(1)
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, as of a machine that is gone
		}
		_ = c.Conn.Close()
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

type cuttingServer struct {
	*httptest.Server
	cuts atomic.Int64
}

// newCutting serves with connections that break within so many bytes.
func newCutting(t *testing.T, h http.Handler, most int) *cuttingServer {
	t.Helper()
	s := &cuttingServer{Server: httptest.NewUnstartedServer(h)}
	s.Listener = cutting{s.Listener, most, &s.cuts}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// resume is a client by hand: it asks for the offset and goes on from there.
// It returns how often it had to, and fails when an offset goes back.
func resume(ctx context.Context, url string, data []byte, checksum bool) (int, error) {
	promised, tries := 0, 0
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for tries < 1000 {
		tries++
		resp, err := call(ctx, client, "HEAD", url, nil)
		if err != nil || resp.StatusCode != 200 {
			continue
		}
		at, err := strconv.Atoi(resp.Header.Get("Upload-Offset"))
		if err != nil || at < promised {
			return tries, fmt.Errorf("offset %q after %d was promised", resp.Header.Get("Upload-Offset"), promised)
		}
		if promised = at; at == len(data) {
			return tries, nil
		}
		body := data[at:]
		header := []string{"Content-Type", stream, "Upload-Offset", fmt.Sprint(at)}
		if checksum {
			body = body[:min(len(body), 20_000)]
			header = append(header, "Upload-Checksum", sum256(string(body)))
		}
		resp, err = call(ctx, client, "PATCH", url, body, header...)
		if err != nil || resp.StatusCode != 204 {
			continue
		}
		if promised, err = strconv.Atoi(resp.Header.Get("Upload-Offset")); err != nil || promised != at+len(body) {
			return tries, fmt.Errorf("PATCH promised %d, %w", promised, err)
		}
	}
	return tries, errors.New("never done")
}

func call(ctx context.Context, client *http.Client, method, url string, body []byte, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp, resp.Body.Close()
}

func TestResumesAfterCuts(t *testing.T) {
	for _, checksum := range []bool{false, true} {
		t.Run(fmt.Sprintf("checksum %v", checksum), func(t *testing.T) {
			g := newRig(t, func(o *tus.Options) { o.CommitBytes = 64 << 10 })
			srv := newCutting(t, g.mux, 60_000)
			data := noise(rand.New(rand.NewPCG(1, 1)), 1<<20)
			path := g.create(len(data))
			tries, err := resume(t.Context(), srv.URL+path, data, checksum)
			if err != nil {
				t.Fatal(err)
			}
			g.holds(path, string(data))
			if tries < 5 || srv.cuts.Load() < 5 {
				t.Errorf("%d tries, %d cuts: this test cannot fail", tries, srv.cuts.Load())
			}
		})
	}
}

// slow is a PATCH that is under way; bytes are sent by hand.
type slow struct{ conn net.Conn }

func startSlow(t *testing.T, srv *httptest.Server, path string, offset, length int, first string) *slow {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nContent-Type: %s\r\nUpload-Offset: %d\r\nContent-Length: %d\r\n\r\n%s",
		path, stream, offset, length, first)
	if err != nil {
		t.Fatal(err)
	}
	return &slow{conn: conn}
}

// answer reads until the server closes the connection.
func (s *slow) answer(t *testing.T) string {
	t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	read, err := io.ReadAll(s.conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(read)
}

// until waits for a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !done() {
		select {
		case <-deadline:
			t.Fatal("never: " + what)
		case <-tick.C:
		}
	}
}

// leased reports whether somebody writes.
func (g *rig) leased(id string) bool {
	l, err := g.store.Lease(g.Context(), id)
	if err == nil {
		l.Release()
	}
	return errors.Is(err, tus.Locked)
}

func TestStall(t *testing.T) {
	g := newRig(t, func(o *tus.Options) { o.Stall = 100 * time.Millisecond })
	srv := httptest.NewServer(g.mux)
	defer srv.Close()
	path := g.create(10)
	if got := startSlow(t, srv, path, 0, 10, "abc").answer(t); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("%q", got)
	}
	g.holds(path, "abc")
}

func TestTwoWriters(t *testing.T) {
	g := newRig(t)
	srv := httptest.NewServer(g.mux)
	defer srv.Close()
	path := g.create(10)
	first := startSlow(t, srv, path, 0, 10, "abc")
	until(t, "the first writes", func() bool { return g.leased("u1") })
	resp, err := call(t.Context(), srv.Client(), "PATCH", srv.URL+path, []byte("0123456789"), "Content-Type", stream, "Upload-Offset", "0")
	if err != nil || resp.StatusCode != 423 {
		t.Fatalf("%v %v", resp, err)
	}
	g.holds(path, "") // nothing is committed yet, and HEAD answers all the same
	_ = first.conn.Close()
	until(t, "the first has ended", func() bool { return !g.leased("u1") })
	g.holds(path, "abc")
	resp, err = call(t.Context(), srv.Client(), "PATCH", srv.URL+path, []byte("defghij"), "Content-Type", stream, "Upload-Offset", "3")
	if err != nil || resp.StatusCode != 204 {
		t.Fatalf("%v %v", resp, err)
	}
	g.holds(path, "abcdefghij")
}

// TestManyWriters lets many write the same upload at the same time.
func TestManyWriters(t *testing.T) {
	g := newRig(t, func(o *tus.Options) { o.CommitBytes = 10_000 })
	srv := newCutting(t, g.mux, 100_000)
	data := noise(rand.New(rand.NewPCG(2, 2)), 500_000)
	path := g.create(len(data))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := resume(t.Context(), srv.URL+path, data, false); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	g.holds(path, string(data))
}

// TestStop ends a request when the server stops: what came is kept.
func TestStop(t *testing.T) {
	g := newRig(t)
	srv := httptest.NewUnstartedServer(g.mux)
	base, stop := context.WithCancel(t.Context())
	srv.Config.BaseContext = func(net.Listener) context.Context { return base }
	srv.Start()
	defer srv.Close()
	path := g.create(10)
	s := startSlow(t, srv, path, 0, 10, "abc")
	until(t, "it writes", func() bool { return g.leased("u1") })
	stop()
	if got := s.answer(t); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "Retry-After") {
		t.Errorf("%q", got)
	}
	g.holds(path, "abc")
}

// TestDeadlinesEnd checks that a deadline of one request is not that of the next.
func TestDeadlinesEnd(t *testing.T) {
	g := newRig(t, func(o *tus.Options) { o.Stall = 30 * time.Millisecond; o.CommitTimeout = time.Millisecond })
	srv := httptest.NewServer(g.mux)
	defer srv.Close()
	conns := atomic.Int64{}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conns.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	path := g.create(10)
	for i := range 3 {
		resp, err := call(t.Context(), client, "PATCH", srv.URL+path, []byte("x"), "Content-Type", stream, "Upload-Offset", fmt.Sprint(i))
		if err != nil || resp.StatusCode != 204 {
			t.Fatalf("%v %v", resp, err)
		}
		<-time.After(60 * time.Millisecond) // beyond the deadlines of the request before
		resp, err = call(t.Context(), client, "HEAD", srv.URL+path, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%v %v", resp, err)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections: the deadline of a request stayed", conns.Load())
	}
}

func TestThousandsOfFiles(t *testing.T) {
	g := newRig(t)
	srv := httptest.NewServer(g.mux)
	defer srv.Close()
	const files = 2000
	var next atomic.Int64
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for {
				i := next.Add(1)
				if i > files {
					return
				}
				resp, err := call(t.Context(), srv.Client(), "POST", srv.URL+"/up", []byte(content(i)), "Content-Type", stream,
					"Upload-Length", fmt.Sprint(len(content(i))), "Upload-Checksum", sum1(content(i)))
				if err != nil || resp.StatusCode != 201 {
					t.Errorf("%v %v", resp, err)
					return
				}
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, id := range g.store.IDs() {
		got, u := g.store.Content(id)
		if seen[string(got)] = true; !u.Complete() {
			t.Errorf("%s is not complete", id)
		}
	}
	for i := int64(1); i <= files; i++ {
		if !seen[content(i)] {
			t.Errorf("file %d is missing", i)
		}
	}
}

func content(i int64) string { return strings.Repeat(fmt.Sprintf("file %d\n", i), 1+int(i)%300) }
