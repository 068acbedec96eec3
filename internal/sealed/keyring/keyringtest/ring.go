package keyringtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"lotse/internal/sealed/keyring"
)

// Master gives a master key that is the same for the same n.
func Master(n byte) *keyring.KeyMaster { return keyring.NewKeyMaster(keyring.Key{0: n, 31: 7}) }

func testRing(t *testing.T, s keyring.Store, again func() keyring.Store) {
	ctx := t.Context()
	r := keyring.New(s, Master(1))
	_, err := r.Tenant(ctx, "t")
	want(t, "key of no tenant", err, keyring.ErrNotFound)
	want(t, "import of no tenant", r.Create(ctx, "t", "i"), keyring.ErrNotFound)
	must(t, r.CreateTenant(ctx, "t"))
	tenant, err := r.Tenant(ctx, "t")
	must(t, err)
	must(t, r.CreateTenant(ctx, "t"))
	must(t, r.Create(ctx, "t", "i"))
	want(t, "second creation", r.Create(ctx, "t", "i"), keyring.ErrExists)
	key, err := r.Import(ctx, "t", "i")
	must(t, err)
	if key == tenant || key == (keyring.Key{}) {
		t.Error("an import's key is its tenant's, or nothing")
	}
	other := keyring.New(again(), Master(1))
	if k, err := other.Tenant(ctx, "t"); err != nil || k != tenant {
		t.Errorf("the tenant's key again: %v, or another", err)
	}
	if k, err := other.Import(ctx, "t", "i"); err != nil || k != key {
		t.Errorf("the import's key again: %v, or another", err)
	}
	_, err = keyring.New(s, Master(2)).Import(ctx, "t", "i")
	want(t, "with another master", err, keyring.ErrMaster)
	for _, entry := range ids(t, s, "t") {
		b, err := s.Get(ctx, "t", entry)
		must(t, err)
		if bytes.Contains(b, key[:]) || bytes.Contains(b, tenant[:]) {
			t.Errorf("the entry %s has a key in the clear", entry)
		}
	}
	must(t, r.CreateTenant(ctx, "u"))
	swapped(t, s, r)
	must(t, r.Destroy(ctx, "t", "i"))
	_, err = r.Import(ctx, "t", "i")
	want(t, "after destruction", err, keyring.ErrErased)
}

// swapped puts the entry of one tenant in the place of another's.
func swapped(t *testing.T, s keyring.Store, r *keyring.Ring) {
	t.Helper()
	ctx := t.Context()
	foreign, err := s.Get(ctx, "t", "tenant")
	must(t, err)
	own, err := s.Get(ctx, "u", "tenant")
	must(t, err)
	must(t, s.Replace(ctx, "u", "tenant", own, foreign))
	_, err = r.Tenant(ctx, "u")
	want(t, "a foreign entry", err, keyring.ErrDamaged)
}

// failing is a master that fails after some calls.
type failing struct {
	keyring.Master
	left int
}

var errMaster = errors.New("the key service does not answer")

func (f *failing) Wrap(ctx context.Context, aad, plain []byte) ([]byte, error) {
	if f.left--; f.left < 0 {
		return nil, errMaster
	}
	return f.Master.Wrap(ctx, aad, plain)
}

func testRotation(t *testing.T, s keyring.Store, again func() keyring.Store) {
	ctx := t.Context()
	old, next := Master(1), Master(2)
	r := keyring.New(s, old)
	keys := map[string]keyring.Key{}
	for i := range 5 {
		tenant := fmt.Sprint("t", i)
		must(t, r.CreateTenant(ctx, tenant))
		must(t, r.Create(ctx, tenant, "i"))
		k, err := r.Import(ctx, tenant, "i")
		must(t, err)
		keys[tenant] = k
	}
	must(t, r.DestroyTenant(ctx, "t4"))
	delete(keys, "t4")

	n, err := r.Rotate(ctx, old, &failing{next, 2})
	if n != 2 || !errors.Is(err, errMaster) {
		t.Fatalf("interrupted rotation = %d, %v", n, err)
	}
	both := keyring.New(again(), next, old)
	for tenant, k := range keys {
		if got, err := both.Import(ctx, tenant, "i"); err != nil || got != k {
			t.Errorf("half rotated, %s: %v, or another key", tenant, err)
		}
	}
	if n, err = both.Rotate(ctx, old, next); n != 2 || err != nil {
		t.Fatalf("repeated rotation = %d, %v", n, err)
	}
	if n, err = both.Rotate(ctx, old, next); n != 0 || err != nil {
		t.Fatalf("rotation of all rotated = %d, %v", n, err)
	}
	only := keyring.New(again(), next)
	for tenant, k := range keys {
		if got, err := only.Import(ctx, tenant, "i"); err != nil || got != k {
			t.Errorf("rotated, %s: %v, or another key", tenant, err)
		}
		_, err := keyring.New(s, old).Import(ctx, tenant, "i")
		want(t, "with the old master", err, keyring.ErrMaster)
	}
	_, err = only.Import(ctx, "t4", "i")
	want(t, "a tenant destroyed before", err, keyring.ErrErased)
	_, err = only.Rotate(ctx, old, Master(3))
	want(t, "rotation from the wrong master", err, keyring.ErrMaster)
}

func testDestroyTenant(t *testing.T, s keyring.Store, again func() keyring.Store) {
	ctx := t.Context()
	r := keyring.New(s, Master(1))
	for _, tenant := range []string{"t", "u"} {
		must(t, r.CreateTenant(ctx, tenant))
		must(t, r.Create(ctx, tenant, "i"))
		must(t, r.Create(ctx, tenant, "j"))
	}
	must(t, r.DestroyTenant(ctx, "t"))
	must(t, r.DestroyTenant(ctx, "t"))
	r = keyring.New(again(), Master(1))
	_, err := r.Import(ctx, "t", "i")
	want(t, "an import's key", err, keyring.ErrErased)
	_, err = r.Import(ctx, "t", "never")
	want(t, "the key of an import that never was", err, keyring.ErrErased)
	want(t, "a new import", r.Create(ctx, "t", "k"), keyring.ErrErased)
	want(t, "the tenant again", r.CreateTenant(ctx, "t"), keyring.ErrErased)
	if got := ids(t, s, "t"); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
	_, err = r.Import(ctx, "u", "j")
	must(t, err)
}

// A copy that is older than an erasure forgets again.
func testReplay(t *testing.T, s keyring.Store, _ func() keyring.Store) {
	ctx := t.Context()
	r := keyring.New(s, Master(1))
	must(t, r.CreateTenant(ctx, "t"))
	must(t, r.Create(ctx, "t", "i"))
	must(t, r.Create(ctx, "t", "j"))
	tombstones := func(yield func(keyring.Tombstone, error) bool) {
		_ = yield(keyring.Tombstone{ID: "i"}, nil) && yield(keyring.Tombstone{ID: "unknown"}, nil)
	}
	must(t, r.Replay(ctx, "t", tombstones))
	must(t, r.Replay(ctx, "t", tombstones))
	_, err := r.Import(ctx, "t", "i")
	want(t, "what was erased", err, keyring.ErrErased)
	_, err = r.Import(ctx, "t", "j")
	must(t, err)
	must(t, r.Replay(ctx, "t", func(yield func(keyring.Tombstone, error) bool) { yield(keyring.Tombstone{ID: "tenant"}, nil) }))
	_, err = r.Import(ctx, "t", "j")
	want(t, "after the tenant", err, keyring.ErrErased)
}
