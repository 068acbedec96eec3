package v1_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lotse/internal/api"
	"lotse/internal/auth"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
	"lotse/test/peer"
)

// abroad is a browser that signs in by an identity provider.
type abroad struct {
	*page
	op       *peer.OpenID
	provider string // id
	attempt  string // the cookie
}

// provided is a node whose people sign in by a real provider.
func provided(t *testing.T) (*world, *abroad) {
	t.Helper()
	return providedOn(t, storetest.SQLite(t))
}

func providedOn(t *testing.T, p storetest.Place) (*world, *abroad) {
	t.Helper()
	w := open(t, p)
	op := peer.StartOpenID(t, w.named+auth.BackPath, map[string]map[string]any{
		"erika":  {"name": "Erika Beispiel", "preferred_username": "erika", "email": "erika@example.org", "groups": []string{"desk", "others"}},
		"otto":   {"name": "Otto Beispiel", "preferred_username": "Erika", "email": "erika@example.org", "groups": []string{"radiology"}},
		"nobody": {"name": "Norbert", "groups": []string{"others"}},
		"both":   {"name": "Beate", "groups": []string{"desk", "it"}},
		"odd":    {"name": "Zoë\u202e\n" + strings.Repeat("ß", 300), "preferred_username": "\t", "email": "no <address>", "groups": "desk"},
		"chief":  {"name": "Charlotte", "groups": []string{"it"}},
	})
	var made struct {
		ID   string
		Back string `json:"redirect_uri"`
	}
	a := w.ask(w.admin, "POST", "/api/v1/identity-providers", providerOf(op))
	w.into(a, http.StatusCreated, &made)
	if made.Back != w.named+auth.BackPath || bytes.Contains(a.body, []byte(op.Secret)) {
		t.Errorf("it is %s", a.body)
	}
	return w, &abroad{w.browse("127.0.0.1"), op, made.ID, ""}
}

func providerOf(op *peer.OpenID) map[string]any {
	return map[string]any{"name": "Haus", "issuer": op.Issuer, "client_id": op.Client, "client_secret": op.Secret, "scopes": []string{"groups"}, "roles_claim": "groups",
		"roles": map[string]any{"desk": []string{"clerk"}, "radiology": []string{"physician"}, "it": []string{"administrator"}}}
}

// begin goes to the provider and signs in there; what comes back is not visited.
func (b *abroad) begin(path, login string) *url.URL {
	b.Helper()
	var to struct{ Address string }
	a := b.send("POST", path+b.provider, map[string]any{})
	b.into(a, http.StatusOK, &to)
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == "__Host-lotse-attempt" {
			b.attempt = c.Value
			if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				b.Errorf("the cookie is %v", c)
			}
		}
	}
	return b.op.SignIn(b, to.Address, login)
}

// back visits what the provider sent the browser to; "" when it is in, else the code
// of the problem.
func (b *abroad) back(u *url.URL) string {
	b.Helper()
	a := b.ask("", "GET", b.url+u.RequestURI(), nil, "Cookie: __Host-lotse-attempt="+b.attempt, "X-Forwarded-For: "+b.from)
	if a.status != http.StatusSeeOther {
		b.Fatalf("%d %s", a.status, a.body)
	}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == api.Cookie {
			b.secret = c.Value
		}
	}
	_, code, _ := strings.Cut(a.header.Get("Location"), "#problem=")
	return code
}

func (b *abroad) signIn(login string) string {
	b.Helper()
	b.secret = ""
	return b.back(b.begin("/login/providers/", login))
}

// whoami is the account that the browser is in.
func (b *abroad) whoami() (id string, roles []string) {
	b.Helper()
	var me struct {
		ID    string
		Roles []string
	}
	b.into(b.send("GET", "/me", nil), http.StatusOK, &me)
	return me.ID, me.Roles
}

