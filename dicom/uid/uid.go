// Package uid makes and checks DICOM unique identifiers (PS3.5 §9, Annex B).
//
// New identifiers are UUIDs under the root 2.25, which needs no registration
// (PS3.5 §B.2). The names of the standard's own UIDs are in package dict.
package uid

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
)

// MaxLength is the greatest length of a UID in characters, without padding (PS3.5 §9.1).
const MaxLength = 64

// ErrInvalid is what every error of Valid wraps.
var ErrInvalid = errors.New("invalid UID")

// New returns a UID that nobody else has: 2.25. and a random (version 4) UUID.
func New() string {
	var uuid [16]byte
	_, _ = rand.Read(uuid[:]) // never fails: it ends the process instead
	return FromUUID(withVersion(uuid, 4))
}

// FromUUID returns the UID of a UUID, which is 2.25. and the UUID as a decimal
// number (PS3.5 §B.2, ITU-T X.667): at most 44 characters.
func FromUUID(uuid [16]byte) string {
	return "2.25." + new(big.Int).SetBytes(uuid[:]).String()
}

// Derive returns the UID that takes the place of original, always the same for the
// same key: HMAC-SHA-256 of original under key, as a version 8 UUID (RFC 9562 §5.8)
// under 2.25. References stay consistent when every UID is derived under one key.
//
// Without the key nobody can tell which original it came from, so the key must be
// secret, random (32 bytes) and used for nothing else. Padding must be taken off
// original before; it need not be a valid UID.
func Derive(key []byte, original string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(original))
	var uuid [16]byte
	copy(uuid[:], mac.Sum(nil))
	return FromUUID(withVersion(uuid, 8))
}

// withVersion sets the version and the variant of RFC 9562 §4.1-4.2.
func withVersion(uuid [16]byte, version byte) [16]byte {
	uuid[6] = uuid[6]&0x0F | version<<4
	uuid[8] = uuid[8]&0x3F | 0x80
	return uuid
}

// Valid reports how s breaks the rules for a UID (PS3.5 §9.1): 1 to 64 characters,
// components of digits parted by dots, none empty, none with a leading zero unless
// it is 0. The error wraps ErrInvalid and does not repeat s. Padding counts as part
// of s, so it must be taken off before.
func Valid(s string) error {
	if s == "" {
		return fmt.Errorf("%w: empty", ErrInvalid)
	}
	if len(s) > MaxLength {
		return fmt.Errorf("%w: %d characters, at most %d allowed", ErrInvalid, len(s), MaxLength)
	}
	start := 0 // of the current component
	for i := 0; i <= len(s); i++ {
		switch {
		case i == len(s) || s[i] == '.':
			if i == start {
				return fmt.Errorf("%w: empty component at character %d", ErrInvalid, i+1)
			}
			if s[start] == '0' && i-start > 1 {
				return fmt.Errorf("%w: leading zero at character %d", ErrInvalid, start+1)
			}
			start = i + 1
		case s[i] < '0' || s[i] > '9':
			return fmt.Errorf("%w: neither digit nor dot at character %d", ErrInvalid, i+1)
		}
	}
	return nil
}
