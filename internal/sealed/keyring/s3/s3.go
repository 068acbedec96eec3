// Package s3 keeps the entries of a keyring in a bucket, for several nodes:
//
//	entries/<tenant>/<id>    one wrapped entry
//	erased/<tenant>/<id>     a tombstone: microseconds since 1970
//
// The bucket must not be versioned, or what is deleted would stay: opening refuses
// one that is, or was. The server must honour conditional puts (If-None-Match,
// If-Match), which order the nodes: Check proves it. A tombstone is put before its
// entry is deleted, and decides from then on, whatever else is there.
package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"lotse/internal/sealed/bucket"
	"lotse/internal/sealed/keyring"
)

const (
	entries  = "entries/"
	erased   = "erased/"
	maxEntry = 64 << 10 // bytes of an entry
	attempts = 5        // when nodes meet at an entry
)

// ErrVersioned reports a bucket that keeps what is deleted.
var ErrVersioned = errors.New("keyring: the bucket is or was versioned and keeps what is deleted; the keyring needs one that never was")

// ErrUnconditional reports a server that ignores the conditions of a put.
var ErrUnconditional = errors.New("keyring: the S3 server ignores If-None-Match or If-Match; the keyring needs them")

// Store is a [keyring.Store] over a bucket.
type Store struct {
	bucket *bucket.Bucket
	now    func() time.Time
}

// Open opens the keyring and refuses a bucket that is versioned. now is the clock of
// the tombstones; time.Now when nil.
func Open(ctx context.Context, c bucket.Config, now func() time.Time) (*Store, error) {
	b, err := bucket.Open(c)
	if err != nil {
		return nil, fmt.Errorf("opening the keyring: %w", err)
	}
	if now == nil {
		now = time.Now
	}
	s := &Store{bucket: b, now: now}
	if err := s.unversioned(ctx); err != nil {
		return nil, fmt.Errorf("opening the keyring: %w", err)
	}
	return s, nil
}

func (s *Store) unversioned(ctx context.Context) error {
	versioned, err := s.bucket.Versioned(ctx)
	if err == nil && versioned {
		err = ErrVersioned
	}
	return err
}

func failure(op string, err error) error { return fmt.Errorf("keyring: %s: %w", op, err) }

func name(tenant, id string) string { return tenant + "/" + id }

// Put is of [keyring.Store].
func (s *Store) Put(ctx context.Context, tenant, id string, wrapped []byte) error {
	if err := s.alive(ctx, tenant, id); err != nil {
		return err
	}
	err := retried(func() error {
		return s.bucket.PutBytes(ctx, entries+name(tenant, id), wrapped, bucket.Condition{Absent: true})
	})
	if errors.Is(err, bucket.ErrCondition) {
		return keyring.ErrExists
	} else if err != nil {
		return failure("writing an entry", err)
	}
	return s.stillAlive(ctx, tenant, id)
}

// stillAlive removes what was written when a deletion came between.
func (s *Store) stillAlive(ctx context.Context, tenant, id string) error {
	err := s.alive(ctx, tenant, id)
	if errors.Is(err, keyring.ErrErased) {
		if err := s.bucket.Delete(ctx, entries+name(tenant, id)); err != nil {
			return failure("removing an entry that is erased", err)
		}
	}
	return err
}

// retried makes a conditional put again when another one was going on.
func retried(put func() error) (err error) {
	for range attempts {
		if err = put(); !errors.Is(err, bucket.ErrConflict) {
			return err
		}
	}
	return err
}

// alive gives ErrErased when there is a tombstone.
func (s *Store) alive(ctx context.Context, tenant, id string) error {
	if err := errors.Join(keyring.CheckNames(tenant, id), ctx.Err()); err != nil {
		return err
	}
	gone, err := s.bucket.Exists(ctx, erased+name(tenant, id))
	if err != nil {
		return failure("looking for a tombstone", err)
	}
	if gone {
		return keyring.ErrErased
	}
	return nil
}

// Replace is of [keyring.Store].
func (s *Store) Replace(ctx context.Context, tenant, id string, old, wrapped []byte) error {
	now, tag, err := s.get(ctx, tenant, id)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, old) || tag == "" {
		return keyring.ErrChanged
	}
	err = retried(func() error {
		return s.bucket.PutBytes(ctx, entries+name(tenant, id), wrapped, bucket.Condition{Match: tag})
	})
	switch {
	case errors.Is(err, bucket.ErrCondition), errors.Is(err, bucket.ErrNotFound):
		if _, _, err := s.get(ctx, tenant, id); err != nil {
			return err // it has gone meanwhile
		}
		return keyring.ErrChanged
	case err != nil:
		return failure("replacing an entry", err)
	}
	return s.stillAlive(ctx, tenant, id)
}

// Get is of [keyring.Store].
func (s *Store) Get(ctx context.Context, tenant, id string) ([]byte, error) {
	b, _, err := s.get(ctx, tenant, id)
	return b, err
}

func (s *Store) get(ctx context.Context, tenant, id string) ([]byte, string, error) {
	if err := s.alive(ctx, tenant, id); err != nil {
		return nil, "", err
	}
	b, tag, err := s.bucket.Get(ctx, entries+name(tenant, id), maxEntry)
	if errors.Is(err, bucket.ErrNotFound) {
		// A deletion may have come between the two requests.
		if err := s.alive(ctx, tenant, id); err != nil {
			return nil, "", err
		}
		return nil, "", keyring.ErrNotFound
	} else if err != nil {
		return nil, "", failure("reading an entry", err)
	}
	return b, tag, nil
}

