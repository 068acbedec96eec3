package app

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lotse/internal/importer"
	"lotse/internal/store"
	"lotse/internal/tus"
	"lotse/test/peer"
)

// site makes a site of the main tenant.
func (w *world) site(n NewSite) *SiteView {
	w.t.Helper()
	v, err := w.AddSite(w.t.Context(), w.who, n)
	must(w.t, err)
	return v
}

// invalidField checks that an error blames a field with a code.
func invalidField(t *testing.T, err error, field, code string) {
	t.Helper()
	var invalid *InvalidError
	if !errors.As(err, &invalid) || invalid.Field != field || invalid.Code != code {
		t.Errorf("%v instead of %s: %s", err, field, code)
	}
}

func TestSiteChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	destination, _ := w.folder()
	north := w.site(NewSite{Name: " North ", AETitle: "NORTH", Destinations: []string{destination, destination}})
	if north.Name != "North" || north.Version != 1 || len(north.Destinations) != 1 {
		t.Errorf("made: %s", show(north))
	}
	for _, c := range []struct {
		n           NewSite
		field, code string
	}{
		{NewSite{Name: " "}, "name", "missing"},
		{NewSite{Name: "x", AETitle: `A\B`}, "ae_title", "not-an-ae-title"},
		{NewSite{Name: "x", AETitle: "NORTH"}, "ae_title", "taken"},
		{NewSite{Name: "x", Issuer: strings.Repeat("x", 65)}, "issuer", "length"},
		{NewSite{Name: "x", Institution: `a\b`}, "institution", "backslash"},
		{NewSite{Name: "x", Station: strings.Repeat("x", 17)}, "station", "length"},
		{NewSite{Name: "x", Destinations: []string{"nowhere"}}, "destinations", "unknown"},
	} {
		_, err := w.AddSite(ctx, w.who, c.n)
		invalidField(t, err, c.field, c.code)
	}
	if _, err := w.AddSite(ctx, w.who, NewSite{Name: "North"}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a name twice: %v", err)
	}
	if _, err := w.ChangeSite(ctx, w.who, north.ID, 7, NewSite{Name: "x"}); !errors.Is(err, ErrChanged) {
		t.Errorf("of another version: %v", err)
	}
	_, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Site: "nowhere"})
	invalidField(t, err, "site", "unknown")
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Site: north.ID})
	must(t, err)
	if err := w.RemoveSite(ctx, w.who, north.ID, 1); !errors.Is(err, ErrSiteUsed) {
		t.Errorf("with an import: %v", err)
	}
	must(t, w.Delete(ctx, w.who, id, 0))
	w.until(id, importer.Purged)
	caller, err := w.AddCaller(ctx, w.who, NewCaller{Name: "CT", CallingAE: "CT1", Networks: []string{"192.0.2.1"}, Site: north.ID})
	must(t, err)
	if err := w.RemoveSite(ctx, w.who, north.ID, 1); !errors.Is(err, ErrSiteUsed) {
		t.Errorf("with a caller: %v", err)
	}
	must(t, w.RemoveCaller(ctx, w.who, caller.ID, caller.Version))
	must(t, w.RemoveSite(ctx, w.who, north.ID, 1))
	if _, err := w.Site(ctx, w.who, north.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("a removed one: %v", err)
	}
	_, err = w.Create(ctx, w.who, NewImport{Kind: KindUpload, Site: north.ID})
	invalidField(t, err, "site", "unknown")
	settings := w.settingsTrail()
	if !slices.Equal(settings, []string{"site.created after", "caller.created after", "caller.removed before", "site.removed before"}) {
		t.Errorf("the trail: %q", settings)
	}
}

// settingsTrail tells of changes of sites and callers whether they say what was before
// and after.
func (w *world) settingsTrail() (list []string) {
	w.t.Helper()
	must(w.t, w.db.Tenant("main").Read(w.t.Context(), func(tx *store.Tx) error {
		events, err := tx.Events("")
		for _, e := range events {
			if !strings.HasPrefix(e.Event, "site.") && !strings.HasPrefix(e.Event, "caller.") {
				continue
			}
			text := e.Event
			for _, when := range []string{"before", "after"} {
				if kept, ok := e.Detail[when].(map[string]any); ok && kept["name"] != "" {
					text += " " + when
				}
			}
			list = append(list, text)
		}
		return err
	}))
	return list
}

