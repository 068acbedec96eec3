package v1_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"lotse/internal/api"
	"lotse/internal/auth"
	"lotse/internal/store/storetest"
)

// atOnce are the changes that wait for no second person: what keeps somebody out, and
// what changes nothing.
func atOnce() []string {
	return []string{"DELETE /tokens/{token}", "POST /users/{user}/block", "DELETE /portals/{portal}", "DELETE /callers/{caller}",
		"DELETE /identity-providers/{provider}", "POST /destinations/test", "POST /destinations/{destination}/test"}
}

// managing are the routes by which the installation is managed.
func (w *world) managing() []api.Route {
	return slices.DeleteFunc(w.guarded(), func(r api.Route) bool {
		return !strings.HasSuffix(string(r.Permission), ".manage") && r.Permission != auth.ApprovalsDecide
	})
}

// TestManaging: each route by which the installation is managed wants to know anew who
// somebody is, of a person and of a token, and waits for a second person but for the
// few that must not.
func TestManaging(t *testing.T) {
	w := open(t, storetest.SQLite(t), func(o *auth.Options) { o.SecondPerson = true })
	p := w.person(mainTenant, auth.Administrator)
	w.person(mainTenant, auth.Administrator)
	ids := map[string]string{}
	for _, name := range []string{"destination", "site", "caller", "portal", "token", "user", "block", "approval", "provider"} {
		ids[name] = "00000000-0000-7000-8000-000000000000"
	}
	ask := func(secret string, route api.Route) answer {
		method, path, body, headers := request(route, ids)
		if body == nil && method != http.MethodDelete {
			body = map[string]any{} // what is asked for is kept before it is read
		}
		return w.ask(secret, method, path, body, headers...)
	}
	waiting := 0
	for _, route := range w.managing() {
		name := strings.Replace(route.Pattern, " "+api.Base, " ", 1)
		waits := route.Permission != auth.ApprovalsDecide && !slices.Contains(atOnce(), name)
		if route.SecondPerson != waits {
			t.Errorf("%s: waits for a second person: %t", name, route.SecondPerson)
		}
		if !waits {
			continue
		}
		waiting++
		if a := ask(p.secret, route); a.status != http.StatusAccepted {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		w.problem(ask(w.admin, route), http.StatusForbidden, "forbidden")
	}
	if got := len(w.events(mainTenant, "approval.asked")); got != waiting || waiting < 15 {
		t.Errorf("%d changes wait, and the audit trail tells of %d", waiting, got)
	}
	w.clock.add(11 * time.Minute)
	for _, route := range w.managing() {
		w.problem(ask(p.secret, route), http.StatusForbidden, "reauthenticate")
	}
	w.clock.add(time.Hour)
	for _, route := range w.managing() {
		if route.Permission != auth.ApprovalsDecide {
			w.problem(ask(w.admin, route), http.StatusForbidden, "reauthenticate")
		}
	}
}

// TestAdministratorSeesNoPatient: no permission of those who manage, and none of those
// who audit, opens a route about imports but the trail.
func TestAdministratorSeesNoPatient(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	ids := w.things(w.party)
	for role, sees := range map[auth.Role]string{auth.Administrator: "", auth.Auditor: "GET /api/v1/imports/{import}/audit"} {
		p := w.person(mainTenant, role)
		walked := 0
		for _, route := range w.guarded() {
			about := strings.Contains(route.Pattern, "/imports") || strings.Contains(route.Pattern, "/uploads")
			if !about || route.Pattern == sees {
				continue
			}
			walked++
			method, path, body, headers := request(route, ids)
			headers = append(headers, "Idempotency-Key: of-the-clerk")
			if a := w.ask(p.secret, method, path, body, headers...); a.status != http.StatusForbidden {
				t.Errorf("%s: %s: %d", role, route.Pattern, a.status)
			}
		}
		if walked < 15 {
			t.Errorf("only %d routes", walked)
		}
	}
}

// TestAloneByBlocking: whoever blocks the other administrator needs a second person as
// before; a new one, whom the operator lets in, is that.
func TestAloneByBlocking(t *testing.T) {
	w := open(t, storetest.SQLite(t), func(o *auth.Options) { o.SecondPerson = true })
	first, second := w.person(mainTenant, auth.Administrator), w.person(mainTenant, auth.Administrator)
	w.into(w.ask(first.secret, "POST", "/api/v1/users/"+second.id+"/block", nil), http.StatusOK, nil)
	var waits struct{ Approval string }
	w.into(w.ask(first.secret, "POST", "/api/v1/tokens", map[string]any{"name": "x", "role": "integrator"}), http.StatusAccepted, &waits)
	w.into(w.ask(first.secret, "POST", "/api/v1/users/"+second.id+"/unblock", nil), http.StatusAccepted, nil)
	link, err := w.tokens.SetupAgain(t.Context())
	w.must(err)
	w.into(w.ask("", "POST", "/api/v1/setup", map[string]any{"secret": link, "user": map[string]any{"login": "third", "name": "T", "password": goodPassword}}), http.StatusCreated, nil)
	third := w.browse("127.0.0.1")
	third.next("POST", "/login", map[string]any{"login": "third", "password": goodPassword}, auth.StepIn)
	var done auth.Approval
	w.into(third.send("POST", "/approvals/"+waits.Approval+"/approve", nil), http.StatusOK, &done)
	if done.Status != http.StatusCreated {
		t.Errorf("%+v", done)
	}
}

// TestWithheldSecret: who approves a provider does not see its secret, and the provider
// has it all the same.
func TestWithheldSecret(t *testing.T) {
	w := open(t, storetest.SQLite(t), func(o *auth.Options) { o.SecondPerson = true })
	first, second := w.person(mainTenant, auth.Administrator), w.person(mainTenant, auth.Administrator)
	const secret = "hidden-of-the-provider"
	var waits struct{ Approval string }
	w.into(w.ask(first.secret, "POST", "/api/v1/identity-providers", map[string]any{"name": "House", "issuer": "https://id.example.org", "client_id": "lotse",
		"client_secret": secret, "roles_claim": "groups", "roles": map[string]any{"desk": []string{"clerk"}}}), http.StatusAccepted, &waits)
	a := w.ask(second.secret, "GET", "/api/v1/approvals/"+waits.Approval, nil)
	if a.status != http.StatusOK || strings.Contains(string(a.body), secret) || !strings.Contains(string(a.body), "https://id.example.org") {
		t.Errorf("%d %s", a.status, a.body)
	}
	var done auth.Approval
	w.into(w.ask(second.secret, "POST", "/api/v1/approvals/"+waits.Approval+"/approve", nil), http.StatusOK, &done)
	if done.Status != http.StatusCreated {
		t.Errorf("%+v", done)
	}
	w.nothingPersonal(secret)
}
