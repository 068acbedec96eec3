package v1_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lotse/internal/app"
	"lotse/internal/audit"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

type eventList struct {
	Events []app.AuditEvent `json:"events"`
	Next   string           `json:"next_cursor"`
}

func (w *world) found(query string) eventList {
	w.Helper()
	var list eventList
	w.into(w.ask(w.auditor, "GET", "/api/v1/audit/events?"+query, nil), http.StatusOK, &list)
	return list
}

// TestAuditEvents: the auditor finds events in parts, with what is personal in them, also
// as a table that no spreadsheet calculates.
func TestAuditEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		w := open(t, p)
		agent := "User-Agent: =cmd|' /C calc'!A0"
		before := time.Now().UTC().Add(-time.Second)
		for range 5 {
			w.into(w.ask(w.admin, "PUT", "/api/v1/settings", map[string]any{}, agent), http.StatusOK, nil)
		}
		all := w.found("event=settings&limit=200")
		if len(all.Events) != 5 || all.Next != "" {
			t.Fatalf("%+v", all)
		}
		for _, e := range all.Events {
			if e.Personal["address"] != "127.0.0.1" || e.Personal["agent"] != agent[len("User-Agent: "):] || e.Sealed != "" || !strings.HasPrefix(e.Actor, "token:") {
				t.Errorf("%+v", e)
			}
		}
		var parts []app.AuditEvent
		for list := w.found("event=settings&limit=2"); ; list = w.found("event=settings&limit=2&cursor=" + list.Next) {
			if parts = append(parts, list.Events...); list.Next == "" {
				break
			}
		}
		if fmt.Sprint(parts) != fmt.Sprint(all.Events) {
			t.Errorf("in parts: %+v", parts)
		}
		for query, want := range map[string]int{
			"event=settings.changed&from=" + url.QueryEscape(before.Format(time.RFC3339Nano)):  5,
			"event=settings.changed&until=" + url.QueryEscape(before.Format(time.RFC3339Nano)): 0,
			"event=settings&actor=" + all.Events[0].Actor:                                      5, "event=settings&actor=x": 0, "event=settings&import=x": 0, "event=setting": 0,
		} {
			if got := w.found(query); len(got.Events) != want {
				t.Errorf("%s: %d events", query, len(got.Events))
			}
		}
		if read := w.found("event=audit.read"); len(read.Events) != 1 {
			t.Errorf("the reading was noted %d times", len(read.Events))
		}
		w.problem(w.ask(w.auditor, "GET", "/api/v1/audit/events?from=yesterday", nil), http.StatusUnprocessableEntity, "invalid", "query.from")
		w.problem(w.ask(w.auditor, "GET", "/api/v1/audit/events.csv?until=x", nil), http.StatusUnprocessableEntity, "invalid", "query.until")
		w.problem(w.ask(w.auditor, "GET", "/api/v1/audit/events?cursor=x", nil), http.StatusBadRequest, "bad-cursor")

		a := w.ask(w.auditor, "GET", "/api/v1/audit/events.csv?event=settings", nil)
		w.into(a, http.StatusOK, nil)
		rows, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
		if err != nil || len(rows) != 6 || a.header.Get("Content-Type") != "text/csv; charset=utf-8; header=present" {
			t.Fatalf("%v, %v: %s", err, a.header, a.body)
		}
		if !slices.Equal(rows[0], []string{"at", "id", "actor", "session", "event", "import", "detail", "personal", "sealed"}) || rows[1][4] != "settings.changed" ||
			!strings.Contains(rows[1][7], "calc") {
			t.Errorf("%q", rows[:2])
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
					t.Errorf("a formula: %q", cell)
				}
			}
		}
		if told := w.found("event=audit.exported"); len(told.Events) != 1 {
			t.Errorf("%+v", told)
		}
		var other eventList // another tenant sees its own
		w.into(w.ask(w.stranger.auditor, "GET", "/api/v1/audit/events?event=settings", nil), http.StatusOK, &other)
		if len(other.Events) != 0 {
			t.Errorf("%+v", other)
		}
	})
}

