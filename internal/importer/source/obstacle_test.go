package source

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lotse/dlx"
	"lotse/dlx/dlxtest"
	"lotse/internal/importer"
)

// withholding answers for single items with a status, else as the portal does.
func withholding(t testing.TB, e *exams, status map[string]int) string {
	t.Helper()
	h, err := dlx.NewHandler(e, dlx.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code, ok := status[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]]; ok {
			w.WriteHeader(code)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/dlx/v1/token/ABC"
}

// One item that the portal does not hand out does not stop the others.
func TestItemsThatFail(t *testing.T) {
	e := &exams{
		items:   []dlx.Item{{ID: "a", Description: "A"}, {ID: "b", Description: "B"}, {ID: "c", Description: "C"}, {ID: "d", Description: "D"}},
		content: map[string][]byte{"a": []byte("%PDF-1.4"), "d": []byte("%PDF-1.5!")},
	}
	req := Request{BirthDate: "1970-01-01", Password: "132-238-252"}
	req.Sources = []string{withholding(t, e, map[string]int{"b": 403, "c": 410})}
	wantListing(t, must(t, req, Hooks{}), "1 A.pdf 8", "2 B !not-given", "3 C !not-given", "4 D.pdf 9")

	req.Sources = []string{withholding(t, e, map[string]int{"a": 403, "b": 403, "c": 410, "d": 403})}
	fails(t, importer.ProblemExpired, req, Hooks{})
}

func TestTokenIsAskedFor(t *testing.T) {
	p, link := serve(t, patcd(t))
	p.Script(dlxtest.Token, nil)
	req := request(strings.Replace(link, "?token=", "?lang=de&x=", 1))
	asked := ""
	wantListing(t, must(t, req, Hooks{Ask: func(_ context.Context, _ string, q []importer.Question) (map[string]string, error) {
		asked = q[0].Type
		return map[string]string{q[0].ID: p.LinkToken}, nil
	}}), mustermann()...)
	if asked != "TOKEN" {
		t.Errorf("asked for %q", asked)
	}
	req.Answers = map[string]string{"token": p.LinkToken}
	wantListing(t, must(t, req, Hooks{}), mustermann()...)
}

func TestNoCertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	server.Config.ErrorLog = nil
	fails(t, importer.ProblemCertificate, Request{Sources: []string{server.URL + "/dlx/v1/token/ABC"}}, Hooks{})
}

// An empty name is not the folder one happens to be in.
func TestSourceThatIsNone(t *testing.T) {
	fails(t, importer.ProblemNoSource, Request{Sources: []string{""}}, Hooks{})
	for _, link := range []string{"https://user:secret@localhost/x", "https://" + strings.Repeat("a", 5000) + "/"} {
		fails(t, importer.ProblemBadLink, Request{Sources: []string{link}}, Hooks{})
	}
}

// What is delivered must be what was inspected: a file of a folder that becomes
// another one in between is not opened any more.
func TestFileChangesMeanwhile(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"same", "grown", "replaced"} {
		write(t, filepath.Join(dir, name), "%PDF-1.4")
	}
	o := must(t, Request{Sources: []string{dir}}, Hooks{})
	write(t, filepath.Join(dir, "grown"), "%PDF-1.4 and more")
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(write(t, filepath.Join(dir, "replaced"), "%PDF-1.5"), later, later); err != nil {
		t.Fatal(err)
	}
	for i := range o.Len() {
		r, err := o.Open(i)
		var refused *importer.OpenError
		same := strings.HasSuffix(o.File(i).Path, "same")
		if same == errors.As(err, &refused) {
			t.Errorf("%s: %v", o.File(i).Path, err)
		}
		if err == nil {
			_ = r.Close()
		}
	}
}
