package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"lotse/test/peer"
)

// browser is one that a person logs in with, from somewhere.
type browser struct {
	*server
	from, agent string
	cookies     map[string]string
	secrets     []needle // of its sessions and attempts
}

// send sends what a page of ours sends and keeps the cookies.
func (b *browser) send(method, path string, in, out any) (int, []byte) {
	b.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url()+path, bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "X-Lotse-Page": {"1"}, "X-Forwarded-For": {b.from}, "User-Agent": {b.agent}}
	for name, value := range b.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		if b.cookies[c.Name] = c.Value; c.Value != "" {
			b.secrets = append(b.secrets, needle{"the secret of a session", c.Value})
		}
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode < 300 && out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			b.t.Fatalf("%s %s: %v\n%s", method, path, err, raw)
		}
	}
	return resp.StatusCode, raw
}

// must is send of what has to be answered with a status.
func (b *browser) must(want int, method, path string, in, out any) {
	b.t.Helper()
	if status, raw := b.send(method, path, in, out); status != want {
		b.t.Fatalf("%s %s: %d %s", method, path, status, raw)
	}
}

// TestPersonsDoNotLeak lets persons get in by all ways there are, and fail to, and looks
// for what is theirs, and for what is secret, in everything that the server writes.
func TestPersonsDoNotLeak(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { personsDoNotLeak(t, peer.Database{}) })
	t.Run("PostgreSQL", func(t *testing.T) { personsDoNotLeak(t, peer.Postgres(t)) })
}

