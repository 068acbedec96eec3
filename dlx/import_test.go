package dlx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/dlx"
	"lotse/dlx/dlxtest"
)

// hospital is an importer in memory.
type hospital struct {
	mu     sync.Mutex
	got    []dlx.ImportRequest
	asked  [][]string // scopes
	waits  []time.Duration
	status dlx.ImportStatus
	err    error
}

var holders = map[string]dlx.Authority{
	"new-token":      {Subject: "ris", Scopes: []string{"dlx.import"}},
	"importer-token": {Subject: "ris", Scopes: []string{"dlx.importer"}},
	"admin-token":    {Subject: "ris", Scopes: []string{"x", "dlx.admin"}},
	"tokens-token":   {Subject: "ris", Scopes: []string{"dlx.tokens", "dlx.creator", "dlx.imports"}},
	"no-token":       {Subject: "ris"},
	"other-token":    {Subject: "other", Scopes: []string{"dlx.import"}},
}

func (h *hospital) Login(_ context.Context, c dlx.Credentials) (dlx.Access, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked = append(h.asked, c.Scopes); h.err != nil {
		return dlx.Access{}, h.err
	}
	if c.Username.Reveal() != "ris" || c.Password.Reveal() != "s3cret-answer" {
		return dlx.Access{}, fmt.Errorf("look up: %w", dlx.Refused)
	}
	return dlx.Access{Token: dlx.NewSecret("new-token"), Expires: 15 * time.Minute, Scopes: []string{dlx.ScopeImport}}, nil
}

func (h *hospital) Authorize(_ context.Context, token dlx.Secret) (dlx.Authority, error) {
	who, ok := holders[token.Reveal()]
	if !ok {
		return who, dlx.Refused
	}
	return who, nil
}

func (h *hospital) Start(_ context.Context, who dlx.Authority, req dlx.ImportRequest, wait time.Duration) (dlx.ImportStatus, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if who.Subject != "ris" {
		return dlx.ImportStatus{}, errors.New("not the one who was authorised")
	}
	h.got, h.waits = append(h.got, req), append(h.waits, wait)
	return h.status, h.err
}

func (h *hospital) Status(_ context.Context, who dlx.Authority, id string) (dlx.ImportStatus, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id != h.status.ID || who.Subject != "ris" {
		return dlx.ImportStatus{}, dlx.NotFound
	}
	return h.status, h.err
}

const importBase = "https://hospital.example/x/dlx/v2"

// open serves the hospital and returns its importer's client.
func (h *hospital) open(t *testing.T) *dlx.ImportClient {
	t.Helper()
	w := newWorld(t)
	base, err := url.Parse(importBase)
	if err != nil {
		t.Fatal(err)
	}
	w.https("hospital.example", dlx.NewImportHandler(h, dlx.ImportConfig{Base: base, Vendor: "Lotse"}))
	importer, err := w.client().Importer(importBase)
	if err != nil {
		t.Fatal(err)
	}
	return importer
}

func importRequest() dlx.ImportRequest {
	return dlx.ImportRequest{Link: dlx.NewSecret(secretLink), Token: dlx.NewSecret("TOKEN-4711"),
		Answers: []dlx.Answer{{QuestionID: "1", Answer: dlx.NewSecret("s3cret-answer")}, {QuestionID: "2", Answer: dlx.NewSecret("19700101")}}}
}

