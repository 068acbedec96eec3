package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"lotse/internal/api/problem"
	"lotse/internal/auth/access"
)

// Pending is a change that waits for a second person: the request as it came.
type Pending struct {
	Route      string
	Permission access.Permission
	Method     string
	Target     string            // path and query
	Header     map[string]string // that say what is meant
	Body       []byte
}

// SecondPerson keeps changes until a second person approves them.
type SecondPerson interface {
	// Needed tells whether changes of an actor wait for a second person.
	Needed(ctx context.Context, by access.Actor) (bool, error)
	// Keep keeps a change and returns its id, and until when.
	Keep(ctx context.Context, by access.Actor, p Pending) (id string, until time.Time, err error)
}

// Waits is the answer to a change that waits.
type Waits struct {
	Approval string    `json:"approval" doc:"Id of the approval that another administrator gives."`
	Until    time.Time `json:"until"`
}

// meaning are the headers that a change is kept with.
func meaning() []string { return []string{"Content-Type", "If-Match"} }

// carriedOut marks the context of a change that was approved, with who asked for it.
type carriedOut struct{}

// second keeps a change that waits for a second person, and tells whether it did.
func (s *Server) second(w http.ResponseWriter, r *http.Request, route Route, actor access.Actor) (bool, *problem.Problem) {
	if !route.SecondPerson || s.SecondPerson == nil {
		return false, nil
	}
	failed := func(err error) (bool, *problem.Problem) {
		return false, problem.New(problem.Unavailable, "").Because(fmt.Errorf("keeping a change for a second person: %w", err))
	}
	needed, err := s.SecondPerson.Needed(r.Context(), actor)
	if err != nil {
		return failed(err)
	}
	if !needed {
		return false, nil
	}
	if actor.Kind != access.User { // whoever approves it could be the one who holds the token
		return false, problem.New(problem.Forbidden, "A second person approves such changes: do it as a person, not with a token.")
	}
	p := Pending{Route: route.Pattern, Permission: route.Permission, Method: r.Method, Target: r.URL.RequestURI(), Header: map[string]string{}}
	for _, name := range meaning() {
		if value := r.Header.Get(name); value != "" {
			p.Header[name] = value
		}
	}
	if p.Body, err = io.ReadAll(r.Body); err != nil {
		return false, problem.New(bodyProblem(err), "")
	}
	var waits Waits
	if waits.Approval, waits.Until, err = s.SecondPerson.Keep(r.Context(), actor, p); err != nil {
		return failed(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", Base+"/approvals/"+waits.Approval)
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(waits) // the client has gone
	return true, nil
}

// CarryOut carries an approved change out on behalf of who asked for it.
func (s *Server) CarryOut(ctx context.Context, p Pending, as access.Actor) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(context.WithValue(ctx, carriedOut{}, as), p.Method, p.Target, bytes.NewReader(p.Body))
	if err != nil {
		return 0, nil, fmt.Errorf("carry a change out: %w", err)
	}
	for name, value := range p.Header {
		r.Header.Set(name, value)
	}
	kept := &keptAnswer{silent: silent{header: http.Header{}}}
	s.mux.ServeHTTP(kept, r)
	if kept.code == 0 {
		kept.code = http.StatusOK
	}
	return kept.code, kept.body.Bytes(), nil
}

// keptAnswer takes an answer.
type keptAnswer struct {
	silent
	body bytes.Buffer
}

// Write implements http.ResponseWriter.
func (k *keptAnswer) Write(p []byte) (int, error) { return k.body.Write(p) }
