package sealed

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"lotse/internal/sealed/keyring"
)

// columnVersion begins a sealed column: then follow a random nonce of 12 bytes and
// what AES-256-GCM made.
const columnVersion = 1

// Seal seals a text or other small value under the import's key. It opens only with
// the same tenant, import and purpose, which names the column. A key seals at most
// 2³² values per purpose.
func (t *Tenant) Seal(ctx context.Context, importID, purpose string, plain []byte) ([]byte, error) {
	key, err := t.importKey(ctx, importID)
	if err != nil {
		return nil, err
	}
	return t.seal(key, importID, purpose, plain)
}

// Open opens what Seal made: [ErrDamaged] when it is not that, [ErrErased] when the
// import's key was destroyed.
func (t *Tenant) Open(ctx context.Context, importID, purpose string, sealed []byte) ([]byte, error) {
	key, err := t.importKey(ctx, importID)
	if err != nil {
		return nil, err
	}
	return t.open(key, importID, purpose, sealed)
}

// SealTenant is Seal under the tenant's own key, for what belongs to no import, such
// as the password of a destination.
func (t *Tenant) SealTenant(ctx context.Context, purpose string, plain []byte) ([]byte, error) {
	key, err := t.vault.key(ctx, t.id, "")
	if err != nil {
		return nil, err
	}
	return t.seal(key, "", purpose, plain)
}

// OpenTenant opens what SealTenant made.
func (t *Tenant) OpenTenant(ctx context.Context, purpose string, sealed []byte) ([]byte, error) {
	key, err := t.vault.key(ctx, t.id, "")
	if err != nil {
		return nil, err
	}
	return t.open(key, "", purpose, sealed)
}

// MAC stands for a value where equality and uniqueness must be known: HMAC-SHA256
// under a key of the tenant for the purpose, as 64 hex digits. The same value has
// another MAC for another purpose or tenant.
func (t *Tenant) MAC(ctx context.Context, purpose, value string) (string, error) {
	key, err := t.vault.key(ctx, t.id, "")
	if err != nil {
		return "", err
	}
	secret, err := derive(key, "mac/"+purpose, sha256.Size)
	if err != nil {
		return "", err
	}
	h := hmac.New(sha256.New, secret)
	_, _ = h.Write([]byte(value)) // never fails
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (t *Tenant) seal(key keyring.Key, importID, purpose string, plain []byte) ([]byte, error) {
	aead, err := columnAEAD(key, purpose)
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{columnVersion}, nil, plain, t.columnAAD(importID, purpose)), nil //nolint:gosec // not G407: this AEAD takes no nonce and makes a random one
}

func (t *Tenant) open(key keyring.Key, importID, purpose string, sealed []byte) ([]byte, error) {
	aead, err := columnAEAD(key, purpose)
	if err != nil {
		return nil, err
	}
	if len(sealed) == 0 || sealed[0] != columnVersion {
		return nil, fmt.Errorf("%w: not a sealed column", ErrDamaged)
	}
	plain, err := aead.Open(nil, nil, sealed[1:], t.columnAAD(importID, purpose))
	if err != nil {
		return nil, fmt.Errorf("%w: a column", ErrDamaged)
	}
	return plain, nil
}

// columnAAD has lengths, so that no two places have the same.
func (t *Tenant) columnAAD(importID, purpose string) []byte {
	return fmt.Appendf(nil, "column %d %s %d %s %s", len(t.id), t.id, len(importID), importID, purpose)
}

func columnAEAD(key keyring.Key, purpose string) (cipher.AEAD, error) {
	secret, err := derive(key, "column/"+purpose, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("sealed: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func isExists(err error) bool { return errors.Is(err, keyring.ErrExists) }
