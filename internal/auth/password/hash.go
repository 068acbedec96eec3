// Package password turns passwords into what may be kept of them, and says which are
// too weak. It keeps nothing and knows no accounts.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Params are the cost of one hash (RFC 9106). They are kept with each hash, so that
// old ones stay good when these change.
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// DefaultParams cost about a tenth of a second and 64 MiB.
func DefaultParams() Params { return Params{Memory: 64 << 10, Time: 3, Threads: 1} }

// What a hash read from the database may cost at most, whoever wrote it there.
const (
	mostMemory = 1 << 20 // KiB
	mostTime   = 64
)

// Sizes in bytes.
const (
	saltSize = 16
	keySize  = 32
)

// DefaultMemory is what all hashes at once may take at most, in bytes.
const DefaultMemory = 256 << 20

// maxWaiting is how many may wait for their turn; more are turned away.
const maxWaiting = 128

// ErrDamaged: it is no hash of a password.
var ErrDamaged = errors.New("password: not a hash")

// BusyError says that too many wait already.
type BusyError struct{}

func (BusyError) Error() string { return "password: too many at once" }

// Temporary tells that trying again helps.
func (BusyError) Temporary() bool { return true }

// Hasher makes and checks hashes, only so many at once as memory and processors
// allow. It is safe for concurrent use.
type Hasher struct {
	params  Params
	slots   chan struct{}
	waiting atomic.Int64
	runs    atomic.Int64
	decoy   string
}

// New returns a hasher that takes at most so much memory, in bytes, but always enough
// for one.
func New(p Params, memory int64) *Hasher {
	n := max(1, min(int64(runtime.GOMAXPROCS(0)), memory/(int64(p.Memory)<<10)))
	h := &Hasher{params: p, slots: make(chan struct{}, n)}
	h.decoy = encode(p, make([]byte, saltSize), make([]byte, keySize))
	return h
}

// Runs counts the hashes that were computed: the work, for those who compare it.
func (h *Hasher) Runs() int64 { return h.runs.Load() }

// Hash returns what may be kept of a password, in the form of the reference
// implementation ($argon2id$v=19$…).
func (h *Hasher) Hash(ctx context.Context, plain string) (string, error) {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails: it ends the process instead
	key, err := h.run(ctx, h.params, plain, salt)
	if err != nil {
		return "", err
	}
	return encode(h.params, salt, key), nil
}

// Verify tells whether a password is the one of a hash. outdated: it was made with
// other parameters, and should be made anew.
func (h *Hasher) Verify(ctx context.Context, hash, plain string) (ok, outdated bool, err error) {
	p, salt, want, err := decode(hash)
	if err != nil {
		return false, false, err
	}
	got, err := h.run(ctx, p, plain, salt)
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, p != h.params, nil
}

// Waste does the work of Verify where there is nothing to compare with, so that nobody
// learns that from the time it takes.
func (h *Hasher) Waste(ctx context.Context, plain string) error {
	_, _, err := h.Verify(ctx, h.decoy, plain)
	return err
}

func (h *Hasher) run(ctx context.Context, p Params, plain string, salt []byte) ([]byte, error) {
	if h.waiting.Add(1) > maxWaiting {
		h.waiting.Add(-1)
		return nil, BusyError{}
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	h.runs.Add(1)
	return argon2.IDKey([]byte(norm.NFKC.String(plain)), salt, p.Time, p.Memory, p.Threads, keySize), nil
}

func encode(p Params, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Time, p.Threads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

func decode(hash string) (p Params, salt, key []byte, err error) {
	var version int
	var rest string
	n, err := fmt.Sscanf(hash, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &p.Memory, &p.Time, &p.Threads, &rest)
	if err != nil || n != 5 || version != argon2.Version || p.Memory == 0 || p.Memory > mostMemory || p.Time == 0 || p.Time > mostTime || p.Threads == 0 {
		return p, nil, nil, ErrDamaged
	}
	b64 := base64.RawStdEncoding
	saltLength := b64.EncodedLen(saltSize)
	if len(rest) != saltLength+1+b64.EncodedLen(keySize) || rest[saltLength] != '$' {
		return p, nil, nil, ErrDamaged
	}
	salt, err = b64.DecodeString(rest[:saltLength])
	if err == nil {
		key, err = b64.DecodeString(rest[saltLength+1:])
	}
	if err != nil {
		return p, nil, nil, ErrDamaged
	}
	return p, salt, key, nil
}
