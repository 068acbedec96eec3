package dlx_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lotse/dlx"
	"lotse/dlx/dlxtest"
)

// file is a ZIP by its first bytes, larger than every buffer.
func file() []byte {
	b := make([]byte, 300_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	copy(b, "PK\x03\x04")
	return b
}

func TestFetchSurvives(t *testing.T) {
	type script func(p *dlxtest.Portal) []http.Handler
	for name, c := range map[string]struct {
		answers  script
		noETag   bool
		requests int
		resets   int
		waits    string
	}{
		"nothing": {answers: func(p *dlxtest.Portal) []http.Handler { return nil }, requests: 1, resets: 1},
		"one cut": {answers: func(p *dlxtest.Portal) []http.Handler { return []http.Handler{p.Cut(100_000)} },
			requests: 2, resets: 1, waits: "unavailable 1s;"},
		"cuts that get further": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{p.Cut(20_000), p.Cut(20_000), p.Cut(20_000), p.Cut(20_000), p.Cut(20_000), p.Cut(20_000), p.Cut(20_000)}
		}, requests: 8, resets: 1, waits: strings.Repeat("unavailable 1s;", 7)},
		"cut without a validator": {noETag: true, answers: func(p *dlxtest.Portal) []http.Handler { return []http.Handler{p.Cut(100_000)} },
			requests: 2, resets: 1, waits: "unavailable 1s;"},
		"cut early, without a validator": {noETag: true, answers: func(p *dlxtest.Portal) []http.Handler { return []http.Handler{p.Cut(500)} },
			requests: 2, resets: 2, waits: "unavailable 1s;"},
		"cut without a length or validator": {noETag: true, answers: func(p *dlxtest.Portal) []http.Handler { return []http.Handler{p.CutChunked(100_000)} },
			requests: 2, resets: 2, waits: "unavailable 1s;"},
		"cut within the first bytes, no length": {noETag: true, answers: func(p *dlxtest.Portal) []http.Handler { return []http.Handler{p.CutChunked(50)} },
			requests: 2, resets: 2, waits: "unavailable 1s;"},
		"range ignored": {answers: func(p *dlxtest.Portal) []http.Handler { return []http.Handler{p.Cut(100_000), p.Whole(-1)} },
			requests: 2, resets: 2, waits: "unavailable 1s;"},
		"length too large": {answers: func(p *dlxtest.Portal) []http.Handler { return []http.Handler{p.ShortLength(100)} },
			requests: 3, resets: 2, waits: "unavailable 1s;"},
		"another file in the meantime": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{p.Cut(100_000), dlxtest.Range("bytes 100000-299999/300000", `"v2"`, make([]byte, 200_000))}
		}, requests: 3, resets: 2, waits: "unavailable 1s;"},
		"another size in the meantime": {noETag: true, answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{p.Cut(100_000), dlxtest.Range("bytes 98976-300000/300001", "", make([]byte, 201_025))}
		}, requests: 3, resets: 2, waits: "unavailable 1s;"},
		"other bytes of the same size": {noETag: true, answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{p.Cut(100_000), dlxtest.Range("bytes 98976-299999/300000", "", make([]byte, 201_024))}
		}, requests: 3, resets: 2, waits: "unavailable 1s;"},
		"another range than asked for": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{p.Cut(100_000), dlxtest.Range("bytes 0-299999/300000", `"v1"`, p.File)}
		}, requests: 3, resets: 2, waits: "unavailable 1s;"},
		"range without its header": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{p.Cut(100_000), dlxtest.Range("", `"v1"`, p.File[100_000:])}
		}, requests: 3, resets: 2, waits: "unavailable 1s;"},
		"range not satisfiable": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{p.Cut(100_000), dlxtest.Status(416)}
		}, requests: 3, resets: 2, waits: "unavailable 1s;"},
		"range in pieces": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{p.Cut(100_000), p.Chunk(50_000), p.Chunk(50_000), p.Chunk(50_000)}
		}, requests: 5, resets: 1, waits: "unavailable 1s;"},
		"part of a range, total not said": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{p.Cut(100_000), dlxtest.Range("bytes 100000-199999/*", `"v1"`, p.File[100_000:200_000])}
		}, requests: 3, resets: 1, waits: "unavailable 1s;unavailable 1s;"},
		"range compressed": {answers: func(p *dlxtest.Portal) []http.Handler {
			packed := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Encoding", "br")
				dlxtest.Range("bytes 100000-299999/300000", `"v1"`, make([]byte, 200_000)).ServeHTTP(rw, r)
			})
			return []http.Handler{p.Cut(100_000), packed}
		}, requests: 3, resets: 2, waits: "unavailable 1s;"},
		"range nobody asked for": {answers: func(p *dlxtest.Portal) []http.Handler { return []http.Handler{p.Chunk(50_000)} },
			requests: 2, resets: 1},
		"not ready": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{dlxtest.NotReady("30"), dlxtest.NotReady(`"45"`), dlxtest.NotReady("0"), dlxtest.NotReady("2.5")}
		}, requests: 5, resets: 1, waits: "not ready 30s;not ready 45s;not ready 1s;not ready 3s;"},
		"not ready, without saying when": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{dlxtest.Body(503, "application/json", "null"), dlxtest.Body(503, "", "")}
		}, requests: 3, resets: 1, waits: "not ready 30s;not ready 30s;"},
		"not ready, in the header": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{dlxtest.RetryAfter(503, 20)}
		}, requests: 2, resets: 1, waits: "not ready 20s;"},
		"not ready, with status 200": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{dlxtest.JSON(`{"timeOutInSeconds":30}`)}
		}, requests: 2, resets: 1, waits: "not ready 30s;"},
		"portal down": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{dlxtest.Status(503), dlxtest.Status(502), dlxtest.RetryAfter(429, 9)}
		}, requests: 4, resets: 1, waits: "unavailable 1s;unavailable 2s;unavailable 9s;"},
		"not ready after a cut": {answers: func(p *dlxtest.Portal) []http.Handler {
			return []http.Handler{p.Cut(100_000), dlxtest.NotReady("5"), p.Cut(100_000)}
		}, requests: 4, resets: 1, waits: "unavailable 1s;not ready 5s;unavailable 1s;"},
	} {
		t.Run(name, func(t *testing.T) {
			w, portal, sink := newWorld(t), dlxtest.New(file()), &memory{}
			if c.noETag {
				portal.ETag = ""
			}
			w.https("portal.example", portal)
			session := open(t, w.client(), link)
			portal.Script(dlxtest.DownloadAll, c.answers(portal)...)
			if err := session.FetchAll(t.Context(), sink); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(sink.data, portal.File) {
				t.Errorf("%d bytes that are not the file", len(sink.data))
			}
			if n := len(portal.Requests(dlxtest.DownloadAll)); n != c.requests || sink.resets != c.resets || w.waited() != c.waits {
				t.Errorf("%d requests, %d resets, waited %s", n, sink.resets, w.waited())
			}
		})
	}
}

