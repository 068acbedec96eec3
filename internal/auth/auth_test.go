package auth_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// TestRoles: the table gives what it says and nothing else.
func TestRoles(t *testing.T) {
	for _, c := range []struct {
		role       auth.Role
		permission access.Permission
		may        bool
	}{
		{auth.Administrator, auth.TokensManage, true}, {auth.Administrator, auth.Self, true}, {auth.Administrator, auth.AuditRead, false}, {auth.Auditor, auth.AuditRead, true},
		{auth.Administrator, auth.ImportsRead, false}, {auth.Clerk, auth.ImportsEnd, true}, {auth.Physician, auth.ImportsDecide, false},
		{auth.Integrator, auth.ImportsDecide, true}, {auth.Integrator, auth.ReceiptsRead, true}, {auth.Integrator, auth.Self, true},
		{auth.Integrator, auth.TokensManage, false}, {auth.Integrator, auth.DestinationsManage, false}, {auth.Integrator, auth.SettingsManage, false},
		{auth.Integrator, auth.AuditRead, false}, {"guest", auth.Self, false}, {"", auth.ImportsRead, false}, {auth.Administrator, "imports.invent", false},
	} {
		if got := c.role.May(c.permission); got != c.may {
			t.Errorf("%s %s: %v", c.role, c.permission, got)
		}
	}
	for _, role := range auth.Roles() {
		for _, p := range role.Permissions() {
			if !role.May(p) {
				t.Errorf("%s is said to may %s", role, p)
			}
		}
	}
	if list := auth.Role("guest").Permissions(); list != nil {
		t.Errorf("a guest may %v", list)
	}
}

// TestTokens: one lets in until it ends, into its own tenant only.
func TestTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		var shift atomic.Int64
		db := p.Migrated(t, func(c *store.Config) { c.Shift = func() time.Duration { return time.Duration(shift.Load()) } })
		tenant := storetest.Tenant(t, db).ID()
		tokens := auth.NewTokens(db)
		by := access.Actor{ID: "test", Tenant: tenant}
		ask := func(secret string, p access.Permission, tenant string) (access.Actor, error) {
			return tokens.Authorize(t.Context(), access.Request{Permission: p, Token: secret, Tenant: tenant})
		}
		short, secret, err := tokens.Create(t.Context(), by, auth.New{Name: "short", Role: auth.Integrator, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		actor, err := ask(secret, auth.ImportsCreate, "")
		if want := (access.Actor{ID: "token:" + short.ID, Tenant: tenant, Kind: access.Token}); err != nil || !reflect.DeepEqual(actor, want) {
			t.Errorf("%+v, %v", actor, err)
		}
		if own, err := tokens.Own(t.Context(), actor); err != nil || own.ID != short.ID || own.Name != "short" {
			t.Errorf("%+v, %v", own, err)
		}
		if _, err := tokens.Own(t.Context(), by); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("nobody's token: %v", err)
		}
		for _, c := range []struct {
			secret     string
			permission access.Permission
			tenant     string
			want       error
		}{
			{secret, auth.ImportsCreate, tenant, nil}, {secret, auth.TokensManage, "", access.ErrForbidden}, {secret, auth.ImportsCreate, "elsewhere", access.ErrNotFound},
			{"", auth.ImportsCreate, "", access.ErrUnauthenticated}, {secret + "x", auth.ImportsCreate, "", access.ErrUnauthenticated},
			{strings.TrimPrefix(secret, "lotse_"), auth.ImportsCreate, "", access.ErrUnauthenticated}, {"", access.Public, "", nil},
		} {
			if _, err := ask(c.secret, c.permission, c.tenant); !errors.Is(err, c.want) {
				t.Errorf("%s in %q: %v instead of %v", c.permission, c.tenant, err, c.want)
			}
		}
		shift.Store(int64(2 * time.Hour))
		if _, err := ask(secret, auth.ImportsCreate, ""); !errors.Is(err, access.ErrUnauthenticated) {
			t.Errorf("after its end: %v", err)
		}
		if _, _, err := tokens.Create(t.Context(), by, auth.New{Name: "x", Role: "god"}); err == nil {
			t.Error("there is a role that there is not")
		}
	})
}

// TestLastAdministrator: expired and revoked ones do not count.
func TestLastAdministrator(t *testing.T) {
	db := storetest.SQLite(t).Migrated(t)
	by := access.Actor{ID: "test", Tenant: storetest.Tenant(t, db).ID()}
	tokens := auth.NewTokens(db)
	make := func(role auth.Role, expires time.Time) string {
		token, _, err := tokens.Create(t.Context(), by, auth.New{Name: "x", Role: role, Expires: expires})
		if err != nil {
			t.Fatal(err)
		}
		return token.ID
	}
	first, second := make(auth.Administrator, time.Time{}), make(auth.Administrator, time.Time{})
	past, integrator := make(auth.Administrator, time.Now().Add(-time.Hour)), make(auth.Integrator, time.Time{})
	for _, step := range []struct {
		id   string
		want error
	}{{second, nil}, {first, auth.ErrLast}, {past, nil}, {integrator, nil}, {first, auth.ErrLast}, {second, nil}, {"nobody", store.ErrNotFound}} {
		if err := tokens.Revoke(t.Context(), by, step.id); !errors.Is(err, step.want) {
			t.Errorf("%v instead of %v", err, step.want)
		}
	}
}

// TestRedeemOnce: of many at once, on two nodes, exactly one becomes administrator.
func TestRedeemOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		db, other := p.Migrated(t), p.Open(t)
		tenant := storetest.Tenant(t, db).ID()
		nodes := []*auth.Tokens{auth.NewTokens(db), auth.NewTokens(other)}
		secret, err := nodes[0].Setup(t.Context())
		if err != nil || secret == "" {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		var made, used, throttled, others atomic.Int32
		for i := range 12 {
			all.Go(func() {
				var slower *auth.ThrottledError
				switch token, err := nodes[i%2].Redeem(context.WithoutCancel(t.Context()), tenant, secret); {
				case err == nil && token != "":
					made.Add(1)
				case errors.Is(err, auth.ErrUsed):
					used.Add(1)
				case errors.As(err, &slower):
					throttled.Add(1)
				default:
					others.Add(1)
					t.Error(err)
				}
			})
		}
		all.Wait()
		if made.Load() != 1 || made.Load()+used.Load() > 5 || throttled.Load() < 7 {
			t.Errorf("%d were made, %d refused, %d throttled", made.Load(), used.Load(), throttled.Load())
		}
		if secret, err := nodes[1].Setup(t.Context()); err != nil || secret != "" {
			t.Errorf("there is another link: %v", err)
		}
		list, err := nodes[0].List(t.Context(), access.Actor{Tenant: tenant})
		if err != nil || len(list) != 1 || list[0].Role != auth.Administrator {
			t.Errorf("%+v, %v", list, err)
		}
	})
}
