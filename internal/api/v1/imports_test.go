package v1_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"lotse/internal/api/idempotency"
	"lotse/internal/api/idempotency/idempotencytest"
	"lotse/internal/api/problem"
	v1 "lotse/internal/api/v1"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/importer"
	"lotse/internal/importer/adjust"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// TestCreation says what is wrong with a creation, and where.
func TestCreation(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	for _, c := range []struct {
		body   any
		status int
		code   string
		field  string
	}{
		{map[string]any{"kind": "magic"}, 422, "invalid", "body.kind"},
		{map[string]any{}, 422, "invalid", "body"},
		{map[string]any{"kind": "upload", "speed": 1}, 422, "invalid", "body.speed"},
		{map[string]any{"kind": "upload", "files": -1}, 422, "invalid", "body.files"},
		{map[string]any{"kind": "upload", "link": "https://a.example/t"}, 422, "invalid", "body.link: not-with-upload"},
		{map[string]any{"kind": "link"}, 422, "invalid", "body.link: not-a-link"},
		{map[string]any{"kind": "link", "link": "not a link"}, 422, "invalid", "body.link: not-a-link"},
		{map[string]any{"kind": "link", "link": "https://a.example/t", "known": map[string]any{"birth_date": "31.31.70"}}, 422, "invalid", "body.known.birth_date: not-a-date"},
		{map[string]any{"kind": "upload", "site": "x\u0000"}, 400, "malformed", ""},
		{`{"kind":`, 400, "malformed", ""},
		{`[]`, 422, "invalid", ""},
		{nil, 400, "malformed", ""},
	} {
		a := w.ask(w.integrator, "POST", "/api/v1/imports", c.body)
		if c.field == "" {
			w.problem(a, c.status, c.code)
		} else {
			w.problem(a, c.status, c.code, c.field)
		}
	}
	for _, path := range []string{"/api/v1/imports/nobody", "/api/v1/imports/..%2f..", "/api/v1/imports/%00", "/api/v1/imports/%ff", "/api/v1/imports/" + store.NewID()} {
		w.problem(w.ask(w.integrator, "GET", path, nil), http.StatusNotFound, "not-found")
	}
	var all struct{ Imports []app.Snapshot }
	w.into(w.ask(w.integrator, "GET", "/api/v1/imports", nil), http.StatusOK, &all)
	if len(all.Imports) != 0 {
		t.Errorf("%d imports were begun", len(all.Imports))
	}
	a := w.ask(w.integrator, "POST", "/api/v1/imports", map[string]any{"kind": "upload", "priority": "batch"})
	var s app.Snapshot
	w.into(a, http.StatusCreated, &s)
	if a.header.Get("Location") != "/api/v1/imports/"+s.ID || a.header.Get("ETag") != `"`+itoa(s.Version)+`"` || !slices.Contains(s.Next, "complete") {
		t.Errorf("%v %+v", a.header, s)
	}
}

