package v1_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lotse/internal/api"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// request makes a request of a route: ids of things in its path, a body that is right.
func request(route api.Route, ids map[string]string) (method, path string, body any, headers []string) {
	method, path, _ = strings.Cut(route.Pattern, " ")
	path = regexp.MustCompile(`\{([a-z]+)\}`).ReplaceAllStringFunc(path, func(name string) string { return ids[strings.Trim(name, "{}")] })
	headers = []string{tusVersion, "If-Match: *"}
	switch strings.TrimPrefix(route.Pattern, method+" "+api.Base) {
	case "/imports":
		body = map[string]any{"kind": "upload"}
	case "/imports/{import}/answers":
		body = map[string]any{"password": "x"}
	case "/imports/{import}/reject":
		body = map[string]any{"reason": "x"}
	case "/imports/{import}/decision":
		body = map[string]any{"patient": map[string]any{"id": "X"}, "destinations": []string{ids["destination"]}}
	case "/destinations", "/destinations/{destination}":
		body = map[string]any{"name": "x", "address": "dicom://X@localhost:1"}
	case "/sites", "/sites/{site}":
		body = map[string]any{"name": "x"}
	case "/callers", "/callers/{caller}":
		body = map[string]any{"name": "x", "calling_ae_title": "X", "networks": []string{"192.0.2.1"}}
	case "/destinations/test":
		body = map[string]any{"address": "dicom://X@localhost:1"}
	case "/tokens":
		body = map[string]any{"name": "x", "role": "integrator"}
	case "/settings":
		body = map[string]any{}
	case "/users", "/users/{user}":
		body = map[string]any{"login": "x", "name": "X", "roles": []string{"clerk"}}
	case "/terms":
		body = map[string]any{"text": ""} // else everybody has to accept them
	case "/login/password", "/login/again":
		body = map[string]any{"password": "x"}
	case "/login/factor", "/me/factors/{factor}/confirm":
		body = map[string]any{"code": "123456"}
	case "/login/passkey", "/login/factor/passkey", "/login/again/passkey", "/me/passkeys":
		body = map[string]any{"ceremony": "x", "answer": map[string]any{}}
		if strings.HasSuffix(path, "/me/passkeys") {
			body = map[string]any{"ceremony": "x", "answer": map[string]any{}, "name": "x"}
		}
	case "/login/passkey/options", "/login/providers/{provider}":
		body = map[string]any{}
	case "/identity-providers", "/identity-providers/{provider}":
		body = aProvider("x")
	case "/me/factors":
		body = map[string]any{"kind": "totp"}
	case "/me/elevation":
		body = map[string]any{"reason": "an emergency"}
	case "/login/terms":
		body = map[string]any{"version": 1}
	case "/me/password":
		body = map[string]any{"present": "x", "password": "x"}
	case "/setup":
		body = map[string]any{"secret": "x"}
	case "/uploads":
		headers = append(headers, "Upload-Length: 1", "Upload-Metadata: "+metadata(ids["import"], "x"))
	case "/uploads/{upload}":
		headers = append(headers, "Upload-Offset: 0", tusBytes)
		if method == http.MethodPatch {
			return method, path, "x", headers
		}
	}
	if method == http.MethodGet || method == http.MethodHead || method == http.MethodDelete {
		body = nil
	}
	return method, path, body, headers
}

// aProvider is an identity provider that nobody can reach.
func aProvider(name string) map[string]any {
	return map[string]any{"name": name, "issuer": "http://127.0.0.1:1", "client_id": "x", "client_secret": "x", "roles_claim": "groups", "roles": map[string]any{"desk": []string{"clerk"}}}
}

// guarded are the routes that ask who somebody is.
func (w *world) guarded() []api.Route {
	return slices.DeleteFunc(w.server.Routes(), func(r api.Route) bool { return r.Permission == access.Public })
}

// TestPublicRoutes: what asks nobody is on this list.
func TestPublicRoutes(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	var got []string
	for _, r := range w.server.Routes() {
		if r.Permission == access.Public {
			got = append(got, r.Pattern)
		}
	}
	slices.Sort(got)
	want := []string{"/dlx/v2/", "GET /account", "GET /account/account.js", "GET /api/docs", "GET /api/docs/docs.css", "GET /api/docs/docs.js", "GET /api/v1/login/providers", "GET /api/v1/openapi.json", "GET /healthz", "GET /login",
		"GET /login/back", "GET /login/login.js", "GET /login/page.js", "GET /readyz",
		"GET /setup", "GET /setup/setup.css", "GET /setup/setup.js", "OPTIONS /api/v1/uploads", "OPTIONS /api/v1/uploads/{upload}", "POST /api/v1/login",
		"POST /api/v1/login/passkey", "POST /api/v1/login/passkey/options", "POST /api/v1/login/providers/{provider}", "POST /api/v1/setup"}
	if !slices.Equal(got, want) {
		t.Errorf("public are %q", got)
	}
}

