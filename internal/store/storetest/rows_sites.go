package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/store"
)

func testSites(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	write(t, tenant, func(tx *store.Tx) error {
		return errors.Join(tx.InsertSite(&store.Site{ID: "2", Name: "Radiology", AETitle: "RAD", Config: []byte(`{"issuer": "R"}`), Created: noon(0)}),
			tx.InsertSite(&store.Site{ID: "1", Name: "Surgery", Created: noon(0)}), tx.AddSite("0", "Urology"))
	})
	one := func(id string) *store.Site {
		return get(t, tenant, func(tx *store.Tx) (*store.Site, error) { return tx.Site(id) })
	}
	radiology := store.Site{ID: "2", Name: "Radiology", AETitle: "RAD", Config: []byte(`{"issuer": "R"}`), Version: 1, Created: noon(0)}
	surgery := store.Site{ID: "1", Name: "Surgery", Config: []byte(`{}`), Version: 1, Created: noon(0)}
	same(t, "as inserted", one("2"), &radiology)
	list := get(t, tenant, func(tx *store.Tx) ([]store.Site, error) { return tx.Sites() })
	same(t, "list", list[:2], []store.Site{radiology, surgery})
	for what, bad := range map[string]store.Site{"id": {ID: "1", Name: "x"}, "name": {ID: "9", Name: "Surgery"}, "AE title": {ID: "9", Name: "x", AETitle: "RAD"}} {
		if err := tenant.Write(t.Context(), func(tx *store.Tx) error { return tx.InsertSite(&bad) }); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s twice: %v", what, err)
		}
	}
	write(t, tenant, func(tx *store.Tx) error { // none of its own is no title
		s, err := tx.LockSite("2")
		must(t, err)
		s.Name, s.AETitle, s.Config = "Imaging", "", []byte(`{"a":1}`)
		return tx.SaveSite(s)
	})
	radiology.Name, radiology.AETitle, radiology.Config, radiology.Version = "Imaging", "", []byte(`{"a":1}`), 2
	same(t, "saved", one("2"), &radiology)
	refused(t, tenant, store.ErrStale, func(tx *store.Tx) error { s := surgery; s.Version = 7; return tx.SaveSite(&s) })
	refused(t, tenant, store.ErrConflict, func(tx *store.Tx) error { s := surgery; s.Name = "Imaging"; return tx.SaveSite(&s) })
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.SaveSite(&store.Site{ID: "9"}) })
	write(t, tenant, func(tx *store.Tx) error { return tx.DeleteSite("2") })
	for what, f := range map[string]func(tx *store.Tx) error{
		"delete": func(tx *store.Tx) error { return tx.DeleteSite("2") },
		"lock":   func(tx *store.Tx) error { _, err := tx.LockSite("2"); return err },
		"save":   func(tx *store.Tx) error { s := radiology; s.Version = 3; return tx.SaveSite(&s) },
	} {
		if err := tenant.Write(t.Context(), f); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s a deleted one: %v", what, err)
		}
	}
	if s := one("2"); s.Deleted.IsZero() || s.Version != 3 {
		t.Errorf("deleted: %+v", s)
	}
	if list := get(t, tenant, func(tx *store.Tx) ([]store.Site, error) { return tx.Sites() }); len(list) != 2 || list[0].ID != "1" {
		t.Errorf("list without the deleted: %+v", list)
	}
	write(t, tenant, func(tx *store.Tx) error {
		return tx.InsertSite(&store.Site{ID: "3", Name: "Imaging", AETitle: "RAD"})
	})
}

