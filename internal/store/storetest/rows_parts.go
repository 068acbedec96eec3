package storetest

import (
	"errors"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/store"
)

func testParts(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	id := newImport(t, tenant)
	derived := &store.Part{Import: id, Role: store.RoleDerived, Key: "inspection", Declared: -1}
	var now time.Time
	write(t, tenant, func(tx *store.Tx) error {
		now = tx.Now()
		if err := tx.InsertPart(aPart(id)); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a key twice: %v", err)
		}
		return tx.InsertPart(derived)
	})
	if derived.Number != 2 {
		t.Errorf("number of the second part: %d", derived.Number)
	}
	came := *aPart(id)
	came.Number = 1
	want := store.Part{Import: id, Number: 2, Role: store.RoleDerived, Key: "inspection", Declared: -1, Created: now}
	lists := map[string][]store.Part{"": {came, want}, store.RoleCame: {came}, store.RoleDerived: {want}}
	for role, list := range lists {
		same(t, "parts "+role, get(t, tenant, func(tx *store.Tx) ([]store.Part, error) { return tx.Parts(id, role) }), list)
	}
	same(t, "by key", get(t, tenant, func(tx *store.Tx) (*store.Part, error) { return tx.PartByKey(id, "inspection") }), &want)
	write(t, tenant, func(tx *store.Tx) error {
		must(t, addSegments(tx, id, 2, 0, 40, 2))
		p, err := tx.LockPart(id, 2)
		if err != nil {
			return err
		}
		p.Declared, p.Complete, p.About, p.Size = 42, true, []byte{9}, 7
		return tx.SavePart(p)
	})
	want.Declared, want.Complete, want.About, want.Size = 42, true, []byte{9}, 42
	same(t, "as saved", get(t, tenant, func(tx *store.Tx) (*store.Part, error) { return tx.Part(id, 2) }), &want)
	if im := get(t, tenant, importOf(id)); im.Parts != 1 || im.Bytes != 0 || !im.FirstByte.IsZero() {
		t.Errorf("what was derived counts as what came in: %+v", im)
	}
	for _, f := range []func(tx *store.Tx) error{
		func(tx *store.Tx) error { _, err := tx.Part(id, 3); return err },
		func(tx *store.Tx) error { _, err := tx.LockPart("nowhere", 1); return err },
		func(tx *store.Tx) error { _, err := tx.PartByKey(id, "x"); return err },
		func(tx *store.Tx) error { return tx.SavePart(&store.Part{Import: id, Number: 3}) },
		func(tx *store.Tx) error { _, err := tx.DropPart(id, 3); return err },
	} {
		refused(t, tenant, store.ErrNotFound, f)
	}
	write(t, tenant, func(tx *store.Tx) error {
		must(t, addSegments(tx, id, 1, 0, 30, 12))
		must(t, tx.InsertUpload(&store.Upload{ID: store.NewID(), Import: id, Part: 1}))
		dropped, err := tx.DropPart(id, 1)
		if len(dropped) != 2 {
			t.Errorf("dropped %v", dropped)
		}
		return err
	})
	im := get(t, tenant, importOf(id))
	left := get(t, tenant, func(tx *store.Tx) ([]store.Part, error) { return tx.Parts(id, "") })
	if im.Parts != 0 || im.Bytes != 0 || len(left) != 1 {
		t.Errorf("after a part was dropped: %+v, %v", im, left)
	}
}

func testSegments(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	id := newImport(t, tenant)
	var first time.Time
	write(t, tenant, func(tx *store.Tx) error { // with a save of what was read before
		im, err := tx.LockImport(id)
		must(t, err)
		first = tx.Now()
		must(t, addSegments(tx, id, 1, 0, 16, 4))
		must(t, tx.SaveImport(im))
		if im.Bytes != 20 || !im.FirstByte.Equal(first) || im.Version != 2 {
			t.Errorf("the import after its save: %+v", im)
		}
		return nil
	})
	h.clock.advance(time.Minute)
	write(t, tenant, func(tx *store.Tx) error { // the first byte stays the first
		im, err := tx.LockImport(id)
		must(t, err)
		must(t, addSegments(tx, id, 1, 20, 10))
		im.Warned, im.FirstByte = 2, tx.Now()
		must(t, tx.SaveImport(im))
		if im.Bytes != 30 || !im.FirstByte.Equal(first) || im.Version != 3 {
			t.Errorf("the import after its save: %+v", im)
		}
		return nil
	})
	for what, list := range map[string][]store.Segment{
		"a gap":              {{ID: "x", Start: 31, Size: 1}},
		"an overlap":         {{ID: "x", Start: 29, Size: 1}},
		"from the beginning": {{ID: "x", Start: 0, Size: 30}},
		"a gap inside":       {{ID: "x", Start: 30, Size: 1}, {ID: "y", Start: 32, Size: 1}},
		"nothing in it":      {{ID: "x", Start: 30, Size: 0}},
		"negative":           {{ID: "x", Start: 30, Size: -1}},
		"no id":              {{Start: 30, Size: 1}},
	} {
		write(t, tenant, func(tx *store.Tx) error { // and the transaction goes on
			if err := tx.AddSegments(id, 1, list); !errors.Is(err, store.ErrConflict) {
				t.Errorf("%s: %v", what, err)
			}
			return nil
		})
	}
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return addSegments(tx, id, 9, 0, 1) })
	segments := get(t, tenant, func(tx *store.Tx) ([]store.Segment, error) { return tx.Segments(id, 1) })
	if len(segments) != 3 || segments[1].Start != 16 || segments[1].Size != 4 || segments[2].Start != 20 {
		t.Errorf("segments: %+v", segments)
	}
	refused(t, tenant, store.ErrConflict, func(tx *store.Tx) error { // one id twice
		return tx.AddSegments(id, 1, []store.Segment{{ID: segments[0].ID, Start: 30, Size: 1}})
	})
	ids := get(t, tenant, func(tx *store.Tx) (any, error) {
		return collected(func(f func(string) error) error { return tx.SegmentIDs(id, f) })
	})
	if all, ok := ids.([]string); !ok || len(all) != 3 {
		t.Errorf("ids: %v", ids)
	}
	im := get(t, tenant, importOf(id))
	if im.Bytes != 30 || im.Parts != 1 || !im.FirstByte.Equal(first) || im.Warned != 2 {
		t.Errorf("the import: %+v", im)
	}
}

