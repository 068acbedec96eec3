package dlx_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"lotse/dlx"
)

// world is a network of hosts, all served by this process, with a clock that
// jumps over every wait.
type world struct {
	t     *testing.T
	hosts map[string]string // "host:port" → address

	mu    sync.Mutex
	now   time.Time
	waits []dlx.Waiting
}

func newWorld(t *testing.T) *world {
	return &world{t: t, hosts: map[string]string{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

// https serves h at https://host.
func (w *world) https(host string, h http.Handler) {
	srv := quiet(h)
	srv.StartTLS()
	w.t.Cleanup(srv.Close)
	w.hosts[host+":443"] = srv.Listener.Addr().String()
}

// http serves h at http://host.
func (w *world) http(host string, h http.Handler) {
	srv := quiet(h)
	srv.Start()
	w.t.Cleanup(srv.Close)
	w.hosts[host+":80"] = srv.Listener.Addr().String()
}

// quiet keeps broken connections out of the test's output.
func quiet(h http.Handler) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	return srv
}

func (w *world) client(change ...func(*dlx.Config)) *dlx.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			to, ok := w.hosts[address]
			if !ok {
				return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Name: address, IsNotFound: true}}
			}
			return (&net.Dialer{}).DialContext(ctx, network, to)
		},
	}
	w.t.Cleanup(transport.CloseIdleConnections)
	cfg := dlx.Config{
		Transport: transport,
		Now:       func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
		After: func(d time.Duration) <-chan time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.now = w.now.Add(d)
			fired := make(chan time.Time, 1)
			fired <- w.now
			return fired
		},
		Waiting: func(wait dlx.Waiting) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.waits = append(w.waits, wait)
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	return dlx.New(cfg)
}

// waited sums up the waits so far, by reason.
func (w *world) waited() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := ""
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, wait := range w.waits {
		s += fmt.Sprintf("%s %s;", wait.Reason, wait.Until.Sub(start))
		start = wait.Until
	}
	return s
}

const (
	link  = "https://portal.example/dlx/v1/token/ABC-S1Z-98A"
	birth = "1.1.1970"
)

// open probes a link and answers its only question.
func open(t *testing.T, c *dlx.Client, link string) *dlx.Session {
	t.Helper()
	p, err := c.Probe(t.Context(), link)
	if err != nil {
		t.Fatalf("probe: %v", err)
	}
	s, err := c.Authenticate(t.Context(), p, map[string]string{p.Questions[0].ID: birth})
	if err != nil {
		t.Fatalf("authenticate: %v", err)
	}
	return s
}

// wantKind checks an error's kind and that it is typed.
func wantKind(t *testing.T, err error, kind dlx.Kind) *dlx.Error {
	t.Helper()
	var e *dlx.Error
	if !errors.Is(err, kind) || !errors.As(err, &e) {
		t.Fatalf("got %v, want kind %q", err, kind)
	}
	return e
}

// memory is a sink that remembers how often it was reset.
type memory struct {
	data    []byte
	version dlx.Version
	resets  int
	fail    error
}

func (m *memory) Write(p []byte) (int, error) {
	if m.fail != nil {
		return 0, m.fail
	}
	m.data = append(m.data, p...)
	return len(p), nil
}
func (m *memory) Offset() int64        { return int64(len(m.data)) }
func (m *memory) Version() dlx.Version { return m.version }
func (m *memory) Reset(v dlx.Version) error {
	m.data, m.version, m.resets = nil, v, m.resets+1
	return nil
}

// readable is a memory whose end can be read again.
type readable struct{ *memory }

func (r readable) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(r.data).ReadAt(p, off)
}
