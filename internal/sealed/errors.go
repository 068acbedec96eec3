package sealed

import (
	"errors"
	"fmt"

	"lotse/internal/sealed/keyring"
)

var (
	// ErrErased reports that the key of the import, or of its tenant, was destroyed:
	// what was sealed is gone for ever.
	ErrErased = errors.New("sealed: erased")

	// ErrNoKey reports that there is no key and never was one that was destroyed: the
	// import or tenant is not known to this keyring, which may be the wrong one.
	ErrNoKey = errors.New("sealed: no such key")

	// ErrDamaged reports bytes that are not what was sealed there.
	ErrDamaged = errors.New("sealed: damaged")

	// ErrClosed reports a writer that was aborted.
	ErrClosed = errors.New("sealed: the writer is closed")
)

// keyError says what a keyring's failure means here.
func keyError(err error) error {
	switch {
	case errors.Is(err, keyring.ErrErased):
		return ErrErased
	case errors.Is(err, keyring.ErrNotFound):
		return ErrNoKey
	case errors.Is(err, keyring.ErrDamaged):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return fmt.Errorf("sealed: %w", err)
}
