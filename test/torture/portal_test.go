package torture

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/dlx"
	"lotse/test/torture/gateway"
)

// portal hands out exams by DICOM Link Exchange and survives the kills. It cuts off
// connections and says "come back later" now and then.
type portal struct {
	server  *httptest.Server
	onBytes func()        // called while bytes leave
	cut     int           // of 100 downloads are cut off
	later   int           // of 100 lists and downloads are to come later
	wait    time.Duration // until they may
	down    bool          // every connection is broken off without an answer
	scrap   int           // bytes that are sent at most before a connection is cut off

	mu    sync.Mutex
	rng   *rand.Rand
	exams map[string]*gateway.Exam // by token, which is the grant too
	cuts  int
	waits int
}

func newPortal(t testing.TB, seed uint64) *portal {
	t.Helper()
	p := &portal{exams: map[string]*gateway.Exam{}, rng: rand.New(rand.NewPCG(seed, 1)), onBytes: func() {}, scrap: 1 << 20, wait: time.Second}
	h, err := dlx.NewHandler(p, dlx.HandlerConfig{Vendor: "test"})
	if err != nil {
		t.Fatal(err)
	}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.isDown() {
			panic(http.ErrAbortHandler)
		}
		if strings.Contains(r.URL.Path, "/download") {
			if left, cut := p.breaks(); cut {
				w = &scissors{ResponseWriter: w, left: left}
			}
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	return p
}

// add puts an exam behind a new link.
func (p *portal) add(e *gateway.Exam) (link string) {
	token := fmt.Sprintf("TOKEN-%d-%d", e.Seed, len(e.Objects))
	p.mu.Lock()
	p.exams[token] = e
	p.mu.Unlock()
	return p.server.URL + "/view?token=" + token
}

// host is host:port.
func (p *portal) host() string { return p.server.Listener.Addr().String() }

// change sets how the portal behaves from now on.
func (p *portal) change(set func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set()
}

func (p *portal) isDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.down
}

// breaks says whether a download is cut off, and after how many bytes.
func (p *portal) breaks() (after int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rng.IntN(100) >= p.cut {
		return 0, false
	}
	p.cuts++
	return 1 + p.rng.IntN(p.scrap), true
}

// Lookup is of [dlx.Exams].
func (p *portal) Lookup(_ context.Context, token string) (dlx.Exam, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.exams[token]
	q := dlx.BirthDateQuestion()
	return dlx.Exam{Questions: []dlx.Question{q}, Grant: token, Answers: map[string]dlx.Secret{q.ID: dlx.NewSecret(gateway.BirthDate)}}, ok, nil
}

func (p *portal) exam(grant string) *gateway.Exam {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exams[grant]
}

func (p *portal) ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rng.IntN(100) >= p.later {
		return nil
	}
	p.waits++
	return &dlx.NotReadyError{After: p.wait}
}

// pieceMeal reports exams that are handed out object by object instead of as a ZIP.
func pieceMeal(e *gateway.Exam) bool { return e.Seed%3 == 0 }

// List is of [dlx.Exams].
func (p *portal) List(_ context.Context, grant string) ([]dlx.Item, error) {
	if err := p.ready(); err != nil {
		return nil, err
	}
	e := p.exam(grant)
	if !pieceMeal(e) {
		return []dlx.Item{{ID: "all", MIMEType: "application/zip", Description: "CT"}}, nil
	}
	var items []dlx.Item
	for i := range e.Objects {
		items = append(items, dlx.Item{ID: strconv.Itoa(i), MIMEType: "application/dicom", Description: "CT"})
	}
	return items, nil
}

// Open is of [dlx.Exams].
func (p *portal) Open(_ context.Context, grant, id string) (*dlx.Content, error) {
	if err := p.ready(); err != nil {
		return nil, err
	}
	e := p.exam(grant)
	if id == "all" {
		return p.content(e.ZIP, "application/zip"), nil
	}
	i, err := strconv.Atoi(id)
	if err != nil || i < 0 || i >= len(e.Objects) {
		return nil, os.ErrNotExist
	}
	return p.content(e.Objects[i].File, "application/dicom"), nil
}

// OpenAll is of [dlx.Exams].
func (p *portal) OpenAll(ctx context.Context, grant string) (*dlx.Content, error) {
	return p.Open(ctx, grant, "all")
}

func (p *portal) content(b []byte, mime string) *dlx.Content {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &dlx.Content{Body: &dripping{bytes.NewReader(b), p.onBytes}, MIMEType: mime, ETag: `"1"`}
}

// dripping gives a few bytes at a time and tells of it.
type dripping struct {
	*bytes.Reader
	each func()
}

func (d *dripping) Read(b []byte) (int, error) {
	d.each()
	return d.Reader.Read(b[:min(len(b), 16<<10)])
}

// Close is of [io.Closer].
func (d *dripping) Close() error { return nil }

// scissors break the connection after some bytes.
type scissors struct {
	http.ResponseWriter
	left int
}

func (s *scissors) Write(b []byte) (int, error) {
	if s.left -= len(b); s.left > 0 {
		return s.ResponseWriter.Write(b)
	}
	_, _ = s.ResponseWriter.Write(b[:max(len(b)+s.left, 0)])
	_ = http.NewResponseController(s.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}