// TestDecision: only on what the person saw, about one patient, with a reason where
// there is a contradiction.
func TestDecision(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	s := w.reviewed(w.integrator)
	to, _ := w.folder(w.admin)
	at := "/api/v1/imports/" + s.ID + "/decision"
	tag := `If-Match: "` + itoa(s.Version) + `"`
	body := map[string]any{"patient": map[string]any{"id": "4711"}, "destinations": []string{to}}
	decide := func(change map[string]any, headers ...string) answer {
		all := map[string]any{}
		for k, v := range body {
			all[k] = v
		}
		for k, v := range change {
			all[k] = v
		}
		return w.ask(w.integrator, "POST", at, all, headers...)
	}
	w.problem(decide(nil), http.StatusPreconditionRequired, "precondition-required")
	w.problem(decide(nil, `If-Match: "999"`), http.StatusPreconditionFailed, "precondition-failed")
	w.problem(decide(nil, `If-Match: W/"`+itoa(s.Version)+`"`), http.StatusPreconditionFailed, "precondition-failed")
	for _, c := range []struct {
		change map[string]any
		code   string
		field  string
	}{
		{map[string]any{"destinations": []string{}}, "invalid", "body.destinations"},
		{map[string]any{"destinations": []string{store.NewID()}}, "invalid", "body.destinations: unknown"},
		{map[string]any{"patient": map[string]any{"birth_date": "01/02/1970"}}, "invalid", "body.patient.birth_date: not-a-date"},
		{map[string]any{"patient": map[string]any{"sex": "X"}}, "invalid", "body.patient.sex"},
		{map[string]any{"patient": map[string]any{"id": strings.Repeat("1", 65)}}, "invalid", "body.patient.id: length 64"},
		{map[string]any{"patient": map[string]any{"name": "A\\B"}}, "invalid", "body.patient.name: backslash"},
		{map[string]any{"accession_number": strings.Repeat("1", 17)}, "invalid", "body.accession_number: length 16"},
		{map[string]any{"set": map[string][]string{"NoSuchThing": {"x"}}}, "invalid", "body.set: not-an-attribute"},
		{map[string]any{"set": map[string][]string{"StudyDate": {"20261399"}}}, "invalid", "body.set.StudyDate: format"},
		{map[string]any{"only_patient": "nobody"}, "no-such-patient", ""},
		{map[string]any{"patient": map[string]any{"birth_date": "1.1.1901"}}, "reason-needed", "body.reason: birth-date-differs"},
	} {
		a := decide(c.change, tag)
		if c.field == "" {
			w.problem(a, http.StatusUnprocessableEntity, c.code)
		} else {
			w.problem(a, http.StatusUnprocessableEntity, c.code, c.field)
		}
	}
	if now := w.get(w.integrator, s.ID); now.State != importer.Review || now.Version != s.Version {
		t.Fatalf("it is %s, version %d", now.State, now.Version)
	}
	a := decide(map[string]any{"patient": map[string]any{"id": "4711", "birth_date": "1.1.1901"}, "reason": "typing error at the other house"}, `If-Match: "1", "`+itoa(s.Version)+`"`)
	w.into(a, http.StatusOK, s)
	if s.Decision == nil || *s.Decision.Patient.BirthDate != "19010101" || a.header.Get("ETag") != `"`+itoa(s.Version)+`"` {
		t.Errorf("%+v", s.Decision)
	}
	w.problem(decide(nil, "If-Match: *"), http.StatusConflict, "not-possible")
	w.until(w.integrator, s.ID, "delivered")
	for _, action := range []string{"complete", "extend", "recall", "retry", "cancel"} {
		w.problem(w.ask(w.integrator, "POST", "/api/v1/imports/"+s.ID+"/"+action, nil), http.StatusConflict, "not-possible")
	}
	w.problem(w.ask(w.integrator, "POST", "/api/v1/imports/"+s.ID+"/reject", map[string]any{"reason": ""}), http.StatusUnprocessableEntity, "invalid", "body.reason")
	w.problem(w.ask(w.integrator, "POST", "/api/v1/imports/"+s.ID+"/answers", map[string]any{"password": "x"}), http.StatusConflict, "not-possible")
}

