package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/internal/queue"
	"lotse/internal/sealed"
	"lotse/internal/store"
	"lotse/internal/tus"
	"lotse/test/peer"
)

// TestJumpedClockCollectsNothing lets the clock jump while an upload has segments
// that are durable and not committed: they are not taken for garbage.
func TestJumpedClockCollectsNothing(t *testing.T) {
	clock := &shift{}
	w := idle(t, clock, func(o *GatewayOptions) { o.Now = func() time.Time { return time.Now().Add(clock.get()) } })
	ctx := t.Context()
	must(t, w.retention(ctx)) // which runs every minute
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload})
	must(t, err)
	content := bytes.Repeat([]byte("sixteen bytes .."), (sealed.MaxSegment+1024)/16)
	uploads := w.Uploads(w.who)
	up, err := uploads.Create(ctx, tus.Upload{Length: int64(len(content)), Metadata: map[string]string{"import": id, "path": "a"}})
	must(t, err)
	lease, err := uploads.Lease(ctx, up)
	must(t, err)
	_, err = lease.Write(content)
	must(t, err)
	clock.add(48 * time.Hour)
	must(t, w.collect(ctx))
	clock.add(-48 * time.Hour)
	_, err = lease.Commit(ctx)
	must(t, err)
	lease.Release()
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
}

// TestClock sets the database's clock in every way.
func TestClock(t *testing.T) {
	for name, c := range map[string]struct {
		by      time.Duration
		restart bool
		want    string
	}{
		"a little forward":       {by: time.Minute},
		"a little back":          {by: -time.Minute},
		"forward":                {by: time.Hour, want: "forward"},
		"back":                   {by: -time.Hour, want: "backward"},
		"back, while it was off": {by: -time.Hour, restart: true, want: "backward"},
		"a weekend off":          {by: 60 * time.Hour, restart: true},
		"a week off":             {by: 200 * time.Hour, restart: true, want: "gap"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock, dir, ctx := &shift{}, t.TempDir(), t.Context()
			w := newWorld(t, dir, clock, nil)
			w.close()
			must(t, w.retention(ctx))
			must(t, w.retention(ctx))
			if c.restart {
				w = newWorld(t, dir, clock, nil)
				w.close()
			}
			clock.add(c.by)
			must(t, w.retention(ctx))
			why, err := w.ClockPaused(ctx)
			must(t, err)
			if why != c.want {
				t.Errorf("paused because of %q, want %q", why, c.want)
			}
			must(t, w.retention(ctx)) // stays so
			if again, _ := w.ClockPaused(ctx); again != c.want {
				t.Errorf("then because of %q", again)
			}
		})
	}
}

// TestRetentionInEveryState lets the time of imports end in the states there are: all
// are erased, and nothing goes on for them.
func TestRetentionInEveryState(t *testing.T) {
	clock := &shift{}
	w := newWorld(t, t.TempDir(), clock, nil)
	ctx := t.Context()
	p := portal(t)
	ids := map[string]string{}
	make := func(name string, n NewImport) string {
		id, err := w.Create(ctx, w.who, n)
		must(t, err)
		ids[name] = id
		return id
	}
	make("fetching", NewImport{Kind: KindUpload})
	w.upload(ids["fetching"], "a", []byte("some bytes"))
	w.until(make("waiting", NewImport{Kind: KindLink, Link: personal.New(p.Link)}), importer.Waiting)
	ids["review"] = w.small(1).ID
	away := w.destinationAt("dicom://AWAY@"+hostPort(peer.FreePort(t)), "")
	s := w.small(1)
	ids["delivering"] = s.ID
	w.decideFor(s, away)
	s = w.small(1)
	ids["failed"] = s.ID
	must(t, w.change(ctx, w.who, s.ID, 0, func(sc *scope, tx *store.Tx, im *store.Import) error {
		return errors.Join(sc.move(tx, im, importer.EventDecided, nil), sc.fail(tx, im, &importer.Problem{Code: importer.ProblemInternal}))
	}))
	destination, _ := w.folder()
	s = w.small(1)
	ids["delivered"] = s.ID
	w.decideFor(s, destination)
	s = w.until(s.ID, importer.Arrived)
	if !s.Purge.Equal(s.Expires) {
		t.Error("statuses alone shorten the time")
	}
	clock.add(MaxRetention - time.Minute)
	must(t, w.ConfirmClock(ctx, w.who))
	must(t, w.retention(ctx))
	for name, id := range ids {
		if im := w.row(id); im.State == importer.Purged {
			t.Errorf("%s: erased too early", name)
		}
	}
	clock.add(2 * time.Minute)
	if n, err := w.Overdue(ctx); err != nil || n != 0 {
		t.Errorf("%d overdue: %v", n, err)
	}
	clock.add(time.Hour + time.Minute)
	if n, err := w.Overdue(ctx); err != nil || n != int64(len(ids)) {
		t.Errorf("%d overdue, want %d: %v", n, len(ids), err)
	}
	must(t, w.ConfirmClock(ctx, w.who))
	must(t, w.retention(ctx))
	for name, id := range ids {
		w.until(id, importer.Purged)
		im := w.row(id)
		if im.Request != nil || im.Secrets != nil || im.Fetched != nil || im.Decision != nil || im.Question != nil {
			t.Errorf("%s: sealed columns are left", name)
		}
		checkTrail(t, w, id)
	}
	if n := files(t, w.dir+"/blobs"); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
	if n, err := w.Overdue(ctx); err != nil || n != 0 {
		t.Errorf("%d overdue: %v", n, err)
	}
}