func TestImport(t *testing.T) {
	h := &hospital{status: dlx.ImportStatus{ID: "0190-a b", State: dlx.ImportStarted}}
	importer := h.open(t)
	info, err := importer.APIInfo(t.Context())
	if want := (dlx.APIInfo{Version: "v2", Vendor: "Lotse", BasePath: importBase, Capabilities: dlx.Capabilities{Import: true}}); err != nil || info != want {
		t.Fatalf("%+v, %v", info, err)
	}
	credentials := dlx.Credentials{Username: dlx.NewSecret("ris"), Password: dlx.NewSecret("wrong")}
	_, err = importer.AdminAuth(t.Context(), credentials)
	wantKind(t, err, dlx.Refused)
	credentials.Password, credentials.Scopes = dlx.NewSecret("s3cret-answer"), []string{"dlx.importer", "dlx.tokens"}
	access, err := importer.AdminAuth(t.Context(), credentials)
	if err != nil || access.Token.Reveal() != "new-token" || access.Expires != 15*time.Minute || !reflect.DeepEqual(access.Scopes, []string{"dlx.import"}) {
		t.Fatalf("%+v, %v", access, err)
	}
	if want := [][]string{nil, {"dlx.import", "dlx.tokens"}}; !reflect.DeepEqual(h.asked, want) {
		t.Errorf("asked for %v", h.asked)
	}
	s, err := importer.Import(t.Context(), access.Token, importRequest())
	if err != nil || s.State != dlx.ImportStarted || s.URL != importBase+"/import/0190-a%20b" {
		t.Fatalf("%+v, %v", s, err)
	}
	if len(h.got) != 1 || !reflect.DeepEqual(h.got[0].Answers, importRequest().Answers) || h.got[0].Link.Reveal() != secretLink ||
		h.got[0].Token.Reveal() != "TOKEN-4711" || h.waits[0] != 3*time.Second {
		t.Errorf("started %d times, waited %v", len(h.got), h.waits)
	}
	for _, want := range []dlx.ImportStatus{{State: dlx.ImportStarted, Items: 2}, {State: dlx.ImportPartial, Items: 3, Message: "1 object was not taken"},
		{State: dlx.ImportFailed, Message: "The portal is down"}, {State: dlx.ImportCompleted, Items: 1 << 40}} {
		want.ID = h.status.ID
		h.status = want
		got, err := importer.Status(t.Context(), access.Token, s.URL)
		want.ID, want.URL = "", s.URL
		if err != nil || got != want {
			t.Errorf("%+v, want %+v, %v", got, want, err)
		}
	}
	_, err = importer.Status(t.Context(), dlx.NewSecret("other-token"), s.URL)
	wantKind(t, err, dlx.NotFound)
	_, err = importer.Status(t.Context(), access.Token, s.URL+"x")
	wantKind(t, err, dlx.NotFound)
	_, err = importer.Status(t.Context(), access.Token, "https://evil.example/import/1")
	wantKind(t, err, dlx.ForeignHost)
}

// post sends a body to an importer without a network.
func post(h http.Handler, path, body string, header ...string) *httptest.ResponseRecorder {
	return ask(h, "POST", "/dlx/v2"+path, body, header...)
}

// refuses checks an answer that is an error.
func refuses(t *testing.T, got *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	if got.Code != status || strings.TrimSpace(got.Body.String()) != `{"error":"`+code+`"}` {
		t.Errorf("%d %s, want %d %s", got.Code, got.Body, status, code)
	}
	if got.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(got.Header().Get("Content-Type"), "application/json") {
		t.Errorf("%v", got.Header())
	}
}

const goodImport = `{"link":"https://portal.example/dlx/v1/token/A","token":"A","tfaAnswer":[{"questionId":"1","answer":"19700101"}]}`

func TestImportStates(t *testing.T) {
	for state, code := range map[dlx.ImportState]int{dlx.ImportCompleted: 200, dlx.ImportStarted: 202, dlx.ImportPartial: 202, dlx.ImportFailed: 202} {
		h := dlx.NewImportHandler(&hospital{status: dlx.ImportStatus{ID: "i1", State: state, Items: -1}}, dlx.ImportConfig{})
		got := post(h, "/import", goodImport, "Authorization", "Bearer new-token")
		want := fmt.Sprintf(`{"status":%q,"statusUrl":"http://example.com/dlx/v2/import/i1","importedItems":0}`, state)
		if got.Code != code || got.Body.String() != want || (got.Header().Get("Location") != "") != (code == 202) ||
			(got.Header().Get("Retry-After") != "") != (state == dlx.ImportStarted) {
			t.Errorf("%s: %d %s %v", state, got.Code, got.Body, got.Header())
		}
	}
}

func TestImportScopes(t *testing.T) {
	hosp := &hospital{status: dlx.ImportStatus{ID: "i1", State: dlx.ImportCompleted}}
	h := dlx.NewImportHandler(hosp, dlx.ImportConfig{})
	for token, code := range map[string]string{"new-token": "", "importer-token": "", "admin-token": "", "tokens-token": "insufficient_scope",
		"no-token": "insufficient_scope", "nobody": "invalid_token", "": "invalid_token"} {
		for _, got := range []*httptest.ResponseRecorder{
			post(h, "/import", goodImport, "Authorization", "bearer "+token),
			ask(h, "GET", "/dlx/v2/import/i1", "", "Authorization", "Bearer  "+token),
		} {
			switch {
			case code == "" && got.Code == 200:
			case code == "insufficient_scope":
				refuses(t, got, 403, code)
			default:
				refuses(t, got, 401, code)
			}
			if (got.Header().Get("WWW-Authenticate") != "") != (code != "") {
				t.Errorf("%s: %v", token, got.Header())
			}
		}
	}
	if len(hosp.got) != 3 {
		t.Errorf("%d imports were started", len(hosp.got))
	}
	refuses(t, post(h, "/import", goodImport), 401, "invalid_token")
	refuses(t, post(h, "/import", goodImport, "Authorization", "Basic new-token"), 401, "invalid_token")
	refuses(t, post(h, "/import", goodImport, "Authorization", "new-token"), 401, "invalid_token")
}

