package v1_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"lotse/dlx"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/store/storetest"
)

// bounded lets a test say which sites somebody reaches.
type bounded struct{ w *world }

// Authorize implements access.Authorizer.
func (b bounded) Authorize(ctx context.Context, r access.Request) (access.Actor, error) {
	actor, err := auth.NewGuard(b.w.tokens, b.w.accounts).Authorize(ctx, r)
	if sites, ok := b.w.bounds.Load(r.Token); ok {
		actor.Sites, _ = sites.([]string)
	}
	return actor, err
}

// site makes a site of the main tenant.
func (w *world) site(body map[string]any) *app.SiteView {
	w.Helper()
	var v app.SiteView
	w.into(w.ask(w.admin, "POST", "/api/v1/sites", body), http.StatusCreated, &v)
	return &v
}

// bound are tokens that reach one site only.
func (w *world) bound(site string) party {
	w.Helper()
	p := w.tokensOf(mainTenant)
	for _, token := range []string{p.integrator, p.auditor} {
		w.bounds.Store(token, []string{site})
	}
	return p
}

// TestSiteWalls walks all routes with the ids of an import and an upload of another
// site: there is nothing there, nothing is changed, and no list has any of it.
func TestSiteWalls(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		w := open(t, p)
		north, south := w.site(map[string]any{"name": "North"}), w.site(map[string]any{"name": "South"})
		own := w.bound(north.ID)
		ids := w.things(own) // of the only site there is for it
		if s := w.get(w.integrator, ids["import"]); s.Site != north.ID {
			t.Fatalf("it is of %q", s.Site)
		}
		foreign := w.bound(south.ID)
		before, walked := w.state(w.party, ids), 0
		for _, route := range w.guarded() {
			if !strings.Contains(route.Pattern, "{import}") && !strings.Contains(route.Pattern, "/uploads") {
				continue
			}
			for _, id := range []string{ids["import"], ids["open"]} { // in different states
				named := map[string]string{"import": id, "delivery": ids["delivery"], "upload": ids["upload"], "destination": ids["destination"]}
				method, path, body, headers := request(route, named)
				a := w.ask(foreign.may(route.Permission), method, path, body, headers...)
				if walked++; a.status != http.StatusNotFound || strings.Contains(string(a.body), id) {
					t.Errorf("%s answers somebody of another site with %d %s", route.Pattern, a.status, a.body)
				}
			}
		}
		if walked < 30 {
			t.Errorf("only %d requests", walked)
		}
		if after := w.state(w.party, ids); after != before {
			t.Errorf("something was changed:\n%s\n%s", before, after)
		}
		var list struct{ Imports []app.Snapshot }
		for _, query := range []string{"", "?site=" + north.ID, "?state=delivered"} {
			w.into(w.ask(foreign.integrator, "GET", "/api/v1/imports"+query, nil), http.StatusOK, &list)
			if len(list.Imports) != 0 {
				t.Errorf("the list %s has %d imports of another site", query, len(list.Imports))
			}
		}
		for token, want := range map[string]error{own.integrator: nil, foreign.integrator: dlx.NotFound} { // the importer that systems drive, too
			client, access, err := w.login("integrator of main", token)
			w.must(err)
			if _, err := client.Status(t.Context(), access.Token, w.url+"/dlx/v2/import/"+ids["import"]); !errors.Is(err, want) {
				t.Errorf("by DICOM Link Exchange: %v instead of %v", err, want)
			}
		}
		w.problem(w.ask(foreign.integrator, "POST", "/api/v1/imports", map[string]any{"kind": "upload", "site": north.ID}), http.StatusUnprocessableEntity, "invalid", "body.site: unknown")
		w.pages(foreign.integrator, south.ID)
	})
}

// pages: parts of a list of somebody who reaches one site have their full length, and
// all that is theirs.
func (w *world) pages(token, site string) {
	w.Helper()
	var want []string
	for n := range 5 {
		var s app.Snapshot
		w.into(w.ask(token, "POST", "/api/v1/imports", map[string]any{"kind": "upload"}), http.StatusCreated, &s)
		want = append(want, s.ID)
		if s.Site != site {
			w.Errorf("it is of %q", s.Site)
		}
		if n%2 == 0 { // one of the whole organisation, too
			want = append(want, w.create(w.integrator, 0).ID)
		}
	}
	slices.Reverse(want)
	var got []string
	for next := "?limit=3"; next != ""; {
		var part struct {
			Imports []app.Snapshot
			Next    string `json:"next_cursor"`
		}
		w.into(w.ask(token, "GET", "/api/v1/imports"+next, nil), http.StatusOK, &part)
		if next = ""; part.Next != "" {
			next = "?limit=3&cursor=" + part.Next
			if len(part.Imports) != 3 {
				w.Errorf("a part has %d imports", len(part.Imports))
			}
		}
		for _, s := range part.Imports {
			got = append(got, s.ID)
		}
	}
	if !slices.Equal(got, want) {
		w.Errorf("listed are %q, not %q", got, want)
	}
}

