package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"lotse/internal/sealed/keyring"
)

// The copy of a keyring is lines of JSON: a heading, an entry or tombstone each, and
// last a digest of the lines before, which the master key wraps. The entries are
// wrapped as they are in the keyring.
type keyringLine struct {
	Format int       `json:"format,omitempty"` // of the heading
	At     time.Time `json:"at,omitzero"`      // of the copy, or of a tombstone
	Master string    `json:"master,omitempty"` // id of the master key that sealed the copy
	Tenant string    `json:"tenant,omitempty"`
	ID     string    `json:"id,omitempty"`
	Entry  []byte    `json:"entry,omitempty"` // of an entry; a tombstone has none
	Digest []byte    `json:"digest,omitempty"`
}

const keyringAAD = "lotse keyring copy"

// KeyringCopied says what a copy of a keyring has.
type KeyringCopied struct{ Tenants, Keys, Erased int }

// CopyKeyring copies all entries and tombstones of a keyring into a file of mode
// 0600. One that is there already is replaced in one step, and what it had is
// written over: keys that were erased since are gone from it.
func CopyKeyring(ctx context.Context, keys keyring.Store, master keyring.Master, path string) (*KeyringCopied, error) {
	temp, err := os.CreateTemp(filepath.Dir(path), ".lotse-keyring-*") // 0600
	if err != nil {
		return nil, err
	}
	copied, err := writeKeyring(ctx, keys, master, temp)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err == nil {
		err = replace(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return nil, fmt.Errorf("copy the keyring: %w", err)
	}
	return copied, nil
}

// replace puts a file in the place of another, whose bytes it then destroys.
func replace(from, to string) error {
	old, err := os.OpenFile(to, os.O_WRONLY, 0) // #nosec G304 -- named by the administrator
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if old != nil {
		defer func() { _ = old.Close() }()
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil || old == nil {
		return err
	}
	info, err := old.Stat()
	if err != nil {
		return err
	}
	if _, err := io.CopyN(old, rand.Reader, info.Size()); err != nil {
		return err
	}
	return old.Sync()
}

// keyringWriter writes lines and digests them.
type keyringWriter struct {
	w      *bufio.Writer
	digest hash.Hash
}

func (w *keyringWriter) line(l keyringLine) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	_, _ = w.digest.Write(text) // never fails
	_, err = w.w.Write(text)
	return err
}

func writeKeyring(ctx context.Context, keys keyring.Store, master keyring.Master, file io.Writer) (*KeyringCopied, error) {
	w := &keyringWriter{bufio.NewWriter(file), sha256.New()}
	if err := w.line(keyringLine{Format: formatVersion, At: time.Now().UTC().Truncate(time.Second), Master: master.ID()}); err != nil {
		return nil, err
	}
	var copied KeyringCopied
	for tenant, err := range keys.Tenants(ctx) {
		if err != nil {
			return nil, err
		}
		copied.Tenants++
		if err := w.tenant(ctx, keys, tenant, &copied); err != nil {
			return nil, err
		}
	}
	sealed, err := master.Wrap(ctx, []byte(keyringAAD), w.digest.Sum(nil))
	if err != nil {
		return nil, err
	}
	if err := w.line(keyringLine{Digest: sealed}); err != nil {
		return nil, err
	}
	return &copied, w.w.Flush()
}

// tenant writes the entries first: one that is destroyed meanwhile has a tombstone
// then, which counts.
func (w *keyringWriter) tenant(ctx context.Context, keys keyring.Store, tenant string, copied *KeyringCopied) error {
	for e, err := range keys.List(ctx, tenant) {
		if err != nil {
			return err
		}
		entry, err := keys.Get(ctx, tenant, e.ID)
		if errors.Is(err, keyring.ErrErased) || errors.Is(err, keyring.ErrNotFound) {
			continue
		}
		if err == nil {
			copied.Keys++
			err = w.line(keyringLine{Tenant: tenant, ID: e.ID, Entry: entry})
		}
		if err != nil {
			return err
		}
	}
	for t, err := range keys.Erased(ctx, tenant) {
		if err != nil {
			return err
		}
		copied.Erased++
		if err := w.line(keyringLine{Tenant: tenant, ID: t.ID, At: t.At}); err != nil {
			return err
		}
	}
	return nil
}

// keyName names an entry of a keyring.
type keyName struct{ tenant, id string }

// keyringCopy is a copy of a keyring in memory, its entries wrapped.
type keyringCopy struct {
	entries map[keyName][]byte
	erased  map[keyName]time.Time
}

// readKeyring reads a copy and makes sure that it is whole and of this master key.
func readKeyring(ctx context.Context, path string, master keyring.Master) (*keyringCopy, error) {
	file, err := os.Open(path) // #nosec G304 -- named by the administrator
	if err != nil {
		return nil, fmt.Errorf("read the copy of the keyring: %w", err)
	}
	defer func() { _ = file.Close() }()
	c := &keyringCopy{entries: map[keyName][]byte{}, erased: map[keyName]time.Time{}}
	digest := sha256.New()
	lines := bufio.NewReader(file)
	for first := true; ; first = false {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return nil, &Refusal{Code: KeyringUnreadable, Err: err}
		}
		var l keyringLine
		if err := json.Unmarshal(text, &l); err != nil || first && l.Format != formatVersion {
			return nil, &Refusal{Code: KeyringUnreadable, Err: err}
		}
		if first && l.Master != master.ID() {
			return nil, refuse(OtherMaster, "%s, %s", l.Master, master.ID())
		}
		if l.Digest != nil {
			plain, err := master.Unwrap(ctx, []byte(keyringAAD), l.Digest)
			if err != nil || !bytes.Equal(plain, digest.Sum(nil)) {
				return nil, &Refusal{Code: KeyringUnreadable, Err: err}
			}
			break
		}
		_, _ = digest.Write(text) // never fails
		c.take(l)
	}
	for name := range c.erased {
		delete(c.entries, name)
	}
	return c, nil
}

