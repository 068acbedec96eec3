package v1_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"lotse/internal/api"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/auth/oidc"
	"lotse/internal/auth/passkey"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// another is a second node on the same database.
func (w *world) another(place storetest.Place) *auth.Accounts {
	w.Helper()
	db := place.Open(w, func(c *store.Config) { c.Shift = w.clock.get })
	keys, err := passkey.New(w.named, "Lotse")
	w.must(err)
	return auth.NewAccounts(db, w.vault, auth.Options{Hasher: w.hasher, Passkeys: keys, Back: w.named + auth.BackPath})
}

// atOnce lets several get in at the same time, on the nodes in turn; how many did is
// returned. Whoever does not has to be refused for one of the reasons.
func (w *world) atOnce(n int, nodes []*auth.Accounts, enter func(*auth.Accounts) (*auth.Entry, error), reasons ...error) int {
	w.Helper()
	var all sync.WaitGroup
	results := make([]error, n)
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			_, results[i] = enter(nodes[i%len(nodes)])
		})
	}
	close(start)
	all.Wait()
	in := 0
	for _, err := range results {
		refused := false
		for _, reason := range reasons {
			refused = refused || errors.Is(err, reason)
		}
		switch {
		case err == nil:
			in++
		case !refused:
			w.Errorf("it fails otherwise: %v", err)
		}
	}
	return in
}

// sealedAgain opens the ceremony of a proof, changes it and seals it again, as only
// Lotse can.
func (w *world) sealedAgain(ceremony string, change func(string) string) string {
	w.Helper()
	const purpose = "passkey ceremony"
	raw, err := base64.RawURLEncoding.DecodeString(ceremony)
	w.must(err)
	v, err := w.vault.Tenant(w.Context(), mainTenant)
	w.must(err)
	plain, err := v.OpenTenant(w.Context(), purpose, raw)
	w.must(err)
	var c struct {
		User string `json:"user,omitempty"`
		Data []byte `json:"data"`
	}
	w.must(json.Unmarshal(plain, &c))
	c.Data = []byte(change(string(c.Data)))
	plain, err = json.Marshal(c)
	w.must(err)
	raw, err = v.SealTenant(w.Context(), purpose, plain)
	w.must(err)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// answered are the two halves of a proof.
func (w *world) answered(proof map[string]any) (ceremony string, answer []byte) {
	w.Helper()
	answer, err := json.Marshal(proof["answer"])
	w.must(err)
	return proof["ceremony"].(string), answer
}

// TestOnePasskeyProof: of all who show the same proof at the same time, on two nodes,
// one gets in, and nobody takes that for a copied key. A late or foreign one is good for nothing.
func TestOnePasskeyProof(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		w := open(t, p)
		owner := w.person(mainTenant, auth.Clerk)
		k := w.keys()
		k.step("/login", map[string]any{"login": owner.login, "password": goodPassword}, auth.StepIn)
		made := k.proof("/me/passkeys/options", "create")
		made["name"] = "x"
		k.step("/me/passkeys", made, auth.StepIn)
		nodes := []*auth.Accounts{w.accounts, w.another(p)}
		for range 5 {
			ceremony, answer := w.answered(k.proof("/login/passkey/options", "get"))
			if in := w.atOnce(6, nodes, func(a *auth.Accounts) (*auth.Entry, error) {
				return a.LoginPasskey(w.home(), mainTenant, ceremony, answer)
			}, auth.ErrLogin); in != 1 {
				t.Errorf("%d got in", in)
			}
		}
		if n := len(w.events(mainTenant, "factor.withdrawn")); n != 0 {
			t.Errorf("%d keys were withdrawn", n)
		}
		w.spellings(k)
		ceremony, answer := w.answered(k.proof("/login/passkey/options", "get"))
		same := w.sealedAgain(ceremony, func(s string) string { return s })
		late := w.sealedAgain(ceremony, func(s string) string {
			changed := strings.Replace(s, `"expires":"2`, `"expires":"1`, 1)
			if changed == s {
				t.Fatalf("it has no end: %s", s)
			}
			return changed
		})
		for what, ceremony := range map[string]string{"late": late, "none": "", "of another kind": made["ceremony"].(string)} {
			if _, err := w.accounts.LoginPasskey(w.home(), mainTenant, ceremony, answer); !errors.Is(err, auth.ErrLogin) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := w.accounts.LoginPasskey(w.home(), otherTenant, ceremony, answer); !errors.Is(err, auth.ErrLogin) {
			t.Errorf("another tenant: %v", err)
		}
		if _, err := nodes[1].LoginPasskey(w.home(), mainTenant, same, answer); err != nil {
			t.Errorf("it was the test that made them useless: %v", err)
		}
	})
}

// spellings: a proof that was used is used, however its ceremony is spelled.
func (w *world) spellings(k *keys) {
	w.Helper()
	ceremony, answer := w.answered(k.proof("/login/passkey/options", "get"))
	_, err := w.accounts.LoginPasskey(w.home(), mainTenant, ceremony, answer)
	w.must(err)
	for _, spelling := range []string{ceremony, ceremony + "\n", ceremony[:4] + "\r\n" + ceremony[4:]} {
		if _, err := w.accounts.LoginPasskey(w.home(), mainTenant, spelling, answer); !errors.Is(err, auth.ErrLogin) {
			w.Errorf("it gets in again: %v", err)
		}
	}
	if n := len(w.events(mainTenant, "factor.withdrawn")); n != 0 {
		w.Errorf("%d keys were withdrawn", n)
	}
}

