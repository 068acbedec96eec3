package sealed

import (
	"context"
	"crypto/sha256"
	"encoding"
	"fmt"
	"hash"
)

// digestPurpose is the column under which the state of a running digest is sealed:
// it holds up to 63 bytes of the plaintext.
const digestPurpose = "part digest"

// restoreDigest begins a SHA-256, or goes on with the sealed state of one.
func (t *Tenant) restoreDigest(ctx context.Context, importID string, state []byte) (hash.Hash, error) {
	h := sha256.New()
	if len(state) == 0 {
		return h, nil
	}
	plain, err := t.Open(ctx, importID, digestPurpose, state)
	if err != nil {
		return nil, fmt.Errorf("restoring the digest: %w", err)
	}
	defer clear(plain)
	u, ok := h.(encoding.BinaryUnmarshaler)
	if !ok {
		return nil, fmt.Errorf("sealed: this SHA-256 cannot be restored")
	}
	if err := u.UnmarshalBinary(plain); err != nil {
		return nil, fmt.Errorf("%w: the state of a digest", ErrDamaged)
	}
	return h, nil
}

func (t *Tenant) saveDigest(ctx context.Context, importID string, h hash.Hash) ([]byte, error) {
	m, ok := h.(encoding.BinaryMarshaler)
	if !ok {
		return nil, fmt.Errorf("sealed: this SHA-256 cannot be saved")
	}
	plain, err := m.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("saving the digest: %w", err)
	}
	defer clear(plain)
	return t.Seal(ctx, importID, digestPurpose, plain)
}