// TestSiteIsWritten: a decision names the place of the import's site, and goes on to do
// so when the site is changed afterwards; it may send only where the site does.
func TestSiteIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, func(o *GatewayOptions) {
		o.Institution, o.Station, o.Issuer = "Whole House", "DESK", "HOUSE"
	})
	ctx := t.Context()
	own, path := w.folder()
	other, _ := w.folder()
	north := w.site(NewSite{Name: "North", Issuer: "NORTH", Institution: "Clinic North", Destinations: []string{own}})
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Files: 1, Site: north.ID})
	must(t, err)
	w.upload(id, "exam.zip", madeUp(t).ZIP)
	s := w.until(id, importer.Review)
	if s.Site != north.ID {
		t.Errorf("it is of %q", s.Site)
	}
	decision := NewDecision{Patient: importer.LocalPatient{ID: text("4711")}, Destinations: []string{own, other}}
	invalidField(t, w.Decide(ctx, w.who, id, s.Version, decision), "destinations", "not-of-site")
	decision.Destinations = []string{own}
	must(t, os.WriteFile(path, nil, 0o600)) // the folder cannot be made: it waits
	must(t, w.Decide(ctx, w.who, id, s.Version, decision))
	_, err = w.ChangeSite(ctx, w.who, north.ID, north.Version, NewSite{Name: "North", Issuer: "LATER", Institution: "Elsewhere"})
	must(t, err)
	must(t, os.Remove(path))
	s = w.arrivedAtLast(id)
	if s.Decision.Patient.Issuer == nil || *s.Decision.Patient.Issuer != "NORTH" {
		t.Errorf("the issuer is %v", s.Decision.Patient.Issuer)
	}
	n := 0
	must(t, filepath.WalkDir(path, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		raw, err := os.ReadFile(file)
		for text, want := range map[string]bool{"NORTH": true, "Clinic North": true, "DESK": true, "Whole House": false, "LATER": false, "Elsewhere": false} {
			if bytes.Contains(raw, []byte(text)) != want {
				t.Errorf("%s has %q: %v", filepath.Base(file), text, !want)
			}
		}
		return err
	}))
	if n == 0 {
		t.Error("nothing was delivered")
	}
}

// TestCreateWithin: who reaches some sites only begins imports of these.
func TestCreateWithin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	north, south, west := w.site(NewSite{Name: "North"}), w.site(NewSite{Name: "South"}), w.site(NewSite{Name: "West"})
	create := func(site string, sites ...string) (string, error) {
		who := Who{Tenant: "main", Actor: "person", Sites: sites}
		id, err := w.Create(ctx, who, NewImport{Kind: KindUpload, Site: site})
		if err != nil {
			return "", err
		}
		s, err := w.Snapshot(ctx, who, id)
		must(t, err)
		return s.Site, nil
	}
	for _, c := range []struct {
		site  string
		sites []string
		want  string
		code  string
	}{
		{"", nil, "", ""},
		{north.ID, nil, north.ID, ""},
		{"", []string{north.ID}, north.ID, ""},
		{south.ID, []string{north.ID, south.ID}, south.ID, ""},
		{"", []string{north.ID, south.ID}, "", "missing"},
		{west.ID, []string{north.ID, south.ID}, "", "unknown"},
	} {
		got, err := create(c.site, c.sites...)
		if c.code != "" {
			invalidField(t, err, "site", c.code)
		} else if err != nil || got != c.want {
			t.Errorf("%q of %d: %q, %v", c.site, len(c.sites), got, err)
		}
	}
}

