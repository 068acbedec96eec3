// Package blobtest has what every implementation of [blob.Store] must do, as a
// suite that runs against each, and the doubles with which others test what they do
// when a store fails (Faulty), forgets (Unsynced) or is asked too often (Counting).
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/sealed/blob"
)

// Run runs the conformance suite. open gives an empty store.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for name, test := range map[string]func(*testing.T, blob.Store){
		"ReadBack": testReadBack, "Invisible": testInvisible, "Keys": testKeys, "Delete": testDelete,
		"List": testList, "Concurrent": testConcurrent, "Cancelled": testCancelled, "TooLarge": testTooLarge,
		"Check": testCheck,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// Random gives n bytes that are the same for the same seed.
func Random(seed uint64, n int) []byte {
	var s [32]byte
	s[0], s[1], s[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(s).Read(b) // never fails
	return b
}

// Put makes a blob.
func Put(t testing.TB, s blob.Store, key string, b []byte) {
	t.Helper()
	if err := put(t.Context(), s, key, b); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func put(ctx context.Context, s blob.Store, key string, b []byte) error {
	w, err := s.Create(ctx, key)
	if err != nil {
		return err
	}
	if _, err := io.Copy(struct{ io.Writer }{w}, bytes.NewReader(b)); err != nil {
		w.Abort()
		return err
	}
	return w.Commit(ctx)
}

// Get reads a whole blob.
func Get(t testing.TB, s blob.Store, key string) []byte {
	t.Helper()
	b := make([]byte, blob.MaxSize)
	n, err := s.ReadAt(t.Context(), key, b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("get %s: %v", key, err)
	}
	return b[:n]
}

// Keys gives all keys that begin with prefix, sorted.
func Keys(t testing.TB, s blob.Store, prefix string) []string {
	t.Helper()
	var keys []string
	err := s.List(t.Context(), prefix, func(i blob.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil {
		t.Fatalf("list %q: %v", prefix, err)
	}
	slices.Sort(keys)
	return keys
}

func testReadBack(t *testing.T, s blob.Store) {
	for i, size := range []int{0, 1, 1000, 1<<20 + 7, 16<<20 + 256*32} {
		key := fmt.Sprintf("tenant/import/%d", i)
		want := Random(uint64(i), size)
		Put(t, s, key, want)
		if got := Get(t, s, key); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: read back %d others", size, len(got))
		}
		for _, r := range [][2]int{{0, 1}, {size / 2, size / 3}, {size - 1, 1}, {size - 1, 10}, {size, 1}, {size + 5, 10}, {0, 0}} {
			if r[0] >= 0 {
				testRange(t, s, key, want, r[0], r[1])
			}
		}
	}
}

func testRange(t *testing.T, s blob.Store, key string, all []byte, off, n int) {
	t.Helper()
	want := all[min(off, len(all)):min(off+n, len(all))]
	p := make([]byte, n)
	k, err := s.ReadAt(t.Context(), key, p, int64(off))
	if !bytes.Equal(p[:k], want) {
		t.Fatalf("%d bytes at %d of %d: read %d bytes, or others", n, off, len(all), k)
	}
	if k < n && !errors.Is(err, io.EOF) || k == n && err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%d bytes at %d of %d: %d bytes, %v", n, off, len(all), k, err)
	}
}

func testInvisible(t *testing.T, s blob.Store) {
	ctx := t.Context()
	aborted, err := s.Create(ctx, "a/b/aborted")
	if err != nil {
		t.Fatal(err)
	}
	open, err := s.Create(ctx, "a/b/open")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []blob.Writer{aborted, open} {
		if _, err := w.Write([]byte("sealed")); err != nil {
			t.Fatal(err)
		}
	}
	aborted.Abort()
	for _, key := range []string{"a/b/aborted", "a/b/open", "a/b/never"} {
		if _, err := s.ReadAt(ctx, key, make([]byte, 1), 0); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("read %s = %v, want ErrNotFound", key, err)
		}
	}
	if keys := Keys(t, s, ""); len(keys) > 0 {
		t.Errorf("listed before commit: %q", keys)
	}
	if err := open.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	open.Abort()
	if got := Get(t, s, "a/b/open"); string(got) != "sealed" {
		t.Errorf("after commit: %q", got)
	}
	if _, err := open.Write([]byte("more")); err == nil {
		t.Error("a writer takes bytes after commit")
	}
	if err := open.Commit(ctx); err == nil {
		t.Error("a writer commits twice")
	}
}

func testKeys(t *testing.T, s blob.Store) {
	ctx := t.Context()
	for _, key := range []string{"", "/", "/a", "a/", "a//b", "..", "a/../b", ".incomplete/x", "a.b", "A", "a b", "a\x00b", "ä", "a\\b", strings.Repeat("a", 129), strings.Repeat("a/", 9) + "a"} {
		if w, err := s.Create(ctx, key); !errors.Is(err, blob.ErrKey) {
			t.Errorf("create %q = %v, %v, want ErrKey", key, w, err)
		}
		if _, err := s.ReadAt(ctx, key, make([]byte, 1), 0); !errors.Is(err, blob.ErrKey) {
			t.Errorf("read %q = %v, want ErrKey", key, err)
		}
		if err := s.Delete(ctx, key); !errors.Is(err, blob.ErrKey) {
			t.Errorf("delete %q = %v, want ErrKey", key, err)
		}
	}
	if err := s.List(ctx, "../", nil); !errors.Is(err, blob.ErrKey) {
		t.Errorf("list ../ = %v, want ErrKey", err)
	}
}

func testDelete(t *testing.T, s blob.Store) {
	Put(t, s, "t/i/one", []byte("1"))
	Put(t, s, "t/i/two", []byte("2"))
	if err := s.Delete(t.Context(), "t/i/one", "t/i/never", "t/j/never"); err != nil {
		t.Fatalf("delete: %v", err)
	}
	if err := s.Delete(t.Context(), "t/i/one"); err != nil {
		t.Fatalf("delete again: %v", err)
	}
	if err := s.Delete(t.Context()); err != nil {
		t.Fatalf("delete nothing: %v", err)
	}
	if keys := Keys(t, s, ""); !slices.Equal(keys, []string{"t/i/two"}) {
		t.Fatalf("left: %q", keys)
	}
	if err := s.Delete(t.Context(), "t/i/two"); err != nil {
		t.Fatal(err)
	}
	Put(t, s, "t/i/three", []byte("3")) // its folder, if it is one, has gone and comes again
	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprintf("t/many/%d", i))
		Put(t, s, many[i], []byte("x"))
	}
	if err := s.Delete(t.Context(), many...); err != nil {
		t.Fatal(err)
	}
	if keys := Keys(t, s, ""); !slices.Equal(keys, []string{"t/i/three"}) {
		t.Fatalf("left: %q", keys)
	}
}

