package oidc_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lotse/internal/auth/oidc"
	"lotse/test/peer"
)

const back = "http://127.0.0.1:9/login/back"

// provider starts a real one and returns our side of it; vary may change that.
func provider(t *testing.T, vary func(*oidc.Config)) (*peer.OpenID, *oidc.Provider, *time.Duration) {
	t.Helper()
	op := peer.StartOpenID(t, back, map[string]map[string]any{
		"erika": {"name": "Erika Beispiel", "preferred_username": "erika", "email": "erika@example.org", "groups": []string{"radiology", "desk"}},
		"otto":  {"name": "Otto Beispiel", "groups": "desk"},
		"odd":   {"name": "Odd", "groups": map[string]any{"a": 1}},
	})
	c := oidc.Config{Issuer: op.Issuer, ClientID: op.Client, ClientSecret: op.Secret, RedirectURL: back, Scopes: []string{"groups"}, RolesClaim: "groups"}
	if vary != nil {
		vary(&c)
	}
	shift := new(time.Duration)
	p, err := oidc.New(c, http.DefaultClient, func() time.Time { return time.Now().Add(*shift) })
	if err != nil {
		t.Fatal(err)
	}
	return op, p, shift
}

func answer(u *url.URL) oidc.Answer {
	q := u.Query()
	return oidc.Answer{State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss"), Error: q.Get("error")}
}

// TestSignIn: who signs in at a certified provider is known here by issuer and subject.
func TestSignIn(t *testing.T) {
	op, p, _ := provider(t, nil)
	for login, groups := range map[string][]string{"erika": {"radiology", "desk"}, "otto": {"desk"}} {
		attempt, to, err := p.Begin(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		if u, err := url.Parse(to); err != nil || u.Query().Get("code_challenge_method") != "S256" || u.Query().Get("nonce") != attempt.Nonce ||
			strings.Contains(to, attempt.Verifier) || u.Query().Get("prompt") != "login" {
			t.Errorf("people are sent to %s", to)
		}
		who, err := p.Finish(t.Context(), attempt, answer(op.SignIn(t, to, login)))
		if err != nil {
			t.Fatal(err)
		}
		if who.Issuer != op.Issuer || who.Subject != login || !strings.HasSuffix(who.Name, " Beispiel") || !slices.Equal(who.Groups, groups) ||
			who.SecondFactor || time.Since(who.At).Abs() > time.Hour {
			t.Errorf("it is %+v", who)
		}
	}
}

// TestAnswersThatDoNotBelong: of another attempt, altered, late, used, refused.
func TestAnswersThatDoNotBelong(t *testing.T) {
	op, p, shift := provider(t, nil)
	begin := func() (oidc.Attempt, oidc.Answer) {
		a, to, err := p.Begin(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		return a, answer(op.SignIn(t, to, "erika"))
	}
	finish := func(what string, want error, a oidc.Attempt, with oidc.Answer) {
		t.Helper()
		if who, err := p.Finish(t.Context(), a, with); !errors.Is(err, want) || who.Subject != "" {
			t.Errorf("%s: %+v, %v", what, who, err)
		}
	}
	a, got := begin()
	other, otherGot := begin()
	finish("no attempt", oidc.ErrInvalid, oidc.Attempt{}, oidc.Answer{})
	finish("another's state", oidc.ErrInvalid, a, otherGot)
	finish("another's code", oidc.ErrInvalid, other, oidc.Answer{State: other.State, Code: got.Code, Issuer: got.Issuer}) // PKCE
	a, got = begin()
	finish("another issuer", oidc.ErrInvalid, a, oidc.Answer{State: got.State, Code: got.Code, Issuer: "https://evil.example"})
	finish("no code", oidc.ErrInvalid, a, oidc.Answer{State: got.State})
	nonce := a
	nonce.Nonce = "another"
	finish("another nonce", oidc.ErrInvalid, nonce, got)
	finish("the code again", oidc.ErrInvalid, a, got)
	a, got = begin()
	*shift = oidc.AttemptTime + time.Second
	finish("late", oidc.ErrLate, a, got)
	*shift = 0
	a, to, err := p.Begin(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	finish("given up", oidc.ErrRefused, a, answer(op.SignIn(t, to, "")))
	a, to, err = p.Begin(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	finish("groups of another type", oidc.ErrInvalid, a, answer(op.SignIn(t, to, "odd")))
	a, got = begin()
	a.Anew, a.Begun, *shift = true, a.Begun.Add(5*time.Minute), 5*time.Minute
	finish("signed in before", oidc.ErrInvalid, a, got)
	*shift = 0
	a, got = begin()
	op.Stop()
	finish("gone", oidc.ErrUnreachable, a, got)
}

// TestWrongSecret: the provider does not know us.
func TestWrongSecret(t *testing.T) {
	op, p, _ := provider(t, func(c *oidc.Config) { c.ClientSecret = "wrong" })
	a, to, err := p.Begin(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Finish(t.Context(), a, answer(op.SignIn(t, to, "erika"))); !errors.Is(err, oidc.ErrInvalid) {
		t.Error(err)
	}
}

// TestConfig: what cannot work is told, and a provider that is not there is no reason
// not to start.
func TestConfig(t *testing.T) {
	right := oidc.Config{Issuer: "https://id.example.org/realm", ClientID: "lotse", RedirectURL: back}
	for field, vary := range map[string]func(*oidc.Config){
		"":             func(*oidc.Config) {},
		"issuer":       func(c *oidc.Config) { c.Issuer = "http://id.example.org" },
		"issuer:":      func(c *oidc.Config) { c.Issuer = "https://id.example.org/?a=b" },
		"client_id":    func(c *oidc.Config) { c.ClientID = "" },
		"redirect_url": func(c *oidc.Config) { c.RedirectURL = "" },
	} {
		c := right
		vary(&c)
		if _, err := oidc.New(c, nil, nil); (err == nil) != (field == "") || err != nil && !strings.HasPrefix(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	strange := httptest.NewTLSServer(nil)
	defer strange.Close()
	for issuer, why := range map[string]string{strange.URL: "certificate", "https://id.invalid": "name"} {
		c := right
		c.Issuer = issuer
		p, err := oidc.New(c, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Begin(t.Context(), false); !errors.Is(err, oidc.ErrUnreachable) || !strings.Contains(err.Error(), why) {
			t.Error(err)
		}
	}
	c := right
	c.Issuer = "http://127.0.0.1:1"
	p, err := oidc.New(c, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Begin(t.Context(), false); !errors.Is(err, oidc.ErrUnreachable) {
		t.Error(err)
	}
}