// TestManyEvents: an export has all pages.
func TestManyEvents(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	w.must(w.db.Tenant(mainTenant).Write(t.Context(), func(tx *store.Tx) error {
		for i := range 1001 {
			if err := tx.Audit(store.Event{Actor: "x", Event: "many", Detail: map[string]any{"n": i}}); err != nil {
				return err
			}
		}
		return nil
	}))
	a := w.ask(w.auditor, "GET", "/api/v1/audit/events.csv?event=many", nil)
	w.into(a, http.StatusOK, nil)
	if n := strings.Count(string(a.body), "\r\n"); n != 1002 {
		t.Errorf("%d lines", n)
	}
}

// TestVerifyAudit verifies over the API, and lists heads in parts.
func TestVerifyAudit(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	report := func() *audit.Report {
		t.Helper()
		a := w.ask(w.auditor, "GET", "/api/v1/audit/verify", nil)
		var last struct{ Report *audit.Report }
		lines := strings.Split(strings.TrimSpace(string(a.body)), "\n")
		w.must(json.Unmarshal([]byte(lines[len(lines)-1]), &last))
		return last.Report
	}
	if r := report(); r.Links != 0 || r.Wrong != 0 || r.Unlinked == 0 {
		t.Errorf("%+v", r)
	}
	for range 3 {
		w.must(w.db.Tenant(mainTenant).Write(t.Context(), func(tx *store.Tx) error {
			if err := tx.Audit(store.Event{Actor: "x", Event: "y"}); err != nil {
				return err
			}
			if _, err := tx.LinkEvents(100); err != nil {
				return err
			}
			last, err := tx.LastLink()
			if err != nil {
				return err
			}
			return tx.InsertHead(&store.Head{Seq: last.Seq, Hash: last.Hash, Signed: 1, Public: "AAAA", Signature: "BBBB"})
		}))
	}
	r := report()
	if r.Heads != 3 || r.Wrong != 3 || r.Findings[0].Code != audit.HeadForged || r.Tenant != mainTenant {
		t.Errorf("%+v", r)
	}
	if told := w.found("event=audit.verified"); len(told.Events) != 2 || told.Events[0].Detail["wrong"] != 3.0 {
		t.Errorf("%+v", told)
	}
	var first, second struct {
		Heads []store.Head
		Next  string `json:"next_cursor"`
	}
	w.into(w.ask(w.auditor, "GET", "/api/v1/audit/heads?limit=2", nil), http.StatusOK, &first)
	w.into(w.ask(w.auditor, "GET", "/api/v1/audit/heads?limit=2&cursor="+first.Next, nil), http.StatusOK, &second)
	if len(first.Heads) != 2 || len(second.Heads) != 1 || second.Next != "" || second.Heads[0].Seq <= first.Heads[1].Seq || second.Heads[0].Tenant != mainTenant {
		t.Errorf("%+v, %+v", first, second)
	}
}

// TestUsage: what an import brought is in the month's line, also after it was erased.
func TestUsage(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	s := w.reviewed(w.integrator)
	month := s.Created.UTC().Format("2006-01")
	line := func() string {
		a := w.ask(w.auditor, "GET", "/api/v1/usage.csv?from="+month+"&to="+month, nil)
		w.into(a, http.StatusOK, nil)
		return string(a.body)
	}
	want := fmt.Sprintf("tenant,month,site,imports,instances,bytes,active_users\r\nmain,%s,,1,%d,%d,0\r\n", month, s.Received.Instances, s.Received.Bytes)
	if got := line(); got != want || s.Received.Bytes == 0 {
		t.Errorf("%q instead of %q", got, want)
	}
	w.into(w.ask(w.integrator, "DELETE", "/api/v1/imports/"+s.ID, nil, "If-Match: *"), http.StatusAccepted, nil)
	w.until(w.integrator, s.ID, "purged")
	if got := line(); got != want {
		t.Errorf("%q instead of %q", got, want)
	}
	for _, query := range []string{"from=x", "from=2026-12&to=2026-11", "from=1000-01", "to=2026-13"} {
		w.problem(w.ask(w.auditor, "GET", "/api/v1/usage.csv?"+query, nil), http.StatusUnprocessableEntity, "invalid")
	}
	if a := w.ask(w.auditor, "GET", "/api/v1/usage.csv", nil); strings.Count(string(a.body), "\r\n") != 13 {
		t.Errorf("%s", a.body)
	}
}