func testList(t *testing.T, s blob.Store) {
	all := []string{"t/i/one", "t/i/two", "t/i2/x", "t2/i/one"}
	begun := time.Now()
	for _, key := range all {
		Put(t, s, key, []byte(key))
	}
	for prefix, want := range map[string][]string{
		"": all, "t/": all[:3], "t/i/": all[:2], "t/i": all[:3], "t/i/o": all[:1], "t/i/one": all[:1], "t": all, "x/": nil, "t/i/one/": nil,
	} {
		if keys := Keys(t, s, prefix); !slices.Equal(keys, want) {
			t.Errorf("list %q = %q, want %q", prefix, keys, want)
		}
	}
	stop := errors.New("stop")
	calls := 0
	err := s.List(t.Context(), "t/", func(i blob.Info) error {
		calls++
		if i.Size != int64(len(i.Key)) || i.Modified.Before(begun.Add(-time.Minute)) || i.Modified.After(time.Now().Add(time.Minute)) {
			t.Errorf("info %+v", i)
		}
		return stop
	})
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("list that is stopped = %v after %d calls", err, calls)
	}
}

func testConcurrent(t *testing.T, s blob.Store) {
	ctx := t.Context()
	const n = 24
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for i := range n {
		wg.Go(func() {
			key := fmt.Sprintf("t/import-%d/x", i%5)
			key += fmt.Sprint(i)
			want := Random(uint64(i), 100_000+i)
			if err := put(ctx, s, key, want); err != nil {
				errs <- err
				return
			}
			if err := blob.Compare(ctx, s, key, want); err != nil {
				errs <- fmt.Errorf("%s: %w", key, err)
			}
			if err := s.Delete(ctx, key); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if keys := Keys(t, s, ""); len(keys) > 0 {
		t.Errorf("left: %q", keys)
	}
}

func testCancelled(t *testing.T, s blob.Store) {
	Put(t, s, "t/i/there", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.Create(ctx, "t/i/new")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("commit = %v, want cancelled", err)
	}
	if _, err := s.ReadAt(ctx, "t/i/there", make([]byte, 1), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("read = %v, want cancelled", err)
	}
	if err := s.Delete(ctx, "t/i/there"); !errors.Is(err, context.Canceled) {
		t.Errorf("delete = %v, want cancelled", err)
	}
	if err := s.List(ctx, "", func(blob.Info) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("list = %v, want cancelled", err)
	}
	if keys := Keys(t, s, ""); !slices.Equal(keys, []string{"t/i/there"}) {
		t.Errorf("left: %q", keys)
	}
}

func testTooLarge(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "t/i/large")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	b := make([]byte, 1<<20)
	for range blob.MaxSize / len(b) {
		if _, err := w.Write(b); err != nil {
			t.Fatalf("within the limit: %v", err)
		}
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("over the limit = %v, want ErrTooLarge", err)
	}
}

func testCheck(t *testing.T, s blob.Store) {
	if err := s.Check(t.Context()); err != nil {
		t.Fatalf("check: %v", err)
	}
	if keys := Keys(t, s, ""); len(keys) > 0 {
		t.Errorf("check left %q", keys)
	}
}