// Delete is of [keyring.Store]. It makes sure that the entry is gone.
func (s *Store) Delete(ctx context.Context, tenant, id string) error {
	if err := errors.Join(keyring.CheckNames(tenant, id), ctx.Err()); err != nil {
		return err
	}
	stone := strconv.AppendInt(nil, s.now().UnixMicro(), 10)
	err := retried(func() error {
		return s.bucket.PutBytes(ctx, erased+name(tenant, id), stone, bucket.Condition{Absent: true})
	})
	if err != nil && !errors.Is(err, bucket.ErrCondition) {
		return failure("leaving a tombstone", err)
	}
	if err := s.bucket.Delete(ctx, entries+name(tenant, id)); err != nil {
		return failure("destroying an entry", err)
	}
	there, err := s.bucket.Exists(ctx, entries+name(tenant, id))
	if err != nil {
		return failure("making sure that an entry is destroyed", err)
	}
	if there {
		return failure("making sure that an entry is destroyed", errors.New("the server still has it"))
	}
	return nil
}

// List is of [keyring.Store].
func (s *Store) List(ctx context.Context, tenant string) iter.Seq2[keyring.Entry, error] {
	return func(yield func(keyring.Entry, error) bool) {
		if err := keyring.CheckName(tenant); err != nil {
			yield(keyring.Entry{}, err)
			return
		}
		for o, err := range s.bucket.List(ctx, entries+tenant+"/") {
			if err != nil {
				yield(keyring.Entry{}, failure("listing", err))
				return
			}
			id := strings.TrimPrefix(o.Key, entries+tenant+"/")
			if keyring.CheckName(id) == nil && !yield(keyring.Entry{ID: id, Made: o.Modified.UTC()}, nil) {
				return
			}
		}
	}
}

// Made is of [keyring.Store].
func (s *Store) Made(ctx context.Context, tenant, id string) (time.Time, error) {
	if err := s.alive(ctx, tenant, id); err != nil {
		return time.Time{}, err
	}
	key := entries + name(tenant, id)
	for o, err := range s.bucket.List(ctx, key) { // others may begin like it
		if err != nil {
			return time.Time{}, failure("reading the time of an entry", err)
		}
		if o.Key == key {
			return o.Modified.UTC(), nil
		}
	}
	// A deletion may have come between the two requests.
	if err := s.alive(ctx, tenant, id); err != nil {
		return time.Time{}, err
	}
	return time.Time{}, keyring.ErrNotFound
}

// Tenants is of [keyring.Store].
func (s *Store) Tenants(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		seen := map[string]bool{}
		for _, prefix := range []string{entries, erased} {
			for tenant, err := range s.bucket.Folders(ctx, prefix) {
				if err != nil {
					yield("", failure("listing", err))
					return
				}
				if seen[tenant] || keyring.CheckName(tenant) != nil {
					continue
				}
				seen[tenant] = true
				if !yield(tenant, nil) {
					return
				}
			}
		}
	}
}

// Erased is of [keyring.Store]. It makes a request for each.
func (s *Store) Erased(ctx context.Context, tenant string) iter.Seq2[keyring.Tombstone, error] {
	return func(yield func(keyring.Tombstone, error) bool) {
		if err := keyring.CheckName(tenant); err != nil {
			yield(keyring.Tombstone{}, err)
			return
		}
		for o, err := range s.bucket.List(ctx, erased+tenant+"/") {
			if err != nil {
				yield(keyring.Tombstone{}, failure("listing", err))
				return
			}
			t, err := s.tombstone(ctx, o)
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

func (s *Store) tombstone(ctx context.Context, o bucket.Object) (keyring.Tombstone, error) {
	b, _, err := s.bucket.Get(ctx, o.Key, 32)
	if err != nil {
		return keyring.Tombstone{}, failure("reading a tombstone", err)
	}
	at := o.Modified
	if us, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		at = time.UnixMicro(us)
	}
	return keyring.Tombstone{ID: o.Key[strings.LastIndexByte(o.Key, '/')+1:], At: at.UTC()}, nil
}

// Check is of [keyring.Store]. It also finds a bucket that has become versioned, and
// a server that does not honour conditional puts.
func (s *Store) Check(ctx context.Context) error {
	if err := s.unversioned(ctx); err != nil {
		return err
	}
	probe := "selftest/" + strings.ToLower(rand.Text())
	err := s.probe(ctx, probe)
	err = errors.Join(err, s.bucket.Delete(context.WithoutCancel(ctx), probe))
	if err == nil {
		var there bool
		if there, err = s.bucket.Exists(ctx, probe); there {
			err = errors.New("the server keeps what was deleted")
		}
	}
	if err != nil {
		return failure("checking the bucket", err)
	}
	return nil
}

func (s *Store) probe(ctx context.Context, key string) error {
	one, two := []byte("one"), []byte("two")
	if err := s.bucket.PutBytes(ctx, key, one, bucket.Condition{Absent: true}); err != nil {
		return err
	}
	if err := refused(s.bucket.PutBytes(ctx, key, two, bucket.Condition{Absent: true})); err != nil {
		return err
	}
	b, tag, err := s.bucket.Get(ctx, key, maxEntry)
	if err != nil || !bytes.Equal(b, one) {
		return errors.Join(err, errors.New("the server gave back other bytes than were written"))
	}
	if err := s.bucket.PutBytes(ctx, key, two, bucket.Condition{Match: tag}); err != nil {
		return err
	}
	return refused(s.bucket.PutBytes(ctx, key, one, bucket.Condition{Match: tag}))
}

// refused turns the refusal that should come into success.
func refused(err error) error {
	switch {
	case err == nil:
		return ErrUnconditional
	case errors.Is(err, bucket.ErrCondition):
		return nil
	}
	return err
}
