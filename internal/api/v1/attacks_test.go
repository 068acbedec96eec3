package v1_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/api"
	v1 "lotse/internal/api/v1"
	"lotse/internal/auth"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// TestUnknownAccounts: no answer, no work and no delay tells whether there is an
// account, whatever state it is in.
func TestUnknownAccounts(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	known, blocked, fresh := w.person(mainTenant, auth.Clerk), w.person(mainTenant, auth.Clerk), "neu."+store.NewID()
	w.must(w.accounts.BlockUser(w.home(), actorOf(mainTenant), blocked.id))
	_, _, err := w.accounts.CreateUser(w.home(), actorOf(mainTenant), auth.NewUser{Login: fresh, Name: "X", Roles: []auth.Role{auth.Clerk}})
	w.must(err)
	tried := func(login string) (all string) {
		b := w.browse("198.51.100.7") // from where nobody of them ever came
		for range 14 {
			before := w.hasher.Runs()
			a := b.login(login, "wrong wrong wrong")
			a.header.Del("Date")
			a.header.Del("X-Request-Id")
			text := a.body[:bytes.Index(a.body, []byte(`"request_id"`))]
			all += fmt.Sprintf("%d %v %s %d runs\n", a.status, a.header, text, w.hasher.Runs()-before)
			if b.secret != "" {
				t.Error("there is a session")
			}
			w.clock.add(2 * time.Second)
		}
		w.clock.add(25 * time.Hour) // what counted against the network is over
		return all
	}
	want := tried("nobody of that name")
	if !strings.Contains(want, "login-failed") || !strings.Contains(want, "too-many") || strings.Count(want, " 1 runs") < 4 || !strings.Contains(want, " 0 runs") {
		t.Errorf("that is no test:\n%s", want)
	}
	for name, login := range map[string]string{"an account": known.login, "a blocked one": blocked.login, "one that was never used": fresh} {
		if got := tried(login); got != want {
			t.Errorf("%s is answered otherwise:\n%s\nand nobody:\n%s", name, got, want)
		}
	}
	b := w.browse("198.51.100.8")
	a, other := b.login(known.login, "wrong wrong wrong"), b.send("POST", "/login", map[string]any{"login": "x", "password": "y", "tenant": "nowhere"})
	if a.status != other.status || !strings.Contains(string(other.body), "login-failed") {
		t.Errorf("a tenant that there is not: %d %s", other.status, other.body)
	}
}

// TestGuessing: one account from one network. Each try waits longer, then there are
// none for a while, then an administrator has to look; the owner gets in from
// elsewhere all the time.
func TestGuessing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place storetest.Place) {
		w := open(t, place)
		p := w.person(mainTenant, auth.Clerk)
		thief, owner := w.browse("198.51.100.7"), w.browse("127.0.0.1")
		compared, before := 0, w.hasher.Runs()
		var longest time.Duration
		for range 1000 {
			a := thief.login(p.login, "guess guess guess")
			if a.status != http.StatusTooManyRequests {
				compared++
				continue
			}
			var seconds int
			_, err := fmt.Sscan(a.header.Get("Retry-After"), &seconds)
			w.must(err)
			wait := time.Duration(seconds) * time.Second
			longest = max(longest, wait)
			w.clock.add(wait)
		}
		if compared != 30 || longest != 15*time.Minute || w.hasher.Runs()-before != 30 {
			t.Errorf("%d were compared, the longest wait was %s", compared, longest)
		}
		w.problem(thief.login(p.login, goodPassword), http.StatusTooManyRequests, "too-many") // also the right one
		owner.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
		boss := w.person(mainTenant, auth.Administrator)
		var list struct{ Blocks []auth.Block }
		w.into(w.ask(boss.secret, "GET", "/api/v1/blocks", nil), http.StatusOK, &list)
		if len(list.Blocks) != 1 || !list.Blocks[0].Stays || list.Blocks[0].User != p.id || list.Blocks[0].Tries != 30 || list.Blocks[0].Kind != "account-network" {
			t.Fatalf("%+v", list)
		}
		w.clock.add(30 * 24 * time.Hour)
		w.problem(thief.login(p.login, goodPassword), http.StatusTooManyRequests, "too-many") // it stays
		boss = w.person(mainTenant, auth.Administrator)
		w.into(w.ask(boss.secret, "DELETE", "/api/v1/blocks/"+list.Blocks[0].ID, nil), http.StatusNoContent, nil)
		thief.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
		if len(w.events(mainTenant, "login.blocked")) == 0 || len(w.events(mainTenant, "login.failed")) != 30 {
			t.Error("the audit trail tells it otherwise")
		}
	})
}

