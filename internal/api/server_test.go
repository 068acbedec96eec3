package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/api"
	"lotse/internal/api/idempotency"
	"lotse/internal/api/idempotency/idempotencytest"
	"lotse/internal/api/problem"
	"lotse/internal/auth/access"
)

// gate lets "good" do everything and "weak" nothing; it remembers what it was asked.
type gate struct {
	mu    sync.Mutex
	asked []access.Request
}

func (g *gate) Authorize(_ context.Context, r access.Request) (access.Actor, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, r)
	switch {
	case r.Token == "good" && r.Tenant != "other":
		return access.Actor{ID: "a1", Tenant: "t1", Kind: access.Token}, nil
	case r.Token == "good":
		return access.Actor{}, access.ErrNotFound
	case r.Token == "weak":
		return access.Actor{}, access.ErrForbidden
	case r.Token == "broken":
		return access.Actor{}, errors.New("database is locked")
	}
	return access.Actor{}, access.ErrUnauthenticated
}

// lines collects the log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// node is a server that runs.
type node struct {
	*api.Server
	url  string
	log  *lines
	gate *gate
	stop func() error // stops and waits
}

// start runs a server with the routes that register adds, until the test's end.
func start(t *testing.T, o api.Options, register func(*api.Server)) *node {
	t.Helper()
	n := &node{log: &lines{}, gate: &gate{}}
	o.Listen, o.Authorizer = "127.0.0.1:0", n.gate
	o.Log = slog.New(slog.NewJSONHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if o.Idempotency == nil {
		o.Idempotency = idempotencytest.NewMemory()
	}
	s, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if register != nil {
		register(s)
	}
	n.Server = s
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	address, _ := s.Addresses()
	n.url = "http://" + address.String()
	if o.CertFile != "" {
		n.url = "https://" + address.String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	n.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := n.stop(); err != nil {
			t.Errorf("the server ended: %v", err)
		}
	})
	return n
}

// ask sends a request with headers ("Name: value") and returns the answer with its body.
func (n *node) ask(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, n.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

const auth = "Authorization: Bearer good"

// wantProblem checks that an answer is a problem with that status and code.
func wantProblem(t *testing.T, answer *http.Response, body string, status int, code problem.Code) problem.Problem {
	t.Helper()
	var p problem.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%d is no problem: %q", answer.StatusCode, body)
	}
	if answer.StatusCode != status || p.Status != status || p.Code != code || answer.Header.Get("Content-Type") != problem.ContentType ||
		p.RequestID == "" || p.RequestID != answer.Header.Get("X-Request-Id") || p.Title == "" || p.Type == "" {
		t.Errorf("%d %s: %s", answer.StatusCode, answer.Header.Get("Content-Type"), body)
	}
	return p
}

type thing struct {
	Name  string `json:"name" maxLength:"20" example:"box"`
	Count int    `json:"count" minimum:"0"`
}

type thingInput struct {
	ID string `path:"import"`
	api.IfMatch
	Body thing
}

type thingOutput struct {
	ETag string `header:"ETag"`
	Body thing
}

// things registers a small API.
func things(s *api.Server) {
	api.Register(s, api.Operation{ID: "create-thing", Method: "POST", Path: "/things", Tag: "Things", Summary: "Make a thing",
		Permission: "things.create", Status: 201, Idempotent: true, Problems: []problem.Code{problem.Conflict}},
		func(_ context.Context, in *struct{ Body thing }) (*thingOutput, error) {
			return &thingOutput{ETag: api.Tag(1), Body: in.Body}, nil
		})
	api.Register(s, api.Operation{ID: "edit-thing", Method: "PUT", Path: "/things/{import}", Tag: "Things", Permission: "things.edit"},
		func(_ context.Context, in *thingInput) (*thingOutput, error) {
			if err := in.Check(api.Tag(7)); err != nil {
				return nil, err
			}
			return &thingOutput{ETag: api.Tag(8), Body: in.Body}, nil
		})
	api.Register(s, api.Operation{ID: "get-thing", Method: "GET", Path: "/things/{import}", Tag: "Things", Permission: "things.read"},
		func(ctx context.Context, in *struct {
			ID string `path:"import"`
			api.IfNoneMatch
		}) (*thingOutput, error) {
			if a, ok := access.From(ctx); !ok || a.Tenant != "t1" {
				return nil, errors.New("no actor")
			}
			switch in.ID {
			case "panic":
				panic("what a handler held")
			case "index":
				var none []int
				_ = none[len(in.ID)]
			case "unknown":
				return nil, errors.New("Müller^Erika is locked")
			case "gone":
				return nil, problem.New(problem.Gone, "")
			}
			if err := in.IfNoneMatch.Check(api.Tag(7)); err != nil {
				return nil, err
			}
			return &thingOutput{ETag: api.Tag(7), Body: thing{Name: in.ID}}, nil
		})
	api.Register(s, api.Operation{ID: "delete-thing", Method: "DELETE", Path: "/things/{import}", Tag: "Things", Permission: "things.delete"},
		func(context.Context, *struct {
			ID string `path:"import"`
		}) (*struct{}, error) {
			return nil, nil //nolint:nilnil // huma's way to say no content
		})
}