// TestOneSignIn: of all who come back with the same answer of a provider at the same
// time, on two nodes, one gets in; there is one account.
func TestOneSignIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		w, b := providedOn(t, p)
		nodes := []*auth.Accounts{w.accounts, w.another(p)}
		q := b.begin("/login/providers/", "erika").Query()
		answer := oidc.Answer{State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss")}
		enter := func(a *auth.Accounts) (*auth.Entry, error) { return a.SignIn(w.home(), mainTenant, b.attempt, answer) }
		if in := w.atOnce(6, nodes, enter, oidc.ErrInvalid); in != 1 {
			t.Errorf("%d got in", in)
		}
		// At the first time of somebody, twice on their own ways, both get in: as the same.
		var ways []func(a *auth.Accounts) (*auth.Entry, error)
		for range 4 {
			q := b.begin("/login/providers/", "otto").Query()
			attempt, answer := b.attempt, oidc.Answer{State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss")}
			ways = append(ways, func(a *auth.Accounts) (*auth.Entry, error) { return a.SignIn(w.home(), mainTenant, attempt, answer) })
		}
		next := make(chan func(a *auth.Accounts) (*auth.Entry, error), len(ways))
		for _, way := range ways {
			next <- way
		}
		if in := w.atOnce(len(ways), nodes, func(a *auth.Accounts) (*auth.Entry, error) { return (<-next)(a) }); in != len(ways) {
			t.Errorf("%d of %d got in", in, len(ways))
		}
		if n := len(w.events(mainTenant, "user.created")); n != 2 {
			t.Errorf("%d accounts were made", n)
		}
	})
}

// TestManyPasskeys: somebody may have 20, with whatever names, and gets in by each.
func TestManyPasskeys(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	owner := w.person(mainTenant, auth.Clerk)
	k := w.keys()
	k.step("/login", map[string]any{"login": owner.login, "password": goodPassword}, auth.StepIn)
	names := map[string]string{"🔑 Zoë's <b>Telefon</b>": "🔑 Zoë's <b>Telefon</b>", "a\u202eb\nc": "a b c", strings.Repeat("ß", 60): strings.Repeat("ß", 60)}
	odd := make([]string, 0, len(names))
	for name := range names {
		odd = append(odd, name)
	}
	for i := range 21 {
		k.auth.Forget() // each is on another device
		made := k.proof("/me/passkeys/options", "create")
		made["name"] = fmt.Sprintf("device %d", i)
		if i < len(odd) {
			made["name"] = odd[i]
		}
		if i < 20 {
			k.step("/me/passkeys", made, auth.StepIn)
			continue
		}
		if status, value := k.post("/me/passkeys", made); status != http.StatusUnprocessableEntity || !strings.Contains(fmt.Sprint(value), "too-many-passkeys") {
			t.Errorf("one too many: %d %v", status, value)
		}
	}
	if status, value := k.post("/me/passkeys", map[string]any{"ceremony": "x", "answer": map[string]any{}, "name": " \n"}); status != http.StatusUnprocessableEntity {
		t.Errorf("without a name: %d %v", status, value)
	}
	var list struct{ Factors []struct{ ID, Name string } }
	a := w.ask(w.enter(owner), "GET", "/api/v1/me/factors", nil)
	w.into(a, http.StatusOK, &list)
	kept := map[string]bool{}
	for _, f := range list.Factors {
		kept[f.Name] = true
	}
	for given, shown := range names {
		if !kept[shown] {
			t.Errorf("%q is not among %v", given, kept)
		}
	}
	if len(list.Factors) != 20 {
		t.Errorf("there are %d", len(list.Factors))
	}
	// One of 20 gets in, and makes place for another.
	by := access.WithActor(context.WithoutCancel(w.home()), w.actor(owner, mainTenant))
	w.must(w.db.Tenant(mainTenant).Write(by, func(tx *store.Tx) error { return tx.DeleteCredential(owner.id, list.Factors[0].ID) }))
	k.step("/login", map[string]any{"login": owner.login, "password": goodPassword}, auth.StepFactor)
}

// TestOddNames: a provider may call people what it likes.
func TestOddNames(t *testing.T) {
	w, b := provided(t)
	if code := b.signIn("odd"); code != "" {
		t.Fatal(code)
	}
	id, _ := b.whoami()
	u, err := w.accounts.User(t.Context(), actorOf(mainTenant), id)
	w.must(err)
	if !strings.HasPrefix(u.Name, "Zoë ß") || utf8.RuneCountInString(u.Name) != 200 || strings.ContainsAny(u.Name+u.Login, "\u202e\n\t") || u.Email != "" ||
		!strings.HasPrefix(u.Login, "Zoë ß") || utf8.RuneCountInString(u.Login) > 100 {
		t.Errorf("%+v", u.NewUser)
	}
	if code := b.signIn("odd"); code != "" || b.secret == "" {
		t.Error(code)
	}
	if n := len(w.events(mainTenant, "user.changed")); n != 0 {
		t.Errorf("nothing is other, and it was changed %d times", n)
	}
	if got := b.send("GET", "/me", nil); got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s (%s)", got.status, got.body, api.Cookie)
	}
}
