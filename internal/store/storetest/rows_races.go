package storetest

import (
	"errors"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/store"
)

const racers = 12

// testRaceOfSaves: of several who save what they read at the same version, one
// does.
func testRaceOfSaves(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	importID, deliveryID := newDelivery(t, tenant)
	same(t, "saves of an import", atOnce(t, h, tenant.ID(), racers, func(_ int, node *store.Tenant) error {
		read := get(t, node, importOf(importID))
		read.Version = 1
		return node.Write(t.Context(), func(tx *store.Tx) error {
			im := *read
			return tx.SaveImport(&im)
		})
	}), map[string]int{"": 1, store.ErrStale.Error(): racers - 1})
	same(t, "saves of a delivery", atOnce(t, h, tenant.ID(), racers, func(_ int, node *store.Tenant) error {
		return node.Write(t.Context(), func(tx *store.Tx) error {
			d := aDelivery(deliveryID, importID, "")
			d.Version = 1
			return tx.SaveDelivery(d)
		})
	}), map[string]int{"": 1, store.ErrStale.Error(): racers - 1})
	same(t, "locked changes", atOnce(t, h, tenant.ID(), racers, func(_ int, node *store.Tenant) error {
		return node.Write(t.Context(), func(tx *store.Tx) error {
			im, err := tx.LockImport(importID)
			if err != nil {
				return err
			}
			im.Files++
			return tx.SaveImport(im)
		})
	}), map[string]int{"": racers})
	if im := get(t, tenant, importOf(importID)); im.Files != 7+racers || im.Version != 2+racers {
		t.Errorf("after %d locked changes: %+v", racers, im)
	}
}

// testRaceOfDecisions: who locks a row sees all that the one before him changed in
// other tables, though that one only locked it.
func testRaceOfDecisions(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	importID, deliveryID := newDelivery(t, tenant)
	mark := store.NewID()
	write(t, tenant, func(tx *store.Tx) error {
		return tx.InsertCommitment(&store.Commitment{UID: mark, Import: importID, Delivery: deliveryID, State: store.CommitmentOpen})
	})
	for what, lock := range map[string]func(*store.Tx) error{
		"import":     func(tx *store.Tx) error { _, err := tx.LockImport(importID); return err },
		"intake":     func(tx *store.Tx) error { _, err := tx.OpenIntake("key of " + importID); return err },
		"part":       func(tx *store.Tx) error { _, err := tx.LockPart(importID, 1); return err },
		"delivery":   func(tx *store.Tx) error { _, err := tx.LockDelivery(deliveryID); return err },
		"commitment": func(tx *store.Tx) error { _, err := tx.LockCommitment(mark); return err },
	} {
		done := errors.New("decided already")
		same(t, what, atOnce(t, h, tenant.ID(), racers, func(_ int, node *store.Tenant) error {
			return node.Write(t.Context(), func(tx *store.Tx) error {
				if err := lock(tx); err != nil {
					return err
				}
				events, err := tx.Events(what + importID)
				if err != nil {
					return err
				}
				if len(events) > 0 {
					return done
				}
				return tx.Audit(store.Event{Import: what + importID, Actor: "lotse", Event: "decided"})
			})
		}), map[string]int{"": 1, done.Error(): racers - 1})
	}
}

// testRaceOfSegments: of several who append at one place one does; those who read
// the size first all do, without a gap; the import counts every byte once.
func testRaceOfSegments(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	id := newImport(t, tenant)
	same(t, "at one place", atOnce(t, h, tenant.ID(), racers, func(_ int, node *store.Tenant) error {
		return node.Write(t.Context(), func(tx *store.Tx) error { return addSegments(tx, id, 1, 0, 3, 4) })
	}), map[string]int{"": 1, store.ErrConflict.Error(): racers - 1})
	same(t, "one after the other", atOnce(t, h, tenant.ID(), racers, func(_ int, node *store.Tenant) error {
		return node.Write(t.Context(), func(tx *store.Tx) error {
			p, err := tx.Part(id, 1)
			if err != nil {
				return err
			}
			return addSegments(tx, id, 1, p.Size, 5)
		})
	}), map[string]int{"": racers})
	write(t, tenant, func(tx *store.Tx) error {
		for i := range racers {
			p := &store.Part{Import: id, Role: store.RoleCame, Key: string(rune('a' + i))}
			if err := tx.InsertPart(p); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "parts of one import", atOnce(t, h, tenant.ID(), racers, func(i int, node *store.Tenant) error {
		return node.Write(t.Context(), func(tx *store.Tx) error { return addSegments(tx, id, i+2, 0, 10) })
	}), map[string]int{"": racers})
	end := int64(0)
	segments := get(t, tenant, func(tx *store.Tx) ([]store.Segment, error) { return tx.Segments(id, 1) })
	for _, s := range segments {
		if s.Start != end {
			t.Errorf("a gap or overlap at %d", end)
		}
		end += s.Size
	}
	p := get(t, tenant, func(tx *store.Tx) (*store.Part, error) { return tx.Part(id, 1) })
	if im := get(t, tenant, importOf(id)); end != 7+5*racers || p.Size != end || im.Bytes != end+10*racers {
		t.Errorf("%d bytes in segments, part %+v, import %+v", end, p, im)
	}
}

// testRaceOfParts: parts that are added at once get numbers of their own, and one
// key one part.
func testRaceOfParts(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	id := newImport(t, tenant)
	insert := func(key func(int) string) func(int, *store.Tenant) error {
		return func(i int, node *store.Tenant) error {
			return node.Write(t.Context(), func(tx *store.Tx) error {
				return tx.InsertPart(&store.Part{Import: id, Role: store.RoleCame, Key: key(i)})
			})
		}
	}
	same(t, "keys of their own", atOnce(t, h, tenant.ID(), racers, insert(func(i int) string { return string(rune('a' + i)) })),
		map[string]int{"": racers})
	same(t, "one key", atOnce(t, h, tenant.ID(), racers, insert(func(int) string { return "same" })),
		map[string]int{"": 1, store.ErrConflict.Error(): racers - 1})
	parts := get(t, tenant, func(tx *store.Tx) ([]store.Part, error) { return tx.Parts(id, "") })
	for i, p := range parts {
		if p.Number != i+1 {
			t.Errorf("part %d has number %d", i+1, p.Number)
		}
	}
	if im := get(t, tenant, importOf(id)); len(parts) != racers+2 || im.Parts != int64(racers+2) {
		t.Errorf("%d parts, import %+v", len(parts), im)
	}
}

// testRaceOfLeases: an upload has one writer.
func testRaceOfLeases(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	id := newImport(t, tenant)
	write(t, tenant, func(tx *store.Tx) error { return tx.InsertUpload(&store.Upload{ID: id, Import: id, Part: 1}) })
	for range 3 {
		same(t, "leases", atOnce(t, h, tenant.ID(), racers, func(_ int, node *store.Tenant) error {
			return node.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.LeaseUpload(id, time.Minute)
				return err
			})
		}), map[string]int{"": 1, store.ErrLocked.Error(): racers - 1})
		h.clock.advance(2 * time.Minute)
	}
}