func TestFetchFails(t *testing.T) {
	repeat := func(n int, h http.Handler) []http.Handler {
		var all []http.Handler
		for range n {
			all = append(all, h)
		}
		return all
	}
	for name, c := range map[string]struct {
		answers   func(p *dlxtest.Portal) []http.Handler
		kind      dlx.Kind
		temporary bool
		requests  int
	}{
		"always cut at the same place, no ranges": {func(p *dlxtest.Portal) []http.Handler { return repeat(20, p.Whole(100_000)) }, dlx.Unavailable, true, 6},
		"always down":    {func(*dlxtest.Portal) []http.Handler { return repeat(20, dlxtest.Status(502)) }, dlx.Unavailable, true, 6},
		"never ready":    {func(*dlxtest.Portal) []http.Handler { return repeat(99, dlxtest.NotReady("60")) }, dlx.NotReady, true, 11},
		"ready too late": {func(*dlxtest.Portal) []http.Handler { return repeat(1, dlxtest.NotReady("7200")) }, dlx.NotReady, true, 1},
		"down for hours": {func(*dlxtest.Portal) []http.Handler { return repeat(1, dlxtest.RetryAfter(429, 7200)) }, dlx.Unavailable, true, 1},
		"a page":         {func(*dlxtest.Portal) []http.Handler { return repeat(1, dlxtest.HTML()) }, dlx.Protocol, false, 1},
		"JSON":           {func(*dlxtest.Portal) []http.Handler { return repeat(1, dlxtest.JSON(`{"error":"x"}`)) }, dlx.Protocol, false, 1},
		"nothing at all": {func(*dlxtest.Portal) []http.Handler { return repeat(20, dlxtest.JSON("")) }, dlx.Unavailable, true, 6},
		"compressed":     {func(*dlxtest.Portal) []http.Handler { return repeat(1, dlxtest.GzipBomb(1<<20)) }, dlx.Protocol, false, 1},
		"not offered":    {func(*dlxtest.Portal) []http.Handler { return repeat(1, dlxtest.Status(404)) }, dlx.NotFound, false, 1},
		"expired":        {func(*dlxtest.Portal) []http.Handler { return repeat(1, dlxtest.Status(403)) }, dlx.Expired, false, 1},
		"teapot":         {func(*dlxtest.Portal) []http.Handler { return repeat(1, dlxtest.Status(418)) }, dlx.Protocol, false, 1},
		"range of no use": {func(p *dlxtest.Portal) []http.Handler {
			return append([]http.Handler{p.Cut(100_000)}, repeat(5, dlxtest.Range("nonsense", "", nil))...)
		}, dlx.Protocol, false, 3},
		"redirect loop":          {func(*dlxtest.Portal) []http.Handler { return repeat(20, dlxtest.Redirect(302, "/dlx/v1/downloadall")) }, dlx.TooManyRedirects, false, 6},
		"session always refused": {func(*dlxtest.Portal) []http.Handler { return repeat(20, dlxtest.Status(401)) }, dlx.Refused, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w, portal := newWorld(t), dlxtest.New(file())
			w.https("portal.example", portal)
			session := open(t, w.client(), link)
			portal.Script(dlxtest.DownloadAll, c.answers(portal)...)
			err := session.FetchAll(t.Context(), &memory{})
			e := wantKind(t, err, c.kind)
			if n := len(portal.Requests(dlxtest.DownloadAll)); n != c.requests || e.Temporary() != c.temporary {
				t.Errorf("%d requests, temporary %v: %v", n, e.Temporary(), e)
			}
			if name == "ready too late" && e.RetryAfter != 2*time.Hour {
				t.Errorf("retry after %v", e.RetryAfter)
			}
		})
	}
}