// TestActions: extend, complete, reject and delete, each on the version that was seen.
func TestActions(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	s := w.reviewed(w.integrator)
	at := "/api/v1/imports/" + s.ID
	w.problem(w.ask(w.integrator, "POST", at+"/extend", nil, `If-Match: "999"`), http.StatusPreconditionFailed, "precondition-failed")
	w.into(w.ask(w.integrator, "POST", at+"/extend", nil, `If-Match: "`+itoa(s.Version)+`"`), http.StatusOK, s)
	if s.State != importer.Fetching {
		t.Fatalf("it is %s", s.State)
	}
	w.upload(w.integrator, s.ID, "letter.pdf", w.demo().ZIP[:1000])
	if s = w.get(w.integrator, s.ID); s.State != importer.Fetching { // more may follow
		t.Errorf("it is %s", s.State)
	}
	w.into(w.ask(w.integrator, "POST", at+"/complete", nil, `If-Match: "`+itoa(s.Version)+`"`), http.StatusOK, nil)
	w.until(w.integrator, s.ID, "review")
	w.into(w.ask(w.integrator, "POST", at+"/reject", map[string]any{"reason": "not ours"}), http.StatusOK, s)
	if s.State != importer.Rejected || s.Purge.After(s.Expires) || s.Ended == nil {
		t.Errorf("it is %+v", s)
	}
	w.problem(w.ask(w.integrator, "DELETE", at, nil, `If-Match: "1"`), http.StatusPreconditionFailed, "precondition-failed")
	w.into(w.ask(w.integrator, "DELETE", at, nil), http.StatusAccepted, nil)
	w.until(w.integrator, s.ID, "purged")
	w.into(w.ask(w.integrator, "DELETE", at, nil), http.StatusAccepted, nil)
}

// TestDestinations: made, changed on the version that was seen, tried, removed.
func TestDestinations(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	body := map[string]any{"name": "PACS", "address": "dir:" + w.dir + "/a"}
	for field, change := range map[string]map[string]any{"body.name": {"name": " ", "address": "dir:/x"}, "body.address": {"name": "x", "address": "ftp://x"},
		"body.verify": {"name": "x", "address": "dir:/x", "verify": "hope"}, "body.verify: a folder commits itself to nothing": {"name": "x", "address": "dir:/x", "verify": "commitment"}} {
		w.problem(w.ask(w.admin, "POST", "/api/v1/destinations", change), http.StatusUnprocessableEntity, "invalid", field)
	}
	for code, address := range map[string]string{"folder-not-permitted": "dir:/x", "plaintext": "dicom://PACS@192.0.2.1:104"} {
		for _, at := range []string{"/api/v1/destinations", "/api/v1/destinations/test"} {
			w.problem(w.ask(w.admin, "POST", at, map[string]any{"name": "x", "address": address}), http.StatusUnprocessableEntity, code)
		}
	}
	var d app.DestinationView
	a := w.ask(w.admin, "POST", "/api/v1/destinations", body)
	w.into(a, http.StatusCreated, &d)
	at := "/api/v1/destinations/" + d.ID
	if a.header.Get("Location") != at || a.header.Get("ETag") != `"1"` || d.Verify != "statuses" {
		t.Errorf("%v %+v", a.header, d)
	}
	w.problem(w.ask(w.admin, "POST", "/api/v1/destinations", body), http.StatusConflict, "name-taken")
	body["name"] = "archive"
	w.problem(w.ask(w.admin, "PUT", at, body), http.StatusPreconditionRequired, "precondition-required")
	w.problem(w.ask(w.admin, "PUT", at, body, `If-Match: "2"`), http.StatusPreconditionFailed, "precondition-failed")
	a = w.ask(w.admin, "PUT", at, body, `If-Match: "1"`)
	w.into(a, http.StatusOK, &d)
	if d.Name != "archive" || a.header.Get("ETag") != `"2"` {
		t.Errorf("%v %+v", a.header, d)
	}
	var tried struct {
		Checks []struct {
			Name string
			OK   bool
		}
	}
	for path, body := range map[string]any{at + "/test": nil, "/api/v1/destinations/test": map[string]any{"address": "dir:" + w.dir}} {
		w.into(w.ask(w.admin, "POST", path, body), http.StatusOK, &tried)
		if len(tried.Checks) == 0 || tried.Checks[0].Name != "folder" {
			t.Errorf("%s: %+v", path, tried)
		}
	}
	w.into(w.ask(w.admin, "POST", "/api/v1/destinations/test", map[string]any{"address": "dicom://PACS@127.0.0.1:1"}), http.StatusOK, &tried)
	if len(tried.Checks) == 0 || tried.Checks[0].Name != "tcp" || tried.Checks[0].OK {
		t.Errorf("%+v", tried)
	}
	w.problem(w.ask(w.admin, "DELETE", at, nil), http.StatusPreconditionRequired, "precondition-required")
	w.into(w.ask(w.admin, "DELETE", at, nil, `If-Match: "2"`), http.StatusNoContent, nil)
	w.problem(w.ask(w.admin, "GET", at, nil), http.StatusNotFound, "not-found")
	w.into(w.ask(w.admin, "POST", "/api/v1/destinations", body), http.StatusCreated, nil) // the name is free again
}