// TestProblems: whatever goes wrong is a problem with a code, and repeats nothing.
func TestProblems(t *testing.T) {
	n := start(t, api.Options{}, things)
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     problem.Code
	}{
		{"no route", "GET", "/nowhere?secret=hush", "", nil, 404, problem.NotFound},
		{"method", "PATCH", "/api/v1/things", "", nil, 405, problem.MethodNotAllowed},
		{"no token", "GET", "/api/v1/things/1", "", nil, 401, problem.Unauthenticated},
		{"other scheme", "GET", "/api/v1/things/1", "", []string{"Authorization: Basic good"}, 401, problem.Unauthenticated},
		{"not permitted", "GET", "/api/v1/things/1", "", []string{"Authorization: Bearer weak"}, 403, problem.Forbidden},
		{"cannot decide", "GET", "/api/v1/things/1", "", []string{"Authorization: Bearer broken"}, 503, problem.Unavailable},
		{"other site", "POST", "/api/v1/things", "{}", []string{auth, "Sec-Fetch-Site: cross-site"}, 403, problem.CrossOrigin},
		{"no JSON", "POST", "/api/v1/things", `{"name":hush`, []string{auth}, 400, problem.Malformed},
		{"wrong number", "POST", "/api/v1/things", `{"name":"a","count":99999999999999999999}`, []string{auth}, 422, problem.Invalid},
		{"no body", "POST", "/api/v1/things", "", []string{auth}, 400, problem.Malformed},
		{"unknown property", "POST", "/api/v1/things", `{"name":"a","count":1,"x":"hush"}`, []string{auth}, 422, problem.Invalid},
		{"wrong kind", "POST", "/api/v1/things", `{"name":"a","count":"hush"}`, []string{auth}, 422, problem.Invalid},
		{"too long", "POST", "/api/v1/things", `{"name":"hush hush hush hush hush","count":1}`, []string{auth}, 422, problem.Invalid},
		{"unknown query", "GET", "/api/v1/things/1?hush=hush", "", []string{auth}, 422, problem.Invalid},
		{"other media", "POST", "/api/v1/things", "hush", []string{auth, "Content-Type: text/plain"}, 415, problem.UnsupportedMediaType},
		{"too large", "POST", "/api/v1/things", strings.Repeat(" ", api.DefaultBody+1), []string{auth}, 413, problem.TooLarge},
		{"panic", "GET", "/api/v1/things/panic", "", []string{auth}, 500, problem.Internal},
		{"index", "GET", "/api/v1/things/index", "", []string{auth}, 500, problem.Internal},
		{"unknown error", "GET", "/api/v1/things/unknown", "", []string{auth}, 500, problem.Internal},
		{"gone", "GET", "/api/v1/things/gone", "", []string{auth}, 410, problem.Gone},
		{"no If-Match", "PUT", "/api/v1/things/1", `{"name":"a","count":1}`, []string{auth}, 428, problem.PreconditionRequired},
		{"old If-Match", "PUT", "/api/v1/things/1", `{"name":"a","count":1}`, []string{auth, `If-Match: "6"`}, 412, problem.PreconditionFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, body := n.ask(t, c.method, c.path, c.body, c.headers...)
			p := wantProblem(t, answer, body, c.status, c.code)
			if strings.Contains(body, "Erika") || strings.Contains(body, ".go") {
				t.Errorf("internals are shown: %s", body)
			}
			for _, f := range p.Fields {
				if strings.Contains(f.Message, "hush") || strings.Contains(f.Message, "99") {
					t.Errorf("a value is repeated: %s", body)
				}
			}
			if c.status == 405 && answer.Header.Get("Allow") == "" || c.status == 401 && answer.Header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("headers: %v", answer.Header)
			}
		})
	}
	if log := n.log.String(); strings.Contains(log, "hush") || strings.Contains(log, "/nowhere") || strings.Contains(log, "what a handler held") {
		t.Errorf("the log has paths, queries or values:\n%s", log)
	} else if !strings.Contains(log, "index out of range") || !strings.Contains(log, "database is locked") {
		t.Errorf("the log lacks causes:\n%s", log)
	}
}