// TestLastAdministratorGetsIn: the tries of others never block the last one for good.
func TestLastAdministratorGetsIn(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Administrator)
	thief := w.browse("198.51.100.7")
	for range 60 {
		w.clock.add(15 * time.Minute)
		w.problem(thief.login(p.login, "guess guess guess"), http.StatusUnauthorized, "login-failed")
	}
	w.clock.add(15 * time.Minute)
	thief.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
}

// TestSpraying: one password for many accounts, from one network.
func TestSpraying(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Clerk)
	thief := w.browse("198.51.100.7")
	compared := 0
	for i := range 300 {
		if a := thief.login(fmt.Sprintf("user%d", i), "Sommer2026!!"); a.status == http.StatusUnauthorized {
			compared++
		}
	}
	if compared != 100 {
		t.Errorf("%d of 300 were compared", compared)
	}
	w.problem(w.browse("198.51.100.200").login("another", "x"), http.StatusTooManyRequests, "too-many") // the same network
	w.browse("127.0.0.1").next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
	w.clock.add(16 * time.Minute)
	w.problem(thief.login("user1", "x"), http.StatusUnauthorized, "login-failed")
}

// TestStuffing: one account from many networks, all at once on two nodes. Its owner
// gets in from where they always do.
func TestStuffing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place storetest.Place) {
		w := open(t, place)
		p := w.person(mainTenant, auth.Clerk)
		other := auth.NewAccounts(place.Open(t), w.vault, auth.Options{Hasher: w.hasher})
		nodes := []*auth.Accounts{w.accounts, other}
		var all sync.WaitGroup
		var compared, throttled atomic.Int32
		for i := range 80 {
			all.Go(func() {
				_, err := nodes[i%2].Login(w.from(fmt.Sprintf("198.51.%d.7", i)), mainTenant, p.login, "guess guess guess")
				switch problem := fmt.Sprint(err); {
				case strings.Contains(problem, "too often"):
					throttled.Add(1)
				case strings.Contains(problem, "not the right"):
					compared.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if compared.Load() != 20 || throttled.Load() != 60 {
			t.Errorf("%d were compared, %d throttled", compared.Load(), throttled.Load())
		}
		w.browse("127.0.0.1").next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
	})
}

// TestStolenSession: who takes a session to another network is seen, and while its
// owner uses it they lose it both.
func TestStolenSession(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Clerk)
	owner, thief := w.browse("192.0.2.1"), w.browse("198.51.100.7")
	owner.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
	neighbour := w.browse("192.0.2.99") // the same network
	neighbour.secret = owner.secret
	w.into(neighbour.send("GET", "/me", nil), http.StatusOK, nil)
	thief.secret = owner.secret
	w.into(thief.send("GET", "/me", nil), http.StatusOK, nil) // it could be its owner, who walks
	w.problem(owner.send("GET", "/me", nil), http.StatusUnauthorized, "unauthenticated")
	w.problem(thief.send("GET", "/me", nil), http.StatusUnauthorized, "unauthenticated")

	owner.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
	w.clock.add(10 * time.Minute) // its owner goes home
	moved := w.browse("203.0.113.5")
	moved.secret = owner.secret
	w.into(moved.send("GET", "/me", nil), http.StatusOK, nil)
	var seen []string
	for _, e := range w.events(mainTenant, "access.suspicious") {
		seen = append(seen, fmt.Sprint(e.Detail["suspicion"], " ", e.Detail["action"]))
	}
	if got := strings.Join(seen, ", "); got != "new-network record, two-logins record, moved record, two-places block, two-logins record, moved record" {
		t.Error(got)
	}
}

// TestFixedSession: a session that somebody else chose, or began, is never the one that
// a login ends with.
func TestFixedSession(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Clerk)
	for _, chosen := range []string{"session_chosen", p.secret, ""} {
		b := w.browse("127.0.0.1")
		b.secret = chosen
		b.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
		if b.secret == chosen {
			t.Errorf("%q is the session now", chosen)
		}
	}
	b := w.browse("127.0.0.1")
	b.secret = "session_chosen"
	w.problem(b.send("GET", "/me", nil), http.StatusUnauthorized, "unauthenticated")
	w.problem(w.ask(p.secret[len("session_"):], "GET", "/api/v1/me", nil), http.StatusUnauthorized, "unauthenticated")
	w.problem(w.ask("", "GET", "/api/v1/me", nil, "Authorization: Bearer "+p.secret), http.StatusUnauthorized, "unauthenticated") // a session is no token
	w.problem(w.ask("", "GET", "/api/v1/me", nil, "Cookie: "+api.Cookie+"="+w.integrator), http.StatusUnauthorized, "unauthenticated")
	w.problem(w.ask("", "GET", "/api/v1/me", nil, "Cookie: lotse="+p.secret), http.StatusUnauthorized, "unauthenticated") // without the prefix
}