// TestList goes through a list by its cursors, and chooses from it.
func TestList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		w := open(t, p)
		var want []string
		for range 7 {
			want = append(want, w.create(w.integrator, 0).ID)
		}
		slices.Reverse(want)
		type part struct {
			Imports []app.Snapshot
			Next    string `json:"next_cursor"`
		}
		var got []string
		cursor, parts := "", 0
		for {
			var page part
			w.into(w.ask(w.integrator, "GET", "/api/v1/imports?limit=3&cursor="+cursor, nil), http.StatusOK, &page)
			for _, s := range page.Imports {
				got = append(got, s.ID)
			}
			parts++
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) || parts != 3 {
			t.Errorf("%d parts: %q instead of %q", parts, got, want)
		}
		w.into(w.ask(w.integrator, "POST", "/api/v1/imports/"+want[0]+"/cancel", nil), http.StatusOK, nil)
		for query, n := range map[string]int{"state=cancelled": 1, "state=fetching,cancelled": 7, "state=review": 0, "kind=upload": 7, "kind=link": 0, "site=x": 0, "limit=200": 7} {
			var page part
			w.into(w.ask(w.integrator, "GET", "/api/v1/imports?"+query, nil), http.StatusOK, &page)
			if len(page.Imports) != n || page.Imports == nil {
				t.Errorf("%s: %d", query, len(page.Imports))
			}
		}
		for _, query := range []string{"limit=0", "limit=201", "state=unknown", "kind=x", "colour=red", "site=%00"} {
			w.problem(w.ask(w.integrator, "GET", "/api/v1/imports?"+query, nil), http.StatusUnprocessableEntity, "invalid")
		}
		for _, cursor := range []string{"x", "AXt9", "AXsidCI6MSwiaSI6IlwwIn0", "AXsidCI6MSwiaSI6IlxuIn0"} {
			w.problem(w.ask(w.integrator, "GET", "/api/v1/imports?cursor="+cursor, nil), http.StatusBadRequest, "bad-cursor")
		}
	})
}

