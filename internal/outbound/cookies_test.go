package outbound

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestSessionKeepsItsCookies visits a portal twice in one session and once in another.
func TestSessionKeepsItsCookies(t *testing.T) {
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("node"); err == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "node", Value: "7", Path: "/"})
	}))
	defer portal.Close()
	host := strings.TrimPrefix(portal.URL, "http://")
	g, err := New(Config{AllowHosts: []string{host}, AllowHTTP: []string{host}})
	if err != nil {
		t.Fatal(err)
	}
	visit := func(rt http.RoundTripper) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, portal.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := rt.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if len(r.Cookies()) > 0 {
			t.Error("the caller's request was changed")
		}
		return response.StatusCode
	}
	one, other := g.Session(), g.Session()
	if got := visit(one); got != http.StatusOK {
		t.Errorf("the first visit is answered with %d", got)
	}
	if got := visit(one); got != http.StatusAccepted {
		t.Errorf("the second visit has no cookie: %d", got)
	}
	if got := visit(other); got != http.StatusOK {
		t.Errorf("another session has the cookie: %d", got)
	}
}
