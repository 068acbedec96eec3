package v1_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"lotse/internal/api"
	"lotse/internal/auth"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// newcomer has an administrator make an account, and returns its login and first
// password.
func (w *world) newcomer(roles ...string) (login, first string) {
	w.Helper()
	login = "Örtel." + store.NewID()[30:]
	var made struct{ Initial string }
	w.into(w.ask(w.admin, "POST", "/api/v1/users", map[string]any{"login": login, "name": "Ute Örtel", "roles": roles}), http.StatusCreated, &made)
	return login, made.Initial
}

// TestLogin takes a person in, step by step, on either database.
func TestLogin(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		w := open(t, p)
		w.into(w.ask(w.admin, "PUT", "/api/v1/terms", map[string]any{"text": "Be good."}), http.StatusOK, nil)
		login, first := w.newcomer("clerk")
		b := w.browse("127.0.0.1")
		w.problem(b.login(login, first+"x"), http.StatusUnauthorized, "login-failed")
		if b.secret != "" {
			t.Error("there is a session")
		}
		b.next("POST", "/login", map[string]any{"login": " " + strings.ToUpper(login), "password": first}, auth.StepPassword)
		began := b.secret
		for _, path := range []string{"/imports", "/me", "/sessions"} {
			w.problem(b.send("GET", path, nil), http.StatusForbidden, "login-unfinished")
		}
		w.problem(b.send("POST", "/login/terms", map[string]any{"version": 1}), http.StatusConflict, "login-step")
		w.problem(b.send("POST", "/login/again", map[string]any{"password": first}), http.StatusConflict, "login-step")
		for weak, code := range map[string]string{"kurz": "too-short", "Passwort2026!": "too-common", login + "1": "about-person", first: "not-new"} {
			w.problem(b.send("POST", "/login/password", map[string]any{"password": weak}), http.StatusUnprocessableEntity, "invalid", "body.password: "+code)
		}
		b.next("POST", "/login/password", map[string]any{"password": goodPassword}, auth.StepTerms)
		w.problem(b.send("GET", "/imports", nil), http.StatusForbidden, "login-unfinished")
		w.problem(b.send("POST", "/login/terms", map[string]any{"version": 7}), http.StatusUnprocessableEntity, "invalid", "body.version: not-current")
		var state struct {
			Next  string
			Terms auth.Terms
		}
		w.into(b.send("GET", "/login", nil), http.StatusOK, &state)
		if state.Next != "terms" || state.Terms.Text != "Be good." {
			t.Errorf("%+v", state)
		}
		b.next("POST", "/login/terms", map[string]any{"version": state.Terms.Version}, auth.StepIn)
		w.into(b.send("GET", "/imports", nil), http.StatusOK, nil)
		var me struct {
			Kind, Login, Name string
			Permissions       []string
		}
		w.into(b.send("GET", "/me", nil), http.StatusOK, &me)
		if me.Kind != "user" || me.Login != login || me.Name != "Ute Örtel" || len(me.Permissions) == 0 {
			t.Errorf("%+v", me)
		}
		stolen := w.browse("127.0.0.1")
		stolen.secret = began // each step made a new one
		w.problem(stolen.send("GET", "/login", nil), http.StatusUnauthorized, "unauthenticated")
		w.into(b.send("POST", "/logout", nil), http.StatusNoContent, nil)
		if b.secret != "" {
			t.Error("the browser keeps its cookie")
		}
		w.problem(b.login(login, first), http.StatusUnauthorized, "login-failed")
		b.next("POST", "/login", map[string]any{"login": login, "password": goodPassword}, auth.StepIn)
		if n := len(w.events(mainTenant, "terms.accepted")); n != 1 {
			t.Errorf("the terms were accepted %d times", n)
		}
		w.into(w.ask(w.admin, "PUT", "/api/v1/terms", map[string]any{"text": "Be better."}), http.StatusOK, nil)
		w.into(b.send("GET", "/imports", nil), http.StatusOK, nil) // who is in stays in
		b.next("POST", "/login", map[string]any{"login": login, "password": goodPassword}, auth.StepTerms)
		w.nothingPersonal(login, first, "Örtel", goodPassword, b.secret)
	})
}