// TestPurgeInSteps interrupts a purge behind each of its steps; the next worker ends it.
func TestPurgeInSteps(t *testing.T) {
	for _, at := range []string{"DELETE FROM uploads", "UPDATE outcomes SET line", "UPDATE imports SET version"} {
		t.Run(at, func(t *testing.T) {
			w, trouble := troubledWorld(t, nil, nil)
			s := w.small(1)
			destination, _ := w.folder()
			w.decideFor(s, destination)
			s = w.until(s.ID, importer.Arrived)
			must(t, w.Delete(t.Context(), w.who, s.ID, 0))
			trouble.arm(atSQL(at))
			s = w.until(s.ID, importer.Purged)
			if v, _ := w.receiptOf(s, 0); !v.Redacted() {
				t.Error("the receipt is whole")
			}
			if n := files(t, w.dir+"/blobs"); n != 0 {
				t.Errorf("%d blobs are left", n)
			}
		})
	}
}

// TestLostLeaseCommitsNothing has a worker go on that lost its lease: nothing that it
// does then exists.
func TestLostLeaseCommitsNothing(t *testing.T) {
	clock := &shift{}
	w := newWorld(t, t.TempDir(), clock, nil)
	ctx := t.Context()
	s := w.small(2)
	w.close()
	destination, _ := w.folder()
	w.decideFor(s, destination)
	must(t, w.claim(jobDeliver).do(func(ctx context.Context, run *queue.Run) error {
		clock.add(time.Minute) // its lease ends, and it does not know
		err := w.deliverJob(ctx, run)
		if !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("it went on: %v", err)
		}
		return nil
	}))
	now, err := w.Snapshot(ctx, w.who, s.ID)
	must(t, err)
	if d := now.Delivery[0]; d.State != importer.DeliveryQueued || d.Delivered != 0 {
		t.Errorf("%s", show(d))
	}
	again := newWorld(t, w.dir, clock, nil)
	again.until(s.ID, importer.Arrived)
}

// TestStopAndGoOn stops a node in the middle of a delivery: another goes on at once,
// without waiting for a lease to end, and sends nothing of what has its outcome.
func TestStopAndGoOn(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	rec, address := recording(t)
	rec.Pace(20 * time.Millisecond)
	content := manySlices(t, 100, 0)
	id, err := w.Create(t.Context(), w.who, NewImport{Kind: KindUpload, Files: 1})
	must(t, err)
	w.upload(id, "exam.zip", content)
	s := w.until(id, importer.Review)
	w.decideFor(s, w.destinationAt(address, ""))
	peer.Await(t, testPatience, "some objects", func() bool { return len(rec.Seen()) > 10 })
	rec.Pace(0)
	at := time.Now()
	w.close()
	if d := time.Since(at); d > 15*time.Second {
		t.Errorf("stopping took %s", d)
	}
	at = time.Now()
	again := newWorld(t, w.dir, nil, nil)
	again.until(id, importer.Arrived)
	if d := time.Since(at); d > 10*time.Second {
		t.Errorf("going on took %s", d)
	}
	for uid, sight := range rec.Seen() {
		if len(sight.Times) != 1 {
			t.Errorf("%s came with %d contents", uid, len(sight.Times))
		}
	}
}
