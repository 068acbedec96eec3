package v1_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"lotse/internal/auth"
	"lotse/internal/store/storetest"
)

// TestSetup: the one-time link makes one administrator, once, and cannot be guessed at.
func TestSetup(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	secret, err := w.tokens.Setup(t.Context())
	w.must(err)
	again, err := w.tokens.Setup(t.Context())
	w.must(err)
	redeem := func(secret string) answer {
		return w.ask("", "POST", "/api/v1/setup", map[string]any{"secret": secret})
	}
	w.problem(redeem(""), http.StatusUnprocessableEntity, "invalid", "body.secret")
	w.problem(redeem(secret), http.StatusGone, "gone") // another link has replaced it
	var made struct{ Token string }
	w.into(redeem(again), http.StatusCreated, &made)
	w.into(w.ask(made.Token, "GET", "/api/v1/tokens", nil), http.StatusOK, nil)
	w.problem(redeem(again), http.StatusGone, "gone")
	for range 2 {
		w.problem(redeem("wrong"), http.StatusGone, "gone")
	}
	a := redeem("wrong")
	w.problem(a, http.StatusTooManyRequests, "too-many")
	if a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	w.clock.add(time.Minute)
	w.problem(redeem("wrong"), http.StatusGone, "gone")
	if none, err := w.tokens.Setup(t.Context()); err != nil || none != "" {
		t.Errorf("there is another link: %v", err)
	}
	if strings.Contains(w.log.String(), again) || strings.Contains(w.log.String(), made.Token) {
		t.Error("a secret is in the log")
	}
}

// TestSetupPage: in both languages, with nothing from elsewhere.
func TestSetupPage(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	for lang, want := range map[string]string{"de-AT,en;q=0.5": "Lotse einrichten", "en": "Set up Lotse", "fr": "Set up Lotse", "": "Set up Lotse"} {
		a := w.ask("", "GET", "/setup", nil, "Accept-Language: "+lang)
		w.into(a, http.StatusOK, nil)
		if !strings.Contains(string(a.body), want) || strings.Contains(string(a.body), "no value") || !strings.Contains(string(a.body), w.url+"/api/v1/destinations") {
			t.Errorf("%q: %s", lang, a.body)
		}
		policy := a.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%v", a.header)
		}
		if strings.Contains(string(a.body), "<script>") || strings.Contains(string(a.body), "style=") || strings.Contains(string(a.body), "onclick") {
			t.Errorf("the policy forbids what is in the page")
		}
	}
	for path, kind := range map[string]string{"/setup/setup.css": "text/css", "/setup/setup.js": "text/javascript"} {
		a := w.ask("", "GET", path, nil)
		w.into(a, http.StatusOK, nil)
		if !strings.HasPrefix(a.header.Get("Content-Type"), kind) || strings.Contains(string(a.body), "http") && strings.Contains(string(a.body), "://") {
			t.Errorf("%s: %v", path, a.header)
		}
	}
}

// TestSetupOfPerson: the link makes a person, who logs in; what is wrong with them
// does not use it up.
func TestSetupOfPerson(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	secret, err := w.tokens.Setup(t.Context())
	w.must(err)
	user := map[string]any{"login": "boss", "name": "Berta Boss", "email": "berta@example.org", "password": "Passwort2026!"}
	make := func() answer {
		return w.ask("", "POST", "/api/v1/setup", map[string]any{"secret": secret, "user": user})
	}
	w.problem(make(), http.StatusUnprocessableEntity, "invalid", "body.user.password: too-common")
	user["password"], user["email"] = goodPassword, "no address"
	w.problem(make(), http.StatusUnprocessableEntity, "invalid", "body.user.email: no-address")
	user["email"] = "berta@example.org"
	var made struct{ Token, User string }
	w.into(make(), http.StatusCreated, &made)
	if made.Token != "" || made.User == "" {
		t.Errorf("%+v", made)
	}
	w.problem(make(), http.StatusGone, "gone")
	b := w.browse("127.0.0.1")
	b.next("POST", "/login", map[string]any{"login": "boss", "password": goodPassword}, auth.StepIn)
	w.into(b.send("GET", "/users", nil), http.StatusOK, nil)
	w.problem(b.send("GET", "/imports", nil), http.StatusForbidden, "forbidden")
	again, err := w.tokens.SetupAgain(t.Context()) // for an operator who has lost everything
	w.must(err)
	secret, user["login"] = again, "second"
	w.into(make(), http.StatusCreated, nil)
	w.nothingPersonal("berta@example.org", "Berta Boss", again)
}