func TestImportReadsLiberally(t *testing.T) {
	for _, body := range []string{
		goodImport,
		"\ufeff" + goodImport,
		`{"link":" https://portal.example/dlx/v1/token/A ","token":" A ","tfaAnswer":{"questionId":1,"answer":19700101},"more":{}}`,
		`{"link":"portal.example/dlx/v1/token/A","token":"A","tfaAnswer":[null,{"questionId":"1","answer":"19700101"}]}`,
		"{\"link\":\"https://portal.example/dlx/v1/token/A\",\"token\":\"A\",\"tfaAnswer\":[{\"questionId\":\"1\",\"answer\":\"19700101\"}],\"x\":\"\xfc\"}",
	} {
		hosp := &hospital{status: dlx.ImportStatus{ID: "i1", State: dlx.ImportCompleted}}
		h := dlx.NewImportHandler(hosp, dlx.ImportConfig{})
		if got := post(h, "/import", body, "Authorization", "Bearer new-token"); got.Code != 200 {
			t.Errorf("%s: %d %s", body, got.Code, got.Body)
			continue
		}
		r := hosp.got[0]
		if r.Token.Reveal() != "A" || len(r.Answers) != 1 || r.Answers[0].QuestionID != "1" || r.Answers[0].Answer.Reveal() != "19700101" ||
			!strings.HasSuffix(r.Link.Reveal(), "portal.example/dlx/v1/token/A") {
			t.Errorf("%s was misread", body)
		}
	}
	hosp := &hospital{}
	h := dlx.NewImportHandler(hosp, dlx.ImportConfig{})
	for _, got := range []*httptest.ResponseRecorder{
		post(h, "/admin_auth", `{"username":"ris","password":"s3cret-answer","scope":["dlx.admin"]}`),
		post(h, "/admin_auth", `{"username":"ris","password":"s3cret-answer","scope":"dlx.import, dlx.tokens","client":7}`),
		post(h, "/admin_auth", "username=ris&password=s3cret-answer&scope=dlx.import+dlx.tokens", "Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
	} {
		if want := `{"access_token":"new-token","token_type":"Bearer","expires_in":900,"scope":"dlx.import"}`; got.Code != 200 || got.Body.String() != want {
			t.Errorf("%d %s", got.Code, got.Body)
		}
	}
	for _, asked := range hosp.asked {
		if !reflect.DeepEqual(asked, []string{"dlx.import", "dlx.tokens"}) {
			t.Errorf("asked for %v", asked)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	hosp := &hospital{}
	h := dlx.NewImportHandler(hosp, dlx.ImportConfig{})
	bearer := []string{"Authorization", "Bearer new-token"}
	for _, path := range []string{"/import", "/admin_auth"} {
		refuses(t, post(h, path, strings.Repeat(" ", 65<<10), bearer...), 413, "too_large")
		for _, body := range []string{"", "no", "[]", `"x"`, "{", strings.Repeat("[", 20_000)} {
			refuses(t, post(h, path, body, bearer...), 400, "invalid_request")
		}
	}
	refuses(t, post(h, "/admin_auth", `{"username":"ris"}`), 400, "invalid_request")
	refuses(t, post(h, "/admin_auth", `{"username":"ris","password":"s3cret-answer"}`, "Content-Type", "application/x-www-form-urlencoded"), 400, "invalid_request")
	refuses(t, post(h, "/admin_auth", `{"username":"ris","password":"x"}`), 401, "invalid_grant")
	for _, link := range []string{"", "x", "file:///etc/passwd", "https://u:p@portal.example/", "javascript:1"} {
		refuses(t, post(h, "/import", `{"link":"`+link+`","token":"A"}`, bearer...), 400, "invalid_link")
	}
	refuses(t, ask(h, "GET", "/dlx/v2/import", ""), 405, "method_not_allowed")
	refuses(t, post(h, "/api_info", ""), 405, "method_not_allowed")
	refuses(t, post(h, "/import/i1", ""), 405, "method_not_allowed")
	refuses(t, ask(h, "GET", "/dlx/v2/list", ""), 404, "not_found")
	refuses(t, ask(h, "GET", "/", ""), 404, "not_found")
	if len(hosp.got) != 0 {
		t.Error("started what it refused")
	}
	for err, want := range map[error]struct {
		status int
		code   string
	}{
		dlx.BadLink: {400, "invalid_link"}, dlx.BadAnswer: {400, "invalid_answer"}, dlx.NotFound: {404, "not_found"},
		&dlx.NotReadyError{After: 1500 * time.Millisecond}: {503, "temporarily_unavailable"}, &dlx.ThrottledError{After: time.Minute}: {429, "too_many_attempts"},
		errors.New("s3cret-answer Mustermann"): {500, "internal"}, fmt.Errorf("%w", dlx.Refused): {401, "invalid_token"},
	} {
		var told []error
		h := dlx.NewImportHandler(&hospital{err: err}, dlx.ImportConfig{Failed: func(_ *http.Request, err error) { told = append(told, err) }})
		got := post(h, "/import", goodImport, bearer...)
		refuses(t, got, want.status, want.code)
		if (len(told) == 1) != (want.status == 500) {
			t.Errorf("%v: told of %d", err, len(told))
		}
		if after := got.Header().Get("Retry-After"); want.status == 503 && after != "2" || want.status == 429 && after != "60" {
			t.Errorf("come back after %q", after)
		}
	}
}

func TestImportClientFailures(t *testing.T) {
	w := newWorld(t)
	client := w.client()
	for _, base := range []string{"", "x y", "ftp://hospital.example/"} {
		_, err := client.Importer(base)
		wantKind(t, err, dlx.BadLink)
	}
	_, err := client.Importer("http://hospital.example/dlx/v2")
	wantKind(t, err, dlx.Insecure)
	for _, c := range []struct {
		kind    dlx.Kind
		handler http.Handler
	}{
		{dlx.Refused, dlxtest.Status(401)}, {dlx.Refused, dlxtest.Status(403)}, {dlx.NotFound, dlxtest.Status(404)}, {dlx.Unavailable, dlxtest.Status(500)},
		{dlx.Unavailable, dlxtest.Status(429)}, {dlx.Protocol, dlxtest.Status(418)}, {dlx.BadLink, dlxtest.Body(400, "", `{"error":"invalid_link"}`)},
		{dlx.BadAnswer, dlxtest.Body(400, "", `{"error":"invalid_answer"}`)}, {dlx.Protocol, dlxtest.Body(400, "", "TOKEN-4711")},
		{dlx.Protocol, dlxtest.Body(202, "", "TOKEN-4711")}, {dlx.Protocol, dlxtest.Body(200, "", `{"status":"Mustermann"}`)},
		{dlx.ForeignHost, dlxtest.Redirect(307, "https://evil.example/TOKEN-4711")}, {dlx.Insecure, dlxtest.Redirect(307, "http://hospital.example/")},
	} {
		w := newWorld(t)
		w.https("hospital.example", c.handler)
		importer, err := w.client().Importer("hospital.example/dlx/v2")
		if err != nil {
			t.Fatal(err)
		}
		_, err = importer.Import(t.Context(), dlx.NewSecret("SESSION"), importRequest())
		if wantKind(t, err, c.kind); leaks(err) != nil {
			t.Errorf("%v shows %v", err, leaks(err))
		}
		_, err = importer.AdminAuth(t.Context(), dlx.Credentials{Username: dlx.NewSecret("SESSION"), Password: dlx.NewSecret("s3cret-answer")})
		if err == nil || leaks(err) != nil {
			t.Errorf("%v", err)
		}
	}
	// 200 without a word says that all of it is here.
	w = newWorld(t)
	w.https("hospital.example", dlxtest.Body(200, "", "{}"))
	importer, err := w.client().Importer(importBase)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := importer.Import(t.Context(), dlx.NewSecret("x"), importRequest()); err != nil || s.State != dlx.ImportCompleted {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestImportPrintsNoSecrets(t *testing.T) {
	for name, v := range map[string]any{
		"request": importRequest(), "answer": importRequest().Answers[0], "access": dlx.Access{Token: dlx.NewSecret("SESSION")},
		"credentials": dlx.Credentials{Username: dlx.NewSecret("SESSION"), Password: dlx.NewSecret("s3cret-answer")},
		"handler":     dlx.NewImportHandler(&hospital{got: []dlx.ImportRequest{importRequest()}}, dlx.ImportConfig{}),
	} {
		if found := leaks(v); found != nil {
			t.Errorf("%s shows %v", name, found)
		}
	}
	var shown bytes.Buffer
	fmt.Fprint(&shown, importRequest())
	if !strings.Contains(shown.String(), "[redacted]") {
		t.Error(shown.String())
	}
}
