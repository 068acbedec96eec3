package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/store"
)

func testDestinations(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	write(t, tenant, func(tx *store.Tx) error {
		return errors.Join(tx.InsertDestination(&store.Destination{ID: "2", Name: "beta", Config: []byte(`{"b": 1}`), Created: noon(0)}),
			tx.InsertDestination(&store.Destination{ID: "1", Name: "Alpha", Config: []byte(`{}`), Created: noon(0)}))
	})
	one := func(id string) *store.Destination {
		return get(t, tenant, func(tx *store.Tx) (*store.Destination, error) { return tx.Destination(id) })
	}
	alpha := store.Destination{ID: "1", Name: "Alpha", Config: []byte(`{}`), Version: 1, Created: noon(0)}
	beta := store.Destination{ID: "2", Name: "beta", Config: []byte(`{"b": 1}`), Version: 1, Created: noon(0)}
	all := func(tx *store.Tx) ([]store.Destination, error) { return tx.Destinations() }
	same(t, "list", get(t, tenant, all), []store.Destination{alpha, beta})
	write(t, tenant, func(tx *store.Tx) error {
		if err := tx.InsertDestination(&store.Destination{ID: "3", Name: "beta"}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a name twice: %v", err)
		}
		d, err := tx.Destination("2")
		must(t, err)
		d.Name, d.Config = "gamma", []byte(`{"g":2}`)
		return tx.SaveDestination(d)
	})
	beta.Name, beta.Config, beta.Version = "gamma", []byte(`{"g":2}`), 2
	same(t, "saved", one("2"), &beta)
	refused(t, tenant, store.ErrStale, func(tx *store.Tx) error { d := alpha; d.Version = 7; return tx.SaveDestination(&d) })
	refused(t, tenant, store.ErrConflict, func(tx *store.Tx) error { d := alpha; d.Name = "gamma"; return tx.SaveDestination(&d) })
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.SaveDestination(&store.Destination{ID: "9"}) })
	write(t, tenant, func(tx *store.Tx) error { return tx.DeleteDestination("2") })
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.DeleteDestination("2") })
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { d := beta; d.Version = 3; return tx.SaveDestination(&d) })
	if d := one("2"); d.Deleted.IsZero() || d.Version != 3 || d.Name != "gamma" {
		t.Errorf("deleted: %+v", d)
	}
	same(t, "list without the deleted", get(t, tenant, all), []store.Destination{alpha})
	write(t, tenant, func(tx *store.Tx) error { return tx.InsertDestination(&store.Destination{ID: "3", Name: "gamma"}) })
}

func testDeliveries(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	importID, id := newDelivery(t, tenant)
	want := aDelivery(id, importID, "of-"+id)
	want.Version = 1
	one := func(tx *store.Tx) (*store.Delivery, error) { return tx.Delivery(id) }
	same(t, "as inserted", get(t, tenant, one), want)
	write(t, tenant, func(tx *store.Tx) error {
		later := aDelivery("a-later-one", importID, "of-"+id)
		later.Created = noon(time.Second)
		must(t, tx.InsertDelivery(later))
		if err := tx.InsertDelivery(later); !errors.Is(err, store.ErrConflict) {
			t.Errorf("an id twice: %v", err)
		}
		d, err := tx.LockDelivery(id)
		must(t, err)
		settle(d)
		return tx.SaveDelivery(d)
	})
	settle(want)
	want.Version = 2
	same(t, "as saved", get(t, tenant, one), want)
	list := get(t, tenant, func(tx *store.Tx) ([]store.Delivery, error) { return tx.DeliveriesOf(importID) })
	if len(list) != 2 || list[0].ID != id || list[1].ID != "a-later-one" {
		t.Errorf("deliveries of the import: %+v", list)
	}
	want.Version = 1
	refused(t, tenant, store.ErrStale, func(tx *store.Tx) error { return tx.SaveDelivery(want) })
	want.ID = "nowhere"
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.SaveDelivery(want) })
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.LockDelivery("nowhere"); return err })
}

// settle gives every column of a delivery that can be saved another value.
func settle(d *store.Delivery) {
	d.State, d.Starts, d.Objects = importer.DeliveryVerified, 3, 40
	d.Delivered, d.Warned, d.Failed, d.Bytes = 30, 8, 2, 1<<40
	d.Problem, d.RetryAt, d.Proof, d.Settled = "", time.Time{}, "commitment", noon(3*time.Hour)
}

func testOutcomes(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	importID, id := newDelivery(t, tenant)
	many := make([]store.Outcome, 250)
	for i := range many {
		many[i] = store.Outcome{Item: 249 - i, Fate: importer.Failed, Sent: 1, Line: fmt.Appendf(nil, "%d", i)}
	}
	write(t, tenant, func(tx *store.Tx) error { return tx.SaveOutcomes(id, many) })
	write(t, tenant, func(tx *store.Tx) error {
		return tx.SaveOutcomes(id, []store.Outcome{
			{Item: 3, Fate: importer.Failed, Sent: 2}, {Item: 1000, Fate: importer.Warned, Sent: 1, Line: []byte{0}},
			{Item: 3, Fate: importer.Delivered, Sent: 3, Line: []byte("again")}})
	})
	must(t, func() error {
		return tenant.Write(t.Context(), func(tx *store.Tx) error { return tx.SaveOutcomes(id, nil) })
	}())
	var read []store.Outcome
	must(t, tenant.Read(t.Context(), func(tx *store.Tx) error {
		read = nil
		return tx.Outcomes(id, func(o store.Outcome) error { read = append(read, o); return nil })
	}))
	if len(read) != 251 || read[0].Item != 0 || string(read[0].Line) != "249" || read[250].Item != 1000 {
		t.Errorf("%d outcomes: %+v", len(read), read)
	}
	same(t, "replaced", read[3], store.Outcome{Item: 3, Fate: importer.Delivered, Sent: 3, Line: []byte("again")})
	fates := get(t, tenant, func(tx *store.Tx) (map[int]importer.Fate, error) { return tx.OutcomeFates(id) })
	if len(fates) != 251 || fates[3] != importer.Delivered || fates[4] != importer.Failed || fates[1000] != importer.Warned {
		t.Errorf("%d fates", len(fates))
	}
	enough := errors.New("enough")
	err := tenant.Read(t.Context(), func(tx *store.Tx) error { return tx.Outcomes(id, func(store.Outcome) error { return enough }) })
	if !errors.Is(err, enough) {
		t.Errorf("an error of the function: %v", err)
	}
	write(t, tenant, func(tx *store.Tx) error { return tx.EraseOutcomes(importID) })
	must(t, tenant.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Outcomes(id, func(o store.Outcome) error {
			if o.Line != nil {
				t.Errorf("item %d has a line still", o.Item)
			}
			return nil
		})
	}))
}

