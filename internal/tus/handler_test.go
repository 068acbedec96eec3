package tus_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/tus"
	"lotse/internal/tus/tustest"
)

const stream = "application/offset+octet-stream"

// rig is a handler without a network.
type rig struct {
	*testing.T
	store  *tustest.Memory
	mux    *http.ServeMux
	codes  []string
	failed []error
	mu     sync.Mutex
}

func newRig(t *testing.T, change ...func(*tus.Options)) *rig {
	g := &rig{T: t, store: &tustest.Memory{}, mux: http.NewServeMux()}
	opt := tus.Options{
		MaxSize: 1 << 20,
		Refuse: func(w http.ResponseWriter, _ *http.Request, status int, code string) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.codes = append(g.codes, code)
			w.WriteHeader(status)
		},
		Failed: func(_ *http.Request, err error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.failed = append(g.failed, err)
		},
	}
	for _, c := range change {
		c(&opt)
	}
	h := tus.New(g.store, opt)
	g.mux.Handle("/up", h)
	g.mux.Handle("/up/{upload}", h)
	return g
}

// do sends a request; headers in pairs, a value of "-" takes one away.
func (g *rig) do(method, path string, body io.Reader, header ...string) *http.Response {
	g.Helper()
	r := httptest.NewRequest(method, path, body)
	r.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "-" {
			r.Header.Del(header[i])
		} else {
			r.Header.Add(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	g.mux.ServeHTTP(w, r)
	return w.Result()
}

func (g *rig) create(length int, header ...string) string {
	g.Helper()
	resp := g.do("POST", "/up", nil, append([]string{"Upload-Length", fmt.Sprint(length)}, header...)...)
	location := resp.Header.Get("Location")
	if resp.StatusCode != 201 || !strings.HasPrefix(location, "/up/") {
		g.Fatalf("create: %d %v", resp.StatusCode, resp.Header)
	}
	return location
}

func (g *rig) patch(path, offset, body string, header ...string) *http.Response {
	g.Helper()
	return g.do("PATCH", path, strings.NewReader(body), append([]string{"Content-Type", stream, "Upload-Offset", offset}, header...)...)
}

// holds checks what is committed, by HEAD and in the store.
func (g *rig) holds(path, want string) {
	g.Helper()
	resp := g.do("HEAD", path, nil)
	if resp.StatusCode != 200 || resp.Header.Get("Upload-Offset") != fmt.Sprint(len(want)) || resp.Header.Get("Cache-Control") != "no-store" {
		g.Fatalf("HEAD: %d %v, want offset %d", resp.StatusCode, resp.Header, len(want))
	}
	if got, _ := g.store.Content(strings.TrimPrefix(path, "/up/")); string(got) != want {
		g.Fatalf("holds %.40q, want %.40q", got, want)
	}
}

// answers checks a status and, where it is a refusal, its code.
func (g *rig) answers(resp *http.Response, status int, code tus.Refusal) {
	g.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	got := ""
	if len(g.codes) > 0 {
		got, g.codes = g.codes[len(g.codes)-1], nil
	}
	if resp.StatusCode != status || got != string(code) {
		g.Fatalf("%d %q, want %d %q", resp.StatusCode, got, status, code)
	}
	if resp.Header.Get("Tus-Resumable") != "1.0.0" {
		g.Errorf("no version in the answer: %v", resp.Header)
	}
}

func TestOptions(t *testing.T) {
	g := newRig(t)
	for _, path := range []string{"/up", "/up/u1"} {
		resp := g.do("OPTIONS", path, nil, "Tus-Resumable", "-")
		g.answers(resp, 204, "")
		for name, want := range map[string]string{"Tus-Version": "1.0.0", "Tus-Max-Size": "1048576", "Tus-Checksum-Algorithm": "sha256,sha1",
			"Tus-Extension": "creation,creation-with-upload,termination,checksum"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
	unbounded := newRig(t, func(o *tus.Options) { o.MaxSize = 0 })
	if resp := unbounded.do("OPTIONS", "/up", nil); resp.Header.Values("Tus-Max-Size") != nil {
		t.Error("a limit that there is not")
	}
	unbounded.create(1 << 50)
}

func TestVersion(t *testing.T) {
	g := newRig(t)
	for _, version := range []string{"-", "0.2.2", "1.0.1", "1.0", " "} {
		for method, path := range map[string]string{"POST": "/up", "HEAD": "/up/u1", "PATCH": "/up/u1", "DELETE": "/up/u1"} {
			r := g.do(method, path, nil, "Tus-Resumable", "-", "Tus-Resumable", version)
			g.answers(r, 412, tus.WrongVersion)
			if r.Header.Get("Tus-Version") != "1.0.0" {
				t.Error("does not say which")
			}
		}
	}
}

func TestCreate(t *testing.T) {
	g := newRig(t)
	path := g.create(3, "Upload-Metadata", "filename UsO2bnRnZW4uZGNt,secret,  filetype YQ==  ")
	resp := g.do("HEAD", path, nil)
	if got := resp.Header.Get("Upload-Metadata"); got != "filename UsO2bnRnZW4uZGNt,filetype YQ==,secret" || resp.Header.Get("Upload-Length") != "3" {
		t.Errorf("HEAD: %v", resp.Header)
	}
	if _, u := g.store.Content("u1"); u.Metadata["filename"] != "Röntgen.dcm" || u.Metadata["filetype"] != "a" || len(u.Metadata) != 3 {
		t.Errorf("stored %v", u.Metadata)
	}
	g.holds(g.create(0), "")
	many := strings.Repeat("k YQ==,", 65)
	for _, c := range []struct {
		code    tus.Refusal
		status  int
		headers []string
	}{
		{tus.BadLength, 400, nil},
		{tus.BadLength, 400, []string{"Upload-Length", ""}},
		{tus.BadLength, 400, []string{"Upload-Length", "-1"}},
		{tus.BadLength, 400, []string{"Upload-Length", "+1"}},
		{tus.BadLength, 400, []string{"Upload-Length", "1.0"}},
		{tus.BadLength, 400, []string{"Upload-Length", "0x1"}},
		{tus.BadLength, 400, []string{"Upload-Length", "9223372036854775808"}},
		{tus.BadLength, 400, []string{"Upload-Length", "1", "Upload-Length", "2"}},
		{tus.LengthDeferred, 400, []string{"Upload-Defer-Length", "1"}},
		{tus.TooLarge, 413, []string{"Upload-Length", "1048577"}},
		{tus.BadMetadata, 400, []string{"Upload-Length", "1", "Upload-Metadata", "a !"}},
		{tus.BadMetadata, 400, []string{"Upload-Length", "1", "Upload-Metadata", "a YQ"}},
		{tus.BadMetadata, 400, []string{"Upload-Length", "1", "Upload-Metadata", "a YQ==,a YQ=="}},
		{tus.BadMetadata, 400, []string{"Upload-Length", "1", "Upload-Metadata", "a YQ==", "Upload-Metadata", "a"}},
		{tus.BadMetadata, 400, []string{"Upload-Length", "1", "Upload-Metadata", "a YQ==,,b"}},
		{tus.BadMetadata, 400, []string{"Upload-Length", "1", "Upload-Metadata", "ä YQ=="}},
		{tus.BadMetadata, 400, []string{"Upload-Length", "1", "Upload-Metadata", many}},
		{tus.BadMetadata, 400, []string{"Upload-Length", "1", "Upload-Metadata", "a " + strings.Repeat("A", 17<<10)}},
	} {
		g.answers(g.do("POST", "/up", nil, c.headers...), c.status, c.code)
	}
	g.answers(g.do("POST", "/up", strings.NewReader("abc"), "Upload-Length", "3"), 415, tus.WrongType)
	if n := len(g.store.IDs()); n != 2 {
		t.Errorf("%d uploads were made", n)
	}
}

func TestCreateWithUpload(t *testing.T) {
	g := newRig(t)
	post := func(length, body string, header ...string) *http.Response {
		return g.do("POST", "/up", strings.NewReader(body), append([]string{"Upload-Length", length, "Content-Type", stream}, header...)...)
	}
	whole := post("5", "hello")
	g.answers(whole, 201, "")
	if whole.Header.Get("Upload-Offset") != "5" {
		t.Errorf("%v", whole.Header)
	}
	g.holds(whole.Header.Get("Location"), "hello")
	part := post("5", "he", "Upload-Checksum", sum256("he"))
	g.answers(part, 201, "")
	g.answers(g.patch(part.Header.Get("Location"), "2", "llo"), 204, "")
	g.holds(part.Header.Get("Location"), "hello")
	none := post("5", "")
	g.answers(none, 201, "")
	if none.Header.Get("Upload-Offset") != "0" {
		t.Errorf("%v", none.Header)
	}
	g.answers(post("2", "hello"), 413, tus.TooLarge)
	g.answers(post("5", "hello", "Upload-Checksum", sum256("hullo")), 460, tus.ChecksumDiffers)
	g.answers(post("5", "hello", "Upload-Checksum", "md5 x"), 400, tus.UnknownAlgorithm)
	if n := len(g.store.IDs()); n != 3 {
		t.Errorf("%d uploads stay", n)
	}
	// A store that fails at the bytes: the upload is there, the client goes on.
	g.store.Fault = failing("commit", 1, errors.New("disk"))
	later := post("5", "hello")
	g.answers(later, 201, "")
	if later.Header.Get("Upload-Offset") != "0" || len(g.failed) != 1 {
		t.Errorf("%v, told of %v", later.Header, g.failed)
	}
	g.answers(g.patch(later.Header.Get("Location"), "0", "hello"), 204, "")
}

// failing returns a Fault that fails the nth call of a kind.
func failing(call string, nth int, err error) func(string) error {
	var mu sync.Mutex
	return func(c string) error {
		mu.Lock()
		defer mu.Unlock()
		if c == call {
			nth--
		}
		if c == call && nth == 0 {
			return err
		}
		return nil
	}
}

func TestPatch(t *testing.T) {
	g := newRig(t)
	path := g.create(10)
	resp := g.patch(path, "0", "abcd")
	g.answers(resp, 204, "")
	if resp.Header.Get("Upload-Offset") != "4" {
		t.Errorf("%v", resp.Header)
	}
	for _, c := range []struct {
		code    tus.Refusal
		status  int
		offset  string
		body    string
		headers []string
	}{
		{tus.OffsetDiffers, 409, "0", "x", nil},
		{tus.OffsetDiffers, 409, "5", "x", nil},
		{tus.BadOffset, 400, "-1", "x", nil},
		{tus.BadOffset, 400, "x", "x", nil},
		{tus.BadOffset, 400, "4", "x", []string{"Upload-Offset", "4"}},
		{tus.TooLarge, 413, "4", "efghijk", nil},
		{tus.WrongType, 415, "4", "x", []string{"Content-Type", "-"}},
		{tus.WrongType, 415, "4", "x", []string{"Content-Type", "-", "Content-Type", "application/octet-stream"}},
	} {
		g.answers(g.patch(path, c.offset, c.body, c.headers...), c.status, c.code)
		g.holds(path, "abcd")
	}
	g.answers(g.do("PATCH", path, strings.NewReader("x"), "Content-Type", stream), 400, tus.BadOffset)
	g.answers(g.patch(path, "4", ""), 204, "")
	g.answers(g.do("POST", path, strings.NewReader("ef"), "X-HTTP-Method-Override", "PATCH", "Content-Type", stream, "Upload-Offset", "4"), 204, "")
	// Of unknown length: what is too much is not kept, nor is what came before it.
	unknown := struct{ io.Reader }{strings.NewReader("ghijk")}
	g.answers(g.do("PATCH", path, unknown, "Content-Type", stream, "Upload-Offset", "6"), 413, tus.TooLarge)
	g.holds(path, "abcdef")
	unknown = struct{ io.Reader }{strings.NewReader("ghij")}
	g.answers(g.do("PATCH", path, unknown, "Content-Type", stream, "Upload-Offset", "6"), 204, "")
	g.holds(path, "abcdefghij")
	g.answers(g.patch(path, "10", ""), 204, "")
	g.answers(g.patch(path, "10", "k"), 413, tus.TooLarge)
	g.answers(g.patch("/up/nobody", "0", "k"), 404, tus.NotFound)
}

func TestMethods(t *testing.T) {
	g := newRig(t)
	path := g.create(1)
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/up", "OPTIONS, POST"}, {"PATCH", "/up", "OPTIONS, POST"}, {"DELETE", "/up", "OPTIONS, POST"},
		{"GET", path, "DELETE, HEAD, OPTIONS, PATCH"}, {"POST", path, "DELETE, HEAD, OPTIONS, PATCH"}, {"PUT", path, "DELETE, HEAD, OPTIONS, PATCH"},
	} {
		resp := g.do(c.method, c.path, nil)
		g.answers(resp, 405, tus.WrongMethod)
		if resp.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %v", c.method, c.path, resp.Header)
		}
	}
	// A GET stays a GET: what is taken to be harmless must be.
	g.answers(g.do("GET", path, nil, "X-HTTP-Method-Override", "DELETE"), 405, tus.WrongMethod)
	g.holds(path, "")
}

func TestTerminate(t *testing.T) {
	g := newRig(t)
	path := g.create(3)
	g.answers(g.patch(path, "0", "ab"), 204, "")
	lease, err := g.store.Lease(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	resp := g.do("DELETE", path, nil)
	g.answers(resp, 423, tus.Locked)
	if resp.Header.Get("Retry-After") == "" {
		t.Error("does not say when to come back")
	}
	g.answers(g.patch(path, "2", "c"), 423, tus.Locked)
	g.holds(path, "ab")
	lease.Release()
	g.answers(g.do("DELETE", path, nil), 204, "")
	g.answers(g.do("DELETE", path, nil), 410, tus.Gone)
	resp = g.do("HEAD", path, nil)
	g.answers(resp, 410, tus.Gone)
	if resp.Header.Values("Upload-Offset") != nil {
		t.Error("an offset of what is gone")
	}
	g.answers(g.patch(path, "2", "c"), 410, tus.Gone)
	g.answers(g.do("HEAD", "/up/nobody", nil), 404, tus.NotFound)
	g.answers(g.do("DELETE", "/up/nobody", nil), 404, tus.NotFound)
}

func sum256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256 " + base64.StdEncoding.EncodeToString(sum[:])
}

func sum1(s string) string {
	sum := sha1.Sum([]byte(s))
	return "sha1 " + base64.StdEncoding.EncodeToString(sum[:])
}

func TestChecksum(t *testing.T) {
	g := newRig(t, func(o *tus.Options) { o.CommitBytes = 1000 })
	long := strings.Repeat("0123456789", 20_000)
	path := g.create(len(long) + 3)
	g.answers(g.patch(path, "0", "abc", "Upload-Checksum", sum1("abc")), 204, "")
	g.store.Commits = 0
	for header, code := range map[string]tus.Refusal{
		sum256(long[1:]):    tus.ChecksumDiffers,
		sum1("x"):           tus.ChecksumDiffers,
		"crc32 AAAA":        tus.UnknownAlgorithm,
		"SHA256 AAAA":       tus.UnknownAlgorithm,
		"":                  tus.BadChecksum,
		"sha256":            tus.BadChecksum,
		"sha256 AAAA":       tus.BadChecksum,
		"sha256 !":          tus.BadChecksum,
		"sha256  " + "AAAA": tus.BadChecksum,
	} {
		g.answers(g.patch(path, "3", long, "Upload-Checksum", header), code.Status(), code)
		g.holds(path, "abc")
	}
	g.answers(g.patch(path, "3", long, "Upload-Checksum", sum256(long), "Upload-Checksum", sum1(long)), 400, tus.BadChecksum)
	if g.store.Commits != 0 {
		t.Errorf("%d commits before a checksum was right", g.store.Commits)
	}
	g.answers(g.patch(path, "3", long, "Upload-Checksum", sum256(long)), 204, "")
	if g.store.Commits != 1 {
		t.Errorf("%d commits", g.store.Commits)
	}
	g.holds(path, "abc"+long)
	// A body that breaks off cannot be compared: nothing of it is kept.
	path = g.create(20)
	g.answers(g.do("PATCH", path, io.MultiReader(strings.NewReader("0123456789"), brokenReader{}), "Content-Type", stream, "Upload-Offset", "0",
		"Upload-Checksum", sum256("0123456789")), 400, tus.Interrupted)
	g.holds(path, "")
	g.answers(g.do("PATCH", path, io.MultiReader(strings.NewReader("0123456789"), brokenReader{}), "Content-Type", stream, "Upload-Offset", "0"),
		400, tus.Interrupted)
	g.holds(path, "0123456789")
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type temporaryError struct{}

func (temporaryError) Error() string   { return "disk full" }
func (temporaryError) Temporary() bool { return true }

func TestStoreFails(t *testing.T) {
	body := strings.Repeat("x", 300<<10)
	for _, call := range []string{"create", "info", "lease", "write", "commit", "terminate"} {
		for err, code := range map[error]tus.Refusal{errors.New("broken"): tus.Broken, temporaryError{}: tus.Unavailable,
			fmt.Errorf("lost it: %w", tus.Locked): tus.Locked, tus.TooLarge: tus.TooLarge} {
			for nth := 1; nth <= 3; nth++ {
				g := newRig(t, func(o *tus.Options) { o.CommitBytes = 100 << 10 })
				path := g.create(len(body))
				g.store.Fault = failing(call, nth, err)
				var resp *http.Response
				switch call {
				case "create":
					resp = g.do("POST", "/up", nil, "Upload-Length", "1")
				case "terminate":
					resp = g.do("DELETE", path, nil)
				default:
					resp = g.patch(path, "0", body)
				}
				if resp.StatusCode < 300 && nth > 1 && call != "write" && call != "commit" {
					continue // not called as often
				}
				g.answers(resp, code.Status(), code)
				if told := len(g.failed); (told == 1) != (code == tus.Broken || code == tus.Unavailable) {
					t.Errorf("%s: told of %v", call, g.failed)
				}
				// What HEAD promises is there, and the rest can follow.
				g.store.Fault = nil
				if call == "terminate" {
					continue
				}
				got, u := g.store.Content("u1")
				g.holds(path, body[:len(got)])
				g.answers(g.patch(path, fmt.Sprint(u.Offset), body[u.Offset:]), 204, "")
				g.holds(path, body)
			}
		}
	}
}

func TestCommitsOnTheWay(t *testing.T) {
	g := newRig(t, func(o *tus.Options) { o.CommitBytes = 100 << 10 })
	body := strings.Repeat("0123456789abcdef", 64<<10)
	path := g.create(len(body))
	g.answers(g.patch(path, "0", body), 204, "")
	if g.store.Commits != 8 { // of 128 KiB each: the chunk that passes 100 KiB
		t.Errorf("%d commits", g.store.Commits)
	}
	g = newRig(t, func(o *tus.Options) { o.CommitEvery = time.Nanosecond })
	path = g.create(len(body))
	g.answers(g.patch(path, "0", body), 204, "")
	if g.store.Commits != 16 {
		t.Errorf("%d commits", g.store.Commits)
	}
	g.holds(path, body)
}

// ticking is a clock that goes on with every look.
type ticking struct{ at time.Time }

func (c *ticking) now() time.Time {
	c.at = c.at.Add(time.Minute)
	return c.at
}

// TestTooLong lets a request bring bytes for too long: what came is committed, the
// client goes on from there, and what a checksum does not cover yet is dropped.
func TestTooLong(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 64<<10) // 16 chunks
	g := newRig(t, func(o *tus.Options) {
		o.Longest, o.CommitEvery, o.Monotonic = 10*time.Minute, time.Hour, (&ticking{}).now
	})
	path := g.create(len(body))
	requests := 0
	for at := 0; at < len(body); requests++ {
		resp := g.patch(path, fmt.Sprint(at), body[at:])
		_, u := g.store.Content(path[len("/up/"):])
		if u.Offset <= int64(at) {
			t.Fatalf("request %d got no further than %d", requests, at)
		}
		if at = int(u.Offset); at < len(body) {
			g.answers(resp, 503, "upload-too-long")
			if resp.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
	}
	if requests < 2 || requests > 5 {
		t.Errorf("%d requests", requests)
	}
	g.holds(path, body)

	path = g.create(len(body))
	sum := sha256.Sum256([]byte(body))
	g.answers(g.patch(path, "0", body, "Upload-Checksum", "sha256 "+base64.StdEncoding.EncodeToString(sum[:])), 503, "upload-too-long")
	if _, u := g.store.Content(path[len("/up/"):]); u.Offset != 0 {
		t.Errorf("%d bytes are kept that no checksum covers", u.Offset)
	}
}

// TestNothingShowsNames looks for metadata where it must not be.
func TestNothingShowsNames(t *testing.T) {
	g := newRig(t)
	g.store.Fault = failing("create", 1, errors.New("broken"))
	meta := "filename " + base64.StdEncoding.EncodeToString([]byte("Mustermann")) + ",bad !"
	for range 2 {
		resp := g.do("POST", "/up", nil, "Upload-Length", "1", "Upload-Metadata", meta)
		if shown := fmt.Sprint(resp.Header, g.failed, g.codes); strings.Contains(shown, "Muster") || strings.Contains(shown, "TXVzdGVy") {
			t.Error("shows a name")
		}
		meta = strings.TrimSuffix(meta, ",bad !")
	}
}

func TestMemory(t *testing.T) {
	store := &tustest.Memory{}
	tustest.Run(t, store, func(t *testing.T, id string) []byte { b, _ := store.Content(id); return b })
}
