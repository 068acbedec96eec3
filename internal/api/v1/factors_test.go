package v1_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"lotse/internal/auth"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// now is the time of the database.
func (w *world) now() (now time.Time) {
	w.Helper()
	w.must(w.db.System().Read(w.Context(), func(tx *store.Tx) error { now = tx.Now(); return nil }))
	return now
}

// code is what an authenticator shows, so much later than now.
func (w *world) code(secret string, later time.Duration) string {
	w.Helper()
	code, err := totp.GenerateCode(secret, w.now().Add(later))
	w.must(err)
	return code
}

// enrol begins and confirms a second factor and returns its secret.
func (p *page) enrol() (secret, id string) {
	p.Helper()
	var begun struct{ ID, Secret, URI string }
	p.into(p.send("POST", "/me/factors", map[string]any{"kind": "totp"}), http.StatusCreated, &begun)
	if !strings.HasPrefix(begun.URI, "otpauth://totp/Lotse:") || !strings.Contains(begun.URI, begun.Secret) {
		p.Errorf("%+v", begun)
	}
	p.problem(p.send("POST", "/me/factors/"+begun.ID+"/confirm", map[string]any{"code": p.code(begun.Secret, time.Hour)}), http.StatusUnauthorized, "login-failed")
	p.next("POST", "/me/factors/"+begun.ID+"/confirm", map[string]any{"code": p.code(begun.Secret, 0)}, auth.StepIn)
	return begun.Secret, begun.ID
}

// TestSecondFactor: enrolled with a code, needed from then on, each code good once,
// and ended by its owner or an administrator.
func TestSecondFactor(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Clerk)
	b, other := w.browse("127.0.0.1"), w.browse("127.0.0.1")
	password := map[string]any{"login": p.login, "password": goodPassword}
	b.next("POST", "/login", password, auth.StepIn)
	other.next("POST", "/login", password, auth.StepIn)
	secret, id := b.enrol()
	w.problem(other.send("GET", "/me", nil), http.StatusUnauthorized, "unauthenticated")
	w.nothingPersonal(secret)

	in := w.browse("127.0.0.1")
	in.next("POST", "/login", password, auth.StepFactor)
	w.problem(in.send("GET", "/imports", nil), http.StatusForbidden, "login-unfinished")
	w.problem(in.send("POST", "/me/factors", map[string]any{"kind": "totp"}), http.StatusConflict, "login-step") // no way around it
	w.problem(in.send("POST", "/login/factor", map[string]any{"code": w.code(secret, 0)}), http.StatusUnauthorized, "login-failed")
	in.next("POST", "/login/factor", map[string]any{"code": w.code(secret, 30*time.Second)}, auth.StepIn)
	w.problem(in.send("POST", "/login/factor", map[string]any{"code": w.code(secret, 30*time.Second)}), http.StatusConflict, "login-step")

	w.clock.add(time.Minute)
	code, in := w.code(secret, 0), w.browse("127.0.0.1")
	in.next("POST", "/login", password, auth.StepFactor)
	var all sync.WaitGroup
	var entered atomic.Int32
	for range 3 {
		twin := *in
		all.Go(func() {
			if twin.ask("", "POST", "/api/v1/login/factor", map[string]any{"code": code}, "X-Lotse-Page: 1", "Cookie: __Host-lotse="+twin.secret).status == http.StatusOK {
				entered.Add(1)
			}
		})
	}
	all.Wait()
	if entered.Load() != 1 {
		t.Errorf("a code was good %d times", entered.Load())
	}

	w.clock.add(11 * time.Minute)
	w.problem(b.send("DELETE", "/me/factors/"+id, nil), http.StatusForbidden, "reauthenticate")
	b.next("POST", "/login/again", map[string]any{"password": goodPassword}, auth.StepIn)
	w.into(b.send("DELETE", "/me/factors/"+id, nil), http.StatusNoContent, nil)
	w.problem(b.send("DELETE", "/me/factors/"+id, nil), http.StatusNotFound, "not-found")
	w.browse("127.0.0.1").next("POST", "/login", password, auth.StepIn)

	b.enrol()
	w.into(w.ask(w.admin, "POST", "/api/v1/users/"+p.id+"/reset-factors", nil), http.StatusOK, nil)
	w.problem(b.send("GET", "/me", nil), http.StatusUnauthorized, "unauthenticated")
	w.browse("127.0.0.1").next("POST", "/login", password, auth.StepIn)
}

// TestGuessedCodes: whoever knows the password cannot try codes at will, and a right
// password takes no tries back.
func TestGuessedCodes(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p := w.person(mainTenant, auth.Clerk)
	b := w.browse("127.0.0.1")
	password := map[string]any{"login": p.login, "password": goodPassword}
	b.next("POST", "/login", password, auth.StepIn)
	secret, _ := b.enrol() // with one wrong code, which counted until the right one came
	thief := w.browse("198.51.100.7")
	tried := 0
	for range 40 {
		thief.next("POST", "/login", password, auth.StepFactor)
		if a := thief.send("POST", "/login/factor", map[string]any{"code": "000000"}); a.status == http.StatusTooManyRequests {
			w.clock.add(time.Second)
			continue
		}
		tried++
	}
	if tried > 10 {
		t.Errorf("%d codes were tried in 40 s", tried)
	}
	b = w.browse("127.0.0.1") // its owner, elsewhere
	b.next("POST", "/login", password, auth.StepFactor)
	b.next("POST", "/login/factor", map[string]any{"code": w.code(secret, 30*time.Second)}, auth.StepIn)
}