// TestNobody: without a token, with one that is not known, revoked or expired, and with
// one that may nothing, no route does anything.
func TestNobody(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	weak := "lotse_weak"
	w.must(w.db.Tenant(mainTenant).Write(t.Context(), func(tx *store.Tx) error {
		return tx.InsertToken(&store.Token{ID: store.NewID(), Hash: digest(weak), Name: "weak", Role: "guest"})
	}))
	ids := w.things(w.party)
	before := w.state(w.party, ids)
	if len(w.guarded()) < 30 {
		t.Errorf("only %d routes ask who somebody is", len(w.guarded()))
	}
	for _, route := range w.guarded() {
		method, path, body, headers := request(route, ids)
		for token, want := range map[string]int{"": http.StatusUnauthorized, "lotse_wrong": http.StatusUnauthorized, weak: http.StatusForbidden} {
			a := w.ask(token, method, path, body, headers...)
			if a.status != want || want == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s with %q: %d %s", route.Pattern, token, a.status, a.body)
			}
		}
	}
	if after := w.state(w.party, ids); after != before {
		t.Errorf("something was changed:\n%s\n%s", before, after)
	}
}

// TestIntegrator may use the gateway and not manage it.
func TestIntegrator(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	ids := w.things(w.party)
	managing := []access.Permission{auth.DestinationsManage, auth.SettingsRead, auth.SettingsManage, auth.TokensRead, auth.TokensManage, auth.AuditRead, auth.UsageRead,
		auth.UsersRead, auth.UsersManage, auth.Person}
	for _, route := range w.guarded() {
		if !slices.Contains(managing, route.Permission) {
			continue
		}
		method, path, body, headers := request(route, ids)
		w.problem(w.ask(w.integrator, method, path, body, headers...), http.StatusForbidden, "forbidden")
	}
}

// things makes one of everything and returns the ids, by the names in paths.
func (w *world) things(p party) map[string]string {
	w.Helper()
	token := p.integrator
	reviewed := w.reviewed(token)
	destination, _ := w.folder(p.admin)
	w.into(w.ask(token, "POST", "/api/v1/imports/"+reviewed.ID+"/decision", map[string]any{"destinations": []string{destination}}, "If-Match: *"), http.StatusOK, nil)
	delivered := w.until(token, reviewed.ID, "delivered")
	open := w.create(token, 0)
	a := w.ask(token, "POST", "/api/v1/uploads", nil, tusVersion, "Upload-Length: 5", "Upload-Metadata: "+metadata(open.ID, "x"))
	w.into(a, http.StatusCreated, nil)
	var created, site, caller, provider struct{ ID string }
	w.into(w.ask(p.admin, "POST", "/api/v1/sites", map[string]any{"name": "unused"}), http.StatusCreated, &site)
	w.into(w.ask(p.admin, "POST", "/api/v1/callers", map[string]any{"name": "CT", "calling_ae_title": "CT1", "networks": []string{"192.0.2.0/24"}}), http.StatusCreated, &caller)
	w.into(w.ask(p.admin, "POST", "/api/v1/tokens", map[string]any{"name": "another", "role": "integrator"}), http.StatusCreated, &created)
	w.into(w.ask(p.admin, "POST", "/api/v1/identity-providers", aProvider("of things")), http.StatusCreated, &provider)
	const portal = "portal.of-things.example"
	w.into(w.ask(p.integrator, "POST", "/api/v1/imports", map[string]any{"kind": "upload", "known": map[string]any{"allow_hosts": []string{portal}}}), http.StatusCreated, nil)
	user := w.person(w.tenantOf(p), auth.Clerk)
	return map[string]string{"portal": portal, "import": delivered.ID, "delivery": delivered.Delivery[0].ID, "destination": destination, "open": open.ID,
		"site": site.ID, "caller": caller.ID, "token": created.ID, "user": user.id, "session": user.session, "factor": store.NewID(), "provider": provider.ID,
		"approval": w.approval(w.tenantOf(p)), "block": w.block(w.tenantOf(p)), "upload": a.header.Get("Location")[len("/api/v1/uploads/"):]}
}