// The JWT expires in the middle: the answers are given once more, and the
// download goes on where it was.
func TestRenewalInTheMiddle(t *testing.T) {
	w, portal, sink := newWorld(t), dlxtest.New(file()), &memory{}
	w.https("portal.example", portal)
	session := open(t, w.client(), link)
	first := session.JWT().Reveal()
	cutAndExpire := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer portal.Expire()
		portal.Cut(100_000).ServeHTTP(rw, r)
	})
	portal.Script(dlxtest.Download, cutAndExpire, nil, cutAndExpire)
	if err := session.Fetch(t.Context(), "1", sink); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sink.data, portal.File) || sink.resets != 1 {
		t.Errorf("%d bytes, %d resets", len(sink.data), sink.resets)
	}
	downloads, answers := portal.Requests(dlxtest.Download), portal.Requests(dlxtest.TokenTFA)
	last := downloads[len(downloads)-1]
	if len(answers) != 3 || answers[0].Body != answers[2].Body || last.Header.Get("Range") != "bytes=200000-" || last.Header.Get("If-Range") != `"v1"` {
		t.Errorf("%d answers, last %v", len(answers), last.Header)
	}
	if session.JWT().Reveal() == first {
		t.Error("JWT not replaced")
	}
}

func TestRenewalRefused(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(file())
	w.https("portal.example", portal)
	session := open(t, w.client(), link)
	for status, kind := range map[int]dlx.Kind{401: dlx.Refused, 403: dlx.Expired, 502: dlx.Unavailable} {
		portal.Expire()
		portal.Script(dlxtest.TokenTFA, dlxtest.Status(status))
		_, err := session.List(t.Context())
		wantKind(t, err, kind)
	}
	if _, err := session.List(t.Context()); err != nil {
		t.Errorf("after the portal came back: %v", err)
	}
}

