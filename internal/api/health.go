package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// checkTime is what a check gets when it names no time.
const checkTime = 3 * time.Second

// freshFor is how long a round of checks is good for.
const freshFor = time.Second

// Check is one thing that has to work for the node to be ready.
type Check struct {
	Name    string                      // shown to everybody
	Check   func(context.Context) error // the error goes into the log only
	Timeout time.Duration               // 0: 3 s
}

// healthz tells that the process lives.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n") // the client has gone
}

// CheckResult is how a check ended.
type CheckResult struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Status string        `json:"status"` // ready, not-ready or stopping
	Checks []CheckResult `json:"checks"`
}

// readyz answers 200 when every check passes, else 503.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	answer, status := Readiness{Status: "ready", Checks: s.ready.results(r.Context())}, http.StatusOK
	for _, c := range answer.Checks {
		if !c.OK {
			answer.Status, status = "not-ready", http.StatusServiceUnavailable
		}
	}
	if s.stopping.Err() != nil {
		answer.Status, status = "stopping", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client has gone
}

// readiness runs the checks, each at most once at a time and once a second however many
// ask.
type readiness struct {
	log    *slog.Logger
	checks []*probe
}

// probe is a check and how it ended last.
type probe struct {
	Check
	mu      sync.Mutex
	ok      bool
	ended   time.Time
	running chan struct{} // closed when the run is over; nil: none runs
}

func newReadiness(checks []Check, log *slog.Logger) *readiness {
	r := &readiness{log: log}
	for _, c := range checks {
		if c.Timeout <= 0 {
			c.Timeout = checkTime
		}
		r.checks = append(r.checks, &probe{Check: c, ok: true})
	}
	return r
}

// results runs what is not fresh and waits for each as long as it may take.
func (r *readiness) results(ctx context.Context) []CheckResult {
	all := make([]CheckResult, len(r.checks))
	var wg sync.WaitGroup
	for i, p := range r.checks {
		wg.Go(func() { all[i] = CheckResult{p.Name, p.result(ctx, r.log)} })
	}
	wg.Wait()
	return all
}

// result is whether the check passes. One that hangs fails, and is not run again before
// it returned.
func (p *probe) result(ctx context.Context, log *slog.Logger) bool {
	p.mu.Lock()
	if time.Since(p.ended) < freshFor && p.running == nil {
		defer p.mu.Unlock()
		return p.ok
	}
	if p.running == nil {
		p.running = make(chan struct{})
		go p.run(log)
	}
	running := p.running
	p.mu.Unlock()
	late := time.NewTimer(p.Timeout)
	defer late.Stop()
	select {
	case <-running:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.ok
	case <-late.C:
	case <-ctx.Done():
	}
	return false
}

// run checks once, and tells the log when the outcome is another one than before.
func (p *probe) run(log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), p.Timeout)
	defer cancel()
	err := p.Check.Check(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if ok := err == nil; ok != p.ok {
		if p.ok = ok; ok {
			log.Info("check passes again", "check", p.Name)
		} else {
			log.Error("check fails", "check", p.Name, "err", err)
		}
	}
	p.ended = time.Now()
	close(p.running)
	p.running = nil
}
