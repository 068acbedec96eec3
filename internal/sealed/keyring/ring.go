package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"
)

// tenantID is the id of a tenant's own key among its entries. No import has it:
// imports are UUIDs.
const tenantID = "tenant"

// Key is a key in the clear, of 256 random bits.
type Key [32]byte

// Ring makes, wraps and gives out keys. It caches nothing.
type Ring struct {
	store   Store
	master  Master
	masters map[string]Master
}

// New makes a ring over store. New tenants are wrapped by master; entries that
// older masters wrapped open as well, so that a rotation may be half done.
func New(store Store, master Master, older ...Master) *Ring {
	r := &Ring{store: store, master: master, masters: map[string]Master{}}
	for _, m := range append(older, master) {
		r.masters[m.ID()] = m
	}
	return r
}

// Store gives the entries that the ring is over.
func (r *Ring) Store() Store { return r.store }

// CreateTenant makes the key of a tenant. One that exists stays as it is;
// ErrErased when it was destroyed.
func (r *Ring) CreateTenant(ctx context.Context, tenant string) error {
	if err := CheckName(tenant); err != nil {
		return err
	}
	key := newKey()
	wrapped, err := r.master.Wrap(ctx, entryAAD(tenant, tenantID), key[:])
	if err != nil {
		return fmt.Errorf("wrapping a tenant's key: %w", err)
	}
	err = r.store.Put(ctx, tenant, tenantID, tenantEntry(r.master.ID(), wrapped))
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// Tenant gives the key of a tenant.
func (r *Ring) Tenant(ctx context.Context, tenant string) (Key, error) {
	entry, err := r.store.Get(ctx, tenant, tenantID)
	if err != nil {
		return Key{}, err
	}
	id, wrapped, err := splitTenantEntry(entry)
	if err != nil {
		return Key{}, err
	}
	master := r.masters[id]
	if master == nil {
		return Key{}, ErrMaster
	}
	plain, err := master.Unwrap(ctx, entryAAD(tenant, tenantID), wrapped)
	if err != nil {
		return Key{}, fmt.Errorf("unwrapping a tenant's key: %w", err)
	}
	return toKey(plain)
}

// Create makes the key of an import: ErrExists when it has one, ErrErased when its
// key or its tenant's was destroyed.
func (r *Ring) Create(ctx context.Context, tenant, id string) error {
	if err := checkImport(tenant, id); err != nil {
		return err
	}
	outer, err := r.Tenant(ctx, tenant)
	if err != nil {
		return err
	}
	key := newKey()
	wrapped, err := wrap(outer, entryAAD(tenant, id), key[:])
	if err != nil {
		return err
	}
	return r.store.Put(ctx, tenant, id, wrapped)
}

// Import gives the key of an import.
func (r *Ring) Import(ctx context.Context, tenant, id string) (Key, error) {
	if err := checkImport(tenant, id); err != nil {
		return Key{}, err
	}
	outer, err := r.Tenant(ctx, tenant)
	if err != nil {
		return Key{}, err
	}
	wrapped, err := r.store.Get(ctx, tenant, id)
	if err != nil {
		return Key{}, err
	}
	plain, err := unwrap(outer, entryAAD(tenant, id), wrapped)
	if err != nil {
		return Key{}, err
	}
	return toKey(plain)
}

// Made gives the time of an import's key, by the clock of the store.
func (r *Ring) Made(ctx context.Context, tenant, id string) (time.Time, error) {
	if err := checkImport(tenant, id); err != nil {
		return time.Time{}, err
	}
	return r.store.Made(ctx, tenant, id)
}

// Imports gives the keys of a tenant's imports with their times, but not the tenant's
// own key or others that are kept under a name which is no UUID.
func (r *Ring) Imports(ctx context.Context, tenant string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range r.store.List(ctx, tenant) {
			if err == nil && uuid.Validate(e.ID) != nil {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Destroy erases the key of an import. Destroying it again changes nothing.
func (r *Ring) Destroy(ctx context.Context, tenant, id string) error {
	if err := checkImport(tenant, id); err != nil {
		return err
	}
	return r.store.Delete(ctx, tenant, id)
}

// DestroyTenant erases the key of a tenant, with which all its imports' keys are
// gone, and then their entries.
func (r *Ring) DestroyTenant(ctx context.Context, tenant string) error {
	if err := r.store.Delete(ctx, tenant, tenantID); err != nil {
		return err
	}
	entries, err := collect(r.store.List(ctx, tenant))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := r.store.Delete(ctx, tenant, e.ID); err != nil {
			return err
		}
	}
	return nil
}

// Replay destroys again what tombstones say was destroyed: after a keyring was
// restored from a copy that is older than they are.
func (r *Ring) Replay(ctx context.Context, tenant string, tombstones iter.Seq2[Tombstone, error]) error {
	for t, err := range tombstones {
		if err != nil {
			return fmt.Errorf("reading tombstones: %w", err)
		}
		if t.ID == tenantID {
			err = r.DestroyTenant(ctx, tenant)
		} else {
			err = r.store.Delete(ctx, tenant, t.ID)
		}
		if err != nil {
			return fmt.Errorf("destroying again what had been destroyed: %w", err)
		}
	}
	return nil
}

// Rotate wraps with new every tenant's key that old wraps. It may be interrupted
// and repeated, and others may use the ring meanwhile when they know both masters.
// It gives how many entries it changed. ErrMaster when an entry is of neither.
func (r *Ring) Rotate(ctx context.Context, old, new Master) (int, error) {
	tenants, err := collect(r.store.Tenants(ctx))
	if err != nil {
		return 0, err
	}
	done := 0
	for _, tenant := range tenants {
		changed, err := r.rotate(ctx, tenant, old, new)
		if err != nil {
			return done, fmt.Errorf("rotating the master key: %w", err)
		}
		if changed {
			done++
		}
	}
	return done, nil
}

// rotate rewraps one tenant's key. An entry that was destroyed meanwhile stays so;
// one that another rotation changed is looked at again.
func (r *Ring) rotate(ctx context.Context, tenant string, old, new Master) (bool, error) {
	for {
		entry, err := r.store.Get(ctx, tenant, tenantID)
		if errors.Is(err, ErrErased) || errors.Is(err, ErrNotFound) {
			return false, nil
		} else if err != nil {
			return false, err
		}
		next, err := rewrap(ctx, tenant, entry, old, new)
		if err != nil || next == nil {
			return false, err
		}
		err = r.store.Replace(ctx, tenant, tenantID, entry, next)
		switch {
		case errors.Is(err, ErrChanged):
		case errors.Is(err, ErrErased) || errors.Is(err, ErrNotFound):
			return false, nil
		default:
			return err == nil, err
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
}

// rewrap gives nil when new wraps the entry already.
func rewrap(ctx context.Context, tenant string, entry []byte, old, new Master) ([]byte, error) {
	id, wrapped, err := splitTenantEntry(entry)
	switch {
	case err != nil:
		return nil, err
	case id == new.ID():
		return nil, nil
	case id != old.ID():
		return nil, ErrMaster
	}
	aad := entryAAD(tenant, tenantID)
	plain, err := old.Unwrap(ctx, aad, wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	if wrapped, err = new.Wrap(ctx, aad, plain); err != nil {
		return nil, err
	}
	return tenantEntry(new.ID(), wrapped), nil
}

func checkImport(tenant, id string) error {
	if id == tenantID {
		return fmt.Errorf("keyring: %q is not an import", id)
	}
	return CheckNames(tenant, id)
}

func newKey() (k Key) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}

func toKey(plain []byte) (k Key, err error) {
	defer clear(plain)
	if len(plain) != len(k) {
		return Key{}, ErrDamaged
	}
	copy(k[:], plain)
	return k, nil
}

func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// tenantVersion begins an entry that a master wrapped: then follow the length of
// the master's id, the id, and what the master made.
const tenantVersion = 'T'

func tenantEntry(master string, wrapped []byte) []byte {
	entry := []byte{tenantVersion, byte(len(master))}
	return append(append(entry, master...), wrapped...)
}

func splitTenantEntry(entry []byte) (master string, wrapped []byte, err error) {
	if len(entry) < 2 || entry[0] != tenantVersion || len(entry) < 2+int(entry[1]) {
		return "", nil, ErrDamaged
	}
	n := 2 + int(entry[1])
	return string(entry[2:n]), bytes.Clone(entry[n:]), nil
}
