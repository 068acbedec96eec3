package peer

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// OpenID is a certified OpenID provider (oidc-provider of npm).
type OpenID struct {
	*Process
	Issuer, Client, Secret string
}

// StartOpenID starts a provider that knows people, by login, with their claims, and
// sends them back to redirect.
func StartOpenID(t testing.TB, redirect string, people map[string]map[string]any) *OpenID {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), "openid")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "oidc-provider")); err != nil {
		t.Skip("the OpenID provider is not installed: run npm ci in test/peer/openid")
	}
	port := FreePort(t)
	o := &OpenID{Issuer: fmt.Sprintf("http://127.0.0.1:%d", port), Client: "lotse", Secret: "a secret of the client"}
	config, err := json.Marshal(map[string]any{"port": port, "redirect": redirect, "client": o.Client, "secret": o.Secret, "people": people})
	if err != nil {
		t.Fatal(err)
	}
	o.Process = start(t, t.TempDir(), "node", port, filepath.Join(dir, "provider.mjs"), string(config))
	return o
}

// formAction finds where a page of the provider posts its form to.
var formAction = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)

// SignIn goes the way of a browser: from the address where a signing in begins, through
// the provider's pages, to where it sends the person back; that address is returned and
// not visited. With an empty login the person gives up.
func (o *OpenID) SignIn(t testing.TB, begin, login string) *url.URL {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var back *url.URL
	client := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), o.Issuer) {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	body := visit(t, func() (*http.Response, error) { return client.Get(begin) })
	for steps := 0; back == nil; steps++ {
		if steps == 5 {
			t.Fatalf("the provider does not come to an end: %s", body)
		}
		action := formAction.FindStringSubmatch(body)
		if action == nil {
			t.Fatalf("the provider shows no form: %s", body)
		}
		if login == "" {
			body = visit(t, func() (*http.Response, error) { return client.Get(strings.TrimSuffix(action[1], "/") + "/abort") })
			continue
		}
		form := url.Values{"prompt": {"consent"}}
		if strings.Contains(body, `name="login"`) {
			form = url.Values{"prompt": {"login"}, "login": {login}, "password": {"any"}}
		}
		body = visit(t, func() (*http.Response, error) { return client.PostForm(action[1], form) })
	}
	return back
}

// visit reads a page.
func visit(t testing.TB, ask func() (*http.Response, error)) string {
	t.Helper()
	r, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
