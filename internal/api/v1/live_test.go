package v1_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"lotse/internal/app"
	"lotse/internal/store/storetest"
)

// event is a server-sent event.
type event struct{ name, id, data string }

// watch follows an import until its stream ends and hands each event on.
func (w *world) watch(ctx context.Context, token, id, last string, each func(event)) int {
	w.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", w.url+"/api/v1/imports/"+id+"/events", nil)
	w.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	w.must(err)
	defer a.Body.Close()
	lines := bufio.NewScanner(a.Body)
	lines.Buffer(nil, 1<<20)
	var e event
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				each(e)
			}
			e = event{}
		}
	}
	return a.StatusCode
}

// TestEvents: a stream shows every state, counts as they grow, and ends with the import.
func TestEvents(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	s := w.create(w.integrator, 1)
	to, _ := w.folder(w.admin)
	var states []string
	ids := map[string]bool{}
	var last event
	started := false
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	status := w.watch(ctx, w.integrator, s.ID, "", func(e event) {
		var got app.Snapshot
		if e.name != "snapshot" || json.Unmarshal([]byte(e.data), &got) != nil || got.ID != s.ID || ids[e.id] {
			t.Errorf("%+v", e)
		}
		ids[e.id], last = true, e
		if n := len(states); n == 0 || states[n-1] != string(got.State) {
			states = append(states, string(got.State))
		}
		switch {
		case !started:
			started = true
			w.upload(w.integrator, s.ID, "exam.zip", w.demo().ZIP)
		case got.State == "review":
			w.ask(w.integrator, "POST", "/api/v1/imports/"+s.ID+"/decision", map[string]any{"destinations": []string{to}}, `If-Match: "`+itoa(got.Version)+`"`)
		}
	})
	seen := strings.Join(states, " ")
	if status != http.StatusOK || !strings.HasPrefix(seen, "fetching ") || !strings.Contains(seen, "review") || !strings.HasSuffix(seen, " delivered") {
		t.Errorf("%d: %s", status, seen)
	}
	if status := w.watch(ctx, w.integrator, s.ID, last.id, func(e event) { t.Errorf("again: %+v", e) }); status != http.StatusNoContent {
		t.Errorf("a client that has the end is told %d", status)
	}
}
