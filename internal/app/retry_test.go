package app

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"lotse/internal/demo"
	"lotse/internal/importer"
	"lotse/test/peer"
)

// reviewed is an uploaded demonstration exam that waits for its decision.
func reviewed(t *testing.T, w *world) *Snapshot {
	t.Helper()
	id, err := w.Create(t.Context(), w.who, NewImport{Kind: KindUpload, Files: 1, Priority: PriorityPerson})
	if err != nil {
		t.Fatal(err)
	}
	w.upload(id, "exam.zip", madeUp(t).ZIP)
	return w.until(id, importer.Review)
}

// TestArchiveAway decides for an archive that is not there: the import says so, can
// be recalled, and goes on when the archive is back and a person retries.
func TestArchiveAway(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	port := peer.FreePort(t)
	d, err := w.AddDestination(ctx, w.who, NewDestination{Name: "PACS", Address: fmt.Sprintf("dicom://DEMOPACS@127.0.0.1:%d", port)})
	if err != nil {
		t.Fatal(err)
	}
	s := reviewed(t, w)
	decision := NewDecision{Patient: importer.LocalPatient{ID: text("4711")}, Destinations: []string{d.ID}}
	if err := w.Decide(ctx, w.who, s.ID, s.Version, decision); err != nil {
		t.Fatal(err)
	}
	away := func() *Snapshot {
		var got *Snapshot
		peer.Await(t, testPatience, "the delivery to say that the archive is away", func() bool {
			if got, err = w.Snapshot(ctx, w.who, s.ID); err != nil {
				t.Fatal(err)
			}
			d := got.Delivery[len(got.Delivery)-1]
			return d.State == importer.DeliveryQueued && d.Problem == string(importer.ProblemDestination) && d.RetryAt != nil
		})
		return got
	}
	got := away()
	if err := w.Decide(ctx, w.who, s.ID, got.Version, decision); err == nil {
		t.Error("decided twice")
	}
	if err := w.Recall(ctx, w.who, s.ID, got.Version); err != nil {
		t.Fatal(err)
	}
	got = w.until(s.ID, importer.Review)
	if err := w.Decide(ctx, w.who, s.ID, got.Version, decision); err != nil {
		t.Fatal(err)
	}
	away()
	pacs := startPACS(t, port)
	if err := w.Retry(ctx, w.who, s.ID, 0); err != nil {
		t.Fatal(err)
	}
	got = w.until(s.ID, importer.Arrived)
	if first, second := got.Delivery[0], got.Delivery[1]; first.State != importer.DeliveryCancelled || second.Delivered != int64(pacs.Stored()) {
		t.Errorf("%d stored: %s", pacs.Stored(), show(got))
	}
	checkTrail(t, w, s.ID)
}

// startPACS starts an archive on a port.
func startPACS(t *testing.T, port int) *demo.PACS {
	t.Helper()
	pacs, err := demo.StartPACSOn(net.JoinHostPort("127.0.0.1", fmt.Sprint(port)), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pacs.Close() })
	return pacs
}

// TestContradictionNeedsReason refuses another birth date without a reason.
func TestContradictionNeedsReason(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	s := reviewed(t, w)
	destination, _ := w.folder()
	decision := NewDecision{Patient: importer.LocalPatient{ID: text("4711"), BirthDate: text("19010101")}, Destinations: []string{destination}}
	err := w.Decide(t.Context(), w.who, s.ID, s.Version, decision)
	if want := (*ReasonNeededError)(nil); !errors.As(err, &want) {
		t.Fatalf("a contradiction gives %v", err)
	}
	decision.Reason = "the portal had the year wrong"
	if err := w.Decide(t.Context(), w.who, s.ID, s.Version-1, decision); err == nil {
		t.Error("decided on an older version")
	}
	if err := w.Decide(t.Context(), w.who, s.ID, s.Version, decision); err != nil {
		t.Fatal(err)
	}
	w.until(s.ID, importer.Arrived)
}

// TestRejectedKeepsItsReason rejects an exam; the reason is kept as long as the import.
func TestRejectedKeepsItsReason(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	s := reviewed(t, w)
	if err := w.Reject(t.Context(), w.who, s.ID, s.Version, ""); err == nil {
		t.Error("rejected without a reason")
	}
	must(t, w.Reject(t.Context(), w.who, s.ID, s.Version, "not our patient"))
	s = w.until(s.ID, importer.Rejected)
	if s.Decision == nil || s.Decision.Reason != "not our patient" || s.Decision.By != "test" {
		t.Errorf("rejected: %s", show(s))
	}
	if !s.Purge.Before(s.Expires) {
		t.Error("what nobody wants is kept to the last day")
	}
	checkTrail(t, w, s.ID)
}