// nothingPersonal looks for what must not be readable in the log or the database.
func (w *world) nothingPersonal(secrets ...string) {
	w.Helper()
	for _, secret := range secrets {
		if strings.Contains(w.log.String(), secret) {
			w.Errorf("the log has %q", secret)
		}
	}
	_, err := w.db.System().Export(w.Context(), func(row store.Row) error {
		for i, value := range row.Values {
			text, ok := value.(string)
			if raw, isBytes := value.([]byte); isBytes {
				text, ok = string(raw), true
			}
			for _, secret := range secrets {
				if ok && (strings.Contains(text, secret) || strings.Contains(text, "argon2")) {
					w.Errorf("%s.%s has %q or a hash that can be tried on", row.Table, row.Columns[i], secret)
				}
			}
		}
		return nil
	})
	w.must(err)
}

// TestSessions: listed, ended one by one and together, by time, by a change of the
// password, and by an administrator.
func TestSessions(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Clerk)
	in := func() *page {
		b := w.browse("127.0.0.1")
		b.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
		return b
	}
	out := func(b *page) {
		t.Helper()
		w.problem(b.send("GET", "/me", nil), http.StatusUnauthorized, "unauthenticated")
	}
	sessions := func(b *page) (all []auth.SessionView) {
		t.Helper()
		var list struct{ Sessions []auth.SessionView }
		w.into(b.send("GET", "/sessions", nil), http.StatusOK, &list)
		return list.Sessions
	}
	a, b, c := in(), in(), in()
	list := sessions(a)
	mine := 0
	for _, s := range list {
		if s.This {
			mine++
			w.problem(w.browse("127.0.0.1").send("DELETE", "/sessions/"+s.ID, nil), http.StatusUnauthorized, "unauthenticated")
		}
		if s.Address != "127.0.0.1" || s.Client == "" || s.Since.IsZero() || s.Ends.Sub(s.Since) != 12*time.Hour {
			t.Errorf("%+v", s)
		}
	}
	if len(list) != 4 || mine != 1 {
		t.Errorf("%+v", list)
	}
	w.into(a.send("DELETE", "/sessions/"+list[2].ID, nil), http.StatusNoContent, nil)
	out(b)
	w.problem(a.send("DELETE", "/sessions/"+list[2].ID, nil), http.StatusNotFound, "not-found")
	w.into(a.send("DELETE", "/sessions", nil), http.StatusNoContent, nil)
	out(c)
	if list := sessions(a); len(list) != 1 || !list[0].This {
		t.Errorf("%+v", list)
	}

	b = in()
	change := func(present, next string) answer {
		return a.send("PUT", "/me/password", map[string]any{"present": present, "password": next})
	}
	w.problem(change("something else", "fünf wilde Hirsche tanzen"), http.StatusUnauthorized, "login-failed")
	w.problem(change(goodPassword, "kurz"), http.StatusUnprocessableEntity, "invalid", "body.password: too-short")
	w.problem(change(goodPassword, goodPassword), http.StatusUnprocessableEntity, "invalid", "body.password: not-new")
	before := a.secret
	w.into(change(goodPassword, "fünf wilde Hirsche tanzen"), http.StatusOK, nil)
	out(b)
	if len(sessions(a)) != 1 || a.secret == before {
		t.Error("the session has its old secret")
	}
	w.problem(w.browse("127.0.0.1").login(p.login, goodPassword), http.StatusUnauthorized, "login-failed")

	for range 5 { // used again and again
		w.clock.add(25 * time.Minute)
		w.into(a.send("GET", "/me", nil), http.StatusOK, nil)
	}
	w.clock.add(29 * time.Minute)
	w.into(a.send("GET", "/login", nil), http.StatusOK, nil) // passive: it prolongs nothing
	w.clock.add(2 * time.Minute)
	out(a)
	b = w.browse("127.0.0.1")
	b.next("POST", "/login", map[string]any{"login": p.login, "password": "fünf wilde Hirsche tanzen"}, auth.StepIn)
	for range 28 {
		w.clock.add(25 * time.Minute)
		w.into(b.send("GET", "/me", nil), http.StatusOK, nil)
	}
	w.clock.add(25 * time.Minute) // 12 h 5 min
	out(b)
}

