package v1_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/api"
	v1 "lotse/internal/api/v1"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/auth/passkey"
	"lotse/internal/auth/password"
	"lotse/internal/queue"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/file"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
	"lotse/internal/synth"
	"lotse/test/peer"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// The tenants of the tests' installation.
const (
	mainTenant  = "main"
	otherTenant = "other"
)

// world is a node in this process: real storage, real workers, real HTTP.
type world struct {
	*testing.T
	dir    string
	url    string
	named  string // the same by a name, as passkeys need it
	db     *store.DB
	vault  *sealed.Vault
	tokens *auth.Tokens
	gate   *app.Gateway
	server *api.Server
	clock  *shift
	log    *lines

	party          // tokens of the main tenant
	stranger party // and of the other one
	accounts *auth.Accounts
	hasher   *password.Hasher
	bounds   sync.Map // sites that are all that a token reaches
}

// party are the tokens of a tenant, one for each role that a token can have.
type party struct{ admin, integrator, auditor string }

// may is the token of a party that has a permission.
func (p party) may(permission access.Permission) string {
	for role, token := range map[auth.Role]string{auth.Administrator: p.admin, auth.Auditor: p.auditor} {
		if role.May(permission) && permission != auth.Self && permission != access.Any && !auth.Integrator.May(permission) {
			return token
		}
	}
	return p.integrator
}

// shift moves the database's clock.
type shift struct {
	mu sync.Mutex
	by time.Duration
}

func (s *shift) get() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by
}

func (s *shift) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by += d
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

// open starts a node on a database.
func open(t *testing.T, place storetest.Place, change ...func(*auth.Options)) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir(), clock: &shift{}, log: &lines{}}
	ctx := t.Context()
	w.db = place.Migrated(t, func(c *store.Config) { c.Shift = w.clock.get })
	blobs, err := disk.Open(filepath.Join(w.dir, "blobs"))
	w.must(err)
	keys, err := file.Open(filepath.Join(w.dir, "keyring"), nil)
	w.must(err)
	master, err := keyring.CreateMasterFile(filepath.Join(w.dir, "master.key"))
	w.must(err)
	w.vault = sealed.New(blobs, keyring.New(keys, master), sealed.Options{})
	for _, tenant := range []string{mainTenant, otherTenant} {
		w.must(w.vault.CreateTenant(ctx, tenant))
		w.must(w.db.System().CreateTenant(ctx, tenant, tenant))
	}
	w.Cleanup(func() {
		if w.Failed() {
			w.Log(w.log.String())
		}
	})
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.gate = app.NewGateway(w.db, w.vault, blobs, log, app.GatewayOptions{Version: "test", InsecureHTTP: true, FolderRoots: []string{w.dir}, Portals: []string{"127.0.0.1", "localhost"},
		Transport: func() http.RoundTripper { return http.DefaultTransport }})
	w.tokens = auth.NewTokens(w.db)
	w.hasher = password.New(password.Params{Memory: 64, Time: 1, Threads: 1}, password.DefaultMemory)
	listening := httptest.NewUnstartedServer(nil)
	w.url = "http://" + listening.Listener.Addr().String()
	w.named = strings.Replace(w.url, "127.0.0.1", "localhost", 1)
	keysOf, err := passkey.New(w.named, "Lotse")
	w.must(err)
	options := auth.Options{Hasher: w.hasher, Passkeys: keysOf, Back: w.named + auth.BackPath}
	for _, f := range change {
		f(&options)
	}
	w.accounts = auth.NewAccounts(w.db, w.vault, options)
	w.work(log)
	w.serve(listening, log)
	w.party, w.stranger = w.tokensOf(mainTenant), w.tokensOf(otherTenant)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// work runs the workers until the test ends.
func (w *world) work(log *slog.Logger) {
	workers := queue.New(w.db.System(), queue.Options{Node: "test", Log: log, RetryFirst: 50 * time.Millisecond, Concurrency: app.Concurrency(2, 2, 2, 2)})
	w.gate.Register(workers)
	ctx, stop := context.WithCancel(context.WithoutCancel(w.Context()))
	var working sync.WaitGroup
	working.Go(func() {
		if err := workers.Run(ctx); err != nil {
			w.Errorf("workers: %v", err)
		}
	})
	w.Cleanup(func() {
		stop()
		working.Wait()
	})
}