// TestSignInByProvider: with an account that is made at the first time, and the rights
// of the groups there, each time anew.
func TestSignInByProvider(t *testing.T) {
	w, b := provided(t)
	local := w.person(mainTenant, auth.Auditor)
	_, err := w.accounts.User(t.Context(), actorOf(mainTenant), local.id)
	w.must(err)
	if code := b.signIn("erika"); code != "" {
		t.Fatal(code)
	}
	first, roles := b.whoami()
	if !slices.Equal(roles, []string{"clerk"}) {
		t.Errorf("%s may %v", first, roles)
	}
	if code := b.signIn("erika"); code != "" {
		t.Fatal(code)
	}
	if again, _ := b.whoami(); again != first {
		t.Errorf("another account: %s, %s", first, again)
	}
	// The same e-mail and login name, and another person.
	if code := b.signIn("otto"); code != "" {
		t.Fatal(code)
	}
	if other, roles := b.whoami(); other == first || !slices.Equal(roles, []string{"physician"}) {
		t.Errorf("%s may %v", other, roles)
	}
	for login, want := range map[string]string{"nobody": "no-rights", "both": "roles-apart", "": "sign-in-failed"} {
		if code := b.signIn(login); code != want || b.secret != "" {
			t.Errorf("%q: %q", login, code)
		}
	}
	w.into(w.ask(w.admin, "POST", "/api/v1/users/"+first+"/block", nil), http.StatusOK, nil)
	if code := b.signIn("erika"); code != "login-failed" || b.secret != "" {
		t.Errorf("blocked: %q", code)
	}
	w.into(w.ask(w.admin, "POST", "/api/v1/users/"+first+"/unblock", nil), http.StatusOK, nil)
	if code := b.signIn("erika"); code != "" {
		t.Fatal(code)
	}
	b.rights(first)
}

// rights changes what a group may do: it counts from the next signing in, and sessions
// with other rights end then.
func (b *abroad) rights(user string) {
	b.Helper()
	before := b.secret
	changed := providerOf(b.op)
	delete(changed, "client_secret")
	changed["roles"] = map[string]any{"desk": []string{"physician"}}
	path := "/api/v1/identity-providers/" + b.provider
	b.problem(b.ask(b.admin, "PUT", path, changed), http.StatusPreconditionRequired, "precondition-required")
	b.problem(b.ask(b.admin, "PUT", path, changed, `If-Match: "7"`), http.StatusPreconditionFailed, "precondition-failed")
	b.into(b.ask(b.admin, "PUT", path, changed, `If-Match: "1"`), http.StatusOK, nil)
	moved := providerOf(b.op)
	delete(moved, "client_secret")
	moved["issuer"] = "https://evil.example"
	b.problem(b.ask(b.admin, "PUT", path, moved, "If-Match: *"), http.StatusUnprocessableEntity, "invalid", "body.client_secret: missing")
	if code := b.signIn("erika"); code != "" {
		b.Fatal(code)
	}
	if again, roles := b.whoami(); again != user || !slices.Equal(roles, []string{"physician"}) {
		b.Errorf("%s may %v", again, roles)
	}
	b.secret = before
	b.problem(b.send("GET", "/me", nil), http.StatusUnauthorized, "unauthenticated")
	b.into(b.ask(b.admin, "DELETE", path, nil), http.StatusNoContent, nil)
	b.problem(b.send("POST", "/login/providers/"+b.provider, map[string]any{}), http.StatusNotFound, "not-found")
}

// TestSignInElsewhere: the way back of one browser is of no use in another, nor twice,
// nor altered, nor late.
func TestSignInElsewhere(t *testing.T) {
	w, b := provided(t)
	u := b.begin("/login/providers/", "erika")
	mine := b.attempt
	for what, cookie := range map[string]string{"no cookie": "", "another tenant": otherTenant + mine[len(mainTenant):], "an altered one": mine[:len(mine)-2] + "AA", "no tenant": "../x." + mine} {
		b.attempt = cookie
		if code := b.back(u); code == "" || b.secret != "" {
			t.Errorf("%s gets in: %q", what, code)
		}
	}
	thief := &abroad{w.browse("127.0.0.2"), b.op, b.provider, ""}
	thief.begin("/login/providers/", "otto")
	if code := thief.back(u); code != "sign-in-failed" || thief.secret != "" {
		t.Errorf("the thief: %q", code)
	}
	b.attempt = mine
	if code := b.back(u); code != "" {
		t.Fatal(code)
	}
	b.secret = ""
	if code := b.back(u); code != "sign-in-failed" || b.secret != "" {
		t.Errorf("twice: %q", code)
	}
	// Another site's page begins nothing: it cannot send the header of our pages.
	b.problem(w.ask("", "POST", "/api/v1/login/providers/"+b.provider, map[string]any{}), http.StatusForbidden, "cross-origin")
	b.op.Stop()
	if code := b.back(u); code == "" {
		t.Error("it gets in without a provider")
	}
	var names struct{ Providers []struct{ ID, Name string } }
	w.into(w.ask("", "GET", "/api/v1/login/providers", nil), http.StatusOK, &names)
	if len(names.Providers) != 1 || names.Providers[0].Name != "Haus" {
		t.Errorf("%+v", names)
	}
	w.into(w.ask("", "GET", "/api/v1/login/providers?tenant="+otherTenant, nil), http.StatusOK, &names)
	if len(names.Providers) != 0 {
		t.Errorf("another tenant has %+v", names)
	}
	for place, text := range map[string]string{"log": w.log.String(), "list": string(w.ask(w.admin, "GET", "/api/v1/identity-providers", nil).body)} {
		if strings.Contains(text, b.op.Secret) || strings.Contains(text, u.Query().Get("code")) || strings.Contains(text, mine) {
			t.Errorf("a secret is in the %s", place)
		}
	}
}