// TestAnswers: what goes right.
func TestAnswers(t *testing.T) {
	n := start(t, api.Options{PublicURL: "https://lotse.example"}, things)
	answer, body := n.ask(t, "POST", "/api/v1/things", `{"name":"a","count":1}`, auth)
	if answer.StatusCode != 201 || strings.TrimSpace(body) != `{"name":"a","count":1}` || answer.Header.Get("ETag") != `"1"` {
		t.Errorf("%d %s %v", answer.StatusCode, body, answer.Header)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=31536000; includeSubDomains", "Cross-Origin-Opener-Policy": "same-origin",
	} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if csp := answer.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
		t.Errorf("CSP: %q", csp)
	}
	if answer, body := n.ask(t, "PUT", "/api/v1/things/1", `{"name":"b","count":2}`, auth, `If-Match: "6", "7"`); answer.StatusCode != 200 {
		t.Errorf("edit: %d %s", answer.StatusCode, body)
	}
	if answer, body := n.ask(t, "GET", "/api/v1/things/1", "", auth, `If-None-Match: W/"7"`); answer.StatusCode != 304 || body != "" || answer.Header.Get("ETag") != `"7"` {
		t.Errorf("not modified: %d %q %v", answer.StatusCode, body, answer.Header)
	}
	if answer, body := n.ask(t, "DELETE", "/api/v1/things/1", "", auth); answer.StatusCode != 204 || body != "" {
		t.Errorf("delete: %d %q", answer.StatusCode, body)
	}
	if answer, _ := n.ask(t, "GET", "/api/v1/things/1", "", auth, "Accept: text/html"); answer.StatusCode != 200 {
		t.Errorf("a browser asks: %d", answer.StatusCode)
	}
}

// TestEveryRouteAsks walks all routes: those that are not public refuse a request without
// a token before anything else, and ask with their own permission.
func TestEveryRouteAsks(t *testing.T) {
	n := start(t, api.Options{}, things)
	public := map[string]bool{"GET /healthz": true, "GET /readyz": true, "GET /api/v1/openapi.json": true, "GET /api/docs": true, "GET /api/docs/docs.css": true, "GET /api/docs/docs.js": true}
	for _, r := range n.Routes() {
		method, path, _ := strings.Cut(r.Pattern, " ")
		answer, body := n.ask(t, method, strings.ReplaceAll(path, "{import}", "x"), "nonsense")
		if r.Permission == access.Public {
			if !public[r.Pattern] || answer.StatusCode >= 400 {
				t.Errorf("%s is public: %d", r.Pattern, answer.StatusCode)
			}
			continue
		}
		wantProblem(t, answer, body, 401, problem.Unauthenticated)
		if last := n.gate.asked[len(n.gate.asked)-1]; last.Permission != r.Permission || last.Route != r.Pattern {
			t.Errorf("%s asked for %s at %s", r.Pattern, last.Permission, last.Route)
		}
	}
	if len(n.Routes()) != len(public)+4 {
		t.Errorf("%d routes", len(n.Routes()))
	}
}

// TestRoutesNeedPermission: without one the program does not start.
func TestRoutesNeedPermission(t *testing.T) {
	s, err := api.New(api.Options{Authorizer: &gate{}})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(){
		"route":     func() { s.Handle(api.Route{Pattern: "GET /x"}, http.NotFoundHandler()) },
		"operation": func() { things(s) }, // idempotent without a store
		"none": func() {
			api.Register(s, api.Operation{ID: "x", Method: "GET", Path: "/x"}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil }) //nolint:nilnil // not called
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was registered", name)
				}
			}()
			f()
		}()
	}
	if _, err := api.New(api.Options{}); err == nil {
		t.Error("a server without an Authorizer")
	}
}

