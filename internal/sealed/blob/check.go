package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
)

// checkKeys is where the blobs of [RoundTrip] are while it lasts.
const checkKeys = "selftest/"

// RoundTrip writes a blob of size random bytes, reads it back whole and in part,
// compares and deletes it. It is what stores build their Check from. Bytes that
// differ are [ErrCorrupts].
func RoundTrip(ctx context.Context, s Store, size int) error {
	key := checkKeys + strings.ToLower(rand.Text())
	want := make([]byte, size)
	_, _ = rand.Read(want) // never fails
	if err := put(ctx, s, key, want); err != nil {
		return fmt.Errorf("checking the blob store: %w", err)
	}
	err := Compare(ctx, s, key, want)
	if gone := s.Delete(context.WithoutCancel(ctx), key); err == nil {
		err = gone
	}
	if err != nil {
		return fmt.Errorf("checking the blob store: %w", err)
	}
	if _, err = s.ReadAt(ctx, key, make([]byte, 1), 0); !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("checking the blob store: a deleted blob answers %w", orGone(err))
	}
	return nil
}

func orGone(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return ErrCorrupts
	}
	return err
}

func put(ctx context.Context, s Store, key string, b []byte) error {
	w, err := s.Create(ctx, key)
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		w.Abort()
		return err
	}
	return w.Commit(ctx)
}

// Compare reads the blob under key and says whether it has the bytes want: whole,
// with one byte more than there may be, and a range in its middle.
func Compare(ctx context.Context, s Store, key string, want []byte) error {
	got := make([]byte, len(want)+1)
	n, err := s.ReadAt(ctx, key, got, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(got[:n], want) {
		return ErrCorrupts
	}
	from, to := len(want)/3, len(want)/3*2
	n, err = s.ReadAt(ctx, key, got[:to-from], int64(from))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(got[:n], want[from:to]) {
		return ErrCorrupts
	}
	return nil
}