// state is everything that a token can see of things.
func (w *world) state(p party, ids map[string]string) string {
	w.Helper()
	var all strings.Builder
	for _, path := range []string{"/imports", "/imports/" + ids["import"], "/imports/" + ids["open"], "/destinations", "/destinations/" + ids["destination"], "/sites", "/callers", "/tokens", "/settings", "/portals",
		"/users", "/users/" + ids["user"], "/blocks", "/terms", "/identity-providers", "/login/providers"} {
		token := p.admin
		if strings.HasPrefix(path, "/imports") {
			token = p.integrator
		}
		a := w.ask(token, "GET", "/api/v1"+path, nil)
		w.into(a, http.StatusOK, nil)
		fmt.Fprintf(&all, "%s %s\n", path, a.body)
	}
	a := w.ask(p.integrator, "HEAD", "/api/v1/uploads/"+ids["upload"], nil, tusVersion)
	fmt.Fprintf(&all, "upload %d at %s\n", a.status, a.header.Get("Upload-Offset"))
	return all.String()
}

// TestWalls walks all routes with the ids of another tenant, on either database: there
// is nothing there, nothing is changed, and no list has any of it.
func TestWalls(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		w := open(t, p)
		ids := w.things(w.party)
		before := w.state(w.party, ids)
		walked := 0
		for _, route := range w.guarded() {
			if slices.Contains([]access.Permission{auth.Person, auth.Elevate, auth.ApprovalsDecide, access.Any}, route.Permission) { // of persons: TestPermissions
				continue
			}
			for _, id := range []string{ids["import"], ids["open"]} { // in different states
				named := map[string]string{"import": id}
				for name, id := range ids {
					if name != "import" {
						named[name] = id
					}
				}
				method, path, body, headers := request(route, named)
				a := w.ask(w.stranger.may(route.Permission), method, path, body, headers...)
				for _, id := range ids {
					if strings.Contains(string(a.body), id) {
						t.Errorf("%s names %s to another tenant: %s", route.Pattern, id, a.body)
					}
				}
				if !strings.Contains(route.Pattern, "{") && !strings.HasSuffix(route.Pattern, "/uploads") {
					continue
				}
				walked++
				if a.status != http.StatusNotFound {
					t.Errorf("%s answers another tenant with %d %s", route.Pattern, a.status, a.body)
				}
			}
		}
		if walked < 40 {
			t.Errorf("only %d requests", walked)
		}
		if after := w.state(w.party, ids); after != before {
			t.Errorf("something was changed:\n%s\n%s", before, after)
		}
		w.foreignDestination(ids["destination"])
	})
}

// foreignDestination: an import cannot be sent to where another tenant sends its own.
func (w *world) foreignDestination(destination string) {
	w.Helper()
	s := w.reviewed(w.stranger.integrator)
	a := w.ask(w.stranger.integrator, "POST", "/api/v1/imports/"+s.ID+"/decision", map[string]any{"destinations": []string{destination}}, "If-Match: *")
	w.problem(a, http.StatusUnprocessableEntity, "invalid", "body.destinations: unknown")
	if after := w.get(w.stranger.integrator, s.ID); after.State != "review" || len(after.Delivery) != 0 {
		w.Errorf("it is %+v", after)
	}
}

// TestTokens: made, listed without secrets, used, revoked, expired; the last
// administrator stays.
func TestTokens(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	var me struct {
		Tenant, Name, Kind string
		Roles, Permissions []string
	}
	w.into(w.ask(w.admin, "GET", "/api/v1/me", nil), http.StatusOK, &me)
	if me.Tenant != "" || me.Name != "administrator of main" || me.Kind != "token" || !slices.Equal(me.Roles, []string{"administrator"}) || !slices.Contains(me.Permissions, "tokens.manage") {
		t.Errorf("%+v", me)
	}
	w.into(w.ask(w.stranger.admin, "GET", "/api/v1/me", nil), http.StatusOK, &me)
	if me.Tenant != otherTenant {
		t.Errorf("%+v", me)
	}
	w.problem(w.ask(w.admin, "POST", "/api/v1/tokens", map[string]any{"name": "x", "role": "god"}), http.StatusUnprocessableEntity, "invalid", "body.role")
	w.problem(w.ask(w.admin, "POST", "/api/v1/tokens", map[string]any{"name": "x", "role": "integrator", "expires": "2020-01-01T00:00:00Z"}),
		http.StatusUnprocessableEntity, "invalid", "body.expires: in-the-past")
	var made struct{ ID, Token string }
	a := w.ask(w.admin, "POST", "/api/v1/tokens", map[string]any{"name": "ris", "role": "integrator"})
	w.into(a, http.StatusCreated, &made)
	if a.header.Get("Location") != "/api/v1/tokens/"+made.ID || !strings.HasPrefix(made.Token, "lotse_") {
		t.Errorf("%v %+v", a.header, made)
	}
	w.into(w.ask(made.Token, "GET", "/api/v1/imports", nil), http.StatusOK, nil)
	list := w.ask(w.admin, "GET", "/api/v1/tokens", nil)
	if strings.Contains(string(list.body), made.Token) || !strings.Contains(string(list.body), made.ID) || strings.Contains(string(list.body), digest(made.Token)) {
		t.Errorf("%s", list.body)
	}
	w.into(w.ask(w.admin, "DELETE", "/api/v1/tokens/"+made.ID, nil), http.StatusNoContent, nil)
	w.problem(w.ask(made.Token, "GET", "/api/v1/imports", nil), http.StatusUnauthorized, "unauthenticated")
	var all struct{ Tokens []auth.Token }
	w.into(w.ask(w.admin, "GET", "/api/v1/tokens", nil), http.StatusOK, &all)
	for _, token := range all.Tokens {
		if token.Role == auth.Administrator {
			w.problem(w.ask(w.admin, "DELETE", "/api/v1/tokens/"+token.ID, nil), http.StatusConflict, "last-administrator")
		}
	}
	w.into(w.ask(w.admin, "GET", "/api/v1/me", nil), http.StatusOK, nil)
}

