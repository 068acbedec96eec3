package v1_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"lotse/internal/api"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/store/storetest"
)

// caller is one of all who may ask: a person or a token of a role, in a tenant.
type caller struct {
	role   auth.Role
	token  bool
	tenant string
}

// callers are all of them.
func callers() []caller {
	var all []caller
	for _, tenant := range []string{mainTenant, otherTenant} {
		for _, role := range []auth.Role{auth.Clerk, auth.Physician, auth.Administrator, auth.Auditor} {
			all = append(all, caller{role, false, tenant})
		}
		for _, role := range []auth.Role{auth.Administrator, auth.Auditor, auth.Integrator} {
			all = append(all, caller{role, true, tenant})
		}
	}
	return all
}

// TestPermissions asks every route as every caller: what the table gives is let
// through, what it does not is refused, and nothing of another tenant is there.
func TestPermissions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) { open(t, p).permissions(t) })
}

func (w *world) permissions(t *testing.T) {
	ids := w.things(w.party)
	asked := 0
	for _, c := range callers() {
		var owner someone
		if !c.token {
			owner = w.person(c.tenant, c.role)
		}
		for _, route := range w.guarded() {
			who := ""
			if c.token {
				who = w.token(c.tenant, c.role)
			} else { // a new session each time, since routes end them
				e, err := w.accounts.Enter(w.home(), c.tenant, owner.id, auth.ByPassword)
				w.must(err)
				who = e.Secret
			}
			method, path, body, headers := request(route, ids)
			a := w.ask(who, method, path, body, headers...)
			asked++
			if allowed := granted(c.role, c.token, route.Permission); allowed != w.allowed(a) {
				t.Errorf("%+v: %s (%s): %d %s", c, route.Pattern, route.Permission, a.status, a.body)
			} else if allowed && c.tenant == otherTenant && named(route) && a.status != http.StatusNotFound && !strings.Contains(string(a.body), `"login-failed"`) {
				t.Errorf("%+v: %s answers another tenant with %d %s", c, route.Pattern, a.status, a.body)
			}
		}
	}
	for _, route := range w.guarded() {
		if !slices.ContainsFunc(callers(), func(c caller) bool { return granted(c.role, c.token, route.Permission) }) {
			t.Errorf("nobody may %s (%s)", route.Pattern, route.Permission)
		}
	}
	if asked < 500 {
		t.Errorf("only %d requests", asked)
	}
	for _, role := range auth.Roles() {
		if _, ok := may()[role]; !ok {
			t.Errorf("nothing is said about %s", role)
		}
	}
	for role, permissions := range may() {
		for _, p := range permissions {
			if !slices.Contains(role.Permissions(), p) {
				t.Errorf("%s has no %s", role, p)
			}
		}
		if len(role.Permissions()) != len(permissions)+1 {
			t.Errorf("%s may %v", role, role.Permissions())
		}
	}
}

// named tells whether a route names a thing of a tenant.
func named(route api.Route) bool { return strings.Contains(route.Pattern, "{") }

// allowed tells whether a request got past the Authorizer.
func (w *world) allowed(a answer) bool {
	w.Helper()
	switch a.status {
	case http.StatusUnauthorized:
		return strings.Contains(string(a.body), `"login-failed"`) // a wrong password
	case http.StatusForbidden:
		if len(a.body) > 0 && !strings.Contains(string(a.body), `"forbidden"`) {
			w.Errorf("refused otherwise: %s", a.body)
		}
		return false
	}
	return true
}

// TestRoles: no one holds what looks after itself, and machines hold what is theirs.
func TestRoles(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	make := func(roles ...string) answer {
		return w.ask(w.admin, "POST", "/api/v1/users", map[string]any{"login": strings.Join(roles, "-"), "name": "X", "roles": roles})
	}
	for _, apart := range [][]string{{"administrator", "auditor"}, {"auditor", "administrator"}, {"administrator", "clerk"}, {"physician", "administrator"},
		{"clerk", "physician", "administrator"}} {
		w.problem(make(apart...), http.StatusUnprocessableEntity, "roles-apart")
	}
	for _, wrong := range [][]string{{"integrator"}, {"god"}, {}, {"clerk", "integrator"}} {
		w.problem(make(wrong...), http.StatusUnprocessableEntity, "invalid")
	}
	for _, right := range [][]string{{"clerk", "physician"}, {"clerk", "auditor"}, {"administrator"}} {
		w.into(make(right...), http.StatusCreated, nil)
	}
	for _, role := range []string{"clerk", "physician"} {
		w.problem(w.ask(w.admin, "POST", "/api/v1/tokens", map[string]any{"name": "x", "role": role}), http.StatusUnprocessableEntity, "invalid", "body.role")
	}
	if auth.Role("guest").May(auth.Self) || auth.Role("guest").May(access.Any) || auth.Administrator.May("imports.invent") || auth.Administrator.May(auth.ImportsRead) {
		t.Error("something is given that is not in the table")
	}
}