// TestProveAgainByProvider: who manages proves again, at the provider, who they are; as
// somebody else they do not.
func TestProveAgainByProvider(t *testing.T) {
	w, b := provided(t)
	if code := b.signIn("chief"); code != "" {
		t.Fatal(code)
	}
	token := map[string]any{"name": "x", "role": "auditor"}
	b.into(b.send("POST", "/tokens", token), http.StatusCreated, nil)
	w.clock.add(11 * time.Minute)
	b.problem(b.send("POST", "/tokens", token), http.StatusForbidden, "reauthenticate")
	if code := b.back(b.begin("/login/again/providers/", "erika")); code != "login-failed" {
		t.Errorf("somebody else: %q", code)
	}
	b.problem(b.send("POST", "/tokens", token), http.StatusForbidden, "reauthenticate")
	if code := b.back(b.begin("/login/again/providers/", "chief")); code != "" {
		t.Fatal(code)
	}
	b.into(b.send("POST", "/tokens", token), http.StatusCreated, nil)
}

// TestProviders: what cannot work is told.
func TestProviders(t *testing.T) {
	w, b := provided(t)
	right := providerOf(b.op)
	for field, change := range map[string]map[string]any{
		"body.issuer: no-provider": {"name": "x", "issuer": "http://id.example.org"}, "body.roles: empty": {"name": "x", "roles": map[string]any{}},
		"body.sites: unknown": {"name": "x", "sites": map[string]any{"desk": []string{"nowhere"}}}, "body.roles: unknown": {"name": "x", "roles": map[string]any{"desk": []string{"integrator"}}},
		"body.name: empty": {"name": " "},
	} {
		body := map[string]any{}
		for k, v := range right {
			body[k] = v
		}
		for k, v := range change {
			body[k] = v
		}
		w.problem(w.ask(w.admin, "POST", "/api/v1/identity-providers", body), http.StatusUnprocessableEntity, "invalid", field)
	}
	w.problem(w.ask(w.admin, "POST", "/api/v1/identity-providers", right), http.StatusConflict, "name-taken")
}

// keys is a browser with an authenticator, on a page of ours.
type keys struct {
	*world
	b    *peer.Browser
	auth *peer.Authenticator
}

func (w *world) keys() *keys {
	w.Helper()
	k := &keys{world: w, b: peer.Chromium(w, "en")}
	k.b.Open(w.named + "/setup")
	k.auth = k.b.Authenticator()
	return k
}

// post sends what our pages send, from the browser, which keeps the cookie.
func (k *keys) post(path string, body any) (status int, value map[string]any) {
	k.Helper()
	text, err := json.Marshal(body)
	k.must(err)
	got := peer.Value[struct {
		Status int
		Value  map[string]any
	}](k.b, fmt.Sprintf(`fetch("/api/v1%s", {method: "POST", headers: {"Content-Type": "application/json", "%s": "1"}, body: JSON.stringify(%s)})
		.then(async r => ({Status: r.status, Value: JSON.parse(await r.text() || "{}")}))`, path, api.PageHeader, text))
	return got.Status, got.Value
}

// proof lets the authenticator answer options from a path.
func (k *keys) proof(path, verb string) map[string]any {
	k.Helper()
	status, options := k.post(path, map[string]any{})
	if status != http.StatusOK {
		k.Fatalf("%d %v", status, options)
	}
	text, err := json.Marshal(options["options"])
	k.must(err)
	kind := map[string]string{"create": "Creation", "get": "Request"}[verb]
	answer := peer.Value[map[string]any](k.b, fmt.Sprintf(`navigator.credentials.%s({publicKey: PublicKeyCredential.parse%sOptionsFromJSON(%s)}).then(made => made.toJSON())`,
		verb, kind, text))
	return map[string]any{"ceremony": options["ceremony"], "answer": answer}
}

// steps sends proofs and the like that must go on at a next step.
func (k *keys) step(path string, body map[string]any, next auth.Step) {
	k.Helper()
	if status, value := k.post(path, body); status != http.StatusOK || value["next"] != string(next) {
		k.Fatalf("%s: %d %v", path, status, value)
	}
}

