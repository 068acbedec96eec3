package v1_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"lotse/internal/api"
	"lotse/internal/auth"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// told counts events of the audit trail that have some text in their detail.
func (w *world) told(name, text string) int {
	w.Helper()
	n := 0
	for _, e := range w.events(mainTenant, name) {
		if strings.Contains(fmt.Sprint(e.Detail), text) {
			n++
		}
	}
	return n
}

// logged counts requests in the log by route and problem.
func (w *world) logged(route, problem string) int {
	return len(regexp.MustCompile(fmt.Sprintf(`msg=request route="?%s"? status=4.* problem=%s`, regexp.QuoteMeta(route), problem)).FindAllString(w.log.String(), -1))
}

// TestNoticed: each attack on the way in, and on what is behind it, is refused and can be
// seen afterwards: in the audit trail where somebody is tried to be, else in the log.
func TestNoticed(t *testing.T) {
	for name, attack := range map[string]func(*world){
		"one password for many accounts": func(w *world) {
			thief := w.browse("198.51.100.7")
			for i := range 101 {
				thief.login(fmt.Sprintf("user%d", i), "Sommer2026!!")
			}
			if failed, blocked := w.told("login.failed", "method:password"), w.told("login.blocked", "kind:network "); failed != 100 || blocked != 1 {
				w.Errorf("%d failed, %d blocked", failed, blocked)
			}
		},
		"one account from many networks": func(w *world) {
			p := w.person(mainTenant, auth.Clerk)
			for i := range 25 {
				w.browse(fmt.Sprintf("198.51.%d.7", i)).login(p.login, "guess guess guess")
			}
			if failed, blocked := w.told("login.failed", p.id), w.told("login.blocked", "kind:account "); failed != 20 || blocked != 1 {
				w.Errorf("%d failed, %d blocked", failed, blocked)
			}
		},
		"an account that there is not": func(w *world) {
			w.browse("198.51.100.7").login("nobody.here", "guess guess guess")
			if w.told("login.failed", "account:") != 1 || w.told("login.failed", "user:") != 0 {
				w.Errorf("%+v", w.events(mainTenant, "login.failed"))
			}
			w.nothingPersonal("nobody.here")
		},
		"a stolen session": func(w *world) {
			p := w.person(mainTenant, auth.Clerk)
			thief, owner := w.browse("198.51.100.7"), w.browse("127.0.0.1")
			thief.secret, owner.secret = p.secret, p.secret
			thief.send("GET", "/me", nil)
			w.problem(owner.send("GET", "/me", nil), http.StatusUnauthorized, "unauthenticated")
			if w.told("access.suspicious", p.session) != 2 || w.told("access.suspicious", "suspicion:two-places") != 1 {
				w.Errorf("%+v", w.events(mainTenant, "access.suspicious"))
			}
		},
		"a session that somebody chose": func(w *world) {
			b := w.browse("198.51.100.7")
			b.secret = "session_chosen"
			w.problem(b.send("GET", "/users", nil), http.StatusUnauthorized, "unauthenticated")
			if w.logged("GET /api/v1/users", "unauthenticated") != 1 {
				w.Error("it is not in the log")
			}
		},
		"another site's page": func(w *world) {
			p := w.person(mainTenant, auth.Administrator)
			w.problem(w.ask("", "POST", "/api/v1/users", map[string]any{"login": "evil", "name": "E", "roles": []string{"administrator"}},
				"Cookie: "+api.Cookie+"="+p.secret, api.PageHeader+": ", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"), http.StatusForbidden, "cross-origin")
			if w.logged("none", "cross-origin") != 1 {
				w.Error("it is not in the log")
			}
		},
		"an id that somebody guessed": func(w *world) {
			for range 3 {
				w.problem(w.ask(w.integrator, "GET", "/api/v1/imports/"+store.NewID(), nil), http.StatusNotFound, "not-found")
			}
			if w.logged("GET /api/v1/imports/{import}", "not-found") != 3 {
				w.Error("it is not in the log")
			}
		},
		"another tenant's id": func(w *world) {
			im := w.create(w.integrator, 0)
			w.problem(w.ask(w.stranger.integrator, "GET", "/api/v1/imports/"+im.ID, nil), http.StatusNotFound, "not-found")
			if w.logged("GET /api/v1/imports/{import}", "not-found") != 1 {
				w.Error("it is not in the log")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, storetest.SQLite(t))
			attack(w)
		})
	}
}
