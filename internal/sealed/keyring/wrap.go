package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// importVersion begins an entry that a key wrapped: then follow a random nonce of 12
// bytes and what AES-256-GCM made.
const importVersion = 'K'

// entryAAD binds what is wrapped to its place.
func entryAAD(tenant, id string) []byte { return []byte("lotse keyring " + tenant + "/" + id) }

// wrap seals plain with AES-256-GCM under a random nonce: a key wraps far fewer
// entries than the 2³² that random nonces allow.
func wrap(key Key, aad, plain []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{importVersion}, nil, plain, aad), nil //nolint:gosec // not G407: this AEAD takes no nonce and makes a random one
}

func unwrap(key Key, aad, wrapped []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	if len(wrapped) == 0 || wrapped[0] != importVersion {
		return nil, ErrDamaged
	}
	plain, err := aead.Open(nil, nil, wrapped[1:], aad)
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

func newAEAD(key Key) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// KeyMaster is a master key in memory.
type KeyMaster struct {
	key Key
	id  string
}

// NewKeyMaster makes a master of a key.
func NewKeyMaster(key Key) *KeyMaster {
	sum := sha256.Sum256(append([]byte("lotse master key id\x00"), key[:]...))
	return &KeyMaster{key: key, id: "key-" + hex.EncodeToString(sum[:8])}
}

// Wrap seals with AES-256-GCM.
func (m *KeyMaster) Wrap(_ context.Context, aad, plain []byte) ([]byte, error) {
	return wrap(m.key, aad, plain)
}

// Unwrap opens what Wrap made.
func (m *KeyMaster) Unwrap(_ context.Context, aad, wrapped []byte) ([]byte, error) {
	return unwrap(m.key, aad, wrapped)
}

// ID is "key-" and 16 hex digits of a digest of the key.
func (m *KeyMaster) ID() string { return m.id }

// MasterFile reads a master key from a file: 32 bytes in base64. The file must not
// be readable by others than its owner.
func MasterFile(path string) (*KeyMaster, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the master key %s must be a file that only its owner can read (mode 0600), it has %v", path, info.Mode())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	defer clear(text)
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(plain) != len(Key{}) {
		return nil, fmt.Errorf("the master key %s does not have 32 bytes in base64", path)
	}
	key, err := toKey(plain)
	if err != nil {
		return nil, err
	}
	return NewKeyMaster(key), nil
}

// CreateMasterFile is [MasterFile] that makes the file, with a random key, when it
// is absent. Of several that do so at once, all get the same key.
func CreateMasterFile(path string) (*KeyMaster, error) {
	m, err := MasterFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	key := newKey()
	if err := createMaster(path, base64.StdEncoding.EncodeToString(key[:])+"\n"); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the master key: %w", err)
	}
	return MasterFile(path)
}

// createMaster writes apart and links, so that the file has all of the key or is
// not there; then both the file and its name are on the disk.
func createMaster(path, text string) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".master-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