// TestSites: made, listed, changed, refused, deleted; the same of callers.
func TestSites(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	destination, _ := w.folder(w.admin)
	a := w.ask(w.admin, "POST", "/api/v1/sites", map[string]any{"name": "North", "ae_title": "NORTH", "issuer": "N", "destinations": []string{destination}})
	var north app.SiteView
	w.into(a, http.StatusCreated, &north)
	place := "/api/v1/sites/" + north.ID
	if a.header.Get("Location") != place || a.header.Get("ETag") != `"1"` || north.Issuer != "N" || len(north.Destinations) != 1 {
		t.Errorf("%v %+v", a.header, north)
	}
	w.problem(w.ask(w.admin, "POST", "/api/v1/sites", map[string]any{"name": "North"}), http.StatusConflict, "name-taken")
	w.problem(w.ask(w.admin, "POST", "/api/v1/sites", map[string]any{"name": "x", "ae_title": "NORTH"}), http.StatusUnprocessableEntity, "invalid", "body.ae_title: taken")
	w.problem(w.ask(w.admin, "PUT", place, map[string]any{"name": "x"}), http.StatusPreconditionRequired, "precondition-required")
	w.problem(w.ask(w.admin, "PUT", place, map[string]any{"name": "x"}, `If-Match: "2"`), http.StatusPreconditionFailed, "precondition-failed")
	a = w.ask(w.admin, "PUT", place, map[string]any{"name": "Renamed", "ae_title": "NORTH"}, `If-Match: "1"`)
	w.into(a, http.StatusOK, &north)
	if a.header.Get("ETag") != `"2"` || north.Name != "Renamed" {
		t.Errorf("%v %+v", a.header, north)
	}
	w.site(map[string]any{"name": "Another"})
	var list struct{ Sites []app.SiteView }
	w.into(w.ask(w.integrator, "GET", "/api/v1/sites", nil), http.StatusOK, &list)
	if len(list.Sites) != 2 || list.Sites[0].Name != "Another" {
		t.Errorf("%+v", list)
	}
	caller := map[string]any{"name": "CT", "calling_ae_title": "CT1", "networks": []string{"10.2.0.0/24"}, "site": north.ID, "bytes_per_hour": 1 << 30}
	var ct app.CallerView
	a = w.ask(w.admin, "POST", "/api/v1/callers", caller)
	w.into(a, http.StatusCreated, &ct)
	if a.header.Get("Location") != "/api/v1/callers/"+ct.ID || ct.Site != north.ID || fmt.Sprint(ct.Networks) != "[10.2.0.0/24]" || ct.HourlyBytes != 1<<30 {
		t.Errorf("%v %+v", a.header, ct)
	}
	w.problem(w.ask(w.admin, "POST", "/api/v1/callers", caller), http.StatusConflict, "name-taken")
	caller["name"] = "other"
	w.problem(w.ask(w.admin, "POST", "/api/v1/callers", caller), http.StatusUnprocessableEntity, "invalid", "body.calling_ae_title: ambiguous")
	w.problem(w.ask(w.admin, "DELETE", place, nil, "If-Match: *"), http.StatusConflict, "site-in-use")
	delete(caller, "site")
	w.problem(w.ask(w.admin, "PUT", "/api/v1/callers/"+ct.ID, caller), http.StatusPreconditionRequired, "precondition-required")
	at := "/api/v1/callers/" + ct.ID
	ct = app.CallerView{}
	w.into(w.ask(w.admin, "PUT", at, caller, `If-Match: "1"`), http.StatusOK, &ct)
	if ct.Site != "" || ct.Version != 2 {
		t.Errorf("%+v", ct)
	}
	w.into(w.ask(w.admin, "DELETE", place, nil, `If-Match: "2"`), http.StatusNoContent, nil)
	w.problem(w.ask(w.admin, "GET", place, nil), http.StatusNotFound, "not-found")
	w.into(w.ask(w.admin, "DELETE", at, nil, `If-Match: "2"`), http.StatusNoContent, nil)
	w.problem(w.ask(w.admin, "GET", at, nil), http.StatusNotFound, "not-found")
	for _, path := range []string{"/sites", "/callers"} {
		w.problem(w.ask(w.integrator, "POST", "/api/v1"+path, map[string]any{"name": "x", "calling_ae_title": "X"}), http.StatusForbidden, "forbidden")
	}
}
