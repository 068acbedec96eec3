package sealed_test

import (
	"slices"
	"testing"

	"lotse/internal/sealed"
)

// TestHeld: a key that is held seals without the keyring what opens with it, is the same
// for every process, and ends as all keys do.
func TestHeld(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	held, err := b.tenant.Hold(ctx, "audit-2026-11")
	must(t, err)
	again, err := b.tenantOf(t, b.open(0), "tenant-1").Hold(ctx, "audit-2026-11")
	must(t, err)
	for _, h := range []*sealed.Held{held, again} {
		column, err := h.Seal("event 1", []byte("x"))
		must(t, err)
		if got, err := b.tenant.Open(ctx, "audit-2026-11", "event 1", column); err != nil || string(got) != "x" {
			t.Errorf("open = %q, %v", got, err)
		}
		_, err = b.tenant.Open(ctx, "audit-2026-11", "event 2", column)
		want(t, "another event", err, sealed.ErrDamaged)
	}
	keys, err := b.tenant.Keys(ctx)
	must(t, err)
	for id, there := range map[string]bool{"audit-2026-11": true, "import-1": true, "audit-2026-12": false} {
		if slices.Contains(keys, id) != there {
			t.Errorf("keys: %q", keys)
		}
	}
	column, err := held.Seal("event 3", []byte("x"))
	must(t, err)
	must(t, b.tenant.DestroyImport(ctx, "audit-2026-11"))
	_, err = b.tenant.Open(ctx, "audit-2026-11", "event 3", column)
	want(t, "after its end", err, sealed.ErrErased)
	_, err = b.tenant.Hold(ctx, "audit-2026-11")
	want(t, "holding it again", err, sealed.ErrErased)
	if keys, err := b.tenant.Keys(ctx); err != nil || slices.Contains(keys, "audit-2026-11") {
		t.Errorf("keys: %q, %v", keys, err)
	}
}