// TestReplacedSession: who logs in once more in a browser has one session there.
func TestReplacedSession(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p, other := w.person(mainTenant, auth.Clerk), w.person(mainTenant, auth.Clerk)
	b := w.browse("127.0.0.1")
	b.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
	before := *b
	b.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
	w.problem(before.send("GET", "/me", nil), http.StatusUnauthorized, "unauthenticated")
	before = *b
	b.next("POST", "/login", map[string]any{"login": other.login, "password": goodPassword}, auth.StepIn)
	w.into(before.send("GET", "/me", nil), http.StatusOK, nil) // nobody ends another one's
}

// TestGuessedIDs: an id that somebody thought of leads nowhere, whoever asks.
func TestGuessedIDs(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	for _, role := range []auth.Role{auth.Clerk, auth.Physician, auth.Administrator, auth.Auditor} {
		p := w.person(mainTenant, role)
		for _, route := range w.guarded() {
			if !named(route) || !granted(role, false, route.Permission) {
				continue
			}
			ids := map[string]string{}
			for _, name := range []string{"import", "delivery", "destination", "token", "user", "session", "factor", "block", "approval", "upload"} {
				ids[name] = store.NewID()
			}
			method, path, body, headers := request(route, ids)
			if a := w.ask(p.secret, method, path, body, headers...); a.status != http.StatusNotFound && !strings.Contains(string(a.body), `"login-failed"`) {
				t.Errorf("%s: %s: %d %s", role, route.Pattern, a.status, a.body)
			}
		}
	}
}

// TestWatcherIsLetGo: a stream neither prolongs the session that opened it, nor goes on
// after it.
func TestWatcherIsLetGo(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Clerk)
	im := w.create(w.integrator, 0)
	watch := func(secret string) (read func() string) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/api/v1/imports/"+im.ID+"/events", nil)
		w.must(err)
		if strings.HasPrefix(secret, "session_") {
			r.AddCookie(&http.Cookie{Name: api.Cookie, Value: secret})
		} else {
			r.Header.Set("Authorization", "Bearer "+secret)
		}
		resp, err := http.DefaultClient.Do(r)
		w.must(err)
		t.Cleanup(func() { resp.Body.Close() })
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("the stream is answered %d", resp.StatusCode)
		}
		return func() string { // until it ends
			var all bytes.Buffer
			_, _ = all.ReadFrom(resp.Body)
			return all.String()
		}
	}
	end := watch(p.secret)
	w.clock.add(31 * time.Minute) // nobody did anything
	if got := end(); !strings.Contains(got, "event: problem") || !strings.Contains(got, "unauthenticated") {
		t.Errorf("it ended with %s", got)
	}
	token, secret, err := w.tokens.Create(t.Context(), actorOf(mainTenant), auth.New{Name: "watcher", Role: auth.Integrator})
	w.must(err)
	end = watch(secret)
	w.must(w.tokens.Revoke(t.Context(), actorOf(mainTenant), token.ID))
	if got := end(); !strings.Contains(got, "unauthenticated") {
		t.Errorf("it ended with %s", got)
	}
}

