package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/store"
)

func importOf(id string) func(*store.Tx) (*store.Import, error) {
	return func(tx *store.Tx) (*store.Import, error) { return tx.Import(id) }
}

func testImports(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	full := aStudy("full")
	write(t, tenant, func(tx *store.Tx) error { return tx.InsertImport(full) })
	got := get(t, tenant, importOf("full"))
	want := aStudy("full")
	want.Version = 1
	same(t, "as inserted", got, want)

	bare := &store.Import{ID: "bare", Kind: "upload", State: importer.Review, Expires: noon(0), Purge: noon(time.Hour)}
	var now time.Time
	write(t, tenant, func(tx *store.Tx) error { now = tx.Now(); return tx.InsertImport(bare) })
	same(t, "with what is filled in", get(t, tenant, importOf("bare")),
		&store.Import{ID: "bare", Kind: "upload", State: importer.Review, Version: 1, Created: now, Expires: noon(0), Purge: noon(0)})

	write(t, tenant, func(tx *store.Tx) error { // the id is taken, and the transaction goes on
		if err := tx.InsertImport(&store.Import{ID: "bare", Expires: noon(0)}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("an id twice: %v", err)
		}
		im, err := tx.LockImport("full")
		if err != nil {
			return err
		}
		change(im)
		return tx.SaveImport(im)
	})
	want = aStudy("full")
	want.Version = 2
	change(want)
	same(t, "as saved", get(t, tenant, importOf("full")), want)

	stale := aStudy("full")
	stale.Version = 1
	refused(t, tenant, store.ErrStale, func(tx *store.Tx) error { return tx.SaveImport(stale) })
	stale.ID = "nowhere"
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.SaveImport(stale) })
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.LockImport("nowhere"); return err })

	write(t, tenant, func(tx *store.Tx) error { // what is personal does not outlive the purge
		im, err := tx.LockImport("full")
		if err != nil {
			return err
		}
		im.State, im.Purged = importer.Purged, noon(time.Hour)
		return tx.SaveImport(im)
	})
	got = get(t, tenant, importOf("full"))
	if got.Request != nil || got.Secrets != nil || got.Question != nil || got.Fetched != nil || got.Decision != nil || got.IntakeKey != "" || !got.Quiet.IsZero() {
		t.Errorf("a purged import has %+v", got)
	}
}

// change gives every column that can be saved another value.
func change(im *store.Import) {
	im.Site, im.Kind, im.State, im.Priority = "south", "upload", importer.Broken, 0
	im.FirstByte, im.Expires, im.Purge = noon(time.Second), noon(200*time.Hour), noon(150*time.Hour)
	im.Ended, im.RetryAt, im.Quiet = noon(2*time.Hour), time.Time{}, time.Time{}
	im.Warned, im.Problem, im.ProblemHost, im.IntakeKey = 2, importer.ProblemExpired, "other.example.org", "another key"
	im.Files, im.Instances = 70, 60
	im.Request, im.Secrets, im.Question, im.Fetched, im.Decision = []byte{10}, nil, []byte{30}, nil, []byte{50}
}

