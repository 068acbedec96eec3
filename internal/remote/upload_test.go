package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"lotse/internal/importer"
	"lotse/internal/importer/source"
	"lotse/internal/tus"
	"lotse/internal/tus/tustest"
)

// keyed is a store that makes a creation with the same key once, as the gateway's does.
type keyed struct {
	tustest.Memory
	mu  sync.Mutex
	ids map[string]string
}

func (k *keyed) Create(ctx context.Context, u tus.Upload) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if id, ok := k.ids[u.Metadata["key"]]; ok {
		return id, nil
	}
	id, err := k.Memory.Create(ctx, u)
	if k.ids == nil {
		k.ids = map[string]string{}
	}
	k.ids[u.Metadata["key"]] = id
	return id, err
}

// tusServer serves uploads where the gateway does.
func tusServer(store tus.Store) http.Handler {
	h := tus.New(store, tus.Options{})
	mux := http.NewServeMux()
	mux.Handle(apiPath+"/uploads", h)
	mux.Handle(apiPath+"/uploads/{upload}", h)
	return mux
}

// harm does something to every so many requests.
type harm struct {
	http.RoundTripper
	mu     sync.Mutex
	random *rand.Rand
	done   map[string]int
	odds   int // of 100
}

func (h *harm) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	kind := ""
	if h.random.IntN(100) < h.odds {
		kind = []string{"lost before", "lost behind", "cut", "changed"}[h.random.IntN(4)]
	}
	if r.Body == nil && (kind == "cut" || kind == "changed") {
		kind = ""
	}
	h.done[kind]++
	h.mu.Unlock()
	switch kind {
	case "lost before":
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errors.New("lost before it arrived")
	case "lost behind":
		resp, err := h.RoundTripper.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		return nil, errors.Join(err, errors.New("the answer was lost"))
	case "cut":
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, r.ContentLength/2), failing{}))
	case "changed":
		r.Body = io.NopCloser(&changing{r: r.Body})
	}
	return h.RoundTripper.RoundTrip(r)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the line is cut") }

// changing flips a bit of the first byte.
type changing struct {
	r    io.Reader
	done bool
}

func (c *changing) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if n > 0 && !c.done {
		c.done = true
		p[0] ^= 1
	}
	return n, err
}

// folder makes files of given sizes.
func folder(t *testing.T, sizes map[string]int) (string, map[string][]byte) {
	t.Helper()
	dir, contents := t.TempDir(), map[string][]byte{}
	random := rand.NewChaCha8([32]byte{1})
	for name, size := range sizes {
		data := make([]byte, size)
		_, _ = random.Read(data)
		contents[name] = data
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, contents
}

func gatherFolder(t *testing.T, dirs ...string) *gathered {
	t.Helper()
	var found []source.Found
	for _, d := range dirs {
		found = append(found, source.Found{Folder: d})
	}
	g, err := gather(t.Context(), found)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	return g
}

// check compares what a store has with what was to be uploaded.
func (k *keyed) check(t *testing.T, want map[string][]byte) {
	t.Helper()
	ids := k.IDs()
	for _, id := range ids {
		got, u := k.Content(id)
		if !bytes.Equal(got, want[u.Metadata["path"]]) || !u.Complete() || u.Metadata["import"] != "the import" {
			t.Errorf("%s: %d bytes, %+v", id, len(got), u)
		}
	}
	if len(ids) != len(want) {
		t.Errorf("%d uploads of %d files", len(ids), len(want))
	}
}

func TestUpload(t *testing.T) {
	dir, contents := folder(t, map[string]int{"empty": 0, "a/one": 1, "a/b/one chunk": chunk, "a/b/more, with comma": chunk + 1, "Röntgen": 2*chunk + 77})
	store := &keyed{}
	c := client(t, tusServer(store))
	var last importer.Progress
	skipped, err := c.ship(t.Context(), "the import", gatherFolder(t, dir), func(p importer.Progress) {
		if p.Done < last.Done || p.Files < last.Files {
			t.Errorf("back from %+v to %+v", last, p)
		}
		last = p
	})
	if err != nil || len(skipped) > 0 {
		t.Fatal(skipped, err)
	}
	store.check(t, contents)
	if last.Done != last.Total || last.Files != 5 || last.FilesTotal != 5 || last.Total != 4*chunk+79 {
		t.Errorf("%+v", last)
	}
}

// TestUploadOverBadLine: whatever happens to a request, every file is there once.
func TestUploadOverBadLine(t *testing.T) {
	sizes := map[string]int{"large": 3*chunk + 5}
	for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		sizes[name] = 1000
	}
	dir, contents := folder(t, sizes)
	for seed := range uint64(3) {
		store := &keyed{}
		h := &harm{RoundTripper: http.DefaultTransport, random: rand.New(rand.NewPCG(seed, 1)), odds: 30, done: map[string]int{}}
		c := client(t, tusServer(store), func(c *Config) { c.Transport = h })
		c.outage.met = true
		if _, err := c.ship(t.Context(), "the import", gatherFolder(t, dir), nil); err != nil {
			t.Fatal(err)
		}
		store.check(t, contents)
		for _, kind := range []string{"lost before", "lost behind", "cut", "changed"} {
			if h.done[kind] == 0 {
				t.Errorf("nothing was %s: this test cannot fail", kind)
			}
		}
	}
}