// testReset takes a part that was complete back to its beginning.
func testReset(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	id := newImport(t, tenant)
	write(t, tenant, func(tx *store.Tx) error {
		return errors.Join(addSegments(tx, id, 1, 0, 10, 15, 5), tx.SavePart(&store.Part{Import: id, Number: 1, Declared: 30, Complete: true}))
	})
	refused(t, tenant, store.ErrConflict, func(tx *store.Tx) error { return addSegments(tx, id, 1, 30, 1) })
	write(t, tenant, func(tx *store.Tx) error { // a reset, then more than one statement holds
		dropped, err := tx.DropSegments(id, 1)
		if len(dropped) != 3 {
			t.Errorf("dropped: %v", dropped)
		}
		sizes := make([]int64, 250)
		for i := range sizes {
			sizes[i] = 2
		}
		return errors.Join(err, addSegments(tx, id, 1, 0, sizes...))
	})
	p := get(t, tenant, func(tx *store.Tx) (*store.Part, error) { return tx.Part(id, 1) })
	segments := get(t, tenant, func(tx *store.Tx) ([]store.Segment, error) { return tx.Segments(id, 1) })
	if im := get(t, tenant, importOf(id)); im.Bytes != 500 || p.Size != 500 || p.Complete || len(segments) != 250 || segments[249].Start != 498 {
		t.Errorf("after a reset: %+v, %+v, %d segments", im, p, len(segments))
	}
}

func testUploads(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	id := newImport(t, tenant)
	const forMinute = time.Minute
	up := store.NewID()
	write(t, tenant, func(tx *store.Tx) error {
		must(t, tx.InsertUpload(&store.Upload{ID: up, Import: id, Part: 1, Length: 500, Created: noon(0)}))
		if err := tx.InsertUpload(&store.Upload{ID: store.NewID(), Import: id, Part: 1}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("two uploads of a part: %v", err)
		}
		return nil
	})
	want := store.Upload{ID: up, Import: id, Part: 1, Length: 500, Created: noon(0)}
	upload := func() store.Upload {
		return *get(t, tenant, func(tx *store.Tx) (*store.Upload, error) { return tx.Upload(up) })
	}
	same(t, "new", upload(), want)
	lease := func(want error) (token int64) {
		t.Helper()
		err := tenant.Write(t.Context(), func(tx *store.Tx) (err error) { token, err = tx.LeaseUpload(up, forMinute); return err })
		if !errors.Is(err, want) {
			t.Errorf("lease: %v, want %v", err, want)
		}
		return token
	}
	first := lease(nil)
	lease(store.ErrLocked)
	write(t, tenant, func(tx *store.Tx) error {
		return errors.Join(tx.HoldUpload(up, first), addSegments(tx, id, 1, 0, 10), tx.SavePart(&store.Part{Import: id, Number: 1, Complete: true}))
	})
	want.Offset, want.Complete, want.Leased, want.Lease = 10, true, true, first
	same(t, "written to", upload(), want)
	same(t, "of the import", get(t, tenant, func(tx *store.Tx) ([]store.Upload, error) { return tx.UploadsOf(id) }), []store.Upload{want})
	h.clock.advance(40 * time.Second)
	write(t, tenant, func(tx *store.Tx) error { return tx.RenewUpload(up, first, forMinute) })
	h.clock.advance(40 * time.Second)
	lease(store.ErrLocked) // it was renewed
	h.clock.advance(21 * time.Second)
	lost := func(token int64) {
		t.Helper()
		refused(t, tenant, store.ErrLeaseLost, func(tx *store.Tx) error { return tx.HoldUpload(up, token) })
		refused(t, tenant, store.ErrLeaseLost, func(tx *store.Tx) error { return tx.RenewUpload(up, token, forMinute) })
	}
	lost(first) // it has run out
	if upload().Leased {
		t.Error("a lease that ran out")
	}
	second := lease(nil)
	if second <= first {
		t.Errorf("tokens %d, %d", first, second)
	}
	lost(first)
	write(t, tenant, func(tx *store.Tx) error { return errors.Join(tx.ReleaseUpload(up, first), tx.HoldUpload(up, second)) })
	write(t, tenant, func(tx *store.Tx) error { return tx.ReleaseUpload(up, second) })
	lost(second)
	lease(nil)
	write(t, tenant, func(tx *store.Tx) error { return tx.DeleteUpload(up) })
	lease(store.ErrNotFound)
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.DeleteUpload(up) })
	refused(t, tenant, store.ErrLeaseLost, func(tx *store.Tx) error { return tx.HoldUpload(up, second) })
	if p := get(t, tenant, func(tx *store.Tx) (*store.Part, error) { return tx.Part(id, 1) }); p.Size != 10 {
		t.Errorf("what came by an upload that is deleted: %+v", p)
	}
	if im := get(t, tenant, importOf(id)); im.State != importer.Fetching {
		t.Errorf("the import: %+v", im)
	}
}
