package sealed

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"time"

	"lotse/internal/sealed/keyring"
)

// Tenant is the vault of one tenant. It is safe for concurrent use.
type Tenant struct {
	vault *Vault
	id    string
}

// ID is the tenant's.
func (t *Tenant) ID() string { return t.id }

// CreateImport makes the key of an import, durably. One that exists stays as it is,
// so that an interrupted creation can be repeated; [ErrErased] when it was
// destroyed.
func (t *Tenant) CreateImport(ctx context.Context, importID string) error {
	_, err := t.BeginImport(ctx, importID)
	return err
}

// BeginImport is [Tenant.CreateImport] that tells whether the key was there already.
func (t *Tenant) BeginImport(ctx context.Context, importID string) (there bool, err error) {
	err = t.vault.ring.Create(ctx, t.id, importID)
	switch {
	case err == nil:
		return false, nil
	case isExists(err):
		return true, nil
	}
	return false, keyError(err)
}

// ImportMade gives the time of an import's key, by the clock of the keyring.
// [ErrNoKey], [ErrErased].
func (t *Tenant) ImportMade(ctx context.Context, importID string) (time.Time, error) {
	made, err := t.vault.ring.Made(ctx, t.id, importID)
	if err != nil {
		return time.Time{}, keyError(err)
	}
	return made, nil
}

// Imports calls f with every import that has a key and the key's time, in no certain
// order, and ends with the first error of f, which it returns as it is.
func (t *Tenant) Imports(ctx context.Context, f func(importID string, made time.Time) error) error {
	for e, err := range t.vault.ring.Imports(ctx, t.id) {
		if err != nil {
			return keyError(err)
		}
		if err := f(e.ID, e.Made); err != nil {
			return err
		}
	}
	return nil
}

// DestroyImport erases everything sealed under an import's key by destroying the
// key. Afterwards this process answers [ErrErased], others within a minute. Doing it
// again changes nothing.
func (t *Tenant) DestroyImport(ctx context.Context, importID string) error {
	err := t.vault.ring.Destroy(ctx, t.id, importID)
	t.vault.forget(t.id, importID)
	if err != nil {
		return keyError(err)
	}
	return nil
}

// Prefix is what the keys of all blobs of an import begin with, for those who list
// and delete them.
func (t *Tenant) Prefix(importID string) string { return t.id + "/" + importID + "/" }

// BlobKey is where a segment is in the blob store.
func (t *Tenant) BlobKey(importID, segment string) string { return t.Prefix(importID) + segment }

func (t *Tenant) importKey(ctx context.Context, importID string) (keyring.Key, error) {
	if err := keyring.CheckName(importID); err != nil {
		return keyring.Key{}, err
	}
	return t.vault.key(ctx, t.id, importID)
}

// derive makes n bytes from a key for one use.
func derive(key keyring.Key, info string, n int) ([]byte, error) {
	out, err := hkdf.Key(sha256.New, key[:], nil, info, n)
	if err != nil {
		return nil, fmt.Errorf("sealed: deriving a key: %w", err)
	}
	return out, nil
}
