package app

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/store"
	"lotse/internal/tus"
	"lotse/test/peer"
)

// nth lets the n-th write transaction fail at a stage.
func nth(n int, stage store.Stage) func(store.Point) error {
	return func(p store.Point) error {
		if p.Stage != stage || !p.Write {
			return nil
		}
		if n--; n > 0 {
			return nil
		}
		return store.Fault(store.Permanent)
	}
}

// TestEveryTransactionFails takes an import all the way, again and again, and lets
// one write transaction fail each time, the next one each time: rolled back, or
// committed with the answer lost. LOTSE_EXAM_ALL tries all of them.
func TestEveryTransactionFails(t *testing.T) {
	t.Parallel()
	for engine, step := range map[store.Engine]int{store.SQLite: 13, store.PostgreSQL: 26} {
		t.Run(string(engine), func(t *testing.T) {
			if engine == store.PostgreSQL {
				peer.Postgres(t) // or the test is skipped here
			}
			if os.Getenv("LOTSE_EXAM_ALL") != "" {
				step = 1
			}
			begin := 1 + rand.N(step)
			t.Logf("one of %d, from number %d on", step, begin)
			for _, stage := range []store.Stage{store.StageCommit, store.StageCommitted} {
				for n, fired := begin, true; fired; n += step {
					fired = false
					t.Run(fmt.Sprintf("%s %d", stage, n), func(t *testing.T) { fired = oneFails(t, engine, nth(n, stage)) })
					if n > 200 {
						t.Fatal("there is no end")
					}
				}
			}
		})
	}
}

// oneFails takes an import of two uploads to an archive and a folder; the client
// does what clients do: tries again what failed.
func oneFails(t *testing.T, engine store.Engine, when func(store.Point) error) bool {
	clock := &shift{}
	w, trouble := troubledWorldOn(t, engine, clock, nil)
	ctx := t.Context()
	rec, address := recording(t)
	one := w.destinationAt(address, "")
	two, path := w.folder()
	content := madeSlices(t, 1, 2)
	trouble.arm(when)
	again := func(f func() error) {
		t.Helper()
		if err := f(); err != nil {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var id string
	again(func() (err error) {
		id, err = w.Create(ctx, w.who, NewImport{Kind: KindUpload})
		return err
	})
	for name, raw := range content {
		w.uploadPatiently(clock, id, name, raw)
	}
	again(func() error { return settled(w.Complete(ctx, w.who, id, 0)) })
	s := w.until(id, importer.Review)
	again(func() error {
		return settled(w.Decide(ctx, w.who, id, s.Version, NewDecision{Patient: importer.LocalPatient{ID: text("4711")}, Destinations: []string{one, two}}))
	})
	s = w.until(id, importer.Arrived)
	fired := trouble.disarm()
	seen := rec.Seen()
	for uid, sight := range seen {
		if len(sight.Times) != 1 {
			t.Errorf("%s came with %d contents", uid, len(sight.Times))
		}
	}
	if len(seen) != 2 || files(t, path) != 2 {
		t.Errorf("%d objects in the archive, %d files", len(seen), files(t, path))
	}
	for n := range s.Delivery {
		if v, _ := w.receiptOf(s, n); v.Totals.CameIn != 2 || v.Totals.Delivered != 2 {
			t.Errorf("receipt: %+v", v.Totals)
		}
	}
	checkTrail(t, w, id)
	must(t, w.eachTenant(ctx, func(s *scope) error { return s.collectTenant(ctx, time.Now().Add(garbageAge)) })) // takes nothing that is needed, whatever was left behind
	must(t, w.Delete(ctx, w.who, id, 0))
	w.until(id, importer.Purged)
	if n := files(t, w.dir+"/blobs"); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
	return fired
}

// settled takes "it has happened already" for success, as a client does that lost
// the answer.
func settled(err error) error {
	var impossible *importer.ImpossibleError
	if errors.As(err, &impossible) || errors.Is(err, ErrChanged) {
		return nil
	}
	return err
}

// uploadPatiently is upload for a client that goes on from HEAD.
func (w *world) uploadPatiently(clock *shift, id, name string, content []byte) {
	w.t.Helper()
	ctx := w.t.Context()
	uploads := w.Uploads(w.who)
	up := tus.Upload{Length: int64(len(content)), Metadata: map[string]string{"import": id, "path": name, metaKey: name}}
	upload, err := uploads.Create(ctx, up)
	for range 3 {
		if err == nil {
			break
		}
		upload, err = uploads.Create(ctx, up)
	}
	must(w.t, err)
	for range 5 {
		info, err := uploads.Info(ctx, upload)
		if err == nil && info.Offset == info.Length {
			return
		}
		if err != nil {
			continue
		}
		if errors.Is(w.append(uploads, upload, content[info.Offset:]), tus.Locked) {
			clock.add(uploadLease) // the answer to the lease was lost: it ends by itself
		}
	}
	w.t.Fatal("the upload does not come to its end")
}

// append is one PATCH.
func (w *world) append(uploads tus.Store, upload string, content []byte) error {
	lease, err := uploads.Lease(w.t.Context(), upload)
	if err != nil {
		return err
	}
	defer lease.Release()
	if _, err = lease.Write(content); err == nil {
		_, err = lease.Commit(w.t.Context())
	}
	if err != nil {
		lease.Discard()
	}
	return err
}