// TestUsers: made, changed, blocked, recovered, deleted, and the last administrator
// stays.
func TestUsers(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	boss := w.person(mainTenant, auth.Administrator)
	p := w.person(mainTenant, auth.Clerk)
	ask := func(method, path string, body any, headers ...string) answer {
		return w.ask(boss.secret, method, "/api/v1"+path, body, headers...)
	}
	at := "/users/" + p.id
	var u auth.User
	a := ask("GET", at, nil)
	w.into(a, http.StatusOK, &u)
	if u.Login != p.login || u.State != "active" || u.Initial || u.Entered.IsZero() || a.header.Get("ETag") != `"1"` {
		t.Errorf("%+v", u)
	}
	same := map[string]any{"login": strings.ToUpper(p.login), "name": "X", "roles": []string{"clerk"}}
	w.problem(ask("POST", "/users", same), http.StatusConflict, "name-taken")
	same["login"], same["sites"] = "x", []string{"nowhere"}
	w.problem(ask("POST", "/users", same), http.StatusUnprocessableEntity, "invalid", "body.sites: unknown")
	w.must(w.db.Tenant(mainTenant).Write(t.Context(), func(tx *store.Tx) error { return tx.AddSite("north", "North") }))
	change := map[string]any{"login": p.login, "name": "Y", "roles": []string{"clerk", "physician"}, "sites": []string{"north"}}
	w.problem(ask("PUT", at, change), http.StatusPreconditionRequired, "precondition-required")
	w.problem(ask("PUT", at, change, `If-Match: "7"`), http.StatusPreconditionFailed, "precondition-failed")
	w.into(ask("PUT", at, change, `If-Match: "1"`), http.StatusOK, &u)
	if u.Name != "Y" || len(u.Roles) != 2 || len(u.Sites) != 1 || u.Version != 2 {
		t.Errorf("%+v", u)
	}
	w.problem(w.ask(p.secret, "GET", "/api/v1/me", nil), http.StatusUnauthorized, "unauthenticated") // it may something else now
	change["login"] = boss.login
	w.problem(ask("PUT", at, change, `If-Match: "2"`), http.StatusConflict, "name-taken")

	in := func(password string) answer { return w.browse("127.0.0.1").login(p.login, password) }
	w.into(in(goodPassword), http.StatusOK, nil)
	w.into(ask("POST", at+"/block", nil), http.StatusOK, &u)
	w.problem(ask("POST", at+"/block", nil), http.StatusConflict, "not-possible")
	w.problem(in(goodPassword), http.StatusUnauthorized, "login-failed")
	w.into(ask("POST", at+"/unblock", nil), http.StatusOK, nil)
	w.into(in(goodPassword), http.StatusOK, nil)

	var again struct{ Initial string }
	w.into(ask("POST", at+"/recover", nil), http.StatusOK, &again)
	w.problem(in(goodPassword), http.StatusUnauthorized, "login-failed")
	var state struct{ Next auth.Step }
	w.into(in(again.Initial), http.StatusOK, &state)
	if state.Next != auth.StepPassword {
		t.Errorf("%+v", state)
	}
	w.clock.add(8 * 24 * time.Hour)
	w.problem(in(again.Initial), http.StatusUnauthorized, "login-failed") // too old
	w.clock.add(-8 * 24 * time.Hour)

	mine := "/users/" + boss.id
	for _, path := range []string{"/block", "/recover", "/reset-factors"} {
		w.problem(ask("POST", mine+path, nil), http.StatusConflict, "own-account")
	}
	w.problem(ask("DELETE", mine, nil), http.StatusConflict, "own-account")
	demoted := map[string]any{"login": boss.login, "name": "Z", "roles": []string{"auditor"}}
	w.problem(ask("PUT", mine, demoted, `If-Match: "1"`), http.StatusConflict, "last-administrator")
	second := w.person(mainTenant, auth.Administrator)
	w.into(ask("PUT", mine, demoted, `If-Match: "1"`), http.StatusOK, nil)
	w.problem(w.ask(w.admin, "POST", "/api/v1/users/"+second.id+"/block", nil), http.StatusConflict, "last-administrator")
	w.problem(w.ask(w.admin, "DELETE", "/api/v1/users/"+second.id, nil), http.StatusConflict, "last-administrator")
	boss = second

	w.into(ask("DELETE", at, nil), http.StatusNoContent, nil)
	var gone auth.User
	w.into(ask("GET", at, nil), http.StatusOK, &gone)
	if gone.State != "deleted" || gone.Login+gone.Name+gone.Email != "" {
		t.Errorf("%+v", gone)
	}
	w.problem(ask("POST", at+"/unblock", nil), http.StatusNotFound, "not-found")
	w.problem(in(again.Initial), http.StatusUnauthorized, "login-failed")
	w.into(ask("POST", "/users", map[string]any{"login": p.login, "name": "New", "roles": []string{"clerk"}}), http.StatusCreated, nil)
}

