package app

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/internal/queue"
	"lotse/internal/receive"
	"lotse/internal/store"
	"lotse/internal/tus"
	"lotse/test/peer"
)

// TestSecretsEndWithTheFetch gives up a fetch in every way there is: the link, the
// answers and the session with the portal are erased.
func TestSecretsEndWithTheFetch(t *testing.T) {
	p := portal(t)
	ctx := t.Context()
	question := func(w *world) *Snapshot {
		id, err := w.Create(ctx, w.who, NewImport{Kind: KindLink, Link: personal.New(p.Link), Known: Answers{Password: personal.New("geheim")}})
		must(t, err)
		return w.until(id, importer.Waiting)
	}
	broken := func(w *world, problem importer.ProblemCode) *Snapshot { // as after a day of trying
		s := question(w)
		must(t, w.change(ctx, w.who, s.ID, 0, func(sc *scope, tx *store.Tx, im *store.Import) error {
			if err := sc.move(tx, im, importer.EventAnswered, nil); err != nil {
				return err
			}
			im.Question = nil
			return sc.fail(tx, im, &importer.Problem{Code: problem})
		}))
		return s
	}
	for name, end := range map[string]func(w *world) string{
		"cancelled": func(w *world) string {
			s := question(w)
			must(t, w.Cancel(ctx, w.who, s.ID, 0))
			return s.ID
		},
		"rejected": func(w *world) string {
			s := broken(w, importer.ProblemPortalDown)
			must(t, w.Reject(ctx, w.who, s.ID, 0, "nobody wants it"))
			return s.ID
		},
		"failed for good": func(w *world) string { return broken(w, importer.ProblemExpired).ID },
		"fetched": func(w *world) string {
			s := question(w)
			must(t, w.Answer(ctx, w.who, s.ID, 0, Answers{ByID: personal.NewMap(map[string]string{s.Question.Questions[0].ID: madeUp(t).BirthDate})}, nil))
			w.until(s.ID, importer.Review)
			return s.ID
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, t.TempDir(), nil, nil)
			im := w.row(end(w))
			if im.Secrets != nil || im.Question != nil {
				t.Error("secrets or a question stay")
			}
			sc, err := w.scope(ctx, w.who)
			must(t, err)
			if im.Fetched != nil {
				plain, err := sc.v.Open(ctx, im.ID, sealedFetched, im.Fetched)
				must(t, err)
				if bytes.Contains(plain, []byte("token")) || bytes.Contains(plain, []byte("jwt")) {
					t.Errorf("the state of the fetch stays: %d bytes", len(plain))
				}
			}
		})
	}
}

// sendTo sends slices by storescu and returns what it says.
func sendTo(t *testing.T, port int, files map[string][]byte) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, raw := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), raw, 0o600))
	}
	return peer.Try(t, "storescu", "-aet", "CT1", "-aec", "LOTSE", "+sd", "127.0.0.1", strconv.Itoa(port), dir)
}

func anyone() receive.Rule {
	return receive.Rule{Name: "ct", CallingAE: "CT1", Objects: true, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

func (w *world) received() []*Snapshot {
	w.t.Helper()
	page, err := w.List(w.t.Context(), w.who, store.ImportFilter{Kind: KindDICOM})
	must(w.t, err)
	return page.Imports
}

// TestReceivedAfterTheEnd ends a received import that is still open: what comes
// later goes into another one and is not erased with the first.
func TestReceivedAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(*world, string) error{
		"cancelled": func(w *world, id string) error { return w.Cancel(w.t.Context(), w.who, id, 0) },
		"deleted":   func(w *world, id string) error { return w.Delete(w.t.Context(), w.who, id, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			w := idle(t, nil, nil)
			port := w.receiver(anyone())
			if out, err := sendTo(t, port, madeSlices(t, 1, 1)); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			first := w.received()[0].ID
			must(t, end(w, first))
			if out, err := sendTo(t, port, madeSlices(t, 1, 2)); err != nil {
				t.Errorf("later objects are refused: %v\n%s", err, out)
			}
			list := w.received()
			if len(list) != 2 || list[0].Received.Parts != 2 || list[1].Received.Parts != 1 {
				t.Errorf("what came later is in %s", show(list))
			}
			must(t, w.closeReceived(t.Context()))
		})
	}
}

// TestReceivedAtItsEnd lets the time of an import end that still receives: what is
// acknowledged from then on is not erased with it.
func TestReceivedAtItsEnd(t *testing.T) {
	clock := &shift{}
	w := idle(t, clock, func(o *GatewayOptions) { o.Quiet = time.Hour })
	port := w.receiver(anyone())
	ctx := t.Context()
	if out, err := sendTo(t, port, madeSlices(t, 1, 1)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	id := w.received()[0].ID
	must(t, w.change(ctx, w.who, id, 0, func(s *scope, tx *store.Tx, im *store.Import) error {
		im.Expires, im.Purge = tx.Now(), tx.Now() // a week of one object an hour
		return errors.Join(tx.SaveImport(im), s.enqueue(tx, jobPurge, im))
	}))
	must(t, w.claim(jobPurge).do(func(ctx context.Context, run *queue.Run) error {
		s, err := w.work(ctx, run)
		must(t, err)
		if due, err := s.purgeDue(ctx, run, id); err != nil || !due {
			t.Errorf("due %v: %v", due, err)
		}
		if out, err := sendTo(t, port, madeSlices(t, 1, 1)); err != nil {
			t.Errorf("refused: %v\n%s", err, out)
		}
		return w.purgeJob(ctx, run)
	}))
	if list := w.received(); len(list) != 2 || list[1].State != importer.Purged || list[0].Received.Parts != 1 {
		t.Errorf("what was acknowledged is in %s", show(list))
	}
}

// TestDeleteBeforeTheFirstByte deletes an import whose first byte comes before the
// worker does: it is deleted all the same.
func TestDeleteBeforeTheFirstByte(t *testing.T) {
	w := idle(t, nil, nil)
	ctx := t.Context()
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload})
	must(t, err)
	must(t, w.Delete(ctx, w.who, id, 0))
	w.upload(id, "late", []byte("bytes"))
	must(t, w.claim(jobPurge).do(w.purgeJob))
	if im := w.row(id); im.State != importer.Purged {
		t.Errorf("it is %s and ends %s", im.State, im.Purge)
	}
}

