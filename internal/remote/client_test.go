package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lotse/internal/api/problem"
	"lotse/internal/importer"
)

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"https://lotse.example": "https://lotse.example", " https://lotse.example/ ": "https://lotse.example", "https://proxy/lotse/": "https://proxy/lotse",
		"http://localhost:8080": "http://localhost:8080", "http://127.0.0.1:1": "http://127.0.0.1:1", "http://[::1]:1": "http://[::1]:1",
		"http://lotse.example": "insecure", "http://10.0.0.1": "insecure", "http://localhost.example": "insecure",
		"lotse.example": "", "ftp://lotse.example": "", "https://": "", "https://user:secret@lotse.example": "", "https://lotse.example/?x": "",
		"https://lotse.example/#secret": "", "": "", "https://%": "",
	} {
		got, err := address(text, false)
		var wrong *AddressError
		switch {
		case err == nil && got.String() != want:
			t.Errorf("%q: %s, want %s", text, got, want)
		case err != nil && (!errors.As(err, &wrong) || wrong.Insecure != (want == "insecure") || want != "" && want != "insecure"):
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := address("http://lotse.example", true); err != nil {
		t.Error(err)
	}
}

// client is one of a test server.
func client(t *testing.T, h http.Handler, vary ...func(*Config)) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c := Config{URL: srv.URL, Token: "lotse_secret", Version: "test", Patience: 20 * time.Second}
	for _, v := range vary {
		v(&c)
	}
	made, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestRedirect: the token is shown to nobody else.
func TestRedirect(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server was asked, with %q", r.Header.Get("Authorization"))
	}))
	defer other.Close()
	c := client(t, http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	_, err := c.Snapshot(t.Context(), "x")
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Code != "" {
		t.Error(err)
	}
	for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%+v", err)} {
		if strings.Contains(text, "secret") {
			t.Error(text)
		}
	}
}

// TestPatience: what may pass is waited for, what stands is not.
func TestPatience(t *testing.T) {
	var asked atomic.Int64
	var lost, back atomic.Int64
	answers := []func(http.ResponseWriter){
		func(w http.ResponseWriter) { _ = problem.Write(w, problem.New(problem.Unavailable, "")) },
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
		func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter) { _ = problem.Write(w, problem.New(problem.IdempotencyBusy, "")) },
		func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"id":"one"}`) },
		func(w http.ResponseWriter) { _ = problem.Write(w, problem.New(problem.Internal, "")) },
	}
	keys := map[string]bool{}
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys[r.Header.Get("Idempotency-Key")] = true
		w.Header().Set(problem.RequestIDHeader, "request-7")
		answers[asked.Add(1)-1](w)
	}), func(c *Config) {
		c.Lost = func(time.Time) { lost.Add(1) }
		c.Back = func() { back.Add(1) }
	})
	s, err := c.create(t.Context(), newImport{})
	if err != nil || s.ID != "one" || asked.Load() != 5 || len(keys) != 1 || keys[""] {
		t.Errorf("%+v after %d attempts with %d keys: %v", s, asked.Load(), len(keys), err)
	}
	if lost.Load() != 1 || back.Load() != 1 {
		t.Errorf("lost %d times, back %d times", lost.Load(), back.Load())
	}
	_, err = c.create(t.Context(), newImport{})
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Code != problem.Internal || refused.RequestID != "request-7" || asked.Load() != 6 {
		t.Errorf("%v after %d attempts", err, asked.Load())
	}
}

func TestLost(t *testing.T) {
	var refused *Refusal
	var lost *LostError
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) }))
	make := func() *Client {
		c, err := New(Config{URL: srv.URL, Token: "x", Patience: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	met, stranger := make(), make()
	if _, err := met.Snapshot(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	srv.Close()
	begun := time.Now()
	if _, err := stranger.Snapshot(t.Context(), "x"); !errors.As(err, &lost) || !lost.Never || time.Since(begun) > 200*time.Millisecond {
		t.Errorf("never met: %v after %s", err, time.Since(begun))
	}
	if _, err := met.Snapshot(t.Context(), "x"); !errors.As(err, &lost) || lost.Never || time.Since(begun) < 300*time.Millisecond {
		t.Errorf("lost: %v after %s", err, time.Since(begun))
	}
	// One that is never ready is not waited for longer either.
	busy := client(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }),
		func(c *Config) { c.Patience = 300 * time.Millisecond })
	if _, err := busy.Snapshot(t.Context(), "x"); !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
		t.Error(err)
	}
}

// TestCertificate: a server nobody vouches for is not asked again and again.
func TestCertificate(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	srv.Config.ErrorLog = nil
	c, err := New(Config{URL: srv.URL, Token: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var lost *LostError
	if _, err := c.Snapshot(t.Context(), "x"); !errors.As(err, &lost) || !lost.Certificate {
		t.Error(err)
	}
}

// TestStall: a connection on which nothing moves is as good as broken.
func TestStall(t *testing.T) {
	var asked atomic.Int64
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, `{"id":"one"}`)
	}))
	c.stall = 100 * time.Millisecond
	if s, err := c.Snapshot(t.Context(), "x"); err != nil || s.ID != "one" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestCancelled(t *testing.T) {
	c := client(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := c.Snapshot(ctx, "x")
	var p *importer.Problem
	if !errors.As(err, &p) || p.Code != importer.ProblemCancelled {
		t.Error(err)
	}
}

// TestCancelledWhileCreating: what was begun is known, and a server that says nothing
// keeps nobody.
func TestCancelledWhileCreating(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		_, _ = io.WriteString(w, `{"id":"one"}`)
	}))
	w := &way{Client: c, out: &Outcome{}}
	if err := w.begin(ctx, newImport{}); err != nil || w.out.ID != "one" {
		t.Errorf("%+v, %v", w.out, err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		later, stop := lingering(ctx, time.Second)
		cancel()
		begun := time.Now()
		<-later.Done()
		if took := time.Since(begun); took != time.Second {
			t.Errorf("it ended after %s", took)
		}
		stop()
	})
}
