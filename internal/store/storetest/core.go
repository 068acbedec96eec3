package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/store"
)

// Run runs the whole conformance suite; place gives a new database each time.
func Run(t *testing.T, place func(t testing.TB) Place) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Place)
	}{
		{"Migrations", testMigrations},
		{"Transactions", testTransactions},
		{"Failures", testFailures},
		{"LostAnswer", testLostAnswer},
		{"Tenants", testTenants},
		{"ConcurrentWriters", testConcurrentWriters},
		{"Readers", testReaders},
		{"Closed", testClosed},
		{"Enqueue", testEnqueue},
		{"Order", testOrder},
		{"RunAt", testRunAt},
		{"Fence", testFence},
		{"GiveBack", testGiveBack},
		{"Cancel", testCancel},
		{"ClaimsAtOnce", testClaimsAtOnce},
		{"Schedules", testSchedules},
		{"DestroyedTenantsJobs", testDestroyedTenantsJobs},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, place(t)) })
	}
}

// sites gives the names of a tenant's sites.
func sites(t testing.TB, tenant *store.Tenant) string {
	t.Helper()
	var names []string
	err := tenant.Read(t.Context(), func(tx *store.Tx) error {
		names = nil
		all, err := tx.Sites()
		for _, s := range all {
			names = append(names, s.Name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func add(id, name string) func(*store.Tx) error {
	return func(tx *store.Tx) error { return tx.AddSite(id, name) }
}

func testMigrations(t *testing.T, p Place) {
	first := p.Open(t)
	before, err := first.Status(t.Context())
	if err != nil || before.Version != 0 || len(before.Applied) != 0 || len(before.Pending) == 0 {
		t.Fatalf("status of a new database: %+v, %v", before, err)
	}
	var wg sync.WaitGroup
	ran := make([]int, 5)
	for i := range ran { // five nodes that start at once
		db := p.Open(t)
		wg.Go(func() {
			done, err := db.Migrate(t.Context())
			if err != nil {
				t.Errorf("node %d: %v", i, err)
			}
			ran[i] = len(done)
		})
	}
	wg.Wait()
	total := 0
	for _, n := range ran {
		total += n
	}
	after, err := first.Status(t.Context())
	if err != nil || after.Version != after.Latest || len(after.Pending) != 0 || len(after.Applied) != total {
		t.Fatalf("status after five nodes ran %v migrations: %+v, %v", ran, after, err)
	}
	if m := after.Applied[0]; m.Version != 1 || m.Name != "00001_core.sql" || time.Since(m.Applied) > time.Hour {
		t.Errorf("first migration: %+v", m)
	}
}

func testTransactions(t *testing.T, p Place) {
	tenant := Tenant(t, p.Migrated(t))
	must(t, tenant.Write(t.Context(), add("a", "North")))
	refused := errors.New("refused")
	err := tenant.Write(t.Context(), func(tx *store.Tx) error {
		must(t, tx.AddSite("b", "South"))
		return refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("an error of the function: %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = tenant.Write(t.Context(), func(tx *store.Tx) error {
			must(t, tx.AddSite("c", "East"))
			panic("in a transaction")
		})
	}()
	ctx, cancel := context.WithCancel(t.Context())
	err = tenant.Write(ctx, func(tx *store.Tx) error {
		must(t, tx.AddSite("d", "West"))
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended in the function: %v", err)
	}
	err = tenant.Write(t.Context(), func(tx *store.Tx) error { return tx.SaveSite(&store.Site{ID: "nowhere", Name: "x"}) })
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such row: %v", err)
	}
	if got := sites(t, tenant); got != "North" {
		t.Errorf("sites: %q, want only what was committed", got)
	}
}

func testFailures(t *testing.T, p Place) {
	db := p.Migrated(t)
	tenant := Tenant(t, db)
	must(t, tenant.Write(t.Context(), add("a", "North")))
	err := tenant.Write(t.Context(), func(tx *store.Tx) error {
		must(t, tx.AddSite("b", "South"))
		_ = tx.AddSite("a", "Confidential") // swallowed: the transaction is lost all the same
		return nil
	})
	if !errors.Is(err, store.ErrConflict) || temporary(err) {
		t.Errorf("a key that is taken: %v", err)
	}
	if err == nil || strings.Contains(err.Error(), "Confidential") {
		t.Errorf("the error quotes a value: %v", err)
	}
	if got := sites(t, tenant); got != "North" {
		t.Errorf("sites: %q", got)
	}
	for _, c := range []struct {
		kind  store.Kind
		stage store.Stage
		want  error // nil: it is tried again and succeeds
	}{
		{store.Busy, store.StageBegin, nil},
		{store.Busy, store.StageStatement, nil},
		{store.Busy, store.StageCommit, nil},
		{store.Unavailable, store.StageBegin, nil},
		{store.Unavailable, store.StageCommit, nil},
		{store.Full, store.StageStatement, store.ErrFull},
		{store.Full, store.StageCommit, store.ErrFull},
	} {
		node := p.Open(t, Nth(c.stage, 1, c.kind))
		name := fmt.Sprintf("%s-%d", c.stage, c.kind)
		err := node.Tenant(tenant.ID()).Write(t.Context(), add(name, name))
		if !errors.Is(err, c.want) || c.want != nil && !temporary(err) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if got := strings.Contains(sites(t, tenant), name); got != (c.want == nil) {
			t.Errorf("%s: the row is there: %v", name, got)
		}
	}
	down := Switch{Stage: store.StageBegin, Kind: store.Unavailable}
	down.Set(true)
	err = p.Open(t, down.Config).Tenant(tenant.ID()).Write(t.Context(), add("z", "z"))
	if kind, ok := kindOf(err); !ok || kind != store.Unavailable || !temporary(err) {
		t.Errorf("a database that is down: %v", err)
	}
}

func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

func testLostAnswer(t *testing.T, p Place) {
	tenant := Tenant(t, p.Migrated(t))
	node := p.Open(t, Nth(store.StageCommitted, 1, store.Unavailable)).Tenant(tenant.ID())
	runs := 0
	err := node.Write(t.Context(), func(tx *store.Tx) error {
		runs++
		return tx.AddSite("a", "North")
	})
	if !errors.Is(err, store.ErrUnknown) || runs != 1 {
		t.Errorf("a commit whose answer is lost: %v after %d runs", err, runs)
	}
	if got := sites(t, tenant); got != "North" {
		t.Errorf("sites: %q: the commit had reached the database", got)
	}
	must(t, node.Write(t.Context(), add("b", "South")))
}

func testTenants(t *testing.T, p Place) {
	db := p.Migrated(t)
	a, b := Tenant(t, db), Tenant(t, db)
	must(t, a.Write(t.Context(), add("1", "North")))
	must(t, b.Write(t.Context(), add("1", "South"))) // the same id is another row
	err := b.Write(t.Context(), func(tx *store.Tx) error {
		if tx.Tenant() != b.ID() {
			t.Errorf("tenant of the transaction: %q", tx.Tenant())
		}
		return tx.SaveSite(&store.Site{ID: "1", Name: "Southeast", Version: 1})
	})
	must(t, err)
	if x, y := sites(t, a), sites(t, b); x != "North" || y != "Southeast" {
		t.Errorf("sites: %q and %q", x, y)
	}
	for _, id := range []string{"", "*", "nobody", "A", "../x", strings.Repeat("a", 65)} {
		nothing := func(*store.Tx) error { t.Errorf("tenant %q: the function runs", id); return nil }
		w, r := db.Tenant(id).Write(t.Context(), nothing), db.Tenant(id).Read(t.Context(), nothing)
		if !errors.Is(w, store.ErrNoTenant) || !errors.Is(r, store.ErrNoTenant) {
			t.Errorf("tenant %q: %v, %v", id, w, r)
		}
	}
	if err := db.System().CreateTenant(t.Context(), "*", "x"); err == nil {
		t.Error("a tenant can have the name of the system")
	}
	if err := db.System().CreateTenant(t.Context(), a.ID(), "x"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a tenant twice: %v", err)
	}
	must(t, db.System().DestroyTenant(t.Context(), a.ID()))
	must(t, db.System().DestroyTenant(t.Context(), a.ID()))
	if err := a.Read(t.Context(), func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrNoTenant) {
		t.Errorf("a destroyed tenant: %v", err)
	}
	all, err := db.System().Tenants(t.Context())
	must(t, err)
	if len(all) != 2 || all[0].ID != a.ID() || all[0].Destroyed.IsZero() || !all[1].Destroyed.IsZero() {
		t.Errorf("tenants: %+v", all)
	}
	err = db.System().Write(t.Context(), func(tx *store.Tx) error { return tx.AddSite("2", "x") })
	if err == nil {
		t.Error("the system writes a tenant's row without naming the tenant")
	}
}

// testConcurrentWriters lets 16 writers of two nodes change one row: none of the
// changes may be lost.
func testConcurrentWriters(t *testing.T, p Place) {
	nodes := []*store.DB{p.Migrated(t), p.Open(t)}
	id := Tenant(t, nodes[0]).ID()
	must(t, nodes[0].Tenant(id).Write(t.Context(), add("row", "x")))
	const writers, each = 16, 10
	var wg sync.WaitGroup
	for i := range writers {
		tenant := nodes[i%2].Tenant(id)
		wg.Go(func() {
			for range each {
				err := tenant.Write(t.Context(), func(tx *store.Tx) error {
					all, err := tx.Sites()
					if err != nil {
						return err
					}
					all[0].Name += "x"
					return tx.SaveSite(&all[0])
				})
				if err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(sites(t, nodes[0].Tenant(id))); got != writers*each+1 {
		t.Errorf("%d changes arrived of %d", got-1, writers*each)
	}
}

// testReaders: a reader sees one state, changes nothing and does not wait for a writer.
func testReaders(t *testing.T, p Place) {
	tenant := Tenant(t, p.Migrated(t))
	must(t, tenant.Write(t.Context(), add("a", "North")))
	err := tenant.Read(t.Context(), func(tx *store.Tx) error {
		before, err := tx.Sites()
		must(t, err)
		must(t, tenant.Write(t.Context(), add("b", "South"))) // by another connection
		after, err := tx.Sites()
		must(t, err)
		if len(before) != 1 || len(after) != 1 {
			t.Errorf("a reader sees %d rows, then %d", len(before), len(after))
		}
		return nil
	})
	must(t, err)
	if err := tenant.Read(t.Context(), add("c", "West")); err == nil {
		t.Error("a reader can write")
	}
	if got := sites(t, tenant); got != "North South" {
		t.Errorf("sites: %q", got)
	}
}

func testClosed(t *testing.T, p Place) {
	db := p.Migrated(t)
	tenant := Tenant(t, db)
	must(t, db.Check(t.Context()))
	must(t, db.Close())
	must(t, db.Close())
	_, status := db.Status(t.Context())
	for _, err := range []error{tenant.Write(t.Context(), add("a", "x")), db.Check(t.Context()), status} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
