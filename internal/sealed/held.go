package sealed

import (
	"context"
	"errors"

	"lotse/internal/sealed/keyring"
)

// Held is a key that stays in memory, for sealing where nothing may be waited for. What
// it seals opens with [Tenant.Open] as long as the keyring has the key.
type Held struct {
	tenant *Tenant
	id     string
	key    keyring.Key
}

// Hold fetches the key of an id that is no import's, and makes it where there is none.
// [ErrErased] when it was destroyed.
func (t *Tenant) Hold(ctx context.Context, id string) (*Held, error) {
	key, err := t.importKey(ctx, id)
	if errors.Is(err, ErrNoKey) {
		if err = t.CreateImport(ctx, id); err == nil {
			key, err = t.importKey(ctx, id)
		}
	}
	if err != nil {
		return nil, err
	}
	return &Held{t, id, key}, nil
}

// Seal is [Tenant.Seal] without the keyring.
func (h *Held) Seal(purpose string, plain []byte) ([]byte, error) {
	return h.tenant.seal(h.key, h.id, purpose, plain)
}

// Keys lists the ids that have keys of their own, in no certain order.
func (t *Tenant) Keys(ctx context.Context) ([]string, error) {
	var all []string
	for id, err := range t.vault.ring.Store().List(ctx, t.id) {
		if err != nil {
			return nil, keyError(err)
		}
		all = append(all, id.ID)
	}
	return all, nil
}