// TestFresh: who manages proved it just now, and proves it again.
func TestFresh(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Administrator)
	b := w.browse("127.0.0.1")
	b.secret = p.secret
	set := func() answer { return b.send("PUT", "/settings", map[string]any{}) }
	w.into(set(), http.StatusOK, nil)
	w.clock.add(11 * time.Minute)
	w.problem(set(), http.StatusForbidden, "reauthenticate")
	w.into(b.send("GET", "/settings", nil), http.StatusOK, nil)
	w.problem(b.send("POST", "/login/again", map[string]any{"password": "wrong"}), http.StatusUnauthorized, "login-failed")
	w.problem(set(), http.StatusForbidden, "reauthenticate")
	before := b.secret
	b.next("POST", "/login/again", map[string]any{"password": goodPassword}, auth.StepIn)
	if b.secret == before {
		t.Error("the session has its old secret")
	}
	w.into(set(), http.StatusOK, nil)
	w.into(w.ask(w.admin, "PUT", "/api/v1/settings", map[string]any{}), http.StatusOK, nil)
	w.clock.add(time.Hour)
	w.problem(w.ask(w.admin, "PUT", "/api/v1/settings", map[string]any{}), http.StatusForbidden, "reauthenticate")
	w.into(w.ask(w.admin, "GET", "/api/v1/settings", nil), http.StatusOK, nil)
	w.into(w.ask(w.integrator, "GET", "/api/v1/imports", nil), http.StatusOK, nil)
}

// TestForgedRequests: another site's page can neither use a session nor give a
// browser one, whatever its browser sends along.
func TestForgedRequests(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Administrator)
	cookie := "Cookie: " + api.Cookie + "=" + p.secret
	none := api.PageHeader + ": "
	for name, headers := range map[string][]string{
		"a form of another site":           {cookie, none, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example"},
		"of a neighbour":                   {cookie, none, "Sec-Fetch-Site: same-site"},
		"of an old browser":                {cookie, none, "Origin: https://evil.example"},
		"of one that says nothing":         {cookie, none},
		"without a type":                   {cookie, none, "Content-Type: "},
		"as text":                          {cookie, none, "Content-Type: text/plain"},
		"that knows the header, but where": {cookie, api.PageHeader + ": 1", "Sec-Fetch-Site: cross-site", "Origin: https://evil.example"},
	} {
		a := w.ask("", "POST", "/api/v1/users", map[string]any{"login": "evil", "name": "E", "roles": []string{"administrator"}}, headers...)
		if a.status != http.StatusForbidden || !strings.Contains(string(a.body), "cross-origin") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		a = w.ask("", "POST", "/api/v1/login", map[string]any{"login": p.login, "password": goodPassword}, headers[1:]...)
		if a.status != http.StatusForbidden || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s logs in: %d %s", name, a.status, a.body)
		}
	}
	w.into(w.ask("", "GET", "/api/v1/users", nil, cookie), http.StatusOK, nil)
	for _, a := range []answer{w.ask("", "OPTIONS", "/api/v1/users", nil, "Origin: https://evil.example", "Access-Control-Request-Headers: "+api.PageHeader),
		w.ask("", "GET", "/api/v1/users", nil, cookie, "Origin: https://evil.example")} {
		for name := range a.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("another site is answered %s", name)
			}
		}
	}
}

// TestTenantsOfPersons: the same login name is another person in another tenant.
func TestTenantsOfPersons(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	here := w.person(mainTenant, auth.Clerk)
	n := auth.NewUser{Login: here.login, Name: "Somebody Else", Roles: []auth.Role{auth.Auditor}}
	_, first, err := w.accounts.CreateUser(w.home(), actorOf(otherTenant), n)
	w.must(err)
	b := w.browse("127.0.0.1")
	w.problem(b.login(here.login, first), http.StatusUnauthorized, "login-failed")
	elsewhere := map[string]any{"login": here.login, "password": goodPassword, "tenant": otherTenant}
	w.problem(b.send("POST", "/login", elsewhere), http.StatusUnauthorized, "login-failed")
	elsewhere["password"] = first
	b.next("POST", "/login", elsewhere, auth.StepPassword)
	b.next("POST", "/login/password", map[string]any{"password": "fünf zahme Rehe schlafen"}, auth.StepIn)
	var me struct{ Tenant, Name string }
	w.into(b.send("GET", "/me", nil), http.StatusOK, &me)
	if me.Tenant != otherTenant || me.Name != "Somebody Else" {
		t.Errorf("%+v", me)
	}
	w.browse("127.0.0.1").next("POST", "/login", map[string]any{"login": here.login, "password": goodPassword}, auth.StepIn)
}
