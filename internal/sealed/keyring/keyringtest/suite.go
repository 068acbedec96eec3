// Package keyringtest has what every implementation of [keyring.Store] must do, as a
// suite that runs against each.
package keyringtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"lotse/internal/sealed/keyring"
)

// Clock is a clock for tombstones that goes on by a second at each look.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		c.at = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	}
	c.at = c.at.Add(time.Second)
	return c.at
}

// Run runs the suite. open gives an empty store with the clock; again opens the same
// store another time, as another process would.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) (s keyring.Store, again func() keyring.Store)) {
	for name, test := range map[string]func(*testing.T, keyring.Store, func() keyring.Store){
		"Put": testPut, "Made": testMade, "Names": testNames, "Replace": testReplace, "Delete": testDelete, "Tombstones": testTombstones,
		"Concurrent": testConcurrent, "Cancelled": testCancelled, "Check": testCheck, "Ring": testRing,
		"Rotation": testRotation, "DestroyTenant": testDestroyTenant, "Replay": testReplay,
	} {
		t.Run(name, func(t *testing.T) {
			s, again := open(t, new(Clock).Now)
			test(t, s, again)
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func all[T any](t testing.TB, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var out []T
	for v, err := range seq {
		must(t, err)
		out = append(out, v)
	}
	return out
}

func ids(t testing.TB, s keyring.Store, tenant string) []string {
	t.Helper()
	var out []string
	for _, e := range all(t, s.List(t.Context(), tenant)) {
		out = append(out, e.ID)
	}
	slices.Sort(out)
	return out
}

func expect(t testing.TB, s keyring.Store, tenant, id, bytesWanted string) {
	t.Helper()
	got, err := s.Get(t.Context(), tenant, id)
	if err != nil || string(got) != bytesWanted {
		t.Errorf("get %s/%s = %q, %v, want %q", tenant, id, got, err, bytesWanted)
	}
}

func testPut(t *testing.T, s keyring.Store, again func() keyring.Store) {
	ctx := t.Context()
	_, err := s.Get(ctx, "t", "a")
	want(t, "get of nothing", err, keyring.ErrNotFound)
	must(t, s.Put(ctx, "t", "a", []byte("one")))
	must(t, s.Put(ctx, "t", "b", []byte("two")))
	must(t, s.Put(ctx, "t2", "a", bytes.Repeat([]byte("x"), 4000)))
	want(t, "put of an existing one", s.Put(ctx, "t", "a", []byte("other")), keyring.ErrExists)
	for _, s := range []keyring.Store{s, again()} {
		expect(t, s, "t", "a", "one")
		expect(t, s, "t", "b", "two")
		expect(t, s, "t2", "a", string(bytes.Repeat([]byte("x"), 4000)))
		if got := ids(t, s, "t"); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("list = %q", got)
		}
		if got := ids(t, s, "t3"); len(got) > 0 {
			t.Errorf("list of nobody = %q", got)
		}
		if got := slices.Sorted(slices.Values(all(t, s.Tenants(ctx)))); !slices.Equal(got, []string{"t", "t2"}) {
			t.Errorf("tenants = %q", got)
		}
	}
}

// testMade compares entries' times with each other only: the store's clock is its own.
func testMade(t *testing.T, s keyring.Store, again func() keyring.Store) {
	ctx := t.Context()
	must(t, s.Put(ctx, "t", "a", []byte("one")))
	must(t, s.Put(ctx, "t", "ab", []byte("another")))
	first, err := s.Made(ctx, "t", "a")
	must(t, err)
	for _, s := range []keyring.Store{s, again()} {
		for _, e := range all(t, s.List(ctx, "t")) {
			made, err := s.Made(ctx, "t", e.ID)
			if err != nil || !made.Equal(e.Made) || made.Location() != time.UTC || made.IsZero() {
				t.Errorf("%s was made at %v, in the list %v: %v", e.ID, made, e.Made, err)
			}
		}
	}
	must(t, s.Put(ctx, "t", "b", []byte("later")))
	later, err := s.Made(ctx, "t", "b")
	if err != nil || later.Before(first) || later.Sub(first) > time.Hour {
		t.Errorf("one was made at %v, the next at %v: %v", first, later, err)
	}
	must(t, s.Delete(ctx, "t", "a"))
	_, err = again().Made(ctx, "t", "a")
	want(t, "time of an erased one", err, keyring.ErrErased)
	_, err = s.Made(ctx, "t", "c")
	want(t, "time of nothing", err, keyring.ErrNotFound)
}

func testNames(t *testing.T, s keyring.Store, _ func() keyring.Store) {
	ctx := t.Context()
	for _, name := range []string{"", ".", "..", "a/b", "A", "erased/x", "a.key", "ä", string(bytes.Repeat([]byte("a"), 65))} {
		for _, n := range [][2]string{{name, "ok"}, {"ok", name}} {
			if s.Put(ctx, n[0], n[1], []byte("x")) == nil {
				t.Errorf("put %q is accepted", n)
			}
			if _, err := s.Get(ctx, n[0], n[1]); err == nil || errors.Is(err, keyring.ErrNotFound) {
				t.Errorf("get %q = %v", n, err)
			}
			if s.Delete(ctx, n[0], n[1]) == nil {
				t.Errorf("delete %q is accepted", n)
			}
		}
	}
	if got := all(t, s.Tenants(ctx)); len(got) > 0 {
		t.Errorf("tenants = %q", got)
	}
	// A name that begins like another, or like what stores use themselves.
	must(t, s.Put(ctx, "erased", "erased", []byte("1")))
	must(t, s.Put(ctx, "t", "abc", []byte("2")))
	must(t, s.Put(ctx, "t", "bc", []byte("3")))
	must(t, s.Delete(ctx, "t", "abc"))
	expect(t, s, "t", "bc", "3")
	must(t, s.Delete(ctx, "t", "bc"))
	must(t, s.Put(ctx, "t", "c", []byte("4")))
	expect(t, s, "t", "c", "4")
	expect(t, s, "erased", "erased", "1")
}

func testReplace(t *testing.T, s keyring.Store, again func() keyring.Store) {
	ctx := t.Context()
	want(t, "replace of nothing", s.Replace(ctx, "t", "a", []byte("old"), []byte("new")), keyring.ErrNotFound)
	must(t, s.Put(ctx, "t", "a", []byte("old")))
	want(t, "replace of another", s.Replace(ctx, "t", "a", []byte("other"), []byte("new")), keyring.ErrChanged)
	expect(t, s, "t", "a", "old")
	must(t, s.Replace(ctx, "t", "a", []byte("old"), []byte("new")))
	expect(t, again(), "t", "a", "new")
	must(t, s.Delete(ctx, "t", "a"))
	want(t, "replace of an erased one", s.Replace(ctx, "t", "a", []byte("new"), []byte("newer")), keyring.ErrErased)
	_, err := s.Get(ctx, "t", "a")
	want(t, "get", err, keyring.ErrErased)
}

func testDelete(t *testing.T, s keyring.Store, again func() keyring.Store) {
	ctx := t.Context()
	must(t, s.Put(ctx, "t", "a", []byte("one")))
	must(t, s.Put(ctx, "t", "b", []byte("two")))
	must(t, s.Delete(ctx, "t", "a"))
	must(t, s.Delete(ctx, "t", "a"))
	must(t, s.Delete(ctx, "t", "never"))
	for _, s := range []keyring.Store{s, again()} {
		for _, id := range []string{"a", "never"} {
			_, err := s.Get(ctx, "t", id)
			want(t, "get "+id, err, keyring.ErrErased)
			want(t, "put "+id, s.Put(ctx, "t", id, []byte("again")), keyring.ErrErased)
		}
		expect(t, s, "t", "b", "two")
		if got := ids(t, s, "t"); !slices.Equal(got, []string{"b"}) {
			t.Errorf("list = %q", got)
		}
	}
}

func testTombstones(t *testing.T, s keyring.Store, again func() keyring.Store) {
	ctx := t.Context()
	for _, id := range []string{"a", "b", "c"} {
		must(t, s.Put(ctx, "t", id, []byte(id)))
	}
	must(t, s.Delete(ctx, "t", "b"))
	must(t, s.Delete(ctx, "t", "a"))
	must(t, s.Delete(ctx, "t", "b"))
	must(t, s.Delete(ctx, "u", "x"))
	for _, s := range []keyring.Store{s, again()} {
		got := all(t, s.Erased(ctx, "t"))
		slices.SortFunc(got, func(a, b keyring.Tombstone) int { return a.At.Compare(b.At) })
		if len(got) != 2 || got[0].ID != "b" || got[1].ID != "a" {
			t.Fatalf("tombstones %v", got)
		}
		first := time.Date(2026, 3, 1, 12, 0, 1, 123456000, time.UTC)
		if got[0].At.Before(first) || got[1].At.After(first.Add(time.Minute)) || got[0].At.Nanosecond() != 123456000 || got[0].At.Location() != time.UTC {
			t.Errorf("times %v", got)
		}
		if got := all(t, s.Erased(ctx, "v")); len(got) > 0 {
			t.Errorf("tombstones of nobody: %v", got)
		}
		if got := slices.Sorted(slices.Values(all(t, s.Tenants(ctx)))); !slices.Equal(got, []string{"t", "u"}) {
			t.Errorf("tenants = %q", got)
		}
	}
}

// Of many who put the same at once, through several openings, exactly one does; of
// many who replace the same, exactly one does; deleting ends it for all.
func testConcurrent(t *testing.T, s keyring.Store, again func() keyring.Store) {
	ctx := t.Context()
	stores := []keyring.Store{s, again(), again()}
	race := func(work func(s keyring.Store, i int) error) (won int) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for i := range 9 {
			wg.Go(func() {
				err := work(stores[i%3], i)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, keyring.ErrExists) && !errors.Is(err, keyring.ErrChanged) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return won
	}
	for round := range 3 {
		id := fmt.Sprint("round-", round)
		if n := race(func(s keyring.Store, i int) error { return s.Put(ctx, "t", id, fmt.Append(nil, i)) }); n != 1 {
			t.Errorf("%d puts succeeded", n)
		}
		old, err := s.Get(ctx, "t", id)
		must(t, err)
		if n := race(func(s keyring.Store, i int) error { return s.Replace(ctx, "t", id, old, fmt.Append(nil, "new", i)) }); n != 1 {
			t.Errorf("%d replacements succeeded", n)
		}
		if n := race(func(s keyring.Store, _ int) error { return s.Delete(ctx, "t", id) }); n != 9 {
			t.Errorf("%d deletions succeeded", n)
		}
	}
	if got := all(t, s.Erased(ctx, "t")); len(got) != 3 {
		t.Errorf("tombstones %v", got)
	}
}

func testCancelled(t *testing.T, s keyring.Store, _ func() keyring.Store) {
	must(t, s.Put(t.Context(), "t", "a", []byte("one")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want(t, "put", s.Put(ctx, "t", "b", nil), context.Canceled)
	want(t, "delete", s.Delete(ctx, "t", "a"), context.Canceled)
	_, err := s.Get(ctx, "t", "a")
	want(t, "get", err, context.Canceled)
	expect(t, s, "t", "a", "one")
}

func testCheck(t *testing.T, s keyring.Store, _ func() keyring.Store) {
	must(t, s.Check(t.Context()))
	must(t, s.Check(t.Context()))
	if got := all(t, s.Tenants(t.Context())); len(got) > 0 {
		t.Errorf("check left the tenants %q", got)
	}
}
