package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lotse/dlx"
	"lotse/dlx/dlxtest"
	"lotse/internal/importer"
	"lotse/test/samples"
)

// mustermann is what the files of the demonstration medium are.
func mustermann() []string {
	return []string{
		"DICOMDIR 1886", "IHE_PDI/REPORTS/report_mustermann.pdf 98979", "IHE_PDI/REPORTS/study_overview.jpg 42516",
		"STUD01/SER01/IMG001 40104", "STUD01/SER02/IMG001 45830", "STUD01/SER03/IMG001 40268",
	}
}

func patcd(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(samples.File(t, "dlx-demo/patcd.zip"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serve returns a portal of dlxtest and its link.
func serve(t testing.TB, file []byte) (*dlxtest.Portal, string) {
	t.Helper()
	p := dlxtest.New(file)
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return p, server.URL + "/view?token=" + p.LinkToken
}

func request(link string) Request { return Request{Sources: []string{link}, BirthDate: "01.01.1970"} }

// exams is a portal's exam of several parts, over dlx.Handler.
type exams struct {
	items   []dlx.Item
	content map[string][]byte // by id; "" is everything
	waiting int               // requests that are told to come back
}

func (e *exams) Lookup(_ context.Context, token string) (dlx.Exam, bool, error) {
	exam := dlx.Exam{
		Questions: []dlx.Question{dlx.BirthDateQuestion(), {ID: "2", Type: dlx.Password, Format: dlx.FormatString, Texts: []dlx.Text{{Language: "en", Text: "PIN\u202e?"}}}},
		Answers:   map[string]dlx.Secret{"1": dlx.NewSecret("19700101"), "2": dlx.NewSecret("132-238-252")}, Grant: "exam",
	}
	return exam, token == "ABC", nil
}

func (e *exams) List(context.Context, string) ([]dlx.Item, error) { return e.items, nil }

func (e *exams) Open(_ context.Context, _, id string) (*dlx.Content, error) {
	if e.waiting > 0 {
		e.waiting--
		return nil, &dlx.NotReadyError{After: time.Second}
	}
	b, ok := e.content[id]
	if !ok {
		return nil, dlx.NotFound
	}
	return &dlx.Content{Body: struct {
		io.ReadSeeker
		io.Closer
	}{bytes.NewReader(b), io.NopCloser(nil)}, MIMEType: "application/pdf", ETag: `"1"`}, nil
}

func (e *exams) OpenAll(ctx context.Context, grant string) (*dlx.Content, error) {
	return e.Open(ctx, grant, "")
}

func handler(t testing.TB, e *exams) string {
	t.Helper()
	h, err := dlx.NewHandler(e, dlx.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL + "/dlx/v1/token/ABC"
}

func TestLink(t *testing.T) {
	file := patcd(t)
	half := len(file) / 2
	tests := map[string]func(p *dlxtest.Portal){
		"plain":          func(*dlxtest.Portal) {},
		"one by one":     func(p *dlxtest.Portal) { p.Script(dlxtest.DownloadAll, dlxtest.Status(http.StatusNotFound)) },
		"page for all":   func(p *dlxtest.Portal) { p.Script(dlxtest.DownloadAll, dlxtest.HTML()) },
		"not ready":      func(p *dlxtest.Portal) { p.Script(dlxtest.DownloadAll, dlxtest.NotReady("1")) },
		"cut connection": func(p *dlxtest.Portal) { p.Script(dlxtest.DownloadAll, p.Cut(half)) },
		"cut, no ranges": func(p *dlxtest.Portal) { p.ETag = ""; p.Script(dlxtest.DownloadAll, p.CutChunked(half)) },
		"expired session": func(p *dlxtest.Portal) {
			p.Script(dlxtest.List, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { p.Expire(); w.WriteHeader(401) }))
		},
		"expires midway":   func(p *dlxtest.Portal) { p.Script(dlxtest.DownloadAll, expiring(p)) },
		"several sessions": func(p *dlxtest.Portal) { p.Script(dlxtest.DownloadAll, expiring(p), p.Cut(half/2)) },
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, link := serve(t, file)
			script(p)
			var steps []importer.Progress
			o := must(t, request(link), Hooks{Progress: func(s importer.Progress) { steps = append(steps, s) }})
			wantListing(t, o, mustermann()...)
			if o.Origin().Kind != importer.FromPortal || !strings.HasPrefix(o.Origin().Label, "127.0.0.1:") {
				t.Errorf("origin %+v", o.Origin())
			}
			last := steps[len(steps)-1]
			if last != (importer.Progress{Phase: importer.PhaseFetch, Done: int64(len(file)), Total: int64(len(file)), Files: 1, FilesTotal: 1}) {
				t.Errorf("progress ends with %+v", last)
			}
			waited := slices.ContainsFunc(steps, func(s importer.Progress) bool { return !s.WaitUntil.IsZero() })
			if name == "not ready" && !waited {
				t.Error("nobody was told of the wait")
			}
		})
	}
}

// expiring sends half of the file, ends the session and breaks the connection.
func expiring(p *dlxtest.Portal) http.Handler {
	cut := p.Cut(len(p.File) / 2)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer p.Expire()
		cut.ServeHTTP(w, r)
	})
}