// Concurrent downloads that all meet the expired JWT renew it once.
func TestRenewalIsShared(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(file())
	w.https("portal.example", portal)
	session := open(t, w.client(), link)
	portal.Expire()
	done := make(chan error)
	for i := range 8 {
		go func() { done <- session.Fetch(t.Context(), strconv.Itoa(i), &memory{}) }()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := len(portal.Requests(dlxtest.TokenTFA)); n != 2 {
		t.Errorf("answered %d times", n)
	}
}

func TestResumeFromAnEarlierProcess(t *testing.T) {
	full := file()
	v := dlx.Version{ETag: `"v1"`, Size: int64(len(full))}
	for name, c := range map[string]struct {
		held     []byte
		version  dlx.Version
		rangeIs  string
		requests int
		resets   int
		readable bool
	}{
		"with a validator":               {full[:1234], v, "bytes=1234-", 1, 0, false},
		"with the size only":             {full[:1234], dlx.Version{Size: v.Size}, "bytes=210-", 1, 0, true},
		"the size only, a short piece":   {full[:100], dlx.Version{Size: v.Size}, "", 1, 1, true},
		"the size only, nothing to read": {full[:1234], dlx.Version{Size: v.Size}, "", 1, 1, false},
		"the size only, another file":    {make([]byte, 1234), dlx.Version{Size: v.Size}, "bytes=210-", 2, 1, true},
		"with nothing to tell":           {full[:1234], dlx.Version{Size: -1}, "", 1, 1, true},
		"weak validator":                 {full[:1234], dlx.Version{ETag: `W/"v1"`, Size: v.Size}, "bytes=210-", 1, 0, true},
		"other validator":                {[]byte("old old old"), dlx.Version{ETag: `"v0"`, Size: v.Size}, "bytes=11-", 1, 1, false},
		"already complete":               {full, v, "", 0, 0, false},
		"complete, unknown size":         {full, dlx.Version{ETag: `"v1"`, Size: -1}, "bytes=300000-", 1, 0, false},
		"more than there is":             {append(bytes.Clone(full), 1), v, "", 1, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, portal := newWorld(t), dlxtest.New(full)
			w.https("portal.example", portal)
			sink := &memory{data: bytes.Clone(c.held), version: c.version}
			var to dlx.Sink = sink
			if c.readable {
				to = readable{sink}
			}
			if err := open(t, w.client(), link).FetchAll(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			asked := portal.Requests(dlxtest.DownloadAll)
			if !bytes.Equal(sink.data, full) || len(asked) != c.requests || sink.resets != c.resets {
				t.Fatalf("%d bytes, %d requests, %d resets", len(sink.data), len(asked), sink.resets)
			}
			if len(asked) > 0 && asked[0].Header.Get("Range") != c.rangeIs {
				t.Errorf("range %q", asked[0].Header.Get("Range"))
			}
		})
	}
}

// TestResumeSession goes on with the JWT of another process, and renews one that is
// not accepted any more.
func TestResumeSession(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(file())
	w.https("portal.example", portal)
	jwt := open(t, w.client(), link).JWT()
	for _, name := range []string{"valid", "expired"} { // in this order: what has expired stays so
		expired := name == "expired"
		if expired {
			portal.Expire()
		}
		before := len(portal.Requests(dlxtest.TokenTFA))
		c := w.client()
		p, err := c.Probe(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Resume(p, nil, jwt); !errors.Is(err, dlx.BadAnswer) {
			t.Errorf("%s: without answers: %v", name, err)
		}
		s, err := c.Resume(p, map[string]string{"1": birth}, jwt)
		if err != nil {
			t.Fatal(err)
		}
		if items, err := s.List(t.Context()); err != nil || len(items) != 1 {
			t.Errorf("%s: %d items, %v", name, len(items), err)
		}
		if answered := len(portal.Requests(dlxtest.TokenTFA)) - before; answered != 0 != expired {
			t.Errorf("%s: answered %d times", name, answered)
		}
		if (s.JWT() == jwt) == expired {
			t.Errorf("%s: %t", name, s.JWT() == jwt)
		}
	}
}

func TestStall(t *testing.T) {
	w, portal, sink := newWorld(t), dlxtest.New(file()), &memory{}
	w.https("portal.example", portal)
	session := open(t, w.client(func(c *dlx.Config) { c.StallTimeout = 500 * time.Millisecond }), link)
	portal.Script(dlxtest.DownloadAll, portal.Stall(100_000), portal.Stall(0))
	if err := session.FetchAll(t.Context(), sink); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sink.data, portal.File) || len(portal.Requests(dlxtest.DownloadAll)) != 3 {
		t.Error("not resumed after the stall")
	}
	never := open(t, w.client(func(c *dlx.Config) { c.StallTimeout, c.Retries = 50*time.Millisecond, -1 }), link)
	portal.Script(dlxtest.Download, portal.Stall(0))
	if e := wantKind(t, never.Fetch(t.Context(), "1", &memory{}), dlx.Unavailable); e.Reason != dlx.Stalled {
		t.Errorf("%v", e)
	}
}

func TestSlowJSON(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(file())
	portal.Script(dlxtest.Token, portal.Stall(5))
	w.https("portal.example", portal)
	_, err := w.client(func(c *dlx.Config) { c.RequestTimeout = 50 * time.Millisecond }).Probe(t.Context(), link)
	if e := wantKind(t, err, dlx.Unavailable); e.Reason != dlx.TimedOut {
		t.Errorf("%v", e)
	}
}

func TestCancel(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(file())
	w.https("portal.example", portal)
	ctx, cancel := context.WithCancel(t.Context())
	never := make(chan time.Time)
	client := w.client(func(c *dlx.Config) {
		c.Waiting = func(dlx.Waiting) { cancel() }
		c.After = func(time.Duration) <-chan time.Time { return never }
	})
	session := open(t, client, link)
	portal.Script(dlxtest.DownloadAll, dlxtest.NotReady("30"))
	if err := session.FetchAll(ctx, &memory{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := client.Probe(ctx, link); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "ABC") {
		t.Errorf("%v", err)
	}
}

func TestSinkErrorEndsTheFetch(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(file())
	w.https("portal.example", portal)
	full := errors.New("disk full")
	err := open(t, w.client(), link).FetchAll(t.Context(), &memory{fail: full})
	var sink *dlx.SinkError
	if !errors.Is(err, full) || !errors.As(err, &sink) || len(portal.Requests(dlxtest.DownloadAll)) != 1 {
		t.Errorf("%v", err)
	}
}

func TestFetchUnknownItem(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(file())
	w.https("portal.example", portal)
	session := open(t, w.client(), link)
	portal.Script(dlxtest.Download, dlxtest.Status(400))
	wantKind(t, session.Fetch(t.Context(), "99", &memory{}), dlx.NotFound)
	wantKind(t, session.Fetch(t.Context(), "", &memory{}), dlx.NotFound)
	wantKind(t, session.Fetch(t.Context(), "..", &memory{}), dlx.NotFound)
	if err := session.Fetch(t.Context(), "a/../b c", &memory{}); err == nil || len(portal.Requests(dlxtest.Download)) != 2 {
		if got := portal.Requests(dlxtest.Download); got[len(got)-1].Path != "/dlx/v1/download/a%2F..%2Fb%20c" {
			t.Errorf("asked %s", got[len(got)-1].Path)
		}
	}
}

func TestNoPatience(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(file())
	w.https("portal.example", portal)
	session := open(t, w.client(func(c *dlx.Config) { c.Patience, c.Retries = -1, -1 }), link)
	portal.Script(dlxtest.DownloadAll, dlxtest.NotReady("5"), dlxtest.Status(502))
	portal.Script(dlxtest.List, dlxtest.NotReady("6"))
	if e := wantKind(t, session.FetchAll(t.Context(), &memory{}), dlx.NotReady); e.RetryAfter != 5*time.Second {
		t.Errorf("%v", e.RetryAfter)
	}
	wantKind(t, session.FetchAll(t.Context(), &memory{}), dlx.Unavailable)
	_, err := session.List(t.Context())
	if e := wantKind(t, err, dlx.NotReady); e.RetryAfter != 6*time.Second {
		t.Errorf("%v", e.RetryAfter)
	}
	if w.waited() != "" {
		t.Error("waited", w.waited())
	}
}

func TestFileSink(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(file())
	w.https("portal.example", portal)
	session := open(t, w.client(), link)
	path := filepath.Join(t.TempDir(), "exam.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 400_000), 0); err != nil { // rubbish, longer than the file
		t.Fatal(err)
	}
	portal.Script(dlxtest.DownloadAll, portal.Cut(100_000), portal.Whole(-1))
	sink := dlx.NewFileSink(f)
	if err := session.FetchAll(t.Context(), sink); err != nil {
		t.Fatal(err)
	}
	again := dlx.NewFileSink(f)
	again.Resume(1000, sink.Version())
	if err := session.FetchAll(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, portal.File) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
