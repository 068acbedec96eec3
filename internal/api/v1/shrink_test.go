package v1_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"lotse/internal/app"
	"lotse/internal/store/storetest"
)

// TestSitesShrink: who reaches all sites for a time sees no more of others when that is
// over: neither by a stream that began before, nor in the audit trail.
func TestSitesShrink(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place storetest.Place) {
		w := open(t, place)
		north, south := w.site(map[string]any{"name": "North"}), w.site(map[string]any{"name": "South"})
		own, p := w.bound(north.ID), w.tokensOf(mainTenant) // p reaches all, for now
		im := w.create(own.integrator, 0)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var events []string
		w.watch(ctx, p.integrator, im.ID, "", func(e event) {
			events = append(events, e.name)
			if e.name == "snapshot" {
				w.bounds.Store(p.integrator, []string{south.ID})
			} else if !strings.Contains(e.data, `"not-found"`) {
				t.Errorf("%+v", e)
			}
		})
		if !slices.Equal(events, []string{"snapshot", "problem"}) {
			t.Errorf("the stream had %v", events)
		}
		about := func(token string) (imports, all int) {
			t.Helper()
			var list struct{ Events []app.AuditEvent }
			w.into(w.ask(token, "GET", "/api/v1/audit/events?limit=200", nil), http.StatusOK, &list)
			for _, e := range list.Events {
				if e.Import == im.ID {
					imports++
				}
			}
			return imports, len(list.Events)
		}
		if imports, _ := about(p.auditor); imports == 0 {
			t.Error("the auditor of all sites sees nothing")
		}
		if imports, _ := about(own.auditor); imports == 0 {
			t.Error("the auditor of the site sees nothing")
		}
		w.bounds.Store(p.auditor, []string{south.ID})
		if imports, all := about(p.auditor); imports != 0 || all == 0 {
			t.Errorf("the auditor of another site sees %d of %d events", imports, all)
		}
		if a := w.ask(p.auditor, "GET", "/api/v1/audit/events.csv", nil); a.status != http.StatusOK || strings.Contains(string(a.body), im.ID) {
			t.Error("the export has another site's import")
		}
	})
}
