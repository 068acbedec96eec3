package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

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
	finish("no issuer", oidc.ErrInvalid, a, oidc.Answer{State: got.State, Code: got.Code})
	finish("no code", oidc.ErrInvalid, a, oidc.Answer{State: got.State, Issuer: got.Issuer})
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

// TestHostileProvider: a description sends nobody, and no secret, where it is not
// encrypted, and none of its redirects is followed.
func TestHostileProvider(t *testing.T) {
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	for name, endpoints := range map[string][3]string{
		"another's name":       {},
		"people in the clear":  {"http://id.example.org/auth", "", ""},
		"secrets in the clear": {"", "http://10.0.0.1/token", ""},
		"tokens in the clear":  {"", "", "http://id.example.org/me"},
		"another scheme":       {"javascript:alert(1)", "", ""},
		"as it should be":      {},
	} {
		mux := http.NewServeMux()
		server := httptest.NewServer(mux)
		mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
			about := map[string]any{"issuer": server.URL, "jwks_uri": server.URL + "/keys"}
			for i, key := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint"} {
				if about[key] = endpoints[i]; endpoints[i] == "" {
					about[key] = server.URL + "/" + key
				}
			}
			if name == "another's name" {
				about["issuer"] = "https://id.example.org"
			}
			_ = json.NewEncoder(w).Encode(about)
		})
		mux.Handle("/token_endpoint", http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
		p, err := oidc.New(oidc.Config{Issuer: server.URL, ClientID: "lotse", ClientSecret: "secret", RedirectURL: back}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := p.Begin(t.Context(), false)
		if good := name == "as it should be"; good != (err == nil) || err != nil && !errors.Is(err, oidc.ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		} else if good {
			if _, err := p.Finish(t.Context(), a, oidc.Answer{State: a.State, Code: "code"}); err == nil || asked.Load() != 0 {
				t.Errorf("a redirect is followed %d times: %v", asked.Load(), err)
			}
		}
		server.Close()
	}
}

// TestIDTokens: who somebody is, is believed only of a token that the provider signed,
// for us, for this attempt, and for now.
func TestIDTokens(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var token string
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	answers := func(path string, value func() any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(value())
		})
	}
	answers("/.well-known/openid-configuration", func() any {
		return map[string]any{"issuer": server.URL, "jwks_uri": server.URL + "/keys", "authorization_endpoint": server.URL + "/auth", "token_endpoint": server.URL + "/token",
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}}
	})
	answers("/keys", func() any {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, Algorithm: "RS256"}}}
	})
	answers("/token", func() any { return map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": token} })
	sign := func(alg jose.SignatureAlgorithm, key any, claims []byte) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, c := range map[string]struct {
		change map[string]any
		signed func(claims []byte) string
		good   bool
	}{
		"as it should be": {good: true},
		"another's key":   {signed: func(claims []byte) string { return sign(jose.RS256, other, claims) }},
		"the public key as MAC": {signed: func(claims []byte) string {
			return sign(jose.HS256, x509.MarshalPKCS1PublicKey(&key.PublicKey), claims)
		}},
		"the client's secret": {signed: func(claims []byte) string {
			return sign(jose.HS256, []byte("a secret of the client that is long"), claims)
		}},
		"not signed": {signed: func(claims []byte) string {
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
		}},
		"for another client": {change: map[string]any{"aud": "another"}},
		"of another issuer":  {change: map[string]any{"iss": "https://evil.example"}},
		"that has expired":   {change: map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}},
		"of another attempt": {change: map[string]any{"nonce": "another"}},
		"without an attempt": {change: map[string]any{"nonce": nil}},
		"of nobody":          {change: map[string]any{"sub": ""}},
	} {
		p, err := oidc.New(oidc.Config{Issuer: server.URL, ClientID: "lotse", ClientSecret: "a secret of the client that is long", RedirectURL: back}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := p.Begin(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		claims := map[string]any{"iss": server.URL, "sub": "erika", "aud": "lotse", "nonce": a.Nonce, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
		for key, value := range c.change {
			claims[key] = value
		}
		raw, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		if token = sign(jose.RS256, key, raw); c.signed != nil {
			token = c.signed(raw)
		}
		who, err := p.Finish(t.Context(), a, oidc.Answer{State: a.State, Code: "code"})
		if c.good != (err == nil && who.Subject == "erika") || err != nil && (!errors.Is(err, oidc.ErrInvalid) || who.Subject != "") {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

// TestAwayIsRemembered: whoever begins again and again does not make us ask a provider
// again and again that does not answer.
func TestAwayIsRemembered(t *testing.T) {
	var asked atomic.Int32
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(broken.Close)
	var shift time.Duration
	p, err := oidc.New(oidc.Config{Issuer: broken.URL, ClientID: "lotse", RedirectURL: back}, http.DefaultClient, func() time.Time { return time.Now().Add(shift) })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		asked int32
	}{{0, 1}, {0, 1}, {time.Minute, 2}, {time.Minute, 2}, {0, 3}} { // also when the clock went back
		shift = c.after
		if _, _, err := p.Begin(t.Context(), false); !errors.Is(err, oidc.ErrUnreachable) || asked.Load() != c.asked {
			t.Errorf("after %v: asked %d times, %v", c.after, asked.Load(), err)
		}
	}
}