func personsDoNotLeak(t *testing.T, database peer.Database) {
	s := &server{t: t, dir: t.TempDir(), port: peer.FreePort(t)}
	metrics, public := peer.FreePort(t), "http://localhost:"+strconv.Itoa(s.port)
	idp := peer.StartOpenID(t, public+"/login/back", map[string]map[string]any{
		"subjekt-erika": {"name": "Erika Fremdhaus", "preferred_username": "erika.fremdhaus", "email": "erika@fremdhaus.example", "groups": []string{"desk"}}})
	s.env = []string{"LOTSE_DATA_DIR=" + filepath.Join(s.dir, "data"), "LOTSE_LISTEN=127.0.0.1:" + strconv.Itoa(s.port), "LOTSE_LOG_LEVEL=debug", "LOTSE_PUBLIC_URL=" + public,
		"LOTSE_DICOM_LISTEN=off", "LOTSE_METRICS_LISTEN=127.0.0.1:" + strconv.Itoa(metrics), "LOTSE_TRUSTED_PROXIES=127.0.0.1", "LOTSE_SECURITY_SECOND_PERSON=true",
		"LANG=en_GB.UTF-8", "LC_ALL="}
	if database.DSN != "" {
		s.env = append(s.env, "LOTSE_DATABASE_URL="+database.DSN)
	}
	s.startAndSetUp()

	needles := []needle{{"a login name", "vera.ohnesorg"}, {"a name", "Ohnesorg-Süßmilch"}, {"an address", "vera@klinik-geheim.example"}, {"another name", "Zweitschlüssel"},
		{"a clerk's name", "Schalterhalle"}, {"a password", "vier wilde Hirsche tanzen"}, {"another password", "sieben zahme Rehe singen"}, {"a wrong password", "kein einziger Hase pfeift"},
		{"a login name of nobody", "niemand.hierzuhause"}, {"a client's address", "203.0.113.77"}, {"a thief's address", "198.51.100.199"}, {"a client", "Käferbrowser/9"},
		{"a reason", "Polytrauma aus Musterhausen"}, {"the provider's secret", idp.Secret}, {"a name at the provider", "Fremdhaus"}, {"an address at the provider", "erika@fremdhaus.example"},
		{"a subject", "subjekt-erika"}, {"a passkey's name", "Schlüsselbund Dienstzimmer"}}
	browse := func(from string) *browser {
		return &browser{server: s, from: from, agent: "Käferbrowser/9 (Dienstzimmer)", cookies: map[string]string{}}
	}
	refused := haystack{}

	// An administrator with a second factor, who is the only one yet.
	var made struct{ ID, Initial string }
	s.post("/users", map[string]any{"login": "vera.ohnesorg", "name": "Vera Ohnesorg-Süßmilch", "email": "vera@klinik-geheim.example", "roles": []string{"administrator"}}, &made)
	vera, control := browse("203.0.113.77"), made.ID
	in := func(b *browser, login, first, password string) {
		t.Helper()
		needles = append(needles, needle{"a first password", first})
		b.must(http.StatusOK, "POST", "/api/v1/login", map[string]any{"login": login, "password": first}, nil)
		b.must(http.StatusOK, "POST", "/api/v1/login/password", map[string]any{"password": password}, nil)
	}
	in(vera, "vera.ohnesorg", made.Initial, "vier wilde Hirsche tanzen")
	var factor struct{ ID, Secret string }
	vera.must(http.StatusCreated, "POST", "/api/v1/me/factors", map[string]any{"kind": "totp"}, &factor)
	code, err := totp.GenerateCode(factor.Secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	vera.must(http.StatusOK, "POST", "/api/v1/me/factors/"+factor.ID+"/confirm", map[string]any{"code": code}, nil)
	needles = append(needles, needle{"the secret of a second factor", factor.Secret})

	// A clerk of one site, who breaks the glass and has a passkey.
	var site struct{ ID string }
	vera.must(http.StatusCreated, "POST", "/api/v1/sites", map[string]any{"name": "North"}, &site)
	vera.must(http.StatusCreated, "POST", "/api/v1/users", map[string]any{"login": "karl", "name": "Karl Schalterhalle", "roles": []string{"clerk"}, "sites": []string{site.ID}}, &made)
	karl := browse("203.0.113.77")
	in(karl, "karl", made.Initial, "sieben zahme Rehe singen")
	karl.must(http.StatusCreated, "POST", "/api/v1/me/elevation", map[string]any{"reason": "Polytrauma aus Musterhausen"}, nil)
	s.passkey(public, "karl", "sieben zahme Rehe singen", "Schlüsselbund Dienstzimmer")

	// Another administrator, and a change that waits for one of them.
	vera.must(http.StatusCreated, "POST", "/api/v1/users", map[string]any{"login": "zweite", "name": "Zoe Zweitschlüssel", "roles": []string{"administrator"}}, &made)
	zoe := browse("203.0.113.77")
	in(zoe, "zweite", made.Initial, "sieben zahme Rehe singen")
	var waits struct{ Approval string }
	vera.must(http.StatusAccepted, "POST", "/api/v1/identity-providers", map[string]any{"name": "House", "issuer": idp.Issuer, "client_id": idp.Client, "client_secret": idp.Secret,
		"scopes": []string{"groups"}, "roles_claim": "groups", "roles": map[string]any{"desk": []string{"clerk"}}}, &waits)

	// Who does not get in.
	thief := browse("198.51.100.199")
	for i := range 5 {
		_, refused["a login "+strconv.Itoa(i)] = thief.send("POST", "/api/v1/login", map[string]any{"login": "vera.ohnesorg", "password": "kein einziger Hase pfeift"}, nil)
	}
	_, refused["a login of nobody"] = thief.send("POST", "/api/v1/login", map[string]any{"login": "niemand.hierzuhause", "password": "kein einziger Hase pfeift"}, nil)
	_, refused["a taken name"] = vera.send("POST", "/api/v1/login", map[string]any{"login": []string{"vera.ohnesorg"}, "password": "kein einziger Hase pfeift"}, nil)
	thief.cookies["__Host-lotse"] = "session_" + "vier wilde Hirsche tanzen"
	_, refused["a made up session"] = thief.send("GET", "/api/v1/me", nil, nil)

	look := func(when string) {
		t.Helper()
		all := append([]needle{}, needles...)
		for _, b := range []*browser{vera, karl, zoe} {
			all = append(all, b.secrets...)
		}
		h := haystack{"the log": []byte(s.out.String())}
		h.folder(t, filepath.Join(s.dir, "data"))
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if h["the metrics"], err = io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		if database.DSN != "" {
			h["the database"] = []byte(peer.Run(t, "/usr/lib/postgresql/15/bin/pg_dump", "--inserts", database.AdminDSN))
		}
		for place, text := range refused {
			h[place] = text
		}
		h.search(t, when, all)
		if !h.has(control) {
			t.Errorf("%s: the id of an account is nowhere: this test cannot fail", when)
		}
	}
	look("while a change waits")

	zoe.must(http.StatusOK, "POST", "/api/v1/approvals/"+waits.Approval+"/approve", nil, nil)
	var provider struct{ Answer struct{ ID string } }
	vera.must(http.StatusOK, "POST", "/api/v1/approvals/"+waits.Approval+"/answer", nil, &provider)
	erika := browse("203.0.113.77")
	var to struct{ Address string }
	erika.must(http.StatusOK, "POST", "/api/v1/login/providers/"+provider.Answer.ID, map[string]any{}, &to)
	back := idp.SignIn(t, to.Address, "subjekt-erika")
	erika.must(http.StatusSeeOther, "GET", back.RequestURI(), nil, nil)
	erika.must(http.StatusOK, "GET", "/api/v1/me", nil, nil)
	needles = append(needles, needle{"a code of the provider", back.Query().Get("code")}, needle{"the state of a sign-in", back.Query().Get("state")})
	needles = append(needles, erika.secrets...)
	vera.must(http.StatusAccepted, "DELETE", "/api/v1/users/"+control, nil, nil)
	erika.must(http.StatusNoContent, "POST", "/api/v1/logout", nil, nil)
	look("when somebody signed in by a provider")
}

// passkey registers one in a browser, for somebody who logs in there.
func (s *server) passkey(public, login, password, name string) {
	s.t.Helper()
	b := peer.Chromium(s.t, "en")
	b.Open(public + "/setup")
	b.Authenticator()
	post := func(path string, body any) json.RawMessage {
		s.t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		got := peer.Value[struct {
			Status int
			Text   string
		}](b, fmt.Sprintf(`fetch("/api/v1%s", {method: "POST", headers: {"Content-Type": "application/json", "X-Lotse-Page": "1"}, body: JSON.stringify(%s)})
			.then(async r => ({Status: r.status, Text: await r.text()}))`, path, text))
		if got.Status != http.StatusOK {
			s.t.Fatalf("%s: %d %s", path, got.Status, got.Text)
		}
		return json.RawMessage(got.Text)
	}
	post("/login", map[string]string{"login": login, "password": password})
	var options struct {
		Ceremony string
		Options  json.RawMessage
	}
	if err := json.Unmarshal(post("/me/passkeys/options", map[string]any{}), &options); err != nil {
		s.t.Fatal(err)
	}
	answer := peer.Value[map[string]any](b, fmt.Sprintf(`navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(%s)}).then(made => made.toJSON())`, options.Options))
	post("/me/passkeys", map[string]any{"ceremony": options.Ceremony, "answer": answer, "name": name})
}
