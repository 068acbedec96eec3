// Package s3 keeps blobs as objects in a bucket, for several nodes.
//
// A blob is held in memory until Commit, within a budget that all writers of the
// process share, and is put in one request with its SHA-256, which the server
// checks. It is durable when the server has answered. Nothing is kept on a disk.
package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/bucket"
)

const (
	// DefaultBudget is how many bytes of blobs are in memory on their way.
	DefaultBudget = 64 << 20

	// The parts of the multipart upload that Check makes: S3 wants 5 MiB at least of
	// all but the last.
	firstPart  = 5 << 20
	secondPart = 1<<20 + 12345
)

// Options of a [Store]. The zero value has the defaults.
type Options struct {
	Budget int64 // bytes of blobs on their way; at least blob.MaxSize
}

// Store is a [blob.Store] over a bucket.
type Store struct {
	bucket *bucket.Bucket
	pool   *pool
}

// Open opens the store. It asks the server nothing: see Check.
func Open(c bucket.Config, o Options) (*Store, error) {
	b, err := bucket.Open(c)
	if err != nil {
		return nil, fmt.Errorf("opening the blob store: %w", err)
	}
	if o.Budget <= 0 {
		o.Budget = DefaultBudget
	}
	return &Store{bucket: b, pool: newPool(max(o.Budget, blob.MaxSize))}, nil
}

// failure says what a failure of the server means.
func failure(op string, err error) error {
	var e *bucket.Error
	if !errors.As(err, &e) {
		return err // the end of a context
	}
	switch {
	case errors.Is(err, bucket.ErrNotFound):
		err = fmt.Errorf("%w: %w", blob.ErrNotFound, err)
	case errors.Is(err, bucket.ErrFull):
		err = fmt.Errorf("%w: %w", blob.ErrFull, err)
	}
	return &blob.Error{Op: op, Retry: e.Temporary(), Err: err}
}

// Create begins a blob in memory. It waits for a first piece of the budget.
func (s *Store) Create(ctx context.Context, key string) (blob.Writer, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, err
	}
	first, err := s.pool.wait(ctx)
	if err != nil {
		return nil, err
	}
	return newWriter(s, key, first), nil
}

// ReadAt makes one request.
func (s *Store) ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error) {
	if err := errors.Join(blob.CheckKey(key), ctx.Err()); err != nil {
		return 0, err
	}
	n, err := s.bucket.ReadAt(ctx, key, p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, failure("reading", err)
	}
	return n, err
}

// Delete removes objects, many in one request.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := blob.CheckKey(key); err != nil {
			return err
		}
	}
	if len(keys) == 0 {
		return nil
	}
	if err := s.bucket.Delete(ctx, keys...); err != nil {
		return failure("deleting", err)
	}
	return nil
}

// List lists the bucket.
func (s *Store) List(ctx context.Context, prefix string, f func(blob.Info) error) error {
	if err := blob.CheckPrefix(prefix); err != nil {
		return err
	}
	for o, err := range s.bucket.List(ctx, prefix) {
		if err != nil {
			return failure("listing", err)
		}
		if blob.CheckKey(o.Key) != nil {
			continue // not of this store
		}
		if err := f(blob.Info{Key: o.Key, Size: o.Size, Modified: o.Modified}); err != nil {
			return err
		}
	}
	return nil
}

// Check writes a blob in one request and one in several, as some servers corrupt
// those, reads both back, compares and deletes.
func (s *Store) Check(ctx context.Context) error {
	if err := blob.RoundTrip(ctx, s, 1<<20+1); err != nil {
		return err
	}
	want := make([]byte, firstPart+secondPart)
	_, _ = rand.Read(want) // never fails
	key := "selftest/" + strings.ToLower(rand.Text())
	err := s.bucket.Multipart(ctx, key, want[:firstPart], want[firstPart:])
	if err == nil {
		err = blob.Compare(ctx, s, key, want)
	}
	err = errors.Join(err, s.Delete(context.WithoutCancel(ctx), key))
	if err != nil {
		return fmt.Errorf("checking the blob store with an upload in parts: %w", failure("checking", err))
	}
	return nil
}
