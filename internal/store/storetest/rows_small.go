package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"lotse/internal/store"
)

func testEvents(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	id := store.NewID()
	var now time.Time
	write(t, tenant, func(tx *store.Tx) error {
		now = tx.Now()
		for _, name := range []string{"import.created", "import.fetched", "import.inspected"} {
			if err := tx.Audit(store.Event{Import: id, Actor: "lotse", Event: name}); err != nil {
				return err
			}
		}
		return errors.Join(tx.Audit(store.Event{Import: "another", Actor: "lotse", Event: "import.created"}),
			tx.Audit(store.Event{ID: "given", Import: id, Actor: "user-1", Event: "earlier", At: noon(-24 * time.Hour), Detail: map[string]any{"n": 3, "to": "review"}}))
	})
	events := get(t, tenant, func(tx *store.Tx) ([]store.Event, error) { return tx.Events(id) })
	if len(events) != 4 {
		t.Fatalf("events: %+v", events)
	}
	same(t, "first", events[0], store.Event{ID: "given", Import: id, Actor: "user-1", Event: "earlier", At: noon(-24 * time.Hour),
		Detail: map[string]any{"n": 3.0, "to": "review"}})
	for i, name := range []string{"import.created", "import.fetched", "import.inspected"} { // in the order they were written
		if e := events[i+1]; e.Event != name || !e.At.Equal(now) || e.ID == "" || e.Actor != "lotse" {
			t.Errorf("event %d: %+v", i+1, e)
		}
	}
	refused(t, tenant, store.ErrConflict, func(tx *store.Tx) error { return tx.Audit(store.Event{ID: "given"}) })
	if err := tenant.Write(t.Context(), func(tx *store.Tx) error { return tx.Audit(store.Event{Detail: map[string]any{"f": func() {}}}) }); err == nil {
		t.Error("a detail that is no JSON")
	}
}

func testTokens(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	mark := tenant.ID()
	var now time.Time
	write(t, tenant, func(tx *store.Tx) error {
		now = tx.Now()
		must(t, tx.InsertToken(&store.Token{ID: "b", Hash: mark + "1", Name: "script", Role: "clerk", Created: noon(0)}))
		must(t, tx.InsertToken(&store.Token{ID: "a", Hash: mark + "2", Name: "visitor", Role: "auditor", Expires: now.Add(time.Hour)}))
		if err := tx.InsertToken(&store.Token{ID: "c", Hash: mark + "1"}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a hash twice: %v", err)
		}
		return nil
	})
	first := store.Token{ID: "b", Hash: mark + "1", Name: "script", Role: "clerk", Created: noon(0)}
	second := store.Token{ID: "a", Hash: mark + "2", Name: "visitor", Role: "auditor", Created: now, Expires: now.Add(time.Hour)}
	all := func(tx *store.Tx) ([]store.Token, error) { return tx.Tokens() }
	tokens := get(t, tenant, all)
	if len(tokens) != 2 || !(tokens[0] == first && tokens[1] == second || tokens[0] == second && tokens[1] == first) {
		t.Errorf("tokens: %+v", tokens)
	}
	find := func(hash string, want error) {
		t.Helper()
		whose, token, err := h.other.System().FindToken(t.Context(), mark+hash)
		if !errors.Is(err, want) || err == nil && (whose != tenant.ID() || token.Hash != mark+hash || token.Role == "") {
			t.Errorf("token %s: %q, %+v, %v; want %v", hash, whose, token, err, want)
		}
	}
	find("1", nil)
	find("2", nil)
	find("3", store.ErrNotFound)
	h.clock.advance(2 * time.Hour)
	find("1", nil)
	find("2", store.ErrNotFound) // expired
	write(t, tenant, func(tx *store.Tx) error { now = tx.Now(); return tx.RevokeToken("b") })
	find("1", store.ErrNotFound)
	h.clock.advance(time.Hour)
	write(t, tenant, func(tx *store.Tx) error { return tx.RevokeToken("b") })
	for _, token := range get(t, tenant, all) {
		if token.ID == "b" && !token.Revoked.Equal(now) && token.Revoked.Sub(now) > time.Minute {
			t.Errorf("revoked at %v, not at first", token.Revoked)
		}
	}
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.RevokeToken("z") })
	write(t, tenant, func(tx *store.Tx) error {
		return tx.InsertToken(&store.Token{ID: "d", Hash: mark + "4", Role: "clerk"})
	})
	find("4", nil)
	must(t, h.db.System().DestroyTenant(t.Context(), tenant.ID()))
	find("4", store.ErrNotFound)
}

