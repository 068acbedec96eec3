package v1_test

import (
	"bytes"
	"net/http"
	"slices"
	"testing"
	"time"

	"lotse/internal/auth"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// TestElevation: somebody of one site gets to all of them for a time, with a reason
// that the auditor reads and nobody else can.
func TestElevation(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	w.must(w.db.Tenant(mainTenant).Write(t.Context(), func(tx *store.Tx) error { return tx.AddSite("north", "North") }))
	everywhere := w.person(mainTenant, auth.Physician)
	w.problem(w.ask(everywhere.secret, "POST", "/api/v1/me/elevation", map[string]any{"reason": "an emergency"}), http.StatusConflict, "not-possible")

	p := w.person(mainTenant, auth.Physician)
	w.must(w.accounts.ChangeUser(w.home(), actorOf(mainTenant), p.id, -1, auth.NewUser{Login: p.login, Name: "X", Roles: []auth.Role{auth.Physician}, Sites: []string{"north"}}))
	b := w.browse("127.0.0.1")
	b.next("POST", "/login", map[string]any{"login": p.login, "password": goodPassword}, auth.StepIn)
	sites := func() []string {
		t.Helper()
		var me struct{ Sites []string }
		w.into(b.send("GET", "/me", nil), http.StatusOK, &me)
		return me.Sites
	}
	if got := sites(); !slices.Equal(got, []string{"north"}) {
		t.Fatalf("reaches %v", got)
	}
	const reason = "Polytrauma, the exam came in at the other house"
	w.problem(b.send("POST", "/me/elevation", map[string]any{"reason": "x"}), http.StatusUnprocessableEntity, "invalid", "body.reason")
	var e auth.Elevation
	w.into(b.send("POST", "/me/elevation", map[string]any{"reason": reason}), http.StatusCreated, &e)
	if got := sites(); len(got) != 0 || e.Ends.Sub(e.Begun) != 30*time.Minute {
		t.Errorf("reaches %v, %+v", got, e)
	}
	w.must(w.db.Tenant(mainTenant).Read(t.Context(), func(tx *store.Tx) error { // the report left with it
		jobs, err := tx.Jobs(e.ID)
		if err != nil || len(jobs) != 1 || jobs[0].Kind != auth.JobElevation {
			t.Fatalf("%+v, %v", jobs, err)
		}
		told, err := auth.ElevationOf(jobs[0].Job)
		if told.ID != e.ID || told.User != e.User || bytes.Contains(jobs[0].Payload, []byte("Polytrauma")) {
			t.Errorf("reported is %+v", told)
		}
		return err
	}))
	w.problem(b.send("POST", "/me/elevation", map[string]any{"reason": reason}), http.StatusConflict, "not-possible")
	w.into(b.send("DELETE", "/me/elevation", nil), http.StatusNoContent, nil)
	if got := sites(); len(got) != 1 {
		t.Errorf("given back, and reaches %v", got)
	}
	w.into(b.send("POST", "/me/elevation", map[string]any{"reason": reason}), http.StatusCreated, &e)
	w.clock.add(29 * time.Minute)
	if got := sites(); len(got) != 0 {
		t.Errorf("reaches %v", got)
	}
	w.clock.add(2 * time.Minute)
	if got := sites(); len(got) != 1 {
		t.Errorf("after its end it reaches %v", got)
	}
	var list struct{ Elevations []auth.Elevation }
	w.into(w.ask(w.auditor, "GET", "/api/v1/elevations", nil), http.StatusOK, &list)
	if len(list.Elevations) != 2 || list.Elevations[0].ID != e.ID || list.Elevations[0].Reason != reason || list.Elevations[0].User != p.id {
		t.Errorf("%+v", list)
	}
	if n := len(w.events(mainTenant, "sites.elevated")); n != 2 {
		t.Errorf("the audit trail tells of %d", n)
	}
	w.nothingPersonal(reason)
}
