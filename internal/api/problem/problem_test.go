package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestCatalogue: every code is there once, with a title and something to do.
func TestCatalogue(t *testing.T) {
	seen, last := map[Code]bool{}, 0
	form := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for _, e := range Catalogue() {
		if seen[e.Code] || !form.MatchString(string(e.Code)) || e.Title == "" || !strings.HasSuffix(e.Detail, ".") || e.Status < 400 || e.Status < last {
			t.Errorf("%+v", e)
		}
		seen[e.Code], last = true, e.Status
	}
	if p := New("unheard-of", ""); p.Code != Internal || p.Status != 500 {
		t.Errorf("an unknown code: %+v", p)
	}
}

// TestForStatus: each status has a code of that status, and none is lost.
func TestForStatus(t *testing.T) {
	for _, e := range Catalogue() {
		if got := find(ForStatus(e.Status)).Status; got != e.Status {
			t.Errorf("%d became %d", e.Status, got)
		}
	}
	for status, want := range map[int]Code{418: Malformed, 500: Internal, 502: Internal, 599: Internal, 409: Conflict, 422: Invalid} {
		if got := ForStatus(status); got != want {
			t.Errorf("%d: %s", status, got)
		}
	}
}

// TestWrite is the document on the wire.
func TestWrite(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set(RequestIDHeader, "abc")
	w.Header().Set("ETag", `"1"`)
	behind := errors.New("Müller^Erika")
	p := New(TooMany, "Wait.").Because(behind).After(1500 * time.Millisecond).With(Field{"body.link", "is too long"})
	if err := Write(w, p); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"type": "/api/docs#problem-too-many", "status": 429.0, "code": "too-many", "detail": "Wait.", "request_id": "abc"} {
		if got[key] != want {
			t.Errorf("%s: %v", key, got[key])
		}
	}
	h := w.Result().Header
	if h.Get("Content-Type") != ContentType || h.Get("Retry-After") != "2" || h.Get("ETag") != "" || w.Code != http.StatusTooManyRequests {
		t.Errorf("%d %v", w.Code, h)
	}
	if strings.Contains(w.Body.String(), "Erika") || strings.Contains(p.Error(), "Erika") {
		t.Error("what lies behind is shown")
	}
	if !errors.Is(p, behind) || !errors.Is(p, New(TooMany, "")) || errors.Is(p, New(Internal, "")) {
		t.Error("errors.Is")
	}
}
