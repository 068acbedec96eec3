package v1_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/auth"
	"lotse/internal/store/storetest"
)

// TestSecondPerson: what is managed waits for another administrator, is carried out
// once as it was asked for, and not when the one who asked may no longer.
func TestSecondPerson(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place storetest.Place) {
		w := open(t, place, func(o *auth.Options) { o.SecondPerson = true })
		first := w.person(mainTenant, auth.Administrator)
		newUser := map[string]any{"login": "alone", "name": "A", "roles": []string{"clerk"}}
		w.into(w.ask(first.secret, "POST", "/api/v1/users", newUser), http.StatusCreated, nil) // there is nobody who could approve it
		second := w.person(mainTenant, auth.Administrator)

		ask := func(who someone, method, path string, body any, headers ...string) (id string) {
			t.Helper()
			var waits struct{ Approval string }
			a := w.ask(who.secret, method, "/api/v1"+path, body, headers...)
			w.into(a, http.StatusAccepted, &waits)
			if a.header.Get("Location") != "/api/v1/approvals/"+waits.Approval {
				t.Errorf("%v", a.header)
			}
			return waits.Approval
		}
		do := func(who someone, id, what string) answer {
			t.Helper()
			return w.ask(who.secret, "POST", "/api/v1/approvals/"+id+"/"+what, nil)
		}
		newUser["login"] = "together"
		id := ask(first, "POST", "/users", newUser)
		w.problem(w.ask(w.admin, "POST", "/api/v1/users", newUser), http.StatusForbidden, "forbidden") // a token may be anybody's
		w.problem(do(first, id, "approve"), http.StatusConflict, "own-account")
		w.problem(w.ask(w.admin, "POST", "/api/v1/approvals/"+id+"/approve", nil), http.StatusForbidden, "forbidden")
		w.problem(w.ask(w.stranger.admin, "GET", "/api/v1/approvals/"+id, nil), http.StatusNotFound, "not-found")
		var shown struct {
			State   string
			Target  string
			Request map[string]any
		}
		w.into(w.ask(second.secret, "GET", "/api/v1/approvals/"+id, nil), http.StatusOK, &shown)
		if shown.State != "open" || shown.Target != "/api/v1/users" || shown.Request["login"] != "together" {
			t.Errorf("%+v", shown)
		}
		w.nothingPersonal("together")
		var all sync.WaitGroup
		var approved atomic.Int32
		for range 4 {
			all.Go(func() {
				if do(second, id, "approve").status == http.StatusOK {
					approved.Add(1)
				}
			})
		}
		all.Wait()
		if approved.Load() != 1 {
			t.Errorf("approved %d times", approved.Load())
		}
		var done auth.Approval
		w.into(w.ask(second.secret, "GET", "/api/v1/approvals/"+id, nil), http.StatusOK, &done)
		if done.State != "approved" || done.Status != http.StatusCreated || done.By != "user:"+second.id || done.AskedBy != "user:"+first.id {
			t.Errorf("%+v", done)
		}
		w.problem(do(second, id, "answer"), http.StatusNotFound, "not-found") // the first password is not theirs
		var taken struct{ Answer struct{ ID, Initial string } }
		w.into(do(first, id, "answer"), http.StatusOK, &taken)
		w.problem(do(first, id, "answer"), http.StatusNotFound, "not-found")
		w.browse("127.0.0.1").next("POST", "/login", map[string]any{"login": "together", "password": taken.Answer.Initial}, auth.StepPassword)
		if e := w.events(mainTenant, "user.created"); e[len(e)-1].Actor != "user:"+first.id {
			t.Errorf("it was made by %s", e[len(e)-1].Actor)
		}

		id = ask(first, "PUT", "/users/"+taken.Answer.ID, map[string]any{"login": "x", "name": "B", "roles": []string{"clerk"}}, `If-Match: "7"`)
		w.into(do(second, id, "approve"), http.StatusOK, &done)
		if done.Status != http.StatusPreconditionFailed { // what it was asked for with counts
			t.Errorf("%+v", done)
		}
		id = ask(first, "PUT", "/terms", map[string]any{"text": "x"})
		w.into(do(second, id, "refuse"), http.StatusOK, nil)
		w.problem(do(second, id, "approve"), http.StatusConflict, "not-possible")
		id = ask(second, "PUT", "/terms", map[string]any{"text": "x"})
		w.into(do(second, id, "refuse"), http.StatusOK, nil) // taken back
		w.into(w.ask(first.secret, "POST", "/api/v1/users/"+taken.Answer.ID+"/block", nil), http.StatusOK, nil)

		third := w.person(mainTenant, auth.Administrator)
		id = ask(first, "PUT", "/terms", map[string]any{"text": "x"})
		w.into(w.ask(third.secret, "POST", "/api/v1/users/"+first.id+"/block", nil), http.StatusOK, nil)
		w.problem(do(second, id, "approve"), http.StatusConflict, "not-possible")
		id = ask(second, "PUT", "/terms", map[string]any{"text": "x"})
		w.clock.add(25 * time.Hour)
		third = w.person(mainTenant, auth.Administrator)
		w.problem(do(third, id, "approve"), http.StatusConflict, "not-possible")
		var list struct{ Approvals []auth.Approval }
		w.into(w.ask(third.secret, "GET", "/api/v1/approvals", nil), http.StatusOK, &list)
		if len(list.Approvals) != 6 || list.Approvals[0].State != "expired" {
			t.Errorf("%+v", list)
		}
		var terms auth.Terms
		w.into(w.ask(third.secret, "GET", "/api/v1/terms", nil), http.StatusOK, &terms)
		if terms.Version != 0 {
			t.Errorf("%+v", terms)
		}
	})
}