func testSettings(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	read := func(tx *store.Tx) (string, error) { return tx.Setting("retention") }
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { _, err := read(tx); return err })
	for _, value := range []string{"168h", "72h", ""} {
		write(t, tenant, func(tx *store.Tx) error { return tx.SetSetting("retention", value) })
		if got := get(t, tenant, read); got != value {
			t.Errorf("setting: %q, want %q", got, value)
		}
	}
	write(t, tenant, func(tx *store.Tx) error {
		must(t, errors.Join(tx.InsertSigningKey(&store.SigningKey{ID: "a", Public: "new", Created: noon(time.Hour)}),
			tx.InsertSigningKey(&store.SigningKey{ID: "b", Public: "old", Created: noon(0)})))
		if err := tx.InsertSigningKey(&store.SigningKey{ID: "a", Public: "other"}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("an id twice: %v", err)
		}
		return nil
	})
	same(t, "keys", get(t, tenant, func(tx *store.Tx) ([]store.SigningKey, error) { return tx.SigningKeys() }),
		[]store.SigningKey{{ID: "b", Public: "old", Created: noon(0)}, {ID: "a", Public: "new", Created: noon(time.Hour)}})
}

// testNodes says of nodes whether they are alive.
func testNodes(t *testing.T, h house) {
	ctx, one, two := t.Context(), h.db.System(), h.other.System()
	alive := func(what string, want ...string) {
		t.Helper()
		list, err := two.Nodes(ctx)
		must(t, err)
		var got []string
		for _, n := range list {
			if n.Version != "1.0" || n.Seen.Before(n.Started) {
				t.Errorf("%s: %+v", what, n)
			}
			if n.Alive {
				got = append(got, n.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q are alive, want %q", what, got, want)
		}
	}
	alive("nobody came")
	must(t, one.Present(ctx, "host-1", "1.0", time.Hour))
	must(t, two.Present(ctx, "host-2", "1.0", time.Hour))
	must(t, one.Present(ctx, "killed", "1.0", -time.Microsecond))
	alive("two", "host-1", "host-2")
	must(t, two.Present(ctx, "long ago", "1.0", -25*time.Hour))
	must(t, one.Leave(ctx, "host-1"))
	must(t, one.Leave(ctx, "never there"))
	alive("one has stopped", "host-2")
	must(t, two.Present(ctx, "host-2", "1.0", time.Hour))
	for name, want := range map[string]error{"node.host-1": store.ErrNotFound, "node.long ago": store.ErrNotFound, "node.killed": nil} {
		if _, err := one.Installation(ctx, name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testInstallation(t *testing.T, h house) {
	ctx, a, b := t.Context(), h.db.System(), h.other.System()
	if v, err := a.Installation(ctx, "administrator"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("never set: %q, %v", v, err)
	}
	for _, step := range []struct {
		old, new string
		want     bool
	}{{"x", "y", false}, {"", "first", true}, {"", "second", false}, {"first", "second", true}, {"first", "third", false}} {
		if ok, err := b.SwapInstallation(ctx, "administrator", step.old, step.new); err != nil || ok != step.want {
			t.Errorf("swap %q for %q: %v, %v", step.old, step.new, ok, err)
		}
	}
	if v, err := a.Installation(ctx, "administrator"); err != nil || v != "second" {
		t.Errorf("swapped: %q, %v", v, err)
	}
	must(t, a.SetInstallation(ctx, "administrator", "third"))
	if v, err := b.Installation(ctx, "administrator"); err != nil || v != "third" {
		t.Errorf("set: %q, %v", v, err)
	}
}

func testIdempotency(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	begin := func(route, hash string) (stored *store.Stored, err error) {
		write(t, tenant, func(tx *store.Tx) error { // no answer spoils the transaction
			stored, err = tx.BeginIdempotent("key", route, hash, time.Minute)
			return nil
		})
		return stored, err
	}
	expect := func(what string, want error) {
		t.Helper()
		if stored, err := begin("POST /imports", "abc"); stored != nil || !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v", what, stored, err)
		}
	}
	finish := func(tx *store.Tx) error {
		return tx.FinishIdempotent("key", tx.Now(), 201, []byte(`{"Location":"x"}`), []byte{0, 255})
	}
	refused(t, tenant, store.ErrConflict, finish) // never begun
	expect("new", nil)
	var first time.Time
	write(t, tenant, func(tx *store.Tx) error { first = tx.Now(); return nil })
	expect("while it runs", store.ErrConflict)
	write(t, tenant, func(tx *store.Tx) error { return tx.ForgetIdempotent("key", tx.Now()) })
	expect("after it failed", nil)
	h.clock.advance(59 * time.Second)
	expect("still running", store.ErrConflict)
	h.clock.advance(2 * time.Second)
	expect("lost", nil)
	refused(t, tenant, store.ErrConflict, func(tx *store.Tx) error { return tx.FinishIdempotent("key", first, 200, nil, nil) })
	write(t, tenant, func(tx *store.Tx) error { return tx.ForgetIdempotent("key", first) })
	expect("taken over", store.ErrConflict)
	for _, other := range [][2]string{{"POST /imports", "xyz"}, {"POST /uploads", "abc"}} {
		if stored, err := begin(other[0], other[1]); stored != nil || !errors.Is(err, store.ErrMismatch) {
			t.Errorf("%q: %+v, %v", other, stored, err)
		}
	}
	write(t, tenant, finish)
	refused(t, tenant, store.ErrConflict, finish) // the run that was thought lost comes second
	write(t, tenant, func(tx *store.Tx) error { return tx.ForgetIdempotent("key", tx.Now()) })
	stored, err := begin("POST /imports", "abc")
	must(t, err)
	same(t, "answer", stored, &store.Stored{Status: 201, Headers: []byte(`{"Location":"x"}`), Body: []byte{0, 255}})
	if stored, err := begin("POST /imports", "xyz"); stored != nil || !errors.Is(err, store.ErrMismatch) {
		t.Errorf("an answer for another request: %+v, %v", stored, err)
	}
	var now time.Time
	write(t, tenant, func(tx *store.Tx) error { now = tx.Now(); return nil })
	if _, err := h.db.System().DropIdempotent(t.Context(), now.Add(-time.Hour)); err != nil {
		t.Error(err)
	}
	if stored, err := begin("POST /imports", "abc"); stored == nil || err != nil {
		t.Errorf("dropped too early: %v, %v", stored, err)
	}
	if n, err := h.db.System().DropIdempotent(t.Context(), now.Add(time.Hour)); err != nil || n == 0 {
		t.Errorf("%d dropped, %v", n, err)
	}
	expect("forgotten", nil)
}

func testPortals(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	var now time.Time
	write(t, tenant, func(tx *store.Tx) error {
		now = tx.Now()
		must(t, errors.Join(tx.ConfirmPortal(&store.Portal{Host: "b.example:8443", ConfirmedBy: "user-1"}),
			tx.ConfirmPortal(&store.Portal{Host: "a.example", ConfirmedBy: "user-2", Confirmed: noon(0)})))
		if err := tx.ConfirmPortal(&store.Portal{Host: "a.example", ConfirmedBy: "user-3"}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a host twice: %v", err)
		}
		return nil
	})
	all := func(tx *store.Tx) ([]store.Portal, error) { return tx.Portals() }
	first := store.Portal{Host: "a.example", ConfirmedBy: "user-2", Confirmed: noon(0)}
	same(t, "portals", get(t, tenant, all), []store.Portal{first, {Host: "b.example:8443", ConfirmedBy: "user-1", Confirmed: now}})
	write(t, tenant, func(tx *store.Tx) error { return tx.RevokePortal("b.example:8443") })
	same(t, "portals", get(t, tenant, all), []store.Portal{first})
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.RevokePortal("b.example:8443") })
}