// testImportsOfSites: who reaches some sites only finds nothing of another, by no
// method and on no page of a list; a site is in use as long as an import is.
func testImportsOfSites(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	for i, site := range []string{"", "north", "south", "north", "west"} {
		im := aStudy("import " + site + string(rune('0'+i)))
		im.Site, im.Created, im.IntakeKey = site, noon(time.Duration(i)*time.Second), "key of "+im.ID
		write(t, tenant, func(tx *store.Tx) error { return tx.InsertImport(im) })
	}
	bounded := tenant.Within([]string{"south", "west"})
	const foreign, own = "import north1", "import south2"
	for _, f := range []func(tx *store.Tx, id string) error{
		func(tx *store.Tx, id string) error { _, err := tx.Import(id); return err },
		func(tx *store.Tx, id string) error { _, err := tx.LockImport(id); return err },
		func(tx *store.Tx, id string) error { _, err := tx.OpenIntake("key of " + id); return err },
	} {
		refused(t, bounded, store.ErrNotFound, func(tx *store.Tx) error { return f(tx, foreign) })
		write(t, bounded, func(tx *store.Tx) error { return errors.Join(f(tx, own), f(tx, "import 0")) })
		write(t, tenant.Within(nil), func(tx *store.Tx) error { return f(tx, foreign) })
	}
	for _, states := range [][]importer.State{nil, {importer.Fetching, importer.Review}} {
		var got []string
		filter := store.ImportFilter{States: states, Limit: 1}
		for range 4 { // one more than there are
			page := get(t, bounded, func(tx *store.Tx) ([]*store.Import, error) { return tx.Imports(filter) })
			for _, im := range page {
				got = append(got, im.ID)
				filter.Before = store.Cursor{Created: im.Created, ID: im.ID}
			}
		}
		if want := []string{"import west4", own, "import 0"}; !slices.Equal(got, want) {
			t.Errorf("list %v: %q", states, got)
		}
	}
	filter := store.ImportFilter{Site: "north"}
	if page := get(t, bounded, func(tx *store.Tx) ([]*store.Import, error) { return tx.Imports(filter) }); len(page) != 0 {
		t.Errorf("list of another site: %d", len(page))
	}
	used := func(site string) bool {
		return get(t, tenant, func(tx *store.Tx) (bool, error) { return tx.SiteUsed(site) })
	}
	if !used("south") || used("east") || used("") {
		t.Error("a site is in use that has no import, or the other way round")
	}
	write(t, tenant, func(tx *store.Tx) error {
		im, err := tx.LockImport(own)
		must(t, err)
		im.State, im.Purged = importer.Purged, tx.Now()
		return tx.SaveImport(im)
	})
	if used("south") {
		t.Error("a site is in use by an import that is purged")
	}
	write(t, tenant, func(tx *store.Tx) error { return tx.InsertCaller(aCaller("c")) })
	if !used("north") {
		t.Error("a site is not in use that a caller sends for")
	}
}

func aCaller(id string) *store.Caller {
	return &store.Caller{ID: id, Name: "CT " + id, CallingAE: "CT1", CalledAE: "LOTSE", Site: "north", Config: []byte(`{}`), Created: noon(0)}
}

