package remote

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/importer"
	"lotse/internal/importer/source"
)

// person answers everything.
func person() source.Hooks {
	return source.Hooks{
		Ask: func(_ context.Context, host string, questions []importer.Question) (map[string]string, error) {
			given := map[string]string{}
			for _, q := range questions {
				given[q.ID] = "answer to " + host
			}
			return given, nil
		},
		Password:    func(_ context.Context, name string) (string, error) { return "password of " + name, nil },
		Retry:       func(context.Context, *importer.Problem) bool { return true },
		Choose:      func(context.Context, []importer.Listed) ([]int, error) { return []int{0, 2}, nil },
		ConfirmHost: func(_ context.Context, host string) (bool, error) { return host == "good.example", nil },
	}
}

// TestAnswer: every question has the answer that it would have here, with a person and
// without.
func TestAnswer(t *testing.T) {
	portal := []importer.Question{{ID: "birth", Type: "PAT_BIRTH_DATE"}}
	archive := []importer.Question{{ID: "archive.2", Type: "ARCHIVE", Text: map[string]string{"": "cd.zip"}}}
	code := func(c importer.ProblemCode) string { return string(c) }
	for name, c := range map[string]struct {
		asked    app.Question
		with     answers
		without  answers
		problem  importer.ProblemCode // with a person
		problem0 importer.ProblemCode // without
	}{
		"open":     {app.Question{Code: code(importer.ProblemQuestion), Host: "p", Questions: portal}, answers{Known: Known{Answers: map[string]string{"birth": "answer to p"}}}, answers{}, "", importer.ProblemQuestion},
		"refused":  {app.Question{Code: code(importer.ProblemRefused), Host: "p", Questions: portal}, answers{Known: Known{Answers: map[string]string{"birth": "answer to p"}}}, answers{}, "", importer.ProblemRefused},
		"no token": {app.Question{Code: code(importer.ProblemTokenUnknown), Host: "p", Questions: []importer.Question{{ID: "token", Type: "TOKEN"}}}, answers{Known: Known{Answers: map[string]string{"token": "answer to p"}}}, answers{}, "", importer.ProblemTokenUnknown},
		"choice":   {app.Question{Code: code(importer.ProblemChoice), Choice: make([]importer.Listed, 4)}, answers{Select: []string{"1", "3"}}, answers{Select: []string{"1-4"}}, "", ""},
		"wished":   {app.Question{Code: code(importer.ProblemSelection), Choice: make([]importer.Listed, 4)}, answers{Select: []string{"1", "3"}}, answers{}, "", importer.ProblemSelection},
		"host":     {app.Question{Code: code(importer.ProblemForeignHost), Host: "good.example"}, answers{Known: Known{AllowHosts: []string{"good.example"}}}, answers{}, "", importer.ProblemForeignHost},
		"bad host": {app.Question{Code: code(importer.ProblemForeignHost), Host: "bad.example"}, answers{}, answers{}, importer.ProblemForeignHost, importer.ProblemForeignHost},
		"archive":  {app.Question{Code: code(importer.ProblemQuestion), Questions: archive}, answers{Known: Known{Answers: map[string]string{"archive.2": "password of cd.zip"}}}, answers{Known: Known{Answers: map[string]string{"archive.2": ""}}}, "", ""},
		"wrong":    {app.Question{Code: code(importer.ProblemAnswer), Questions: archive}, answers{Known: Known{Answers: map[string]string{"archive.2": "password of cd.zip"}}}, answers{Known: Known{Answers: map[string]string{"archive.2": ""}}}, "", ""},
	} {
		for _, there := range []bool{true, false} {
			var got answers
			var match string
			w := &way{Client: client(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				match = r.Header.Get("If-Match")
				raw, err := io.ReadAll(r.Body)
				if err = errors.Join(err, json.Unmarshal(raw, &got)); err != nil || r.URL.Path != apiPath+"/imports/x/answers" {
					t.Errorf("%s: %v", r.URL.Path, err)
				}
			})), out: &Outcome{ID: "x"}}
			want, problem := c.without, c.problem0
			if there {
				w.h.Source, want, problem = person(), c.with, c.problem
			}
			err := w.answer(t.Context(), &app.Snapshot{ID: "x", Version: 7, State: importer.Waiting, Question: &c.asked})
			var p *importer.Problem
			switch {
			case problem != "" && (!errors.As(err, &p) || p.Code != problem || match != ""):
				t.Errorf("%s, %v: %v, want %s", name, there, err, problem)
			case problem == "" && (err != nil || match != `"7"`):
				t.Errorf("%s, %v: %v, version %s", name, there, err, match)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %v: %s", name, there, diff)
			}
		}
	}
}

// TestWrongAnswersEnd: portals lock links.
func TestWrongAnswersEnd(t *testing.T) {
	sent := 0
	w := &way{Client: client(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent++ })), h: Hooks{Source: person()}, out: &Outcome{}}
	asked := &app.Question{Code: string(importer.ProblemRefused), Questions: []importer.Question{{ID: "birth"}}}
	var err error
	for err == nil && sent < 10 {
		err = w.answer(t.Context(), &app.Snapshot{ID: "x", Question: asked})
	}
	var p *importer.Problem
	if !errors.As(err, &p) || p.Code != importer.ProblemRefused || sent != maxAsked-1 { // after those that were known
		t.Errorf("sent %d times: %v", sent, err)
	}
}

// TestDecide: what the server says to a decision is what it would be here.
func TestDecide(t *testing.T) {
	var refused *Refusal
	var contradicts *ReasonError
	var several *importer.Problem
	for _, c := range []struct {
		answer *problem.Problem
		reason func(context.Context, []importer.FindingCode) (string, error)
		want   any // nil: it goes on
	}{
		{nil, nil, nil},
		{problem.New(problem.PreconditionFailed, ""), nil, nil},
		{problem.New(problem.NotPossible, ""), nil, nil},
		{problem.New(problem.SeveralPatients, ""), nil, &several},
		{problem.New(problem.Forbidden, ""), nil, &refused},
		{problem.New(problem.ReasonNeeded, "").With(problem.Field{Location: "body.reason", Message: "sex-differs"}), nil, &contradicts},
		{problem.New(problem.ReasonNeeded, "").With(problem.Field{Location: "body.reason", Message: "sex-differs"}),
			func(_ context.Context, f []importer.FindingCode) (string, error) { return string(f[0]), nil }, nil},
	} {
		w := &way{Client: client(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			if c.answer != nil {
				_ = problem.Write(rw, c.answer)
			}
		})), h: Hooks{Reason: c.reason}, out: &Outcome{}}
		err := w.decide(t.Context(), &app.Snapshot{ID: "x", Version: 1})
		if (err == nil) != (c.want == nil) || c.want != nil && !errors.As(err, c.want) {
			t.Errorf("%v: %v", c.answer, err)
		}
		if c.reason != nil && w.req.Decision.Reason != "sex-differs" {
			t.Errorf("reason %q", w.req.Decision.Reason)
		}
	}
	if contradicts == nil || len(contradicts.Findings) != 1 {
		t.Errorf("%+v", contradicts)
	}
}