// TestIdempotency is the conformance of the store of answers, and a creation sent again.
func TestIdempotency(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		w := open(t, p)
		idempotencytest.Suite(t, v1.Idempotency(w.db, w.vault), [2]string{mainTenant, otherTenant}, func() { w.clock.add(5 * time.Minute) })
		key := idempotency.Header + ": 8d0f"
		ask := func(token string, body any) answer { return w.ask(token, "POST", "/api/v1/imports", body, key) }
		first := ask(w.integrator, map[string]any{"kind": "upload"})
		again := ask(w.integrator, map[string]any{"kind": "upload"})
		if first.status != http.StatusCreated || again.status != http.StatusCreated || string(first.body) != string(again.body) ||
			again.header.Get(idempotency.ReplayedHeader) != "true" || again.header.Get("Location") != first.header.Get("Location") || again.header.Get("ETag") != first.header.Get("ETag") {
			t.Errorf("%d %s, then %d %s", first.status, first.body, again.status, again.body)
		}
		w.problem(ask(w.integrator, map[string]any{"kind": "upload", "files": 2}), http.StatusUnprocessableEntity, "idempotency-mismatch")
		for _, other := range []string{w.token(mainTenant, auth.Integrator), w.stranger.integrator} {
			if a := ask(other, map[string]any{"kind": "upload"}); a.status != http.StatusCreated || string(a.body) == string(first.body) {
				t.Errorf("somebody else is answered %s", a.body)
			}
		}
		var all struct{ Imports []app.Snapshot }
		w.into(w.ask(w.integrator, "GET", "/api/v1/imports", nil), http.StatusOK, &all)
		if len(all.Imports) != 2 {
			t.Errorf("%d imports instead of 2", len(all.Imports))
		}
		if _, err := w.db.System().DropIdempotent(t.Context(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		var s app.Snapshot // the answer was never kept: what it began is found all the same
		if again = ask(w.integrator, map[string]any{"kind": "upload"}); again.header.Get(idempotency.ReplayedHeader) != "" {
			t.Errorf("it was kept: %v", again.header)
		}
		w.into(again, http.StatusCreated, &s)
		if !strings.HasSuffix(first.header.Get("Location"), s.ID) {
			t.Errorf("%s was begun besides %s", s.ID, first.header.Get("Location"))
		}
	})
}

// TestTranslate: errors of all layers become the problem that a client can act on.
func TestTranslate(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   problem.Code
	}{
		{store.ErrNotFound, 404, problem.NotFound},
		{store.ErrNoTenant, 404, problem.NotFound},
		{sealed.ErrNoKey, 404, problem.NotFound},
		{app.ErrChanged, 412, problem.PreconditionFailed},
		{store.ErrStale, 412, problem.PreconditionFailed},
		{&importer.ImpossibleError{State: "purged", Event: "answer"}, 409, problem.NotPossible},
		{&app.InvalidError{Field: "link", Code: "not-a-link"}, 422, problem.Invalid},
		{&adjust.InvalidError{Keyword: "PatientID", Rule: adjust.RuleLength, Limit: 64}, 422, problem.Invalid},
		{&app.ReasonNeededError{Findings: []importer.Finding{{Code: importer.FindingSexDiffers}}}, 422, problem.ReasonNeeded},
		{&importer.Problem{Code: importer.ProblemSeveral}, 422, problem.SeveralPatients},
		{&importer.Problem{Code: importer.ProblemPatient}, 422, problem.NoSuchPatient},
		{&importer.Problem{Code: importer.ProblemNothing}, 422, problem.Invalid},
		{sealed.ErrErased, 410, problem.Gone},
		{app.ErrGone, 410, problem.Gone},
		{auth.ErrUsed, 410, problem.Gone},
		{auth.ErrLast, 409, problem.LastAdministrator},
		{&auth.ThrottledError{After: time.Minute}, 429, problem.TooMany},
		{store.ErrConflict, 409, problem.NameTaken},
		{&store.Error{Kind: store.Conflict}, 409, problem.NameTaken},
		{store.ErrFull, 507, problem.Full},
		{&store.Error{Kind: store.Full}, 507, problem.Full},
		{blob.ErrFull, 507, problem.Full},
		{&store.Error{Kind: store.Busy}, 503, problem.Unavailable},
		{&store.Error{Kind: store.Unavailable}, 503, problem.Unavailable},
		{store.ErrClosed, 503, problem.Unavailable},
	} {
		got := v1.Translate(fmt.Errorf("do something: %w", c.err))
		if got == nil || got.Status != c.status || got.Code != c.code {
			t.Errorf("%v became %+v", c.err, got)
		}
		if got != nil && got.Status >= 500 && !errors.Is(got, c.err) {
			t.Errorf("%v is not in the log", c.err)
		}
	}
	for _, err := range []error{errors.New("x"), &store.Error{Kind: store.Permanent}} {
		if got := v1.Translate(err); got != nil {
			t.Errorf("%v became %+v", err, got)
		}
	}
}