// TestForeignSite walks all use cases that take an id, new ones included, with that of
// an import of a site that somebody does not reach: there is no such import, and it
// stays as it is.
func TestForeignSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	north, south := w.site(NewSite{Name: "North"}), w.site(NewSite{Name: "South"})
	nobody := Who{Tenant: "main", Actor: "foreign", Sites: []string{south.ID}}
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Files: 1, Site: north.ID})
	must(t, err)
	w.upload(id, "exam.zip", madeUp(t).ZIP)
	s := w.until(id, importer.Review)
	destination, _ := w.folder()
	must(t, w.Decide(ctx, w.who, id, s.Version, NewDecision{Destinations: []string{destination}}))
	before := w.until(id, importer.Arrived)
	open, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Site: north.ID})
	must(t, err)
	up, err := w.Uploads(w.who).Create(ctx, tus.Upload{Length: 5, Metadata: map[string]string{"import": open, "path": "x"}})
	must(t, err)
	lease, err := w.Uploads(w.who).Lease(ctx, up) // somebody writes
	must(t, err)
	erased, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Site: north.ID})
	must(t, err)
	must(t, w.Delete(ctx, w.who, erased, 0))
	w.until(erased, importer.Purged)

	calls := w.idCalls(before.Delivery[0].ID, destination)
	for name, call := range calls {
		for state, id := range map[string]string{"delivered": id, "open": open, "erased": erased} {
			if err := call(nobody, id); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of one of a foreign site that is %s: %v", name, state, err)
			}
		}
	}
	uploads := w.Uploads(nobody)
	for name, call := range map[string]func() error{
		"create": func() error {
			_, err := uploads.Create(ctx, tus.Upload{Length: 5, Metadata: map[string]string{"import": open, "path": "y"}})
			return err
		},
		"create in an erased one": func() error {
			_, err := uploads.Create(ctx, tus.Upload{Length: 5, Metadata: map[string]string{"import": erased, "path": "y"}})
			return err
		},
		"info":      func() error { _, err := uploads.Info(ctx, up); return err },
		"lease":     func() error { _, err := uploads.Lease(ctx, up); return err },
		"terminate": func() error { return uploads.Terminate(ctx, up) },
	} {
		if err := call(); !errors.Is(err, tus.NotFound) {
			t.Errorf("%s an upload of a foreign site: %v", name, err)
		}
	}
	if page, err := w.List(ctx, nobody, store.ImportFilter{}); err != nil || len(page.Imports) != 0 {
		t.Errorf("the list: %s, %v", show(page), err)
	}
	if after := w.now(id); !reflect.DeepEqual(after, before) {
		t.Errorf("it was changed: %s", show(after))
	}
	lease.Release()
	if info, err := w.Uploads(w.who).Info(ctx, up); err != nil || info.Length != 5 {
		t.Errorf("the upload: %+v, %v", info, err)
	}
	reached := 0 // the walk is worth something: the same calls work for others
	for name, call := range calls {
		if name == "Delete" {
			continue // the last one
		}
		if err := call(Who{Tenant: "main", Actor: "own", Sites: []string{south.ID, north.ID}}, id); !errors.Is(err, ErrNotFound) {
			reached++
		}
	}
	if reached < 13 {
		t.Errorf("only %d of %d use cases are about imports", reached, len(calls))
	}
}

// idCalls are all methods of the gateway that are asked by somebody about an id, with
// arguments that are right.
func (w *world) idCalls(delivery, destination string) map[string]func(Who, string) error {
	ctx := w.t.Context()
	arguments := map[reflect.Type]any{}
	for _, value := range []any{delivery, NewDecision{Destinations: []string{destination}}, NewSite{Name: "x"}, NewDestination{Name: "x", Address: "dir:" + w.dir + "/nowhere"},
		NewCaller{Name: "x", CallingAE: "X", Networks: []string{"192.0.2.1"}}} {
		arguments[reflect.TypeOf(value)] = value
	}
	calls := map[string]func(Who, string) error{}
	gateway := reflect.ValueOf(w.Gateway)
	for i := range gateway.NumMethod() {
		method := gateway.Method(i)
		of := method.Type()
		if of.NumIn() < 3 || of.In(0) != reflect.TypeFor[context.Context]() || of.In(1) != reflect.TypeFor[Who]() || of.In(2).Kind() != reflect.String {
			continue
		}
		name := gateway.Type().Method(i).Name
		if name == "UsageReport" { // from a month
			continue
		}
		calls[name] = func(who Who, id string) error {
			in := []reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(who), reflect.ValueOf(id)}
			for n := 3; n < of.NumIn(); n++ {
				if value, ok := arguments[of.In(n)]; ok {
					in = append(in, reflect.ValueOf(value))
				} else {
					in = append(in, reflect.Zero(of.In(n)))
				}
			}
			out := method.Call(in)
			err, _ := out[len(out)-1].Interface().(error)
			return err
		}
	}
	return calls
}

// TestOneWayToRows: use cases get at the rows of a tenant through reach alone.
func TestOneWayToRows(t *testing.T) {
	files, err := filepath.Glob("*.go")
	must(t, err)
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(name)
		must(t, err)
		n := strings.Count(string(raw), "g.db.Tenant(") // the trail is also verified without a gateway
		if found += n; n > 0 && name != "gateway.go" {
			t.Errorf("%s goes around reach", name)
		}
	}
	if found != 1 {
		t.Errorf("%d ways to the rows of a tenant", found)
	}
}

// now is an import as it stands.
func (w *world) now(id string) *Snapshot {
	w.t.Helper()
	s, err := w.Snapshot(w.t.Context(), w.who, id)
	must(w.t, err)
	return s
}

// arrivedAtLast waits for a delivery that may have failed at first, trying it again.
func (w *world) arrivedAtLast(id string) *Snapshot {
	w.t.Helper()
	var s *Snapshot
	peer.Await(w.t, testPatience, "the import to arrive", func() bool {
		if s = w.now(id); slices.Contains(s.Next, "retry") {
			_ = w.Retry(w.t.Context(), w.who, id, s.Version) // it may have gone on meanwhile
		}
		return s.State == importer.Arrived
	})
	return s
}
