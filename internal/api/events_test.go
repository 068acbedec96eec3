package api_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/api"
	"lotse/internal/api/problem"
)

// state is what a stream of the tests shows.
type state struct {
	mu      sync.Mutex
	version int
	final   bool
	err     error
	looks   int
}

func (s *state) set(f func(*state)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *state) look(_ context.Context, in *watchInput) (api.Snapshot[thing], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	if in.ID != "known" {
		return api.Snapshot[thing]{}, problem.New(problem.NotFound, "")
	}
	if s.err != nil {
		return api.Snapshot[thing]{}, s.err
	}
	return api.Snapshot[thing]{Version: strconv.Itoa(s.version), Final: s.final, State: thing{"n\nl", s.version}}, nil
}

type watchInput struct {
	ID string `path:"import"`
	api.LastEvent
}

func watch(t *testing.T, st *state, o api.Options) *node {
	o.Poll = 5 * time.Millisecond
	return start(t, o, func(s *api.Server) {
		api.RegisterEvents(s, api.Operation{ID: "watch-thing", Path: "/things/{import}/events", Permission: "things.read"}, st.look)
	})
}

// open begins a stream.
func (n *node) open(t *testing.T, last string) (*http.Response, *bufio.Scanner) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", n.url+"/api/v1/things/known/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer good")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	lines.Split(events)
	return answer, lines
}

// events splits a stream at empty lines.
func events(data []byte, _ bool) (int, []byte, error) {
	if i := strings.Index(string(data), "\n\n"); i >= 0 {
		return i + 2, data[:i], nil
	}
	return 0, nil, nil
}

// next is the next event that is no comment.
func next(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), ":") {
			return lines.Text()
		}
	}
	return "end"
}

// TestEvents: the whole state when it changed, once, until it is final.
func TestEvents(t *testing.T) {
	st := &state{version: 1}
	n := watch(t, st, api.Options{})
	answer, lines := n.open(t, "")
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", answer.StatusCode, answer.Header)
	}
	if got := next(t, lines); got != "event: snapshot\nid: 1\ndata: {\"name\":\"n\\nl\",\"count\":1}" {
		t.Errorf("%q", got)
	}
	for version := 2; version < 5; version++ {
		st.set(func(s *state) { s.version = version })
		if got := next(t, lines); !strings.Contains(got, "id: "+strconv.Itoa(version)+"\n") {
			t.Errorf("%q", got)
		}
	}
	st.set(func(s *state) { s.version, s.final = 9, true })
	if got := next(t, lines); !strings.Contains(got, "id: 9\n") {
		t.Errorf("%q", got)
	}
	if got := next(t, lines); got != "end" {
		t.Errorf("after the final one: %q", got)
	}
	if answer, _ := n.open(t, "9"); answer.StatusCode != 204 {
		t.Errorf("who has the final one: %d", answer.StatusCode)
	}
	if _, lines := n.open(t, "4"); !strings.Contains(next(t, lines), "id: 9\n") {
		t.Error("who has an older one")
	}
}

// TestEventsAgain: who connects again gets nothing that they have.
func TestEventsAgain(t *testing.T) {
	st := &state{version: 3}
	n := watch(t, st, api.Options{Heartbeat: 10 * time.Millisecond})
	_, lines := n.open(t, "3")
	for range 3 { // comments only
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), ":") {
			t.Fatalf("%q", lines.Text())
		}
	}
	st.set(func(s *state) { s.version = 4 })
	if got := next(t, lines); !strings.Contains(got, "id: 4\n") {
		t.Errorf("%q", got)
	}
}

// TestEventsProblems: at the beginning the answer itself, later an event.
func TestEventsProblems(t *testing.T) {
	st := &state{version: 1}
	n := watch(t, st, api.Options{})
	answer, body := n.ask(t, "GET", "/api/v1/things/unknown/events", "", auth)
	wantProblem(t, answer, body, 404, problem.NotFound)
	answer, body = n.ask(t, "GET", "/api/v1/things/known/events", "")
	wantProblem(t, answer, body, 401, problem.Unauthenticated)
	_, lines := n.open(t, "")
	next(t, lines)
	st.set(func(s *state) { s.err = errors.New("Müller^Erika") })
	if got := next(t, lines); !strings.HasPrefix(got, "event: problem\ndata: {") || !strings.Contains(got, `"code":"internal"`) || strings.Contains(got, "Erika") {
		t.Errorf("%q", got)
	}
	if got := next(t, lines); got != "end" {
		t.Errorf("%q", got)
	}
}

// TestEventsEnd: a stream lasts as long as it may, and nobody looks for a client that left.
func TestEventsEnd(t *testing.T) {
	st := &state{version: 1}
	n := watch(t, st, api.Options{MaxStream: 50 * time.Millisecond})
	answer, _ := n.open(t, "")
	if _, err := io.ReadAll(answer.Body); err != nil {
		t.Errorf("it did not end well: %v", err)
	}

	m := watch(t, st, api.Options{})
	answer, lines := m.open(t, "")
	next(t, lines)
	answer.Body.Close()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(m.log.String(), "/events") { // the line of the request that ended
		if time.Now().After(deadline) {
			t.Fatal("the stream goes on without its client")
		}
		<-time.After(5 * time.Millisecond)
	}
}
