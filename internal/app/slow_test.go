package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"lotse/internal/receive"
	"lotse/internal/sealed"
	"lotse/internal/store"
	"lotse/internal/tus"
)

// TestSlowUploadLosesNothing has an upload hold durable bytes without rows for longer
// than blobs without rows are kept: what is committed then can be read, whatever was
// collected meanwhile, and what may have been collected is never committed.
func TestSlowUploadLosesNothing(t *testing.T) {
	for _, takes := range []time.Duration{rowTime - time.Minute, rowTime + time.Minute, garbageAge + time.Hour} {
		t.Run(takes.String(), func(t *testing.T) {
			w := newKeyWorld(t)
			ctx := t.Context()
			w.pass(0)
			id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload})
			must(t, err)
			content := bytes.Repeat([]byte("sixteen bytes .."), (sealed.MaxSegment+1024)/16)
			uploads := w.Uploads(w.who)
			up, err := uploads.Create(ctx, tus.Upload{Length: int64(len(content)), Metadata: map[string]string{"import": id, "path": "a"}})
			must(t, err)
			put := func(takes time.Duration) error { // takes so long before it commits
				t.Helper()
				lease, err := uploads.Lease(ctx, up)
				must(t, err)
				defer lease.Release()
				_, err = lease.Write(content[lease.Offset():])
				must(t, err)
				for passed := time.Duration(0); passed < takes; passed += time.Hour {
					w.pass(min(time.Hour, takes-passed))
				}
				must(t, w.collect(ctx))
				held := lease.(*uploading) // its lease is renewed in time, which passed at once here
				must(t, held.s.t.Write(ctx, func(tx *store.Tx) (err error) {
					if takes > 0 {
						held.token, err = tx.LeaseUpload(held.id, uploadLease)
					}
					return err
				}))
				_, err = lease.Commit(ctx)
				return err
			}
			first := put(takes)
			if late := takes > rowTime; late != errors.Is(first, tus.TooLong) || !late && first != nil {
				t.Fatalf("after %s: %v", takes, first)
			}
			if first != nil {
				must(t, put(0))
			}
			w.pass(garbageAge)
			w.pass(garbageAge)
			must(t, w.collect(ctx))
			if w.strays(id) != 0 {
				t.Errorf("%d blobs without a row", w.strays(id))
			}
			v, err := w.vault.Tenant(ctx, "main")
			must(t, err)
			var segments []store.Segment
			must(t, w.db.Tenant("main").Read(ctx, func(tx *store.Tx) (err error) {
				segments, err = tx.Segments(id, 1)
				return err
			}))
			got, err := io.ReadAll(io.NewSectionReader(v.Reader(id, sealedSegments(segments)), 0, int64(len(content))))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("what was acknowledged cannot be read: %v", err)
			}
		})
	}
}

// TestOtherClockOfBlobs collects nothing of a store whose clock is a day behind: what is
// being uploaded looks old there.
func TestOtherClockOfBlobs(t *testing.T) {
	w := newKeyWorld(t)
	ctx := t.Context()
	w.pass(0)
	id := w.bring("a", []byte("some bytes"))
	s, err := w.scope(ctx, w.who)
	must(t, err)
	spool := s.spool(ctx, id)
	_, err = io.WriteString(spool, "durable, without a row")
	must(t, err)
	must(t, spool.flush())
	w.blobs.(*datedBlobs).now = func() time.Duration { return w.clock.get() - 25*time.Hour }
	w.blobs.(*datedBlobs).born.Range(func(key, _ any) bool {
		w.blobs.(*datedBlobs).born.Store(key, -25*time.Hour)
		return true
	})
	must(t, w.collect(ctx))
	if w.strays(id) != 1 {
		t.Fatal("collected by the clock of the store")
	}
	w.blobs.(*datedBlobs).now = w.clock.get
	must(t, w.collect(ctx))
	if w.strays(id) != 0 {
		t.Error("not collected with the clocks agreeing")
	}
}

// slowObject is a received object whose last bytes come late.
type slowObject struct {
	io.Reader
	late func()
}

func (s *slowObject) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if errors.Is(err, io.EOF) && s.late != nil {
		s.late()
		s.late = nil
	}
	return n, err
}

// TestSlowObjectIsRefused does not acknowledge an object whose first bytes may be
// collected when its last ones come.
func TestSlowObjectIsRefused(t *testing.T) {
	w := newKeyWorld(t)
	ctx := t.Context()
	in := w.Intake("main")
	meta := receive.Meta{CallingAE: "SENDER", Study: "1.2.3"}
	send := func(late time.Duration) error {
		object := &slowObject{bytes.NewReader(bytes.Repeat([]byte("x"), 100_000)), func() { w.pass(late) }}
		return in.Receive(context.WithoutCancel(ctx), meta, object)
	}
	must(t, send(0))
	if err := send(rowTime + time.Minute); !errors.Is(err, errSlow) {
		t.Errorf("a slow one: %v", err)
	}
	must(t, send(0))
	page, err := w.List(ctx, w.who, store.ImportFilter{Limit: 10})
	must(t, err)
	parts := int64(0)
	for _, im := range page.Imports {
		parts += w.row(im.ID).Parts
		if n := w.strays(im.ID); n != 0 {
			t.Errorf("%d blobs have no row", n)
		}
	}
	if parts != 2 {
		t.Errorf("%d objects are kept", parts)
	}
}