// TestTenantOfPath: a tenant in the address is what is asked for.
func TestTenantOfPath(t *testing.T) {
	n := start(t, api.Options{}, func(s *api.Server) {
		s.Handle(api.Route{Pattern: "GET /t/{tenant}/x", Permission: "x"}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	})
	if answer, _ := n.ask(t, "GET", "/t/t1/x", "", auth); answer.StatusCode != 204 {
		t.Errorf("own: %d", answer.StatusCode)
	}
	answer, body := n.ask(t, "GET", "/t/other/x", "", auth)
	wantProblem(t, answer, body, 404, problem.NotFound)
}

// TestIdempotency: the same again is answered the same, and made once.
func TestIdempotency(t *testing.T) {
	var mu sync.Mutex
	made := 0
	entered, proceed := make(chan struct{}, 1), make(chan struct{})
	halves, half := make(chan int, 2), 0
	n := start(t, api.Options{}, func(s *api.Server) {
		s.Handle(api.Route{Pattern: "POST /half", Permission: "make", Idempotent: true}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			half++
			w.WriteHeader(201)
			halves <- half
			panic("x")
		}))
		api.Register(s, api.Operation{ID: "make", Method: "POST", Path: "/make", Permission: "make", Status: 201, Idempotent: true},
			func(ctx context.Context, in *struct{ Body thing }) (*thingOutput, error) {
				if _, ok := idempotency.From(ctx); !ok && in.Body.Name != "plain" {
					return nil, errors.New("no attempt in the context")
				}
				mu.Lock()
				made++
				count := made
				mu.Unlock()
				switch in.Body.Name {
				case "wait":
					entered <- struct{}{}
					<-proceed
				case "fail":
					return nil, problem.New(problem.Unavailable, "")
				case "panic":
					panic("x")
				}
				return &thingOutput{ETag: api.Tag(int64(count)), Body: thing{in.Body.Name, count}}, nil
			})
	})
	post := func(key, name string) (*http.Response, string) {
		return n.ask(t, "POST", "/api/v1/make", `{"name":"`+name+`","count":0}`, auth, "Idempotency-Key: "+key)
	}
	first, a := post("k1", "a")
	again, b := post(`"k1"`, "a")
	if first.StatusCode != 201 || again.StatusCode != 201 || a != b || first.Header.Get("ETag") != again.Header.Get("ETag") || again.Header.Get("Idempotency-Replayed") != "true" || first.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("%d %s %v, then %d %s %v", first.StatusCode, a, first.Header, again.StatusCode, b, again.Header)
	}
	if answer, body := post("k1", "other"); answer.StatusCode != 422 {
		t.Error(body)
	} else {
		wantProblem(t, answer, body, 422, problem.IdempotencyMismatch)
	}
	for _, name := range []string{"fail", "panic"} { // the key is free after a failure
		before := made
		post("k-"+name, name)
		post("k-"+name, name)
		if made != before+2 {
			t.Errorf("%s: made %d times", name, made-before)
		}
	}
	for want := range 2 { // half an answer is none
		r, err := http.NewRequestWithContext(t.Context(), "POST", n.url+"/half", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("Idempotency-Key", "half")
		if answer, err := http.DefaultTransport.RoundTrip(r); err == nil {
			answer.Body.Close()
		}
		select {
		case got := <-halves:
			if got != want+1 {
				t.Errorf("half: %d", got)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("half an answer was kept")
		}
	}
	done := make(chan string, 1)
	go func() { _, body := post("k3", "wait"); done <- body }()
	<-entered
	answer, body := post("k3", "wait")
	if p := wantProblem(t, answer, body, 409, problem.IdempotencyBusy); p.Code == problem.IdempotencyBusy && answer.Header.Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
	close(proceed)
	<-done
	if answer, _ := post("k3", "wait"); answer.StatusCode != 201 || answer.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("afterwards: %d", answer.StatusCode)
	}
	answer, body = post(strings.Repeat("k", 129), "a")
	wantProblem(t, answer, body, 400, problem.IdempotencyKey)
	before := made
	for range 2 {
		n.ask(t, "POST", "/api/v1/make", `{"name":"plain","count":0}`, auth)
	}
	if made != before+2 {
		t.Error("without a key, each request makes one")
	}
}

// TestReady: the checks, their time, and that nobody runs them too often.
func TestReady(t *testing.T) {
	var mu sync.Mutex
	ran := 0
	hang := make(chan struct{})
	defer close(hang)
	n := start(t, api.Options{Checks: []api.Check{
		{Name: "database", Check: func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			ran++
			return nil
		}},
	}}, nil)
	if answer, body := n.ask(t, "GET", "/healthz", ""); answer.StatusCode != 200 || body != "ok\n" {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
	for range 20 {
		if answer, body := n.ask(t, "GET", "/readyz", ""); answer.StatusCode != 200 || strings.TrimSpace(body) != `{"status":"ready","checks":[{"name":"database","ok":true}]}` {
			t.Fatalf("%d %s", answer.StatusCode, body)
		}
	}
	mu.Lock()
	if ran > 3 {
		t.Errorf("20 questions ran the check %d times", ran)
	}
	mu.Unlock()

	m := start(t, api.Options{Checks: []api.Check{
		{Name: "database", Check: func(context.Context) error { return errors.New("secret internals") }},
		{Name: "blobs", Timeout: 50 * time.Millisecond, Check: func(context.Context) error { <-hang; return nil }},
		{Name: "key", Check: func(context.Context) error { return nil }},
	}}, nil)
	for range 3 {
		answer, body := m.ask(t, "GET", "/readyz", "")
		if answer.StatusCode != 503 || strings.TrimSpace(body) != `{"status":"not-ready","checks":[{"name":"database","ok":false},{"name":"blobs","ok":false},{"name":"key","ok":true}]}` {
			t.Errorf("%d %s", answer.StatusCode, body)
		}
	}
	if !strings.Contains(m.log.String(), "secret internals") {
		t.Error("the log does not say why")
	}
}
