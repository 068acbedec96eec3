package passkey_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"lotse/internal/auth/passkey"
	"lotse/test/peer"
)

// house is a site, a browser with an authenticator on a page of it, and a person.
type house struct {
	t      *testing.T
	site   *passkey.Site
	b      *peer.Browser
	keys   *peer.Authenticator
	person passkey.Person
}

func open(t *testing.T) *house {
	t.Helper()
	b := peer.Chromium(t, "en")
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>keys</title>"))
	}))
	t.Cleanup(page.Close)
	origin := strings.Replace(page.URL, "127.0.0.1", "localhost", 1)
	site, err := passkey.New(origin, "Lotse")
	if err != nil {
		t.Fatal(err)
	}
	b.Open(origin)
	return &house{t: t, site: site, b: b, keys: b.Authenticator(), person: passkey.Person{Handle: []byte("handle of erika"), Login: "erika", Name: "Erika Beispiel"}}
}

// browser lets the page carry out a ceremony; "" when the browser refuses.
func (h *house) browser(verb string, options json.RawMessage) []byte {
	h.t.Helper()
	kind := map[string]string{"create": "Creation", "get": "Request"}[verb]
	return []byte(peer.Value[string](h.b, fmt.Sprintf(`navigator.credentials.%s({publicKey: PublicKeyCredential.parse%sOptionsFromJSON(%s)})
		.then(made => JSON.stringify(made.toJSON()), () => "")`, verb, kind, options)))
}

// register makes a key and lets the person keep it.
func (h *house) register() {
	h.t.Helper()
	options, c, err := h.site.Register(h.person)
	if err != nil {
		h.t.Fatal(err)
	}
	key, err := h.site.Registered(h.person, c, h.browser("create", options))
	if err != nil {
		h.t.Fatal(err)
	}
	h.person.Keys = append(h.person.Keys, key)
}

// challenge lets the browser answer one.
func (h *house) challenge() (passkey.Ceremony, []byte) {
	h.t.Helper()
	options, c, err := h.site.Challenge()
	if err != nil {
		h.t.Fatal(err)
	}
	return c, h.browser("get", options)
}

func (h *house) find(handle []byte) (passkey.Person, error) {
	if !bytes.Equal(handle, h.person.Handle) {
		return passkey.Person{}, errNobody
	}
	return h.person, nil
}

var errNobody = errors.New("nobody")

// TestSignInWithPasskey: a person is known by a gesture, again and again.
func TestSignInWithPasskey(t *testing.T) {
	h := open(t)
	h.register()
	if kept := h.keys.Keys(); len(kept) != 1 || !bytes.Equal(kept[0].UserHandle, h.person.Handle) || kept[0].RpID != "localhost" {
		t.Fatalf("the authenticator has %d keys", len(kept))
	}
	for range 2 {
		c, answer := h.challenge()
		who, key, err := h.site.Prove(c, answer, h.find)
		if err != nil || who.Login != "erika" || !bytes.Equal(key.ID, h.person.Keys[0].ID) || bytes.Equal(key.Record, h.person.Keys[0].Record) {
			t.Fatalf("%+v, %v", who, err)
		}
		h.person.Keys[0] = key
	}
	// The same authenticator does not register twice.
	options, _, err := h.site.Register(h.person)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.browser("create", options); len(got) != 0 {
		t.Errorf("it registers again: %s", got)
	}
}

// usedElsewhere finds how often a key was used, as far as we know: a copy of it may
// have been used more often.
var usedElsewhere = regexp.MustCompile(`"signCount":\d+`)

// TestPasskeysThatProveNothing: answers to another ceremony, altered, of nobody, without
// the person's gesture, and copies.
func TestPasskeysThatProveNothing(t *testing.T) {
	h := open(t)
	h.register()
	refused := func(what string, want error, c passkey.Ceremony, answer []byte) {
		t.Helper()
		if who, _, err := h.site.Prove(c, answer, h.find); !errors.Is(err, want) || err != nil && who.Login != "" && !errors.Is(err, passkey.ErrCopied) {
			t.Errorf("%s: %+v, %v", what, who, err)
		}
	}
	c, answer := h.challenge()
	other, otherAnswer := h.challenge()
	refused("another ceremony", passkey.ErrInvalid, c, otherAnswer)
	refused("no ceremony", passkey.ErrInvalid, nil, answer)
	refused("no answer", passkey.ErrInvalid, c, nil)
	refused("an answer that is none", passkey.ErrInvalid, c, []byte(`{"id": 1}`))
	refused("another verb", passkey.ErrInvalid, c, bytes.ReplaceAll(answer, []byte(`"public-key"`), []byte(`"private-key"`)))
	refused("late", passkey.ErrInvalid, bytes.ReplaceAll(other, []byte(`"expires":"2`), []byte(`"expires":"1`)), otherAnswer)

	elsewhere, err := passkey.New("http://localhost:1", "Lotse")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := elsewhere.Prove(c, answer, h.find); !errors.Is(err, passkey.ErrInvalid) {
		t.Errorf("at another origin: %v", err)
	}
	h.person.Handle = []byte("of somebody else")
	refused("nobody's", errNobody, c, answer)
	h.person.Handle = []byte("handle of erika")
	h.keys.Verify(false)
	if _, answer := h.challenge(); len(answer) != 0 {
		t.Errorf("without a gesture the browser answers %s", answer)
	}
	h.keys.Verify(true)

	h.person.Keys[0].Record = usedElsewhere.ReplaceAll(h.person.Keys[0].Record, []byte(`"signCount":1000`))
	c, answer = h.challenge()
	refused("a copy", passkey.ErrCopied, c, answer)
}

// TestRegistrationsThatDoNotBelong are refused.
func TestRegistrationsThatDoNotBelong(t *testing.T) {
	h := open(t)
	options, c, err := h.site.Register(h.person)
	if err != nil {
		t.Fatal(err)
	}
	answer := h.browser("create", options)
	_, other, err := h.site.Register(h.person)
	if err != nil {
		t.Fatal(err)
	}
	stranger := h.person
	stranger.Handle = []byte("somebody else")
	for what, try := range map[string]struct {
		p      passkey.Person
		c      passkey.Ceremony
		answer []byte
	}{
		"another ceremony": {h.person, other, answer}, "somebody else": {stranger, c, answer}, "nothing": {h.person, c, nil},
		"a broken answer": {h.person, c, answer[:len(answer)/2]},
	} {
		if key, err := h.site.Registered(try.p, try.c, try.answer); !errors.Is(err, passkey.ErrInvalid) || key.ID != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := h.site.Registered(h.person, c, answer); err != nil {
		t.Error(err)
	}
	for _, origin := range []string{"", "localhost", "://"} {
		if _, err := passkey.New(origin, "Lotse"); err == nil {
			t.Errorf("%q is an origin", origin)
		}
	}
}
