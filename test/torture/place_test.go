package torture

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/blob/s3"
	"lotse/internal/sealed/bucket"
	"lotse/internal/sealed/durable/durabletest"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/file"
	keys3 "lotse/internal/sealed/keyring/s3"
	"lotse/internal/store"
	"lotse/test/peer"
)

// place is where the durable things of a house are.
type place interface {
	// open gives a process what it works with.
	open(t *testing.T) *premises
	// copy makes another place with the same, as long as no process has it open.
	copy(t *testing.T) place
}

// premises are the durable things as one process sees them.
type premises struct {
	database store.Config
	segments blob.Store
	keys     keyring.Store
	belong   func(*mortal) // from now on their durable steps are those of a process
	close    func()
}

// eachEngine runs a test on each kind of storage that was asked for.
func eachEngine(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			if !slices.Contains(strings.Split(*engines, ","), engine) {
				t.Skip("not asked for")
			}
			test(t, engine)
		})
	}
}

// newPlace makes a new one: for sqlite a folder, for postgres a database and buckets.
func newPlace(t *testing.T, engine string) place {
	t.Helper()
	if engine == "sqlite" {
		return singleNode(t.TempDir())
	}
	s := &severalNodes{database: peer.Postgres(t), server: peer.VersityGW(t)}
	s.segments, s.keys = s.server.Bucket(t), s.server.Bucket(t)
	return s
}

// singleNode is a folder. Its files forget what was not synced.
type singleNode string

func (f singleNode) open(t *testing.T) *premises {
	t.Helper()
	born := newMortal(0) // opening is not counted, and cannot fail
	forgetful := func(name string) *files {
		t.Helper()
		u, err := durabletest.Open(filepath.Join(string(f), name))
		must(t, err)
		return &files{u, born}
	}
	segments, keys := forgetful("blobs"), forgetful("keyring")
	stored, err := disk.New(segments)
	must(t, err)
	ring, err := file.New(keys, nil)
	must(t, err)
	return &premises{
		database: store.Config{Engine: store.SQLite, Path: filepath.Join(string(f), "lotse.db")},
		segments: stored, keys: ring, close: func() {},
		belong: func(m *mortal) { segments.m, keys.m = m, m },
	}
}

func (f singleNode) copy(t *testing.T) place {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(string(f))))
	return singleNode(dir)
}

// severalNodes is a database server and two buckets, which nodes share.
type severalNodes struct {
	database       peer.Database
	server         *peer.S3Peer
	segments, keys string // buckets
}

func (s *severalNodes) open(t *testing.T) *premises {
	t.Helper()
	way := &passage{}
	way.m.Store(newMortal(0))
	target, err := url.Parse(s.server.Endpoint())
	must(t, err)
	way.proxy = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}
	server := httptest.NewServer(way)
	at := func(name string) bucket.Config {
		return bucket.Config{Endpoint: server.URL, Region: s.server.Region, Bucket: name, AccessKey: s.server.AccessKey, SecretKey: s.server.SecretKey, PathStyle: true}
	}
	segments, err := s3.Open(at(s.segments), s3.Options{})
	must(t, err)
	keys, err := keys3.Open(t.Context(), at(s.keys), nil)
	must(t, err)
	return &premises{database: store.Config{Engine: store.PostgreSQL, DSN: s.database.DSN}, segments: segments, keys: keys,
		close: server.Close, belong: way.m.Store}
}

func (s *severalNodes) copy(t *testing.T) place {
	t.Helper()
	return &severalNodes{s.database.Copy(t), s.server, s.server.CopyBucket(t, s.segments), s.server.CopyBucket(t, s.keys)}
}

// passage is the way of one process to its buckets: every request that changes
// something is a step before it is passed on, and another before its answer comes back.
type passage struct {
	proxy *httputil.ReverseProxy
	m     atomic.Pointer[mortal]
}

func (p *passage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := p.m.Load()
	changes := r.Method != http.MethodGet && r.Method != http.MethodHead
	err := m.alive()
	if err == nil && changes {
		err = m.step(r.Method)
	}
	if err != nil {
		dead(w)
		return
	}
	answer := httptest.NewRecorder()
	p.proxy.ServeHTTP(answer, r)
	if changes {
		err = m.step("answer to " + r.Method)
	} else {
		err = m.alive()
	}
	if err != nil {
		dead(w)
		return
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// dead is an answer after which nobody tries again, who cannot be there any more.
func dead(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusForbidden)
	_, _ = fmt.Fprint(w, "<Error><Code>AccessDenied</Code></Error>")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