// serve serves the API until the test ends.
func (w *world) serve(listening *httptest.Server, log *slog.Logger) {
	var err error
	w.server, err = api.New(api.Options{Authorizer: bounded{w}, SecondPerson: v1.SecondPerson(w.accounts), Idempotency: v1.Idempotency(w.db, w.vault), Translate: v1.Translate, Log: log,
		PublicURL: w.url, Version: "test", Poll: 20 * time.Millisecond, Recheck: 100 * time.Millisecond,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	w.must(err)
	v1.Mount(w.server, v1.Deps{Gateway: w.gate, Tokens: w.tokens, Accounts: w.accounts, Tenant: mainTenant, PublicURL: w.url, Version: "test", MaxUpload: 1 << 30})
	listening.Config.Handler = w.server
	listening.Start()
	w.Cleanup(listening.Close)
}

// tokensOf makes the tokens of a tenant.
func (w *world) tokensOf(tenant string) party {
	w.Helper()
	return party{w.token(tenant, auth.Administrator), w.token(tenant, auth.Integrator), w.token(tenant, auth.Auditor)}
}

// token makes a token of a tenant.
func (w *world) token(tenant string, role auth.Role) string {
	w.Helper()
	_, secret, err := w.tokens.Create(w.Context(), actorOf(tenant), auth.New{Name: string(role) + " of " + tenant, Role: role})
	w.must(err)
	return secret
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// into reads the JSON of an answer that must have a status.
func (w *world) into(a answer, status int, value any) {
	w.Helper()
	if a.status != status {
		w.Fatalf("%d instead of %d: %s", a.status, status, a.body)
	}
	if value == nil {
		return
	}
	if err := json.Unmarshal(a.body, value); err != nil {
		w.Fatalf("%v: %s", err, a.body)
	}
}

// ask sends a request with a body of JSON (nil: none) and headers ("Name: value").
func (w *world) ask(token, method, path string, body any, headers ...string) answer {
	w.Helper()
	var content io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(body)
	case []byte:
		content = bytes.NewReader(body)
	default:
		text, err := json.Marshal(body)
		w.must(err)
		content = bytes.NewReader(text)
	}
	if !strings.HasPrefix(path, "http") {
		path = w.url + path
	}
	r, err := http.NewRequestWithContext(w.Context(), method, path, content)
	w.must(err)
	switch {
	case strings.HasPrefix(token, "session_"): // of a person, who uses our pages
		r.AddCookie(&http.Cookie{Name: api.Cookie, Value: token})
		r.Header.Set(api.PageHeader, "1")
	case token != "":
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if content != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
	}
	got, err := http.DefaultTransport.RoundTrip(r)
	w.must(err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	w.must(err)
	return answer{got.StatusCode, got.Header, text}
}

// problem checks that an answer is a problem of a code.
func (w *world) problem(a answer, status int, code string, fields ...string) {
	w.Helper()
	var p struct {
		Code   string `json:"code"`
		Status int    `json:"status"`
		Errors []struct {
			Location string `json:"location"`
			Message  string `json:"message"`
		} `json:"errors"`
	}
	if a.status != status || json.Unmarshal(a.body, &p) != nil || p.Code != code || p.Status != status ||
		a.header.Get("Content-Type") != "application/problem+json" {
		w.Errorf("%d instead of %d %s: %s", a.status, status, code, a.body)
		return
	}
	for _, field := range fields {
		found := false
		for _, e := range p.Errors {
			found = found || e.Location == field || e.Location+": "+e.Message == field
		}
		if !found {
			w.Errorf("%s is not among the errors of %s", field, a.body)
		}
	}
}

// demo is the demonstration exam.
func (w *world) demo() *synth.Demo {
	w.Helper()
	d, err := exam()
	w.must(err)
	return d
}

// metadata is the tus metadata of a file of an import.
func metadata(id, path string) string {
	coded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	return fmt.Sprintf("import %s,path %s", coded(id), coded(path))
}

// upload sends a file as tus does, in two pieces.
func (w *world) upload(token, id, path string, content []byte) {
	w.Helper()
	a := w.ask(token, "POST", "/api/v1/uploads", nil, "Tus-Resumable: 1.0.0", fmt.Sprintf("Upload-Length: %d", len(content)), "Upload-Metadata: "+metadata(id, path))
	w.into(a, http.StatusCreated, nil)
	at := a.header.Get("Location")
	half := len(content) / 2
	for _, piece := range [][2]int{{0, half}, {half, len(content)}} {
		a = w.ask(token, "PATCH", at, content[piece[0]:piece[1]], "Tus-Resumable: 1.0.0", fmt.Sprintf("Upload-Offset: %d", piece[0]),
			"Content-Type: application/offset+octet-stream")
		w.into(a, http.StatusNoContent, nil)
		if got := a.header.Get("Upload-Offset"); got != fmt.Sprint(piece[1]) {
			w.Fatalf("the offset is %s instead of %d", got, piece[1])
		}
	}
}

// create begins an import by upload and returns it.
func (w *world) create(token string, files int) *app.Snapshot {
	w.Helper()
	var s app.Snapshot
	w.into(w.ask(token, "POST", "/api/v1/imports", map[string]any{"kind": "upload", "files": files}), http.StatusCreated, &s)
	return &s
}

// get returns an import as it stands.
func (w *world) get(token, id string) *app.Snapshot {
	w.Helper()
	var s app.Snapshot
	w.into(w.ask(token, "GET", "/api/v1/imports/"+id, nil), http.StatusOK, &s)
	return &s
}

// until waits for an import to be in a state.
func (w *world) until(token, id, state string) *app.Snapshot {
	w.Helper()
	var last *app.Snapshot
	peer.Await(w, patience, "the import to be "+state, func() bool {
		last = w.get(token, id)
		if last.State == "failed" && state != "failed" {
			w.Fatalf("the import failed: %+v", last.Problem)
		}
		return string(last.State) == state
	})
	return last
}

// folder adds a destination that is a folder.
func (w *world) folder(token string) (id, path string) {
	w.Helper()
	path = filepath.Join(w.dir, "archive "+store.NewID())
	var d app.DestinationView
	w.into(w.ask(token, "POST", "/api/v1/destinations", map[string]any{"name": "folder " + store.NewID(), "address": "dir:" + path}), http.StatusCreated, &d)
	return d.ID, path
}

// reviewed is an import of the demonstration exam that waits for its decision.
func (w *world) reviewed(token string) *app.Snapshot {
	w.Helper()
	s := w.create(token, 1)
	w.upload(token, s.ID, "exam.zip", w.demo().ZIP)
	return w.until(token, s.ID, "review")
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// exam makes the demonstration exam once.
var exam = sync.OnceValues(func() (*synth.Demo, error) { return synth.DemoExam(1) })
