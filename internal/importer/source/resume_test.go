package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/dlx"
	"lotse/dlx/dlxtest"
	"lotse/internal/importer"
)

// stops runs Fetch as a new process that has to end with a problem.
func stops(t *testing.T, code importer.ProblemCode, req Request, d *vault) *importer.Problem {
	t.Helper()
	err := Fetch(t.Context(), req, Hooks{}, d.keeper(-1))
	var p *importer.Problem
	if !errors.As(err, &p) || p.Code != code {
		t.Fatalf("%v, want %s", err, code)
	}
	return p
}

func done(t *testing.T, req Request, d *vault) {
	t.Helper()
	if err := Fetch(t.Context(), req, Hooks{}, d.keeper(-1)); err != nil {
		t.Fatal(err)
	}
	if string(d.state) != `{"done":true}` {
		t.Errorf("kept after the end: %s", d.state)
	}
}

func assembled(t *testing.T, parts []Part, req Request) *Opened {
	t.Helper()
	req.ScratchDir = t.TempDir()
	o, err := Assemble(t.Context(), parts, req, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func asksFor(t *testing.T, code importer.ProblemCode, parts []Part, req Request) []importer.Question {
	t.Helper()
	_, err := Assemble(t.Context(), parts, req, Hooks{})
	var p *importer.Problem
	if !errors.As(err, &p) || p.Code != code || !p.Asks() {
		t.Fatalf("%v, want %s", err, code)
	}
	return p.Questions
}

// TestQuestionsAsValues is led through everything a portal may want to know, by a new
// process each time.
func TestQuestionsAsValues(t *testing.T) {
	p, link := serve(t, []byte(encrypt(t, "geheim", true, file{"IMG1", "one"})))
	other := strings.Replace(strings.SplitAfterN(link, "/", 4)[2], "127.0.0.1", "localhost", 1)
	p.Questions = strings.Replace(p.Questions, `"/dlx/v1"`, `"http://`+other+`dlx/v1"`, 1)
	p.Items = `{"dataItem":[{"id":"1","description":"CT","patientName":"Mustermann,Max"},{"id":"2","description":"MR"}]}`
	p.Script(dlxtest.DownloadAll, dlxtest.NotReady("7200"), p.Cut(100))
	d := &vault{}
	bare, token, _ := strings.Cut(link, "?token=")
	req := Request{Sources: []string{bare}, Later: true, Patience: time.Second, Answers: map[string]string{}}

	p.Script(dlxtest.Token, dlxtest.JSON(p.Questions), dlxtest.JSON(p.Questions), dlxtest.JSON(p.Questions), dlxtest.JSON(p.Questions),
		dlxtest.JSON(p.Questions), dlxtest.JSON(p.Questions), dlxtest.JSON(p.Questions), dlxtest.JSON(p.Questions))
	if problem := stops(t, importer.ProblemForeignHost, req, d); !problem.Asks() || problem.Host != strings.TrimSuffix(other, "/") {
		t.Errorf("%+v", problem)
	}
	req.AllowHosts = []string{strings.TrimSuffix(other, "/")}
	if problem := stops(t, importer.ProblemTokenUnknown, req, d); !problem.Asks() || problem.Questions[0].ID != "token" {
		t.Errorf("%+v", problem)
	}
	req.Answers["token"] = token
	if problem := stops(t, importer.ProblemQuestion, req, d); !problem.Asks() || problem.Questions[0].Type != "PAT_BIRTH_DATE" {
		t.Errorf("%+v", problem)
	}
	req.Answers["1"] = "1.1.70"
	if problem := stops(t, importer.ProblemAnswer, req, d); len(problem.Questions) != 1 {
		t.Errorf("%+v", problem)
	}
	req.Answers["1"] = "1.1.1971"
	if problem := stops(t, importer.ProblemRefused, req, d); len(problem.Questions) != 1 || problem.Questions[0].ID != "1" {
		t.Errorf("%+v", problem)
	}
	req.Answers["1"] = "1.1.1970"
	problem := stops(t, importer.ProblemChoice, req, d)
	if len(problem.Listed) != 2 || problem.Listed[1].Description != "MR" || !problem.Asks() || strings.Contains(fmt.Sprint(error(problem)), "Muster") {
		t.Errorf("%+v", problem)
	}
	req.Select = []string{"3"}
	if problem := stops(t, importer.ProblemSelection, req, d); len(problem.Listed) != 2 || problem.Host == "" || !problem.Asks() {
		t.Errorf("%+v", problem)
	}
	req.Select, req.Chosen = nil, []int{1, 0}
	if problem := stops(t, importer.ProblemPatience, req, d); problem.After != 2*time.Hour || !problem.Temporary() || problem.Asks() {
		t.Errorf("%+v", problem)
	}
	req.Chosen, req.Patience = nil, 0 // it was chosen
	done(t, req, d)
	if n := len(p.Requests(dlxtest.TokenTFA)); n != 2 {
		t.Errorf("answered %d times", n)
	}
	if n := len(p.Requests(dlxtest.List)); n != 1 {
		t.Errorf("listed %d times", n)
	}
	before := len(p.Requests())
	done(t, req, d)
	if n := len(p.Requests()); n != before {
		t.Errorf("%d requests after the end", n-before)
	}

	// What came is locked.
	parts := d.list()
	if q := asksFor(t, importer.ProblemQuestion, parts, req); len(q) != 1 || q[0].ID != "archive.1" || q[0].Text[""] != "download.zip" {
		t.Errorf("%+v", q)
	}
	req.Answers["archive.1"] = "wrong"
	if q := asksFor(t, importer.ProblemAnswer, parts, req); len(q) != 1 || q[0].ID != "archive.1" {
		t.Errorf("%+v", q)
	}
	req.Answers["archive.1"] = "geheim"
	wantListing(t, assembled(t, parts, req), "IMG1 3")
	req.Answers["archive.1"] = ""
	wantListing(t, assembled(t, parts, req), "IMG1 !encrypted")
}

// noise is a file of n bytes that looks like nothing in particular.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// killed is a portal's exam of some items, fetched by processes that die after
// so many durable steps, for every number of steps.
func killed(t *testing.T, e *exams, validator bool, check func(t *testing.T, d *vault)) {
	t.Helper()
	h, err := dlx.NewHandler(e, dlx.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	asked := map[string]string{} // the ranges of downloads
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, id, ok := strings.Cut(r.URL.Path, "/download"); ok {
			mu.Lock()
			asked[strings.TrimPrefix(id, "/")] = r.Header.Get("Range")
			mu.Unlock()
		}
		if !validator {
			w = strip{w}
		}
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	req := Request{Sources: []string{server.URL + "/dlx/v1/token/ABC"}, Later: true, Chosen: everything(len(e.items)),
		Answers: map[string]string{"1": "19700101", "2": "132-238-252"}}
	whole := &vault{}
	done(t, req, whole)
	check(t, whole)
	for steps := 1; ; steps++ {
		d := &vault{}
		kills := 0
		for ; kills < 200; kills++ {
			want := d.ranges(e.items)
			clear(asked)
			// Each process gets as far as the first, and at least one step further.
			err := Fetch(t.Context(), req, Hooks{}, d.keeper(steps+kills))
			for id, from := range asked {
				if expected, known := want[id]; validator && known && from != expected {
					t.Errorf("%d steps, process %d: asked %q for %q, want %q", steps, kills+1, id, from, expected)
				}
			}
			if err == nil {
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatalf("killed after %d steps: %v", steps+kills, err)
			}
		}
		check(t, d)
		if kills == 0 {
			t.Logf("%d durable steps, killed after each", steps-1)
			return
		}
	}
}

// ranges are those that are to be asked for next, by item: of what is not finished the
// rest, of what is finished none.
func (v *vault) ranges(items []dlx.Item) map[string]string {
	want := map[string]string{}
	for _, p := range v.parts {
		id := ""
		if p.about.Key != allKey {
			id = items[p.about.Position-1].ID
		}
		switch {
		case p.finished:
			want[id] = "nothing"
		case len(p.data) > 0:
			want[id] = fmt.Sprintf("bytes=%d-", len(p.data))
		}
	}
	return want
}

// strip takes the validators out of answers.
type strip struct{ http.ResponseWriter }

func (s strip) WriteHeader(status int) {
	s.Header().Del("ETag")
	s.Header().Del("Last-Modified")
	s.ResponseWriter.WriteHeader(status)
}

func TestKilledAfterEveryStep(t *testing.T) {
	pin := dlx.Item{ID: "b"}
	content := map[string][]byte{"a": noise(1, 60_000), "b": noise(2, 3), "c": noise(3, 20_000), "empty": {}}
	all := []dlx.Item{{ID: "a", Description: "CT"}, pin, {ID: "gone"}, {ID: "c"}, {ID: "empty"}}
	check := func(t *testing.T, d *vault) {
		t.Helper()
		if len(d.parts) != len(all) {
			t.Fatalf("%d parts", len(d.parts))
		}
		for i, p := range d.parts {
			want, ok := content[all[i].ID]
			if !ok {
				if p.refused != importer.ReasonNotGiven || p.finished {
					t.Errorf("part %s: %+v", p.about.Key, p)
				}
				continue
			}
			if !p.finished || p.refused != "" || !bytes.Equal(p.data, want) || p.sum.SHA256 != sha256.Sum256(want) {
				t.Errorf("part %s: %d of %d bytes, finished %t", p.about.Key, len(p.data), len(want), p.finished)
			}
		}
	}
	for name, validator := range map[string]bool{"with validators": true, "without": false} {
		t.Run(name, func(t *testing.T) { killed(t, &exams{items: all, content: content}, validator, check) })
	}
	big := noise(4, 100_000)
	copy(big, "PK\x03\x04")
	t.Run("at once", func(t *testing.T) {
		killed(t, &exams{items: all, content: map[string][]byte{"": big}}, true, func(t *testing.T, d *vault) {
			t.Helper()
			if len(d.parts) != 1 || !bytes.Equal(d.parts[0].data, big) || d.parts[0].sum != (Sum{sha256.Sum256(big), dlx.ZIP}) {
				t.Errorf("%d parts", len(d.parts))
			}
		})
	})
}

// TestFinishedPartsStay has a process that dies when the second of three parts has
// come to half.
func TestFinishedPartsStay(t *testing.T) {
	p, link := serve(t, noise(5, 4<<20))
	p.Items = `{"dataItem":[{"id":"1"},{"id":"2"},{"id":"3"}]}`
	p.Script(dlxtest.DownloadAll, dlxtest.Status(404))
	d := &vault{}
	ctx, cancel := context.WithCancel(t.Context())
	hooks := Hooks{Progress: func(s importer.Progress) {
		if s.Files == 1 && s.Done > 5<<20 {
			cancel()
		}
	}}
	req := request(link)
	err := Fetch(ctx, req, hooks, d.keeper(-1))
	var problem *importer.Problem
	if !errors.As(err, &problem) || problem.Code != importer.ProblemCancelled {
		t.Fatal(err)
	}
	done(t, req, d)
	asked := p.Requests(dlxtest.Download)
	var ranges []string
	for _, r := range asked {
		ranges = append(ranges, r.Path[len(r.Path)-1:]+" "+r.Header.Get("Range"))
	}
	if len(ranges) != 4 || ranges[0] != "1 " || ranges[1] != "2 " || !strings.HasPrefix(ranges[2], "2 bytes=") || ranges[3] != "3 " {
		t.Errorf("%q", ranges)
	}
	for _, part := range d.parts {
		if !bytes.Equal(part.data, p.File) {
			t.Errorf("part %s: %d bytes", part.about.Key, len(part.data))
		}
	}
}

// TestAnswersForOneTime: a one-time password opens the session once, and it goes on.
func TestAnswersForOneTime(t *testing.T) {
	p, link := serve(t, noise(6, 100_000))
	p.Script(dlxtest.TokenTFA, nil, dlxtest.Status(401), dlxtest.Status(401))
	d := &vault{}
	if err := Fetch(t.Context(), request(link), Hooks{}, d.keeper(5)); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if len(d.parts) != 1 || len(d.parts[0].data) == 0 {
		t.Fatalf("%d parts", len(d.parts))
	}
	done(t, request(link), d)
	if n := len(p.Requests(dlxtest.TokenTFA)); n != 1 || !bytes.Equal(d.parts[0].data, p.File) {
		t.Errorf("answered %d times, %d bytes", n, len(d.parts[0].data))
	}
}

// TestStaleSession: some portals say of a session that has ended that the link has.
func TestStaleSession(t *testing.T) {
	for name, script := range map[string]func(p *dlxtest.Portal){
		"401": func(p *dlxtest.Portal) { p.Expire() },
		"403": func(p *dlxtest.Portal) { p.Expire(); p.Script(dlxtest.DownloadAll, dlxtest.Status(403)) },
	} {
		t.Run(name, func(t *testing.T) {
			p, link := serve(t, noise(7, 50_000))
			d := &vault{}
			if err := Fetch(t.Context(), request(link), Hooks{}, d.keeper(5)); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			script(p)
			done(t, request(link), d)
			if n := len(p.Requests(dlxtest.TokenTFA)); n != 2 || !bytes.Equal(d.parts[0].data, p.File) {
				t.Errorf("answered %d times, %d bytes", n, len(d.parts[0].data))
			}
		})
	}
	p, link := serve(t, nil)
	p.Script(dlxtest.List, dlxtest.Status(403))
	stops(t, importer.ProblemExpired, request(link), &vault{})
}

// TestSeparatelyStays: what was refused as a whole is not asked for as a whole again.
func TestSeparatelyStays(t *testing.T) {
	p, link := serve(t, noise(8, 30_000))
	p.Items = `{"dataItem":[{"id":"1"},{"id":"2"}]}`
	p.Script(dlxtest.DownloadAll, dlxtest.HTML())
	p.Script(dlxtest.Download, nil, dlxtest.NotReady("600"))
	req := request(link)
	req.Patience = time.Second
	d := &vault{}
	stops(t, importer.ProblemPatience, req, d)
	done(t, req, d)
	if n := len(p.Requests(dlxtest.DownloadAll)); n != 1 {
		t.Errorf("asked for all %d times", n)
	}
	wantListing(t, assembled(t, d.list(), req), "1 30000", "2 30000")
}

// TestRefusedIsTriedAgain by the next run of a fetch that did not end.
func TestRefusedIsTriedAgain(t *testing.T) {
	p, link := serve(t, noise(9, 3000))
	p.Items = `{"dataItem":[{"id":"1"},{"id":"2"}]}`
	p.Script(dlxtest.DownloadAll, dlxtest.Status(404))
	p.Script(dlxtest.Download, dlxtest.Status(404), dlxtest.NotReady("600"))
	req := request(link)
	req.Patience = time.Second
	d := &vault{}
	stops(t, importer.ProblemPatience, req, d)
	if d.parts[0].refused != importer.ReasonNotGiven {
		t.Errorf("%+v", d.parts[0])
	}
	done(t, req, d)
	wantListing(t, assembled(t, d.list(), req), "1 3000", "2 3000")
}

func TestFetchPicture(t *testing.T) {
	p, link := serve(t, patcd(t))
	picture, err := os.ReadFile(qr(t, link))
	if err != nil {
		t.Fatal(err)
	}
	req := Request{Picture: io.NewSectionReader(bytes.NewReader(picture), 0, int64(len(picture))), Later: true}
	d := &vault{}
	stops(t, importer.ProblemQuestion, req, d)
	req.BirthDate = "1970-01-01"
	p.Script(dlxtest.DownloadAll, dlxtest.NotReady("600"))
	req.Patience = time.Second
	stops(t, importer.ProblemPatience, req, d)
	req.Picture = nil // the link is known
	done(t, req, d)
	wantListing(t, assembled(t, d.list(), req), mustermann()...)
	text := []byte("no picture")
	stops(t, importer.ProblemNoQR, Request{Picture: io.NewSectionReader(bytes.NewReader(text), 0, int64(len(text)))}, &vault{})
}

func TestFetchNeedsALink(t *testing.T) {
	stops(t, importer.ProblemUsage, Request{}, &vault{})
	stops(t, importer.ProblemUsage, Request{Sources: []string{"https://a/", "https://b/"}}, &vault{})
	stops(t, importer.ProblemBadLink, Request{Sources: []string{"/etc/passwd"}}, &vault{})
	stops(t, importer.ProblemAnswer, Request{Sources: []string{"https://a/"}, BirthDate: "x"}, &vault{})
	for _, state := range []string{`{"link":"secret`, `{"link":"secret","listed":[{}],"chosen":[1]}`, `{"link":"secret","chosen":[-1]}`} {
		problem := stops(t, importer.ProblemInternal, Request{Sources: []string{"https://a/"}}, &vault{state: []byte(state)})
		if strings.Contains(problem.Error(), "secret") {
			t.Error(problem)
		}
	}
}

func TestFetchIsBounded(t *testing.T) {
	_, link := serve(t, make([]byte, 100_000))
	req := request(link)
	req.Limits.Scratch = 99_999
	stops(t, importer.ProblemBadSource, req, &vault{})
}

// TestKeeperProblems: a keeper may say itself what its failure means.
func TestKeeperProblems(t *testing.T) {
	_, link := serve(t, noise(1, 100_000))
	full := &importer.Problem{Code: importer.ProblemDiskFull, Err: errors.New("no space")}
	err := Fetch(t.Context(), request(link), Hooks{}, failing{(&vault{}).keeper(-1), full})
	var p *importer.Problem
	if !errors.As(err, &p) || p != full {
		t.Errorf("%v", err)
	}
	lost := errors.New("lease lost")
	if err := Fetch(t.Context(), request(link), Hooks{}, failing{(&vault{}).keeper(-1), lost}); !errors.Is(err, lost) {
		t.Errorf("%v", err)
	}
}

// failing keeps parts that cannot be written.
type failing struct {
	*keeper
	err error
}

func (f failing) Part(ctx context.Context, about About) (Keeping, error) {
	k, err := f.keeper.Part(ctx, about)
	return unwritable{k, f.err}, err
}

type unwritable struct {
	Keeping
	err error
}

func (u unwritable) Write([]byte) (int, error) { return 0, u.err }

// TestDigestOfOthers: a keeper that keeps count itself is believed.
func TestDigestOfOthers(t *testing.T) {
	_, link := serve(t, noise(2, 50_000))
	d := &vault{}
	if err := Fetch(t.Context(), request(link), Hooks{}, counted{d.keeper(-1)}); err != nil {
		t.Fatal(err)
	}
	if d.parts[0].sum.SHA256 != [32]byte([]byte("the digest that somebody else has")[:32]) {
		t.Errorf("%x", d.parts[0].sum.SHA256)
	}
}

type counted struct{ *keeper }

func (c counted) Part(ctx context.Context, about About) (Keeping, error) {
	k, err := c.keeper.Part(ctx, about)
	return digested{k}, err
}

type digested struct{ Keeping }

func (digested) Digest() []byte { return []byte("the digest that somebody else has")[:32] }

// TestSameAsAtOnce: what is fetched in parts is the package that Open makes.
func TestSameAsAtOnce(t *testing.T) {
	zip2 := []byte(zipped(t, file{"IMG", "x"}, file{"deep0", zipped(t, file{"y", "y"})}))
	e := &exams{
		items:   []dlx.Item{{ID: "a", Description: "CT Thorax"}, {ID: "b", Description: "Befund/Brief"}, {ID: "gone"}, {ID: "empty"}},
		content: map[string][]byte{"a": patcd(t), "b": []byte("%PDF-1.4"), "empty": {}},
	}
	link := handler(t, e)
	req := Request{Sources: []string{link}, BirthDate: "1970-01-01", Password: "132-238-252"}
	for name, set := range map[string]func(){
		"one by one": func() {},
		"a part":     func() { req.Select = []string{"1"} },
		"two":        func() { req.Select = []string{"1-2"} },
		"all":        func() { req.Select, e.content[""] = nil, zip2 },
	} {
		t.Run(name, func(t *testing.T) {
			set()
			d := &vault{}
			done(t, req, d)
			o, want := assembled(t, d.list(), req), must(t, req, Hooks{})
			if !slices.Equal(listing(o), listing(want)) || o.Origin() != want.Origin() {
				t.Errorf("got\n%q\nwant\n%q", listing(o), listing(want))
			}
		})
	}
}