// TestPasskeys: registered in a browser, and from then on what a person gets in with,
// proves the second factor by, and proves again who they are.
func TestPasskeys(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	owner := w.person(mainTenant, auth.Administrator)
	k := w.keys()
	k.step("/login", map[string]any{"login": owner.login, "password": goodPassword}, auth.StepIn)
	made := k.proof("/me/passkeys/options", "create")
	made["name"] = "Schreibtisch"
	k.step("/me/passkeys", made, auth.StepIn)
	if status, value := k.post("/me/passkeys", made); status == http.StatusOK {
		t.Errorf("registered twice: %v", value)
	}
	var list struct {
		Factors []struct{ ID, Kind, Name string }
	}
	secret := w.enter(owner)
	w.into(w.ask(secret, "GET", "/api/v1/me/factors", nil), http.StatusOK, &list)
	if len(list.Factors) != 1 || list.Factors[0].Kind != "passkey" || list.Factors[0].Name != "Schreibtisch" {
		t.Errorf("%+v", list)
	}

	k.step("/login/passkey", k.proof("/login/passkey/options", "get"), auth.StepIn)
	k.step("/login", map[string]any{"login": owner.login, "password": goodPassword}, auth.StepFactor)
	proof := k.proof("/login/passkey/options", "get")
	k.step("/login/factor/passkey", proof, auth.StepIn)
	if status, value := k.post("/login/passkey", proof); status != http.StatusUnauthorized || value["code"] != "login-failed" {
		t.Errorf("a proof twice: %d %v", status, value)
	}
	w.clock.add(11 * time.Minute)
	token := map[string]any{"name": "x", "role": "auditor"}
	if status, value := k.post("/tokens", token); value["code"] != "reauthenticate" {
		t.Errorf("not fresh: %d %v", status, value)
	}
	k.step("/login/again/passkey", k.proof("/login/passkey/options", "get"), auth.StepIn)
	if status, value := k.post("/tokens", token); status != http.StatusCreated {
		t.Errorf("fresh: %d %v", status, value)
	}
	k.refused(owner, list.Factors[0].ID)
}

// refused are proofs of the passkey when its owner may not get in.
func (k *keys) refused(owner someone, factor string) {
	k.Helper()
	login := func(what string) {
		k.Helper()
		if status, value := k.post("/login/passkey", k.proof("/login/passkey/options", "get")); status != http.StatusUnauthorized || value["code"] != "login-failed" {
			k.Errorf("%s: %d %v", what, status, value)
		}
	}
	other := k.person(mainTenant, auth.Administrator) // or it would be the last
	by := k.actor(other, mainTenant)
	k.must(k.accounts.BlockUser(k.Context(), by, owner.id))
	login("blocked")
	k.must(k.accounts.UnblockUser(k.Context(), by, owner.id))
	k.must(k.db.Tenant(mainTenant).Write(k.Context(), func(tx *store.Tx) error { return tx.DeleteCredential(owner.id, factor) }))
	login("removed")
	if status, value := k.post("/login/passkey", map[string]any{"ceremony": "x", "answer": map[string]any{}}); status != http.StatusUnauthorized {
		k.Errorf("no ceremony: %d %v", status, value)
	}
	// One who is not the owner does not prove by it.
	k.step("/login", map[string]any{"login": other.login, "password": goodPassword}, auth.StepIn)
	if status, value := k.post("/login/again/passkey", k.proof("/login/passkey/options", "get")); status != http.StatusUnauthorized {
		k.Errorf("another's: %d %v", status, value)
	}
}

// enter is a new session of a person.
func (w *world) enter(p someone) string {
	w.Helper()
	e, err := w.accounts.Enter(w.home(), mainTenant, p.id, auth.ByPasskey)
	w.must(err)
	return e.Secret
}

// TestPasskeyFlood: whoever shows passkeys that prove nothing, again and again, is made
// to wait, and does not fill the audit trail.
func TestPasskeyFlood(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	b := w.browse("198.51.100.9")
	var options struct{ Ceremony string }
	b.into(b.send("POST", "/login/passkey/options", map[string]any{}), http.StatusOK, &options)
	refused := 0
	for range 150 {
		a := b.send("POST", "/login/passkey", map[string]any{"ceremony": options.Ceremony, "answer": map[string]any{"id": "x"}})
		if a.status == http.StatusTooManyRequests {
			refused++
		} else {
			b.problem(a, http.StatusUnauthorized, "login-failed")
		}
	}
	if told := len(w.events(mainTenant, "login.failed")); refused != 50 || told != 100 {
		t.Errorf("%d were refused, %d told of", refused, told)
	}
	other := w.browse("203.0.113.9")
	other.problem(other.send("POST", "/login/passkey", map[string]any{"ceremony": options.Ceremony, "answer": map[string]any{"id": "x"}}), http.StatusUnauthorized, "login-failed")
}
