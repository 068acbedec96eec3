package v1_test

import (
	"context"
	"net/http"
	"net/netip"
	"slices"

	"lotse/internal/api"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/store"
)

// goodPassword is one that nobody refuses.
const goodPassword = "vier wilde Hirsche tanzen"

// someone is a person with an account, who is in.
type someone struct {
	id, login string
	session   string // id
	secret    string // of the session
}

// tenantOf is the tenant of a party.
func (w *world) tenantOf(p party) string {
	if p == w.stranger {
		return otherTenant
	}
	return mainTenant
}

// person makes an account of a tenant, whose owner has chosen a password and is in.
func (w *world) person(tenant string, roles ...auth.Role) someone {
	w.Helper()
	n := auth.NewUser{Login: "p" + store.NewID(), Name: "Petra Probe", Email: "petra@example.org", Roles: roles}
	u, first, err := w.accounts.CreateUser(w.Context(), actorOf(tenant), n)
	w.must(err)
	p := someone{id: u.ID, login: n.Login}
	e, err := w.accounts.Login(w.home(), tenant, n.Login, first)
	w.must(err)
	p.session, p.secret = e.Session, e.Secret
	e, err = w.accounts.ReplacePassword(w.home(), w.actor(p, tenant), goodPassword)
	w.must(err)
	if p.secret = e.Secret; e.Step != auth.StepIn {
		w.Fatalf("the next step is %s", e.Step)
	}
	return p
}

// home is where the persons of the tests are.
func (w *world) home() context.Context { return w.from("127.0.0.1") }

// from is a context of somebody at an address.
func (w *world) from(address string) context.Context {
	return access.WithActor(w.Context(), access.Actor{Remote: netip.MustParseAddr(address), Agent: "test"})
}

func (w *world) actor(p someone, tenant string) access.Actor {
	return access.Actor{ID: "user:" + p.id, Tenant: tenant, Kind: access.User, Session: p.session}
}

// block makes a block that stays in a tenant, and returns its id.
func (w *world) block(tenant string) string {
	w.Helper()
	var id string
	w.must(w.db.Tenant(tenant).Write(w.Context(), func(tx *store.Tx) error {
		row, err := tx.LockThrottle("account-network", "x")
		if err != nil {
			return err
		}
		id, row.Stays, row.Tries = row.ID, true, 30
		return tx.SaveThrottle(row)
	}))
	return id
}

// approval makes a change that waits in a tenant, and returns its id.
func (w *world) approval(tenant string) string {
	w.Helper()
	id, _, err := w.accounts.KeepChange(w.Context(), access.Actor{ID: "user:" + store.NewID(), Tenant: tenant}, "PUT /api/v1/terms", []byte(`{}`))
	w.must(err)
	return id
}

// page is a browser that logs in: it keeps the cookie, and where from the requests
// come.
type page struct {
	*world
	secret string
	from   string
}

// browse opens a browser at an address.
func (w *world) browse(address string) *page { return &page{world: w, from: address} }

// send sends what our pages send, and keeps the cookie.
func (p *page) send(method, path string, body any, headers ...string) answer {
	p.Helper()
	headers = append([]string{api.PageHeader + ": 1", "X-Forwarded-For: " + p.from}, headers...)
	if p.secret != "" {
		headers = append(headers, "Cookie: "+api.Cookie+"="+p.secret)
	}
	a := p.ask("", method, "/api/v1"+path, body, headers...)
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == api.Cookie {
			p.secret = c.Value
			if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
				p.Errorf("the cookie is %v", c)
			}
		}
	}
	return a
}

// next sends a step of a login that must go on at a next one.
func (p *page) next(method, path string, body any, next auth.Step) {
	p.Helper()
	var state struct{ Next auth.Step }
	p.into(p.send(method, path, body), http.StatusOK, &state)
	if state.Next != next {
		p.Fatalf("next is %s instead of %s", state.Next, next)
	}
}

// login logs in with a password.
func (p *page) login(login, password string) answer {
	p.Helper()
	return p.send("POST", "/login", map[string]any{"login": login, "password": password})
}

// events lists what the audit trail tells, newest last.
func (w *world) events(tenant, name string) []store.Event {
	w.Helper()
	var found []store.Event
	w.must(w.db.Tenant(tenant).Read(w.Context(), func(tx *store.Tx) error {
		all, err := tx.Events("")
		found = slices.DeleteFunc(all, func(e store.Event) bool { return e.Event != name })
		return err
	}))
	return found
}

// may is what each role may do, once more and by hand: whoever changes the table in
// the code changes it here as well.
func may() map[auth.Role][]access.Permission {
	imports := []access.Permission{auth.ImportsRead, auth.ImportsCreate, auth.ImportsAnswer, auth.ImportsDecide, auth.ImportsEnd, auth.ReceiptsRead, auth.DestinationsRead}
	return map[auth.Role][]access.Permission{
		auth.Clerk:      append(slices.Clone(imports), auth.Elevate),
		auth.Physician:  {auth.ImportsRead, auth.ReceiptsRead, auth.Elevate},
		auth.Integrator: imports,
		auth.Auditor:    {auth.AuditRead, auth.UsageRead},
		auth.Administrator: {auth.DestinationsRead, auth.DestinationsManage, auth.SettingsRead, auth.SettingsManage, auth.TokensRead, auth.TokensManage,
			auth.UsersRead, auth.UsersManage, auth.ApprovalsRead, auth.ApprovalsDecide},
	}
}

// granted tells whether a role is to have a permission, as a person or as a token.
func granted(role auth.Role, token bool, p access.Permission) bool {
	switch p {
	case access.Any, auth.Self:
		return true
	case auth.Person:
		return !token
	case auth.ApprovalsDecide, auth.Elevate:
		if token {
			return false
		}
	}
	return slices.Contains(may()[role], p)
}
