// Package keyring keeps the keys that sealed packages depend on, one entry each, so
// that deleting one entry erases what was sealed with it.
//
// A [Store] holds wrapped entries: the folder of package file on one node, the
// unversioned bucket of package s3 for several. A [Ring] wraps: imports' keys by
// the key of their tenant, tenants' keys by the [Master]. A keyring is never part
// of a backup of the database or of the blobs; it is backed up apart. Every
// deletion leaves a tombstone, from which a restored keyring is made to forget
// again what had been erased.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

var (
	// ErrNotFound reports that there is no such entry, and no tombstone of one.
	ErrNotFound = errors.New("keyring: no such key")

	// ErrErased reports that the entry was destroyed, or its tenant's was.
	ErrErased = errors.New("keyring: the key has been erased")

	// ErrExists reports that there is an entry of that name already.
	ErrExists = errors.New("keyring: the key exists already")

	// ErrChanged reports that the entry is not what was to be replaced.
	ErrChanged = errors.New("keyring: the key has been changed meanwhile")

	// ErrMaster reports that an entry was wrapped by a master key that is not at hand.
	ErrMaster = errors.New("keyring: wrapped by another master key")

	// ErrDamaged reports an entry that does not open with the right key.
	ErrDamaged = errors.New("keyring: the entry is damaged")
)

// Store keeps small opaque entries durably, safe for concurrent use by several
// processes. Tenants and ids are of 1 to 64 lower-case letters, digits and '-'.
// Failures say with a method Temporary() bool whether a later call may succeed.
type Store interface {
	// Put makes an entry. ErrExists when there is one, ErrErased when there was one.
	Put(ctx context.Context, tenant, id string, wrapped []byte) error

	// Replace puts wrapped in the place of exactly old. ErrChanged when the entry is
	// another; ErrNotFound or ErrErased when there is none, which stays so.
	Replace(ctx context.Context, tenant, id string, old, wrapped []byte) error

	// Get gives an entry, or ErrErased, or ErrNotFound.
	Get(ctx context.Context, tenant, id string) ([]byte, error)

	// Delete leaves a tombstone durably and then destroys the entry. Without an entry
	// it leaves the tombstone all the same; a second time it changes nothing.
	Delete(ctx context.Context, tenant, id string) error

	// List gives a tenant's entries, in no certain order. One that comes or goes
	// meanwhile may be among them or not.
	List(ctx context.Context, tenant string) iter.Seq2[Entry, error]

	// Made gives the time of one entry, or ErrErased, or ErrNotFound.
	Made(ctx context.Context, tenant, id string) (time.Time, error)

	// Tenants gives the tenants that have entries or tombstones.
	Tenants(ctx context.Context) iter.Seq2[string, error]

	// Erased gives the tombstones of a tenant. An id comes once, with its first time.
	Erased(ctx context.Context, tenant string) iter.Seq2[Tombstone, error]

	// Check proves that entries can be written, read and deleted here, and that
	// deleting is final.
	Check(ctx context.Context) error
}

// Entry is one of a listing.
type Entry struct {
	ID string
	// Made is when it was written last, by the clock of the store, which may be another
	// than that of the database, and which a restored copy begins anew.
	Made time.Time
}

// Tombstone says that an entry was destroyed, and when.
type Tombstone struct {
	ID string
	At time.Time // UTC, to the microsecond
}

// Master wraps the tenants' keys: a file, or a key management service.
type Master interface {
	// Wrap seals plain, bound to aad.
	Wrap(ctx context.Context, aad, plain []byte) ([]byte, error)
	// Unwrap opens what Wrap made with the same aad; ErrDamaged when it does not open.
	Unwrap(ctx context.Context, aad, wrapped []byte) ([]byte, error)
	// ID tells masters apart: 1 to 64 bytes, the same in every process, no secret.
	ID() string
}

const maxName = 64

// CheckName says whether s can be a tenant or an id.
func CheckName(s string) error {
	if s == "" || len(s) > maxName {
		return fmt.Errorf("keyring: a name has 1 to %d characters", maxName)
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("keyring: %q is not a name", s)
		}
	}
	return nil
}

// CheckNames checks a tenant and an id.
func CheckNames(tenant, id string) error {
	if err := CheckName(tenant); err != nil {
		return err
	}
	return CheckName(id)
}