// TestExtendTakesSeveralFiles adds a medium of two files to an import that was
// announced with one: the first of them does not end it.
func TestExtendTakesSeveralFiles(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	s := w.small(1)
	must(t, w.Extend(ctx, w.who, s.ID, s.Version))
	more := madeSlices(t, 2, 2)
	w.upload(s.ID, "a.dcm", more["a.dcm"])
	if im := w.row(s.ID); im.State != importer.Fetching {
		t.Fatalf("after the first of two files it is %s", im.State)
	}
	w.upload(s.ID, "b.dcm", more["b.dcm"])
	must(t, w.Complete(ctx, w.who, s.ID, 0))
	if s = w.until(s.ID, importer.Review); s.Received.Instances != 3 {
		t.Errorf("%d instances", s.Received.Instances)
	}
}

// TestRetryAfterRecall fails an inspection that follows a recall: trying again
// inspects, and does not deliver what was recalled.
func TestRetryAfterRecall(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	s := w.small(1)
	destination := w.destinationAt("dicom://NOBODY@127.0.0.1:"+strconv.Itoa(peer.FreePort(t)), "")
	must(t, w.Decide(ctx, w.who, s.ID, s.Version, NewDecision{Patient: importer.LocalPatient{ID: text("4711")}, Destinations: []string{destination}}))
	must(t, w.Recall(ctx, w.who, s.ID, 0))
	must(t, w.Extend(ctx, w.who, s.ID, 0))
	must(t, w.change(ctx, w.who, s.ID, 0, func(sc *scope, tx *store.Tx, im *store.Import) error {
		return sc.fail(tx, im, &importer.Problem{Code: importer.ProblemInternal})
	}))
	must(t, w.Retry(ctx, w.who, s.ID, 0))
	w.until(s.ID, importer.Review)
}

// TestCompleteMeetsUpload completes an import while another upload begins: it goes
// on without it, or waits for it, but loses nothing that was acknowledged.
func TestCompleteMeetsUpload(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload})
	must(t, err)
	files := madeSlices(t, 1, 2)
	w.upload(id, "a.dcm", files["a.dcm"])
	uploads := w.Uploads(w.who)
	up, err := uploads.Create(ctx, tus.Upload{Length: int64(len(files["b.dcm"])), Metadata: map[string]string{"import": id, "path": "b.dcm"}})
	must(t, err)
	if err := w.Complete(ctx, w.who, id, 0); err == nil {
		t.Fatal("completed with an upload under way")
	}
	lease, err := uploads.Lease(ctx, up)
	must(t, err)
	if _, err := uploads.Lease(ctx, up); !errors.Is(err, tus.Locked) {
		t.Errorf("a second writer: %v", err)
	}
	_, err = lease.Write(files["b.dcm"])
	must(t, err)
	_, err = lease.Commit(ctx)
	must(t, err)
	lease.Release()
	must(t, w.Complete(ctx, w.who, id, 0))
	if _, err := uploads.Create(ctx, tus.Upload{Length: 1, Metadata: map[string]string{"import": id, "path": "c"}}); !errors.Is(err, tus.Gone) {
		t.Errorf("an upload after the end: %v", err)
	}
	if s := w.until(id, importer.Review); s.Received.Instances != 2 {
		t.Errorf("%d instances", s.Received.Instances)
	}
}