func (c *keyringCopy) take(l keyringLine) {
	name := keyName{l.Tenant, l.ID}
	switch {
	case keyring.CheckNames(l.Tenant, l.ID) != nil: // the heading
	case l.Entry != nil:
		c.entries[name] = l.Entry
	default:
		c.erased[name] = l.At
	}
}

// tombstones gives those of a tenant.
func (c *keyringCopy) tombstones(tenant string) iter.Seq2[keyring.Tombstone, error] {
	return func(yield func(keyring.Tombstone, error) bool) {
		for name, at := range c.erased {
			if name.tenant == tenant && !yield(keyring.Tombstone{ID: name.id, At: at}, nil) {
				return
			}
		}
	}
}

// tenants are those that the copy has anything of.
func (c *keyringCopy) tenants() map[string]bool {
	all := map[string]bool{}
	for name := range c.entries {
		all[name.tenant] = true
	}
	for name := range c.erased {
		all[name.tenant] = true
	}
	return all
}

// merged reads a keyring as it will be once a copy was added to it: what either says
// was erased is erased. It is only asked.
type merged struct {
	keyring.Store
	copy *keyringCopy // nil: none
	only bool         // the copy alone
}

// Get is of [keyring.Store].
func (m merged) Get(ctx context.Context, tenant, id string) ([]byte, error) {
	name := keyName{tenant, id}
	if m.copy != nil {
		if _, gone := m.copy.erased[name]; gone {
			return nil, keyring.ErrErased
		}
	}
	if !m.only {
		entry, err := m.Store.Get(ctx, tenant, id)
		if err == nil || m.copy == nil || !errors.Is(err, keyring.ErrNotFound) {
			return entry, err
		}
	}
	if entry, ok := m.copy.entries[name]; ok {
		return entry, nil
	}
	return nil, keyring.ErrNotFound
}

// addTo brings a copy into a keyring: first what was erased, then the entries that
// it has not.
func (c *keyringCopy) addTo(ctx context.Context, keys keyring.Store, ring *keyring.Ring) error {
	gone := map[string]bool{}
	for tenant := range c.tenants() {
		if err := ring.Replay(ctx, tenant, c.tombstones(tenant)); err != nil {
			return err
		}
		_, err := ring.Tenant(ctx, tenant)
		gone[tenant] = errors.Is(err, keyring.ErrErased)
	}
	for name, entry := range c.entries {
		if gone[name.tenant] {
			continue
		}
		err := keys.Put(ctx, name.tenant, name.id, entry)
		if err != nil && !errors.Is(err, keyring.ErrExists) && !errors.Is(err, keyring.ErrErased) {
			return err
		}
	}
	return nil
}
