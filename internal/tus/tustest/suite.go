package tustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"

	"lotse/internal/tus"
)

// Run checks that a store keeps the contract of tus.Store. content returns what is
// committed of an upload.
func Run(t *testing.T, store tus.Store, content func(t *testing.T, id string) []byte) {
	s := suite{store, content}
	t.Run("describes", s.describes)
	t.Run("unknown", s.unknown)
	t.Run("empty is complete", s.empty)
	t.Run("nothing shows before commit", s.provisional)
	t.Run("one writer", s.oneWriter)
	t.Run("one of many gets the lease", s.race)
	t.Run("terminates", s.terminates)
	t.Run("goes on", s.goesOn)
}

type suite struct {
	store   tus.Store
	content func(t *testing.T, id string) []byte
}

func (s suite) create(t *testing.T, length int64) string {
	t.Helper()
	id, err := s.store.Create(t.Context(), tus.Upload{Length: length})
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	return id
}

func (s suite) lease(t *testing.T, id string) tus.Lease {
	t.Helper()
	l, err := s.store.Lease(t.Context(), id)
	if err != nil {
		t.Fatalf("lease: %v", err)
	}
	return l
}

func (s suite) write(t *testing.T, l tus.Lease, p []byte, commit bool) {
	t.Helper()
	if n, err := l.Write(p); err != nil || n != len(p) {
		t.Fatalf("write: %d, %v", n, err)
	}
	if !commit {
		return
	}
	if at, err := l.Commit(t.Context()); err != nil || at != l.Offset() {
		t.Fatalf("commit: %d of %d, %v", at, l.Offset(), err)
	}
}

func (s suite) offset(t *testing.T, id string, want int64) {
	t.Helper()
	u, err := s.store.Info(t.Context(), id)
	if err != nil || u.Offset != want {
		t.Fatalf("offset %d, want %d, %v", u.Offset, want, err)
	}
	if got := int64(len(s.content(t, id))); got != want {
		t.Fatalf("%d bytes are kept, want %d", got, want)
	}
}

func (s suite) describes(t *testing.T) {
	want := map[string]string{"filename": "Röntgen, 1.dcm\x00\xff", "filetype": "", "a": string(make([]byte, 3000))}
	id, err := s.store.Create(t.Context(), tus.Upload{Length: 1 << 40, Offset: 7, Metadata: want})
	if err != nil || !regexp.MustCompile(`^[0-9A-Za-z_-]{1,100}$`).MatchString(id) {
		t.Fatalf("id %q, %v", id, err)
	}
	u, err := s.store.Info(t.Context(), id)
	if err != nil || u.Length != 1<<40 || u.Offset != 0 || u.Complete() || fmt.Sprint(u.Metadata) != fmt.Sprint(want) {
		t.Fatalf("%+v, %v", u, err)
	}
}

func (s suite) unknown(t *testing.T) {
	for _, id := range []string{"nobody", "", "../x", "00000000-0000-7000-8000-000000000000"} {
		_, info := s.store.Info(t.Context(), id)
		_, lease := s.store.Lease(t.Context(), id)
		for call, err := range map[string]error{"info": info, "lease": lease, "terminate": s.store.Terminate(t.Context(), id)} {
			if !errors.Is(err, tus.NotFound) {
				t.Errorf("%s of %q: %v", call, id, err)
			}
		}
	}
}

func (s suite) empty(t *testing.T) {
	id := s.create(t, 0)
	if u, err := s.store.Info(t.Context(), id); err != nil || !u.Complete() {
		t.Fatalf("%+v, %v", u, err)
	}
	s.lease(t, id).Release() // an empty PATCH asks for it
}