// testLeaseTakenFromWriter: a writer whose lease runs out while it commits. Who
// takes the lease begins behind what the old writer committed.
func testLeaseTakenFromWriter(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	id := newImport(t, tenant)
	var old int64
	write(t, tenant, func(tx *store.Tx) (err error) {
		must(t, tx.InsertUpload(&store.Upload{ID: id, Import: id, Part: 1}))
		old, err = tx.LeaseUpload(id, time.Minute)
		return err
	})
	taken := make(chan int64, 1)
	held := make(chan struct{})
	go func() {
		<-held
		var offset int64
		err := h.other.Tenant(tenant.ID()).Write(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.LeaseUpload(id, time.Minute); err != nil {
				return err
			}
			u, err := tx.Upload(id)
			if err == nil {
				offset = u.Offset
			}
			return err
		})
		if err != nil {
			t.Errorf("taking the lease: %v", err)
		}
		taken <- offset
	}()
	first := true
	write(t, tenant, func(tx *store.Tx) error {
		if err := tx.HoldUpload(id, old); err != nil {
			return err
		}
		if first {
			first = false
			h.clock.advance(2 * time.Minute) // it has run out for all who look from now on
			close(held)
			select {
			case <-taken:
				t.Error("the lease was taken from a writer that holds it")
			case <-time.After(200 * time.Millisecond): // the other waits for this transaction
			}
		}
		return addSegments(tx, id, 1, 0, 42)
	})
	if offset := <-taken; offset != 42 {
		t.Errorf("the new writer begins at %d, the old one committed 42", offset)
	}
	refused(t, tenant, store.ErrLeaseLost, func(tx *store.Tx) error { return tx.HoldUpload(id, old) })
}

// testRaceOfIntakes: objects of one study that arrive at once at two nodes are one
// import.
func testRaceOfIntakes(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	same(t, "intakes", atOnce(t, h, tenant.ID(), racers, func(_ int, node *store.Tenant) error {
		return node.Write(t.Context(), func(tx *store.Tx) error {
			im, err := tx.OpenIntake("study")
			if errors.Is(err, store.ErrNotFound) {
				return tx.InsertImport(&store.Import{ID: store.NewID(), Kind: "dicom", State: importer.Fetching, IntakeKey: "study",
					Quiet: noon(0), Expires: noon(time.Hour), Files: 1})
			}
			if err != nil {
				return err
			}
			im.Files++
			return tx.SaveImport(im)
		})
	}), map[string]int{"": racers})
	all := get(t, tenant, func(tx *store.Tx) ([]*store.Import, error) { return tx.Imports(store.ImportFilter{}) })
	if len(all) != 1 || all[0].Files != racers {
		t.Errorf("%d imports: %+v", len(all), all)
	}
}

// testRaceOfKeys: a request with one idempotency key runs once; of several who swap
// one value one does.
func testRaceOfKeys(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	same(t, "requests", atOnce(t, h, tenant.ID(), racers, func(_ int, node *store.Tenant) error {
		return node.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.BeginIdempotent("key", "r", "h", time.Minute)
			return err
		})
	}), map[string]int{"": 1, store.ErrConflict.Error(): racers - 1})
	for _, old := range []string{"", "0"} {
		same(t, "swaps", atOnce(t, h, tenant.ID(), racers, func(i int, _ *store.Tenant) error {
			db := h.db
			if i%2 == 1 {
				db = h.other
			}
			next := "0"
			if old == "0" {
				next = "1"
			}
			ok, err := db.System().SwapInstallation(t.Context(), "race", old, next)
			if err == nil && !ok {
				err = errors.New("not swapped")
			}
			return err
		}), map[string]int{"": 1, "not swapped": racers - 1})
	}
}