func TestParts(t *testing.T) {
	pdf, err := os.ReadFile(samples.File(t, "dlx-demo/report_mustermann.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	zip2 := []byte(zipped(t, file{"IMG", "x"}))
	e := &exams{
		items: []dlx.Item{
			{ID: "a", Description: "CT Thorax", Date: "20240419", Modalities: []string{"CT"}, FileCount: -1},
			{ID: "b", Description: "Befund/Brief\x1b", Date: "20240420", FileCount: 1},
			{ID: "c", Description: "MR", Modalities: []string{"MR", "SR"}},
			{ID: "gone", Description: "gone"},
			{ID: "broken", Description: "broken"},
			{ID: "empty", Description: ""},
		},
		content: map[string][]byte{"a": patcd(t), "b": pdf, "c": zip2, "broken": zip2[:40], "empty": {}},
	}
	link := handler(t, e)
	req := Request{Sources: []string{link}, BirthDate: "1970-01-01", Password: " 132-238-252 "}
	var inA []string
	for _, line := range mustermann() {
		inA = append(inA, "1 CT Thorax.zip!/"+line)
	}
	all := append([]string{"1 CT Thorax.zip !container"}, inA...)
	all = append(all, fmt.Sprintf("2 Befund-Brief\uFFFD.pdf %d", len(pdf)), "3 MR.zip !container", "3 MR.zip!/IMG 1", "4 gone !not-given",
		"5 broken.zip !archive-damaged", "6 0")
	wantListing(t, must(t, req, Hooks{}), all...)

	e.waiting = 1
	for selected, want := range map[string][]string{
		"a": mustermann(), "2": {all[7]}, "MR": {"IMG 1"}, "2-3": all[7:10], "20.04.2024": {all[7]}, "befund": {all[7]}, "b,sr": all[7:10],
	} {
		req.Select = []string{selected}
		wantListing(t, must(t, req, Hooks{}), want...)
	}
	for _, nothing := range []string{"7", "XA", "a,nothing", "0", "5-9", ","} {
		req.Select = []string{nothing}
		fails(t, importer.ProblemSelection, req, Hooks{})
	}
	req.Select = nil
	choose := func(chosen ...int) Hooks {
		return Hooks{Choose: func(_ context.Context, l []importer.Listed) ([]int, error) {
			if len(l) != 6 || l[0].Date != "20240419" || l[1].Files != 1 || l[0].Files != -1 {
				t.Errorf("listed %+v", l)
			}
			return chosen, nil
		}}
	}
	wantListing(t, must(t, req, choose(2, 1, 2)), all[7:10]...)
	fails(t, importer.ProblemSelection, req, choose())
	fails(t, importer.ProblemSelection, req, choose(6))

	// Everything at once, and beside other sources.
	e.content[""] = patcd(t)
	e.items = e.items[:2]
	wantListing(t, must(t, req, Hooks{}), mustermann()...)
	local := write(t, filepath.Join(t.TempDir(), "r.pdf"), "%PDF-1.4")
	req.Sources = append(req.Sources, local)
	o := must(t, req, Hooks{})
	if f := o.File(0); f.Path != o.File(6).Path && !strings.HasSuffix(f.Path, "/DICOMDIR") || !strings.HasPrefix(f.Path, "127.0.0.1") {
		t.Errorf("%v", listing(o))
	}
}

func TestAsking(t *testing.T) {
	e := &exams{items: []dlx.Item{{ID: "a"}}, content: map[string][]byte{"": []byte("%PDF-1.4")}}
	req := Request{Sources: []string{handler(t, e)}, Languages: []string{"de"}}
	p := fails(t, importer.ProblemQuestion, req, Hooks{})
	if len(p.Questions) != 2 || p.Questions[0].Type != "PAT_BIRTH_DATE" || p.Questions[0].Format != "DATE" ||
		p.Questions[0].Text[""] != "Wie lautet das Geburtsdatum?" || p.Questions[0].Text["en"] != "What is the date of birth?" ||
		p.Questions[1].Text[""] != "PIN\uFFFD?" || !strings.HasPrefix(p.Host, "127.0.0.1") {
		t.Errorf("%+v", p)
	}
	req.BirthDate = "1970-01-01"
	if p := fails(t, importer.ProblemQuestion, req, Hooks{}); len(p.Questions) != 1 || p.Questions[0].ID != "2" {
		t.Errorf("%+v", p)
	}
	req.Answers = map[string]string{"2": "wrong"}
	fails(t, importer.ProblemRefused, req, Hooks{})
	req.Answers = map[string]string{"2": "132-238-252"}
	wantListing(t, must(t, req, Hooks{}), "1.pdf 8")

	// A person who is wrong, writes no date, and is right.
	given := []map[string]string{{"2": "wrong"}, {"1": "1.1.70", "2": "132-238-252"}, {"1": "1.1.1970", "2": "132-238-252"}}
	var asked []int
	var problems []importer.ProblemCode
	hooks := Hooks{
		Ask: func(_ context.Context, host string, q []importer.Question) (map[string]string, error) {
			asked = append(asked, len(q))
			return given[len(asked)-1], nil
		},
		Retry: func(_ context.Context, p *importer.Problem) bool {
			problems = append(problems, p.Code)
			return true
		},
	}
	req.Answers = nil
	wantListing(t, must(t, req, hooks), "1.pdf 8")
	if !slices.Equal(asked, []int{1, 2, 2}) || !slices.Equal(problems, []importer.ProblemCode{importer.ProblemRefused, importer.ProblemAnswer}) {
		t.Errorf("asked %v, problems %v", asked, problems)
	}
	given, asked = []map[string]string{{"2": "x"}, {"1": "1970-01-01", "2": "x"}, {"1": "1970-01-01", "2": "x"}}, nil
	fails(t, importer.ProblemRefused, req, hooks)
	if len(asked) != 3 {
		t.Errorf("asked %d times", len(asked))
	}
	hooks.Ask = func(context.Context, string, []importer.Question) (map[string]string, error) { return nil, io.EOF }
	fails(t, importer.ProblemInternal, req, hooks)
}

func TestPortalProblems(t *testing.T) {
	status := func(endpoint string, status int) func(*dlxtest.Portal) {
		return func(p *dlxtest.Portal) { p.Script(endpoint, dlxtest.Status(status)) }
	}
	tests := map[string]struct {
		script func(p *dlxtest.Portal)
		code   importer.ProblemCode
	}{
		"wrong answer":   {func(p *dlxtest.Portal) { p.Answer = "19991231" }, importer.ProblemRefused},
		"expired":        {status(dlxtest.TokenTFA, 403), importer.ProblemExpired},
		"down":           {status(dlxtest.Token, 502), importer.ProblemPortalDown},
		"no portal":      {func(p *dlxtest.Portal) { p.Script(dlxtest.Token, dlxtest.HTML()) }, importer.ProblemNotDLX},
		"not understood": {func(p *dlxtest.Portal) { p.Script(dlxtest.List, dlxtest.HTML()) }, importer.ProblemPortal},
		"nothing":        {func(p *dlxtest.Portal) { p.Items = `{"dataItem":[]}` }, importer.ProblemNothing},
		"no archive":     {func(p *dlxtest.Portal) { p.File = p.File[:1000] }, importer.ProblemBadSource},
		"other site": {func(p *dlxtest.Portal) {
			p.Questions = strings.Replace(p.Questions, "/dlx/v1", "https://other.example/dlx", 1)
		}, importer.ProblemForeignHost},
		"unencrypted": {func(p *dlxtest.Portal) {
			p.Questions = strings.Replace(p.Questions, "/dlx/v1", "http://other.example/dlx", 1)
		}, importer.ProblemInsecure},
		"never ready": {func(p *dlxtest.Portal) { p.Script(dlxtest.DownloadAll, dlxtest.NotReady("7200")) }, importer.ProblemPatience},
		"loop": {func(p *dlxtest.Portal) {
			p.Script(dlxtest.Token, slices.Repeat([]http.Handler{dlxtest.Redirect(302, "/view?token=1")}, 9)...)
		}, importer.ProblemPortal},
		"more than fits":  {func(p *dlxtest.Portal) { p.File = make([]byte, 2<<20) }, importer.ProblemBadSource},
		"empty, no token": {func(p *dlxtest.Portal) {}, importer.ProblemTokenUnknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, link := serve(t, patcd(t))
			test.script(p)
			req := request(link)
			req.Limits.Scratch = 1 << 20
			if test.code == importer.ProblemTokenUnknown {
				p.Script(dlxtest.Token, nil)
				req.Sources[0], _, _ = strings.Cut(link, "?")
			}
			problem := fails(t, test.code, req, Hooks{})
			for _, secret := range []string{p.LinkToken, "1970", "view"} {
				if strings.Contains(fmt.Sprint(problem, problem.Host), secret) {
					t.Errorf("%v has a secret", problem)
				}
			}
		})
	}
	req := request("http://portal.invalid/x?token=a")
	fails(t, importer.ProblemInsecure, req, Hooks{})
	req.InsecureHTTP = true
	fails(t, importer.ProblemPortalDown, req, Hooks{})
	_, link := serve(t, nil)
	req = request(link)
	req.Control = func(string, string, syscall.RawConn) error { return errors.New("no") }
	fails(t, importer.ProblemBlocked, req, Hooks{})
}

func TestToken(t *testing.T) {
	p, link := serve(t, []byte("%PDF-1.4"))
	req := request(strings.TrimSuffix(link, "?token="+p.LinkToken))
	req.Answers = map[string]string{"token": p.LinkToken}
	wantListing(t, must(t, req, Hooks{}), "1 DICOM.pdf 8")
}

// TestForeignHost has a portal whose interface is on another host: the same
// server under its other name.
func TestForeignHost(t *testing.T) {
	p, link := serve(t, []byte("%PDF-1.4"))
	other := strings.Replace(strings.SplitAfterN(link, "/", 4)[2], "127.0.0.1", "localhost", 1)
	p.Questions = strings.Replace(p.Questions, `"/dlx/v1"`, `"http://`+other+`dlx/v1"`, 1)
	problem := fails(t, importer.ProblemForeignHost, request(link), Hooks{})
	if !strings.HasPrefix(problem.Host, "localhost") || len(p.Requests(dlxtest.TokenTFA)) > 0 {
		t.Fatalf("host %q, %d answers sent", problem.Host, len(p.Requests(dlxtest.TokenTFA)))
	}
	for _, yes := range []bool{true, false} {
		hooks := Hooks{ConfirmHost: func(_ context.Context, host string) (bool, error) { return yes && host == problem.Host, nil }}
		if yes {
			wantListing(t, must(t, request(link), hooks), "1 DICOM.pdf 8")
		} else {
			fails(t, importer.ProblemForeignHost, request(link), hooks)
		}
	}
	req := request(link)
	req.AllowHosts = []string{"localhost"}
	wantListing(t, must(t, req, Hooks{}), "1 DICOM.pdf 8")
}

func TestSameSite(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"https://portal.klinik.de", "https://api.klinik.de", true},
		{"https://klinik.de", "https://api.klinik.de:8443", true},
		{"https://a.co.uk", "https://b.co.uk", false},
		{"https://a.github.io", "https://b.github.io", false},
		{"https://de", "https://de", false},
		{"http://10.0.0.1", "http://10.1.0.1", false},
		{"http://[::1]", "http://[::1]", false},
	} {
		a, _ := http.NewRequest(http.MethodGet, test.a, nil)
		b, _ := http.NewRequest(http.MethodGet, test.b, nil)
		if got := sameSite(a.URL, b.URL); got != test.same {
			t.Errorf("%s %s: %v", test.a, test.b, got)
		}
	}
}

func qr(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "letter")
	run(t, "qrencode", "-o", path, "-s", "4", text)
	return path
}

func TestPictures(t *testing.T) {
	_, link := serve(t, patcd(t))
	picture := qr(t, link)
	wantListing(t, must(t, request(picture), Hooks{}), mustermann()...)
	req := request(picture)
	req.AsDocument = true
	if o := must(t, req, Hooks{}); o.Len() != 1 || o.Origin().Kind != importer.FromUpload {
		t.Errorf("%v", listing(o))
	}
	for _, text := range []string{"javascript:alert(1)", "file:///etc/passwd", "BEGIN:VCARD", "https:///x", "ftp://portal.example/x"} {
		fails(t, importer.ProblemNoQR, request(qr(t, text)), Hooks{})
	}
	none := qr(t, "no link")
	other := write(t, filepath.Join(t.TempDir(), "report.pdf"), "%PDF-1.4")
	o := must(t, Request{Sources: []string{none, other}}, Hooks{})
	if o.Len() != 2 || o.File(0).Path != "letter" {
		t.Errorf("%v", listing(o))
	}
	req = request(picture)
	req.Limits.Pixels = 100
	fails(t, importer.ProblemNoQR, req, Hooks{})
}
