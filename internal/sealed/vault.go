package sealed

import (
	"context"
	"errors"
	"sync"
	"time"

	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/keyring"
)

const (
	// MaxSegment is how much plaintext a segment has at most, in bytes.
	MaxSegment = 16 << 20

	// DefaultCache is the budget of the readers' windows, in bytes.
	DefaultCache = 64 << 20

	// keyLife is how long a key stays in memory after it was read from the keyring,
	// and so how long it can be used here after another node destroyed it.
	keyLife = time.Minute
)

// Options of a [Vault]. The zero value has the defaults.
type Options struct {
	// CacheBytes bounds the ciphertext that readers keep, over all of the process.
	CacheBytes int64
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Vault is the sealed storage of a process.
type Vault struct {
	blobs   blob.Store
	ring    *keyring.Ring
	windows *windows
	now     func() time.Time

	mu    sync.Mutex
	keys  map[keyName]heldKey
	epoch uint64 // counts what was destroyed
}

type keyName struct{ tenant, id string }

type heldKey struct {
	key   keyring.Key
	until time.Time
}

// New makes a vault.
func New(blobs blob.Store, ring *keyring.Ring, o Options) *Vault {
	if o.CacheBytes <= 0 {
		o.CacheBytes = DefaultCache
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Vault{
		blobs: blobs, ring: ring, windows: newWindows(blobs, o.CacheBytes),
		now: o.Now, keys: map[keyName]heldKey{},
	}
}

// CreateTenant makes the key of a tenant, durably. One that exists stays as it is;
// [ErrErased] when it was destroyed.
func (v *Vault) CreateTenant(ctx context.Context, tenant string) error {
	if err := v.ring.CreateTenant(ctx, tenant); err != nil {
		return keyError(err)
	}
	return nil
}

// DestroyTenant erases everything of a tenant by destroying its key. Doing it again
// changes nothing.
func (v *Vault) DestroyTenant(ctx context.Context, tenant string) error {
	err := v.ring.DestroyTenant(ctx, tenant)
	v.forget(tenant, "")
	if err != nil {
		return keyError(err)
	}
	return nil
}

// Tenant opens the vault for one tenant: [ErrErased] when its key was destroyed,
// [ErrNoKey] when it has none, as what is no name of a tenant.
func (v *Vault) Tenant(ctx context.Context, tenant string) (*Tenant, error) {
	if keyring.CheckName(tenant) != nil { // others may say any
		return nil, ErrNoKey
	}
	if _, err := v.key(ctx, tenant, ""); err != nil {
		return nil, err
	}
	return &Tenant{vault: v, id: tenant}, nil
}

// key gives the key of an import, or of the tenant itself when id is empty.
func (v *Vault) key(ctx context.Context, tenant, id string) (keyring.Key, error) {
	name, now := keyName{tenant, id}, v.now()
	v.mu.Lock()
	held, ok := v.keys[name]
	epoch := v.epoch
	v.mu.Unlock()
	if left := held.until.Sub(now); ok && left > 0 && left <= keyLife {
		return held.key, nil
	}
	key, err := v.fetchKey(ctx, tenant, id)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case err == nil && epoch == v.epoch:
		v.sweep(now)
		v.keys[name] = heldKey{key: key, until: now.Add(keyLife)}
	case errors.Is(err, ErrErased):
		delete(v.keys, name)
	}
	return key, err
}

func (v *Vault) fetchKey(ctx context.Context, tenant, id string) (key keyring.Key, err error) {
	if id == "" {
		key, err = v.ring.Tenant(ctx, tenant)
	} else {
		key, err = v.ring.Import(ctx, tenant, id)
	}
	if err != nil {
		return keyring.Key{}, keyError(err)
	}
	return key, nil
}

// sweep drops the keys whose time is over.
func (v *Vault) sweep(now time.Time) {
	for name, held := range v.keys {
		if left := held.until.Sub(now); left <= 0 || left > keyLife {
			delete(v.keys, name)
		}
	}
}

// forget drops the key of an import, or all of a tenant, and what is being fetched.
func (v *Vault) forget(tenant, id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.epoch++
	for name := range v.keys {
		if name.tenant == tenant && (id == "" || name.id == id) {
			delete(v.keys, name)
		}
	}
}