func (s suite) provisional(t *testing.T) {
	id := s.create(t, 10)
	l := s.lease(t, id)
	s.write(t, l, []byte("ab"), false)
	s.write(t, l, []byte("c"), false)
	s.offset(t, id, 0)
	s.write(t, l, []byte("d"), true)
	s.offset(t, id, 4)
	s.write(t, l, []byte("WRONG"), false)
	l.Discard()
	s.offset(t, id, 4)
	if l.Offset() != 4 {
		t.Errorf("offset %d", l.Offset())
	}
	s.write(t, l, []byte("e"), true)
	s.write(t, l, []byte("LOST"), false)
	l.Release()
	l.Release()
	s.offset(t, id, 5)
	l = s.lease(t, id)
	if l.Offset() != 5 {
		t.Errorf("offset %d", l.Offset())
	}
	if at, err := l.Commit(t.Context()); err != nil || at != 5 {
		t.Errorf("commit of nothing: %d, %v", at, err)
	}
	s.write(t, l, []byte("fghij"), true)
	l.Release()
	if got := string(s.content(t, id)); got != "abcdefghij" {
		t.Errorf("kept %q", got)
	}
	if u, err := s.store.Info(t.Context(), id); err != nil || !u.Complete() {
		t.Errorf("%+v, %v", u, err)
	}
}

func (s suite) oneWriter(t *testing.T) {
	id, other := s.create(t, 5), s.create(t, 5)
	ctx, cancel := context.WithCancel(t.Context())
	l, err := s.store.Lease(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	cancel() // the client is gone; what came is still to be kept
	if _, err := s.store.Lease(t.Context(), id); !errors.Is(err, tus.Locked) {
		t.Errorf("second lease: %v", err)
	}
	if err := s.store.Terminate(t.Context(), id); !errors.Is(err, tus.Locked) {
		t.Errorf("terminate: %v", err)
	}
	s.lease(t, other).Release()
	s.write(t, l, []byte("x"), true)
	l.Release()
	s.offset(t, id, 1)
	s.lease(t, id).Release()
}

func (s suite) race(t *testing.T) {
	id := s.create(t, 5)
	var got, refused atomic.Int32
	var all sync.WaitGroup
	leases := make(chan tus.Lease, 8)
	for range 8 {
		all.Go(func() {
			l, err := s.store.Lease(t.Context(), id)
			switch {
			case err == nil:
				got.Add(1)
				leases <- l
			case errors.Is(err, tus.Locked):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	close(leases)
	for l := range leases {
		l.Release()
	}
	if got.Load() != 1 || refused.Load() != 7 {
		t.Errorf("%d got it, %d were refused", got.Load(), refused.Load())
	}
}

func (s suite) terminates(t *testing.T) {
	id, whole := s.create(t, 5), s.create(t, 1)
	l := s.lease(t, whole)
	s.write(t, l, []byte("x"), true)
	l.Release()
	for _, id := range []string{id, whole} {
		if err := s.store.Terminate(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		_, info := s.store.Info(t.Context(), id)
		_, lease := s.store.Lease(t.Context(), id)
		for call, err := range map[string]error{"info": info, "lease": lease, "terminate": s.store.Terminate(t.Context(), id)} {
			if !errors.Is(err, tus.Gone) && !errors.Is(err, tus.NotFound) {
				t.Errorf("%s: %v", call, err)
			}
		}
	}
}

// goesOn uploads in pieces of many sizes over many leases, some of it in vain.
func (s suite) goesOn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test wants the same each time
	want := make([]byte, 300<<10)
	for i := range want {
		want[i] = byte(random.Uint32())
	}
	id := s.create(t, int64(len(want)))
	for at := 0; at < len(want); {
		l := s.lease(t, id)
		if l.Offset() != int64(at) {
			t.Fatalf("offset %d, want %d", l.Offset(), at)
		}
		for range random.IntN(4) {
			n := min(random.IntN(20<<10), len(want)-at)
			s.write(t, l, want[at:at+n], true)
			at += n
		}
		if n := min(random.IntN(1000), len(want)-at); n > 0 {
			s.write(t, l, bytes.Repeat([]byte{0xee}, n), false)
		}
		l.Release()
		s.offset(t, id, int64(at))
	}
	if !bytes.Equal(s.content(t, id), want) {
		t.Error("other bytes than were sent")
	}
}
