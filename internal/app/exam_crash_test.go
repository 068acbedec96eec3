package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"lotse/internal/importer"
	"lotse/internal/sealed/blob"
	"lotse/internal/store"
	"lotse/internal/tus"
)

// TestSentSurvives lets the step between "everything is sent" and the receipt fail:
// the delivery goes on from there.
func TestSentSurvives(t *testing.T) {
	w, trouble := troubledWorld(t, nil, nil)
	s := w.small(2)
	destination, _ := w.folder()
	trouble.arm(atSQL("INSERT INTO receipts"))
	must(t, w.Decide(t.Context(), w.who, s.ID, s.Version, NewDecision{Patient: importer.LocalPatient{ID: text("4711")}, Destinations: []string{destination}}))
	s = w.until(s.ID, importer.Arrived)
	if trouble.fired != 1 {
		t.Error("nothing failed")
	}
	checkReceipt0(t, w, s)
}

func checkReceipt0(t *testing.T, w *world, s *Snapshot) {
	t.Helper()
	r, err := w.Receipt(t.Context(), w.who, s.ID, s.Delivery[0].ID)
	must(t, err)
	raw, err := io.ReadAll(r)
	must(t, err)
	if len(raw) == 0 {
		t.Error("an empty receipt")
	}
}

// TestUploadCommitUnknown loses the answer to the COMMIT of an upload's segments:
// what the database has may not be deleted.
func TestUploadCommitUnknown(t *testing.T) {
	w, trouble := troubledWorld(t, nil, nil)
	ctx := t.Context()
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload})
	must(t, err)
	content := bytes.Repeat([]byte("twelve bytes"), 1000)
	uploads := w.Uploads(w.who)
	up, err := uploads.Create(ctx, tus.Upload{Length: 2 * int64(len(content)), Metadata: map[string]string{"import": id, "path": "a"}})
	must(t, err)
	lease, err := uploads.Lease(ctx, up)
	must(t, err)
	if _, err := lease.Write(content); err != nil {
		t.Fatal(err)
	}
	trouble.arm(answerLost("INSERT INTO segments"))
	if _, err := lease.Commit(ctx); err == nil {
		t.Fatal("the answer was not lost")
	}
	lease.Discard()
	lease.Release()
	info, err := uploads.Info(ctx, up)
	must(t, err)
	if info.Offset != int64(len(content)) {
		t.Fatalf("offset %d", info.Offset)
	}
	v, err := w.vault.Tenant(ctx, "main")
	must(t, err)
	var segments []store.Segment
	must(t, w.db.Tenant("main").Read(ctx, func(tx *store.Tx) (err error) {
		segments, err = tx.Segments(id, 1)
		return err
	}))
	got, err := io.ReadAll(io.NewSectionReader(v.Reader(id, sealedSegments(segments)), 0, info.Offset))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("what HEAD says is there cannot be read: %v", err)
	}
}

// TestRecallForTwinDestination recalls while a worker sends, and decides again for
// another destination that is the same archive: nothing goes out before the first
// worker's lease has ended.
func TestRecallForTwinDestination(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	s := w.small(2)
	w.close()
	rec, address := recording(t)
	one, two := w.destinationAt(address, ""), w.destinationAt(address, "")
	ctx := t.Context()
	must(t, w.Decide(ctx, w.who, s.ID, s.Version, NewDecision{Patient: importer.LocalPatient{ID: text("FIRST")}, Destinations: []string{one}}))
	first := w.claim(jobDeliver)
	must(t, w.Recall(ctx, w.who, s.ID, 0))
	must(t, w.Decide(ctx, w.who, s.ID, 0, NewDecision{Patient: importer.LocalPatient{ID: text("SECOND")}, Destinations: []string{two}}))
	// The second one's worker starts while the first still has its lease.
	second := w.claimOther(jobDeliver, first)
	must(t, second.do(w.deliverJob))
	if n := len(rec.Seen()); n != 0 {
		t.Errorf("%d objects were sent while the worker of the recalled decision may still send its own", n)
	}
}

// TestPurgeMeetsDecision decides between the two halves of a purge: nothing of the
// decision stays to be done.
func TestPurgeMeetsDecision(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, dir, nil, nil)
	s := w.small(1)
	destination, _ := w.folder()
	w.close()
	other := newWorld(t, dir, nil, nil) // has the key in its memory for a while
	other.close()
	ctx := t.Context()
	if _, err := other.Inspection(ctx, w.who, s.ID); err != nil {
		t.Fatal(err)
	}
	must(t, w.Delete(ctx, w.who, s.ID, 0))
	w.blobs = &listed{w.blobs, func() {
		must(t, other.Decide(ctx, w.who, s.ID, 0, NewDecision{Destinations: []string{destination}}))
	}}
	must(t, w.claim(jobPurge).do(w.purgeJob))
	var jobs []store.JobStatus
	must(t, w.db.Tenant("main").Read(ctx, func(tx *store.Tx) error {
		im, err := tx.Import(s.ID)
		if err != nil {
			return err
		}
		if im.State != importer.Purged {
			t.Errorf("it is %s", im.State)
		}
		list, err := tx.DeliveriesOf(s.ID)
		for _, d := range list {
			if !d.State.Ended() {
				t.Errorf("a delivery is %s", d.State)
			}
		}
		return errors.Join(err, (&scope{Gateway: w.Gateway}).eachJob(tx, im, func(j store.JobStatus) error {
			if j.Kind != jobPurge {
				jobs = append(jobs, j)
			}
			return nil
		}))
	}))
	if len(jobs) > 0 {
		t.Errorf("%d jobs are left: %s", len(jobs), show(jobs))
	}
}

// listed tells when blobs are listed.
type listed struct {
	blob.Store
	then func()
}

func (l *listed) List(ctx context.Context, prefix string, f func(blob.Info) error) error {
	l.then()
	return l.Store.List(ctx, prefix, f)
}