// TestNeedsHTTPS: nobody logs in where the network could read along.
func TestNeedsHTTPS(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Clerk)
	for host, want := range map[string]int{"lotse.example.org": http.StatusForbidden, "10.0.0.5:8080": http.StatusForbidden, "localhost.example.org": http.StatusForbidden,
		"localhost": http.StatusOK, "127.0.0.1:8080": http.StatusOK, "[::1]:8080": http.StatusOK, "": http.StatusForbidden} {
		for proto, status := range map[string]int{"": want, "https": http.StatusOK} { // of a trusted proxy
			r, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/api/v1/login", strings.NewReader(fmt.Sprintf(`{"login":%q,"password":%q}`, p.login, goodPassword)))
			w.must(err)
			if r.Host = host; host == "" {
				r.Host = "nowhere"
			}
			r.Header.Set(api.PageHeader, "1")
			r.Header.Set("X-Forwarded-Proto", proto)
			r.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(r)
			w.must(err)
			resp.Body.Close()
			if resp.StatusCode != status {
				t.Errorf("at %q by %q: %d", host, proto, resp.StatusCode)
			}
		}
	}
}

// TestRules: what follows from a suspicion is what is configured.
func TestRules(t *testing.T) {
	for _, action := range []auth.Action{auth.ActOff, auth.ActRecord, auth.ActBlock} {
		w := open(t, storetest.SQLite(t), func(o *auth.Options) {
			o.Suspicions = map[auth.Suspicion]auth.Action{auth.NewNetwork: action, auth.Moved: action, auth.TwoPlaces: action, auth.TwoLogins: action, auth.TooFast: action}
		})
		p := w.person(mainTenant, auth.Clerk)
		want := map[bool]int{true: http.StatusUnauthorized, false: http.StatusOK}[action == auth.ActBlock]
		if a := w.browse("192.0.2.1").login(p.login, goodPassword); a.status != want {
			t.Errorf("%s: from a new network: %d", action, a.status)
		}
		in := func() *page {
			b := w.browse("127.0.0.1")
			b.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
			return b
		}
		b := in()
		b.from = "203.0.113.5"
		b.send("GET", "/me", nil)
		b.from = "127.0.0.1"
		if a := b.send("GET", "/me", nil); a.status != want {
			t.Errorf("%s: in two places: %d", action, a.status)
		}
		b = in()
		w.clock.add(5 * time.Minute)
		b.from = "203.0.113.5"
		if a := b.send("GET", "/me", nil); a.status != want {
			t.Errorf("%s: moved: %d", action, a.status)
		}
		b, refused := in(), 0
		for range 700 {
			if b.send("GET", "/me", nil).status != http.StatusOK {
				refused++
			}
		}
		if (refused > 0) != (action == auth.ActBlock) {
			t.Errorf("%s: too fast: %d refused", action, refused)
		}
		if n := len(w.events(mainTenant, "access.suspicious")); (n >= 4) != (action != auth.ActOff) {
			t.Errorf("%s: %d are recorded", action, n)
		}
	}
}

// TestSmuggledAddress: nobody but a trusted proxy says where somebody comes from, and
// over what.
func TestSmuggledAddress(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Clerk)
	direct, err := api.New(api.Options{Authorizer: auth.NewGuard(w.tokens, w.accounts), Translate: v1.Translate, Idempotency: v1.Idempotency(w.db, w.vault)})
	w.must(err)
	v1.Mount(direct, v1.Deps{Gateway: w.gate, Tokens: w.tokens, Accounts: w.accounts, Tenant: mainTenant})
	listening := httptest.NewServer(direct)
	defer listening.Close()
	w.url = listening.URL
	b := w.browse("203.0.113.77") // which it says itself
	b.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
	var list struct{ Sessions []auth.SessionView }
	w.into(b.send("GET", "/sessions", nil), http.StatusOK, &list)
	for _, s := range list.Sessions {
		if s.Address != "127.0.0.1" {
			t.Errorf("somebody is believed to come from %s", s.Address)
		}
	}
	for range 40 { // tries count for where they really come from
		b.from = fmt.Sprintf("198.51.%d.1", len(b.from))
		b.login(p.login, "guess guess guess")
	}
	w.problem(b.login(p.login, goodPassword), http.StatusTooManyRequests, "too-many")
	r, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/api/v1/login", strings.NewReader(`{"login":"x","password":"y"}`))
	w.must(err)
	r.Host = "lotse.example.org"
	r.Header = http.Header{api.PageHeader: {"1"}, "X-Forwarded-Proto": {"https"}, "Forwarded": {"proto=https"}, "Content-Type": {"application/json"}}
	resp, err := http.DefaultClient.Do(r)
	w.must(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("somebody is believed to come by https: %d", resp.StatusCode)
	}
}
