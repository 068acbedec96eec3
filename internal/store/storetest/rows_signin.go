package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lotse/internal/store"
)

func aProvider(id, name string) *store.Provider {
	return &store.Provider{ID: id, Name: name, Config: []byte("sealed")}
}

// unstamped leaves out when a provider was made, which differs between two runs.
func unstamped(p *store.Provider, err error) (*store.Provider, error) {
	if p != nil {
		p.Created = time.Time{}
	}
	return p, err
}

func testProviders(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	write(t, tenant, func(tx *store.Tx) error {
		p := aProvider("p", "Haus")
		must(t, errors.Join(tx.InsertProvider(p), tx.InsertProvider(aProvider("q", "Anbau"))))
		if p.Version != 1 || !p.Created.Equal(tx.Now()) {
			t.Errorf("made: %+v", p)
		}
		for _, taken := range []*store.Provider{aProvider("p", "other"), aProvider("r", "Haus")} {
			if err := tx.InsertProvider(taken); !errors.Is(err, store.ErrConflict) {
				t.Errorf("%s %s: %v", taken.ID, taken.Name, err)
			}
		}
		return nil
	})
	read := func(tx *store.Tx) (*store.Provider, error) { return unstamped(tx.Provider("p")) }
	p := get(t, tenant, read)
	want := aProvider("p", "Haus")
	want.Version = 1
	same(t, "provider", p, want)
	p.Name, p.Config = "Häuser", []byte("other")
	write(t, tenant, func(tx *store.Tx) error { one := *p; return tx.SaveProvider(&one) })
	refused(t, tenant, store.ErrStale, func(tx *store.Tx) error { return tx.SaveProvider(p) })
	want.Name, want.Config, want.Version = p.Name, p.Config, 2
	same(t, "saved", get(t, tenant, read), want)
	refused(t, tenant, store.ErrConflict, func(tx *store.Tx) error {
		return tx.SaveProvider(&store.Provider{ID: "q", Name: "Häuser", Config: []byte("sealed"), Version: 1})
	})
	names := func() (all []string) {
		for _, p := range get(t, tenant, (*store.Tx).Providers) {
			all = append(all, p.Name)
		}
		return all
	}
	same(t, "by name", names(), []string{"Anbau", "Häuser"})
	write(t, tenant, func(tx *store.Tx) error { return tx.DeleteProvider("p") })
	for _, gone := range []func(tx *store.Tx) error{
		func(tx *store.Tx) error { _, err := tx.Provider("p"); return err },
		func(tx *store.Tx) error { return tx.SaveProvider(want) },
		func(tx *store.Tx) error { return tx.DeleteProvider("p") },
	} {
		refused(t, tenant, store.ErrNotFound, gone)
	}
	same(t, "left", names(), []string{"Anbau"})
}

// testSpent: a proof is good once, on whatever node, and is forgotten when it is good
// for nothing anyway.
func testSpent(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	spent := func(id string) bool {
		return get(t, h.other.Tenant(tenant.ID()), func(tx *store.Tx) (bool, error) { return tx.Spent(id) })
	}
	spend := func(id string, good time.Duration) {
		t.Helper()
		write(t, tenant, func(tx *store.Tx) error { return tx.Spend(id, tx.Now().Add(good)) })
	}
	if spent("a") {
		t.Error("it was used before it was")
	}
	spend("a", time.Minute)
	spend("b", time.Hour)
	write(t, tenant, func(tx *store.Tx) error {
		if err := tx.Spend("a", tx.Now().Add(time.Hour)); !errors.Is(err, store.ErrConflict) {
			t.Errorf("twice: %v", err)
		}
		return tx.Spend("c", tx.Now().Add(time.Hour)) // the transaction goes on
	})
	if !spent("a") || !spent("b") || !spent("c") || spent("d") {
		t.Error("it is not remembered what was used")
	}
	h.clock.advance(2 * time.Minute)
	if spent("a") || !spent("b") {
		t.Error("it is forgotten too early or too late")
	}
	spend("a", time.Minute) // the row of before does not stand in the way
	if !spent("a") {
		t.Error("it is not remembered anew")
	}
}

// testRaceOfProofs: of all who show the same proof at once, one gets in.
func testRaceOfProofs(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	got := atOnce(t, h, tenant.ID(), 8, func(_ int, node *store.Tenant) error {
		return node.Write(t.Context(), func(tx *store.Tx) error { return tx.Spend("proof", tx.Now().Add(time.Hour)) })
	})
	refused := 0
	for text, n := range got {
		if strings.Contains(text, store.ErrConflict.Error()) {
			refused += n
		}
	}
	if got[""] != 1 || refused != 7 {
		t.Errorf("%v", got)
	}
}