func testCommitments(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	importID, id := newDelivery(t, tenant)
	base := "2.25.77."
	ask := func(n string, first int) *store.Commitment {
		return &store.Commitment{UID: base + n, Import: importID, Delivery: id, FirstItem: first, State: store.CommitmentOpen, Opened: noon(0)}
	}
	write(t, tenant, func(tx *store.Tx) error {
		must(t, errors.Join(tx.InsertCommitment(ask("2", 500)), tx.InsertCommitment(ask("1", 0))))
		if err := tx.InsertCommitment(ask("1", 0)); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a UID twice: %v", err)
		}
		return nil
	})
	write(t, tenant, func(tx *store.Tx) error {
		c, err := tx.LockCommitment(base + "2")
		must(t, err)
		c.State, c.Answered, c.Report = store.CommitmentCommitted, noon(time.Minute), []byte("sealed")
		return tx.SaveCommitment(c)
	})
	first, second := *ask("1", 0), *ask("2", 500)
	second.State, second.Answered, second.Report = store.CommitmentCommitted, noon(time.Minute), []byte("sealed")
	same(t, "list", get(t, tenant, func(tx *store.Tx) ([]store.Commitment, error) { return tx.CommitmentsOf(id) }), []store.Commitment{first, second})
	same(t, "one", get(t, tenant, func(tx *store.Tx) (*store.Commitment, error) { return tx.Commitment(base + "2") }), &second)
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.Commitment("2.25.0"); return err })
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error {
		return tx.SaveCommitment(&store.Commitment{UID: "2.25.0", State: store.CommitmentOpen})
	})
	if owner, err := h.other.System().FindCommitment(t.Context(), base+"1"); err != nil || owner != tenant.ID() {
		t.Errorf("whose commitment: %q, %v", owner, err)
	}
	if owner, err := h.other.System().FindCommitment(t.Context(), "2.25.0"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody's commitment: %q, %v", owner, err)
	}
	must(t, h.db.System().DestroyTenant(t.Context(), tenant.ID()))
	if _, err := h.other.System().FindCommitment(t.Context(), base+"1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("commitment of a destroyed tenant: %v", err)
	}
}

func testReceipts(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	importID, id := newDelivery(t, tenant)
	one := func(tx *store.Tx) (*store.Receipt, error) { return tx.Receipt(id) }
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { _, err := one(tx); return err })
	for _, text := range []string{`{"objects": 1}`, `{"objects":2, "of": "größer"}`} { // the later one counts
		want := &store.Receipt{Delivery: id, Import: importID, Document: []byte(text)}
		write(t, tenant, func(tx *store.Tx) error { want.Created = time.Time{}; return tx.InsertReceipt(want) })
		same(t, "receipt", get(t, tenant, one), want)
	}
	testEndOfReceipts(t, h)
}

// testEndOfReceipts lists and deletes the receipts of purged imports that are old.
func testEndOfReceipts(t *testing.T, h house) {
	ctx := t.Context()
	a, b, ended := Tenant(t, h.db), Tenant(t, h.db), Tenant(t, h.db)
	old := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC) // before whatever other tests leave
	put := func(tenant *store.Tenant, at time.Time, purged bool) store.DueReceipt {
		importID, id := newDelivery(t, tenant)
		write(t, tenant, func(tx *store.Tx) error {
			im, err := tx.LockImport(importID)
			if err != nil {
				return err
			}
			if purged {
				im.State, im.Purged = importer.Purged, tx.Now()
			}
			return errors.Join(tx.SaveImport(im), tx.InsertReceipt(&store.Receipt{Delivery: id, Import: importID, Created: at, Document: []byte("{}")}))
		})
		return store.DueReceipt{Tenant: tenant.ID(), Import: importID, Delivery: id}
	}
	second, first := put(a, old.Add(time.Hour), true), put(b, old, true)
	put(a, old, false)
	put(ended, old, true)
	young := put(a, old.Add(24*time.Hour), true)
	must(t, h.db.System().DestroyTenant(ctx, ended.ID()))
	before := old.Add(2 * time.Hour)
	due := func(what string, limit int, want ...store.DueReceipt) {
		t.Helper()
		got, err := h.other.System().DueReceipts(ctx, before, limit)
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	due("all", 10, first, second)
	due("bounded", 1, first)
	drop := func(tenant *store.Tenant, d store.DueReceipt) error {
		return tenant.Write(ctx, func(tx *store.Tx) error { return tx.DropReceipt(d.Delivery, before) })
	}
	for what, err := range map[string]error{"another tenant's": drop(a, first), "a young one": drop(a, young)} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, drop(b, first))
	if err := drop(b, first); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	due("one is gone", 10, second)
	must(t, drop(a, second))
}