// TestSettings: shorter, never longer, and what is set counts.
func TestSettings(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	var s app.Settings
	a := w.ask(w.admin, "GET", "/api/v1/settings", nil)
	w.into(a, http.StatusOK, &s)
	if s.InForce.Retention != 168*3600 || s.Version != 0 || a.header.Get("ETag") != `"0"` {
		t.Errorf("%+v", s)
	}
	put := func(body any, headers ...string) answer {
		return w.ask(w.admin, "PUT", "/api/v1/settings", body, headers...)
	}
	w.problem(put(map[string]any{"retention_seconds": 168*3600 + 1}), http.StatusUnprocessableEntity, "invalid", "body.retention_seconds")
	w.problem(put(map[string]any{"grace_seconds": 25 * 3600}), http.StatusUnprocessableEntity, "invalid", "body.grace_seconds: longer-than-configured")
	w.problem(put(map[string]any{"retention": 1}), http.StatusUnprocessableEntity, "invalid", "body.retention")
	a = put(map[string]any{"retention_seconds": 7200, "quiet_seconds": 90, "grace_rejected_seconds": 60}, `If-Match: "0"`)
	w.into(a, http.StatusOK, &s)
	if want := (app.Keeping{Retention: 7200, Grace: 24 * 3600, GraceRejected: 60, Quiet: 90, LegalBasis: "treatment"}); s.InForce != want || a.header.Get("ETag") != `"1"` {
		t.Errorf("%+v", s)
	}
	w.problem(put(map[string]any{}, `If-Match: "0"`), http.StatusPreconditionFailed, "precondition-failed")
	begun := w.create(w.integrator, 0)
	if kept := begun.Expires.Sub(begun.Created).Seconds(); kept != 7200 {
		t.Errorf("an import is kept for %v s", kept)
	}
	w.into(w.ask(w.integrator, "POST", "/api/v1/imports/"+begun.ID+"/cancel", nil), http.StatusOK, begun)
	if kept := begun.Purge.Sub(*begun.Ended).Seconds(); kept != 60 {
		t.Errorf("a cancelled import is kept for %v s", kept)
	}
	var others app.Settings
	w.into(w.ask(w.stranger.admin, "GET", "/api/v1/settings", nil), http.StatusOK, &others)
	if others.Version != 0 || others.InForce.Retention != 168*3600 {
		t.Errorf("another tenant has %+v", others)
	}
	w.into(put(map[string]any{}), http.StatusOK, &s)
	if s.InForce.Retention != 168*3600 || s.Version != 2 {
		t.Errorf("%+v", s)
	}
}

// TestClock: an administrator sees that the clock jumped, and confirms the time.
func TestClock(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	paused := func() string {
		var c struct{ Paused string }
		w.into(w.ask(w.admin, "GET", "/api/v1/clock", nil), http.StatusOK, &c)
		return c.Paused
	}
	if why := paused(); why != "" {
		t.Fatal(why)
	}
	w.must(w.db.System().SetInstallation(t.Context(), "clock.paused", "forward"))
	if why := paused(); why != "forward" {
		t.Error(why)
	}
	w.into(w.ask(w.admin, "POST", "/api/v1/clock/confirm", nil), http.StatusOK, nil)
	if why := paused(); why != "" {
		t.Error(why)
	}
}

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
