package app

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"lotse/internal/sealed"
	"lotse/internal/store"
)

// signingKey opens a key that is kept sealed in a setting. [ErrNotFound] when there is
// none.
func signingKey(ctx context.Context, t *store.Tenant, v *sealed.Tenant, setting string) (ed25519.PrivateKey, error) {
	var column string
	err := t.Read(ctx, func(tx *store.Tx) (err error) {
		column, err = tx.Setting(setting)
		return err
	})
	if err != nil {
		return nil, err
	}
	return openSigningKey(ctx, v, setting, column)
}

func openSigningKey(ctx context.Context, v *sealed.Tenant, setting, column string) (ed25519.PrivateKey, error) {
	raw, err := base64.StdEncoding.DecodeString(column)
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", setting, err)
	}
	seed, err := v.OpenTenant(ctx, setting, raw)
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("read the %s: %w", setting, sealed.ErrDamaged)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// ownSigningKey is signingKey that makes the key when there is none; made runs in the
// transaction that keeps it. Should two nodes do so at once, the first one stands.
func (s *scope) ownSigningKey(ctx context.Context, setting string, made func(*store.Tx, ed25519.PrivateKey) error) (ed25519.PrivateKey, error) {
	key, err := signingKey(ctx, s.t, s.v, setting)
	if !errors.Is(err, store.ErrNotFound) {
		return key, err
	}
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails: it ends the process instead
	raw, err := s.v.SealTenant(ctx, setting, seed)
	if err != nil {
		return nil, err
	}
	var column string
	err = s.t.Write(ctx, func(tx *store.Tx) (err error) {
		if column, err = tx.Setting(setting); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		column = base64.StdEncoding.EncodeToString(raw)
		if err := tx.SetSetting(setting, column); err != nil {
			return err
		}
		return made(tx, ed25519.NewKeyFromSeed(seed))
	})
	if err != nil {
		return nil, err
	}
	return openSigningKey(ctx, s.v, setting, column)
}