// TestUploadOfUnreadable: a file that changes, or cannot be read, is left out and said.
func TestUploadOfUnreadable(t *testing.T) {
	dir, contents := folder(t, map[string]int{"good": 10, "grows": 10, "shrinks while it is read": 2 * chunk})
	g := gatherFolder(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "grows"), make([]byte, 11), 0o600); err != nil {
		t.Fatal(err)
	}
	store := &keyed{}
	cut := false
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upload-Length") == "16777216" && !cut {
			cut = true
			if err := os.Truncate(filepath.Join(dir, "shrinks while it is read"), 100); err != nil {
				t.Error(err)
			}
		}
		tusServer(store).ServeHTTP(w, r)
	}))
	skipped, err := c.ship(t.Context(), "the import", g, nil)
	slices.SortFunc(skipped, func(a, b Skipped) int { return strings.Compare(a.Path, b.Path) })
	want := []Skipped{{"grows", importer.ReasonUnreadable}, {"shrinks while it is read", importer.ReasonUnreadable}}
	if err != nil || !slices.Equal(skipped, want) {
		t.Errorf("%+v, %v", skipped, err)
	}
	store.check(t, map[string][]byte{"good": contents["good"]})
}

func TestUploadEnds(t *testing.T) {
	dir, _ := folder(t, map[string]int{"one": 10})
	for name, h := range map[string]http.HandlerFunc{
		"refused":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"without a place":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) },
		"out of range":     answer(http.StatusCreated, "Location", "/u/1", "Upload-Offset", "11"),
		"without progress": answer(http.StatusCreated, "Location", "/u/1", "Upload-Offset", "0"),
		"always changed":   answer(statusChecksum),
	} {
		c := client(t, h)
		if _, err := c.ship(t.Context(), "the import", gatherFolder(t, dir), nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func answer(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
	}
}

func TestGather(t *testing.T) {
	dir, _ := folder(t, map[string]int{"b/2": 1, "a/1": 1, "a/0": 1})
	other, _ := folder(t, map[string]int{"x": 1})
	second := filepath.Join(filepath.Dir(other), "again", filepath.Base(dir))
	if err := errors.Join(os.MkdirAll(second, 0o755), os.WriteFile(filepath.Join(second, "y"), nil, 0o600),
		os.Symlink("/etc/passwd", filepath.Join(dir, "a", "link")), os.Symlink("/etc", filepath.Join(dir, "etc")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	g := gatherFolder(t, dir, other, second)
	base := filepath.Base(dir)
	var paths []string
	for _, f := range g.files {
		paths = append(paths, f.path)
	}
	want := []string{base + "/a/0", base + "/a/1", base + "/b/2", filepath.Base(other) + "/x", base + " (2)/y"}
	if base == filepath.Base(other) { // 001 in folders of their own
		want[3], want[4] = base+" (2)/x", base+" (3)/y"
	}
	if !slices.Equal(paths, want) {
		t.Errorf("%q, want %q", paths, want)
	}
	skipped := []Skipped{{base + "/a/link", importer.ReasonLink}, {base + "/etc", importer.ReasonLink}, {base + "/pipe", importer.ReasonLink}}
	if !slices.Equal(g.skipped, skipped) {
		t.Errorf("skipped %+v", g.skipped)
	}
	if _, err := gather(t.Context(), []source.Found{{Folder: t.TempDir()}}); err == nil {
		t.Error("an empty folder is an import")
	}
}