func testImportList(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	states := []importer.State{importer.Fetching, importer.Review, importer.Arrived}
	write(t, tenant, func(tx *store.Tx) error {
		for i := range 9 { // three at each of three times
			im := &store.Import{ID: string(rune('a' + i)), State: states[i%3], Created: noon(time.Duration(i/3) * time.Second), Expires: noon(time.Hour)}
			im.Kind, im.Site = "link", "north"
			if i < 4 {
				im.Kind, im.Site = "upload", "south"
			}
			if err := tx.InsertImport(im); err != nil {
				return err
			}
		}
		return nil
	})
	list := func(f store.ImportFilter) string {
		ids := ""
		for _, im := range get(t, tenant, func(tx *store.Tx) ([]*store.Import, error) { return tx.Imports(f) }) {
			ids += im.ID
		}
		return ids
	}
	for want, f := range map[string]store.ImportFilter{
		"ihgfedcba": {},
		"ih":        {Limit: 2},
		"gf":        {Limit: 2, Before: store.Cursor{Created: noon(2 * time.Second), ID: "h"}},
		"edcba":     {Before: store.Cursor{Created: noon(time.Second), ID: "f"}},
		"heb":       {States: []importer.State{importer.Review}},
		"hgedba":    {States: []importer.State{importer.Review, importer.Fetching}},
		"ihgfe":     {Kind: "link"},
		"dcba":      {Site: "south"},
		"da":        {Site: "south", Kind: "upload", States: []importer.State{importer.Fetching}},
		"a":         {Site: "south", States: []importer.State{importer.Fetching}, Before: store.Cursor{Created: noon(time.Second), ID: "d"}},
		"":          {Kind: "link", Site: "south"},
		"hg":        {States: []importer.State{importer.Fetching, importer.Review, importer.Fetching}, Limit: 2},
		"ed":        {States: []importer.State{importer.Review, importer.Fetching}, Limit: 2, Before: store.Cursor{Created: noon(2 * time.Second), ID: "g"}},
	} {
		if got := list(f); got != want {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
}

func testIntake(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	open := func(tx *store.Tx) (*store.Import, error) { return tx.OpenIntake("caller and study") }
	notOpen := func() {
		t.Helper()
		refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { _, err := open(tx); return err })
	}
	notOpen()
	received := func(id string) *store.Import {
		return &store.Import{ID: id, Kind: "dicom", State: importer.Fetching, IntakeKey: "caller and study", Quiet: noon(time.Minute), Expires: noon(time.Hour)}
	}
	write(t, tenant, func(tx *store.Tx) error { return tx.InsertImport(received("first")) })
	write(t, tenant, func(tx *store.Tx) error {
		if err := tx.InsertImport(received("second")); !errors.Is(err, store.ErrConflict) {
			t.Errorf("two imports open under one key: %v", err)
		}
		im, err := open(tx)
		if err != nil || im.ID != "first" {
			t.Fatalf("open: %+v, %v", im, err)
		}
		im.Quiet = time.Time{} // closed
		return tx.SaveImport(im)
	})
	notOpen()
	write(t, tenant, func(tx *store.Tx) error { return tx.InsertImport(received("second")) })
	write(t, tenant, func(tx *store.Tx) error {
		if im, err := open(tx); err != nil || im.ID != "second" {
			t.Errorf("later objects: %+v, %v", im, err)
		}
		return nil
	})
}

// testDue has the lists of imports whose time has come, over all tenants.
func testDue(t *testing.T, h house) {
	a, b, ended := Tenant(t, h.db), Tenant(t, h.db), Tenant(t, h.db)
	insert := func(tenant *store.Tenant, id string, change func(*store.Import)) {
		im := &store.Import{ID: id, State: importer.Review, Created: noon(0), Expires: noon(100 * time.Hour), Purge: noon(100 * time.Hour)}
		change(im)
		write(t, tenant, func(tx *store.Tx) error { return tx.InsertImport(im) })
	}
	for _, tenant := range []*store.Tenant{a, b, ended} {
		insert(tenant, "plain", func(*store.Import) {})
	}
	insert(a, "early", func(im *store.Import) { im.Purge = noon(time.Hour); im.Ended = noon(0); im.State = importer.Arrived })
	insert(b, "earlier", func(im *store.Import) { im.Purge = noon(time.Minute); im.Warned = 1 })
	insert(a, "purged", func(im *store.Import) { im.Purged = noon(0); im.State = importer.Purged })
	insert(b, "open", func(im *store.Import) {
		im.Kind, im.Quiet, im.IntakeKey, im.Warned = "dicom", noon(time.Minute), "k", 2
	})
	insert(a, "open longer", func(im *store.Import) {
		im.Kind, im.Quiet, im.IntakeKey = "dicom", noon(time.Hour), "k"
		im.Expires = noon(90 * time.Hour)
	})
	must(t, h.db.System().DestroyTenant(t.Context(), ended.ID()))
	sys := h.other.System()
	ctx := t.Context()

	names := func(refs []store.Ref, err error) []string {
		t.Helper()
		must(t, err)
		var all []string
		for _, r := range refs {
			which := map[string]string{a.ID(): "a/", b.ID(): "b/"}[r.Tenant]
			all = append(all, which+r.ID)
		}
		return all
	}
	check := func(what string, got []string, want ...string) {
		t.Helper()
		if what[0] == '~' { // no order between those of one time
			slices.Sort(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	check("purge, nothing yet", names(sys.DueToPurge(ctx, noon(0), 10)))
	check("purge", names(sys.DueToPurge(ctx, noon(time.Hour), 10)), "b/earlier", "a/early")
	check("purge, bounded", names(sys.DueToPurge(ctx, noon(time.Hour), 1)), "b/earlier")
	check("~purge at the end", names(sys.DueToPurge(ctx, noon(100*time.Hour), 10)), "a/early", "a/open longer", "a/plain", "b/earlier", "b/open", "b/plain")
	check("close, nothing yet", names(sys.DueToClose(ctx, "dicom", noon(0), 10)))
	check("close", names(sys.DueToClose(ctx, "dicom", noon(time.Hour), 10)), "b/open", "a/open longer")
	check("close, bounded", names(sys.DueToClose(ctx, "dicom", noon(time.Hour), 1)), "b/open")
	write(t, b, func(tx *store.Tx) error { return tx.SetQuiet("open", noon(2*time.Hour)) })
	check("close, moved", names(sys.DueToClose(ctx, "dicom", noon(time.Hour), 10)), "a/open longer")
	check("close, another kind", names(sys.DueToClose(ctx, "upload", noon(9*time.Hour), 10)))
	must(t, b.Read(ctx, func(tx *store.Tx) error {
		im, err := tx.Import("open")
		if err == nil && (im.Version != 1 || !im.Quiet.Equal(noon(2*time.Hour))) {
			t.Errorf("moved to %v, version %d", im.Quiet, im.Version)
		}
		return err
	}))
	if err := b.Write(ctx, func(tx *store.Tx) error { return tx.SetQuiet("absent", noon(0)) }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of no import: %v", err)
	}
	check("warn, nothing yet", names(sys.DueToWarn(ctx, noon(0), 1, 72*time.Hour, 10)))
	check("warn", names(sys.DueToWarn(ctx, noon(18*time.Hour), 1, 72*time.Hour, 10)), "a/open longer")
	check("~warn first", names(sys.DueToWarn(ctx, noon(28*time.Hour), 1, 72*time.Hour, 10)), "a/open longer", "a/plain", "b/plain")
	check("~warn again", names(sys.DueToWarn(ctx, noon(76*time.Hour), 2, 24*time.Hour, 10)), "a/open longer", "a/plain", "b/earlier", "b/plain")
	for at, want := range map[time.Duration]int64{0: 0, 90 * time.Hour: 1, 100 * time.Hour: 6} {
		if n, err := sys.Overdue(ctx, noon(at)); err != nil || n != want {
			t.Errorf("overdue after %v: %d, want %d (%v)", at, n, want, err)
		}
	}
	counts, err := sys.LiveImports(ctx)
	must(t, err)
	same(t, "live imports", counts, map[importer.State]int64{importer.Review: 5, importer.Arrived: 1})
}

func testPurge(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	mark := store.NewID()
	Fill(t, tenant, mark)
	otherImport, otherDelivery := newDelivery(t, tenant)
	write(t, tenant, func(tx *store.Tx) error {
		return errors.Join(addSegments(tx, otherImport, 1, 0, 5),
			tx.SaveOutcomes(otherDelivery, []store.Outcome{{Item: 1, Fate: importer.Delivered, Line: []byte("line")}}))
	})
	for range 2 { // once more changes nothing
		write(t, tenant, func(tx *store.Tx) error { return tx.PurgeImport("import") })
	}
	must(t, tenant.Read(t.Context(), func(tx *store.Tx) error {
		im, err := tx.Import("import")
		must(t, err)
		if im.Request != nil || im.Secrets != nil || im.Question != nil || im.Fetched != nil || im.Decision != nil || im.IntakeKey != "" || !im.Quiet.IsZero() {
			t.Errorf("the import has %+v", im)
		}
		if im.Parts != 1 || im.Bytes != 100 || im.Version != 1 {
			t.Errorf("what once came in: %+v", im)
		}
		for _, what := range []string{"parts", "segments", "segment ids", "uploads"} {
			if got, err := reads(tx, mark)[what](); err != nil || !empty(got) {
				t.Errorf("%s: %v, %v", what, got, err)
			}
		}
		c, err := tx.Commitment("2.25." + mark)
		must(t, err)
		if c.Report != nil || c.State != store.CommitmentOpen {
			t.Errorf("commitment: %+v", c)
		}
		outcomes, err := reads(tx, mark)["outcomes"]()
		must(t, err)
		same(t, "outcomes", outcomes, []store.Outcome{{Item: 1, Fate: importer.Delivered, Sent: 1}})
		_, err = tx.Receipt("delivery")
		must(t, err)
		events, err := tx.Events("import")
		if err != nil || len(events) != 1 {
			t.Errorf("events: %v, %v", events, err)
		}
		other, err := tx.Import(otherImport)
		must(t, err)
		segments, err := tx.Segments(otherImport, 1)
		if err != nil || len(segments) != 1 || other.Secrets == nil {
			t.Errorf("another import: %+v, %v, %v", other, segments, err)
		}
		return tx.Outcomes(otherDelivery, func(o store.Outcome) error {
			if o.Line == nil {
				t.Error("another import's outcome lost its line")
			}
			return nil
		})
	}))
}