func testCallers(t *testing.T, h house) {
	a, b := Tenant(t, h.db), Tenant(t, h.db)
	title := a.ID()[:12] // of this test alone: callers are found over all tenants
	caller := aCaller("1")
	caller.CallingAE = title
	write(t, a, func(tx *store.Tx) error {
		return errors.Join(tx.InsertCaller(caller), tx.InsertSite(&store.Site{ID: "north", Name: "North", AETitle: "NORTH"}))
	})
	want := *caller
	want.Version = 1
	one := func(id string) *store.Caller {
		return get(t, a, func(tx *store.Tx) (*store.Caller, error) { return tx.Caller(id) })
	}
	same(t, "as inserted", one("1"), &want)
	write(t, a, func(tx *store.Tx) error {
		if err := tx.InsertCaller(&store.Caller{ID: "2", Name: caller.Name}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a name twice: %v", err)
		}
		c, err := tx.LockCaller("1")
		must(t, err)
		c.Name, c.CalledAE, c.Site, c.Config = "MR", "", "", []byte(`{"x":1}`)
		return tx.SaveCaller(c)
	})
	want.Name, want.CalledAE, want.Site, want.Config, want.Version = "MR", "", "", []byte(`{"x":1}`), 2
	same(t, "saved", one("1"), &want)
	refused(t, a, store.ErrStale, func(tx *store.Tx) error { c := want; c.Version = 7; return tx.SaveCaller(&c) })
	refused(t, a, store.ErrNotFound, func(tx *store.Tx) error { return tx.SaveCaller(&store.Caller{ID: "9", Version: 1}) })
	other := aCaller("1")
	other.CallingAE = title
	write(t, b, func(tx *store.Tx) error {
		return errors.Join(tx.InsertCaller(other), tx.InsertSite(&store.Site{ID: "north", Name: "North", AETitle: "B"}))
	})
	senders := func(called string) []store.Sender {
		all, err := h.other.System().Senders(t.Context(), title, called)
		must(t, err)
		if len(all) == 2 && all[0].Tenant == b.ID() {
			all[0], all[1] = all[1], all[0]
		}
		return all
	}
	mine, theirs := store.Sender{Tenant: a.ID(), Caller: want, CalledSite: "north"}, store.Sender{Tenant: b.ID(), Caller: *other, SiteAE: "B"}
	same(t, "senders", senders("NORTH"), []store.Sender{mine, theirs})
	mine.CalledSite = ""
	same(t, "senders that call no site", senders(""), []store.Sender{mine, theirs})
	write(t, a, func(tx *store.Tx) error { return tx.DeleteCaller("1") })
	refused(t, a, store.ErrNotFound, func(tx *store.Tx) error { return tx.DeleteCaller("1") })
	refused(t, a, store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.LockCaller("1"); return err })
	if list := get(t, a, func(tx *store.Tx) ([]store.Caller, error) { return tx.Callers() }); len(list) != 0 || one("1").Deleted.IsZero() {
		t.Errorf("deleted, and yet %+v", list)
	}
	same(t, "senders that are not deleted", senders(""), []store.Sender{theirs})
	must(t, h.db.System().DestroyTenant(t.Context(), b.ID()))
	same(t, "senders of a destroyed tenant", len(senders("")), 0)
}

// testUsage counts what 8 writers of two nodes send, of which none may be lost.
func testSent(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	write(t, tenant, func(tx *store.Tx) error {
		return errors.Join(tx.InsertCaller(aCaller("1")), tx.InsertCaller(aCaller("2")))
	})
	const writers, limit = 8, 5
	outcomes := atOnce(t, h, tenant.ID(), writers, func(_ int, node *store.Tenant) error {
		return node.Write(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.LockCaller("1"); err != nil {
				return err
			}
			used, err := tx.Used("1", noon(-time.Hour))
			if err == nil && used.Objects >= limit {
				err = errFull
			}
			if err != nil {
				return err
			}
			return tx.Use("1", noon(0), store.Sent{Objects: 1, Bytes: 100})
		})
	})
	if outcomes[""] != limit || outcomes[errFull.Error()] != writers-limit {
		t.Errorf("outcomes: %v", outcomes)
	}
	write(t, tenant, func(tx *store.Tx) error {
		return errors.Join(tx.Use("1", noon(-time.Hour), store.Sent{Objects: 1, Bytes: 7}), tx.Use("2", noon(0), store.Sent{Objects: 1}),
			tx.Use("1", noon(0), store.Sent{Bytes: -50}))
	})
	used := func(since time.Time) store.Sent {
		return get(t, tenant, func(tx *store.Tx) (store.Sent, error) { return tx.Used("1", since) })
	}
	same(t, "within the slots", used(noon(0)), store.Sent{Objects: limit, Bytes: 100*limit - 50})
	same(t, "with the older one", used(noon(-time.Hour)), store.Sent{Objects: limit + 1, Bytes: 100*limit - 43})
	write(t, tenant, func(tx *store.Tx) error { return tx.ForgetUsage("1", noon(0)) })
	same(t, "without what is forgotten", used(noon(-time.Hour)), store.Sent{Objects: limit, Bytes: 100*limit - 50})
}

var errFull = errors.New("the quota is used up")
