package app

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"lotse/dimse"
	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/internal/store"
	"lotse/test/peer"
)

// TestRecallWhileSending takes a decision back while one node sends, and decides
// otherwise on another node: nothing of the first decision arrives once something of
// the second has, so that what the archive keeps is the second.
func TestRecallWhileSending(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	arrived := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(order)
	}
	address := serveDICOM(t, "127.0.0.1:0", &dimse.Server{AETitle: "SLOW", Store: func(ctx context.Context, in dimse.StoreIndication) dimse.Status {
		raw, err := io.ReadAll(in.Data)
		if err != nil {
			return dimse.ProcessingFailure
		}
		which := "neither"
		for _, id := range []string{"FIRST", "SECOND"} {
			if bytes.Contains(raw, []byte(id)) {
				which = id
			}
		}
		timer := time.NewTimer(10 * time.Millisecond) // archives take their time
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		mu.Lock()
		defer mu.Unlock()
		order = append(order, which)
		return dimse.Success
	}})
	dir, ctx := t.TempDir(), t.Context()
	one := newWorld(t, dir, nil, nil)
	two := newWorld(t, dir, nil, nil)
	destination := one.destinationAt("dicom://SLOW@"+address, "")
	id, err := one.Create(ctx, one.who, NewImport{Kind: KindUpload, Files: 1})
	must(t, err)
	one.upload(id, "exam.zip", manySlices(t, 400, 0))
	one.until(id, importer.Review)
	decide := func(w *world, patient string) {
		t.Helper()
		must(t, w.Decide(ctx, w.who, id, 0, NewDecision{Patient: importer.LocalPatient{ID: text(patient)}, Destinations: []string{destination}}))
	}
	decide(one, "FIRST")
	peer.Await(t, testPatience, "some objects", func() bool { return len(arrived()) > 5 })
	must(t, two.Recall(ctx, two.who, id, 0))
	decide(two, "SECOND")
	s := two.until(id, importer.Arrived)
	list := arrived()
	begin := slices.Index(list, "SECOND")
	if begin < 5 || slices.Contains(list[begin:], "FIRST") || slices.Contains(list, "neither") || len(list)-begin != 400 {
		t.Errorf("%d objects, of the second decision from %d on: %s", len(list), begin, show(s.Delivery))
	}
	checkTrail(t, one, id)
}

// TestDecideTwiceAtOnce has two people decide at the same time, and others do other
// things: one decision stands, and there is one delivery.
func TestDecideTwiceAtOnce(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	one := newWorld(t, dir, nil, nil)
	two := newWorld(t, dir, nil, nil)
	s := one.small(2)
	destination, path := one.folder()
	var all sync.WaitGroup
	errs := make(chan error, 8)
	for n := range 8 {
		w := []*world{one, two}[n%2]
		all.Go(func() {
			errs <- w.Decide(ctx, w.who, s.ID, s.Version, NewDecision{Patient: importer.LocalPatient{ID: text("4711")}, Destinations: []string{destination}})
		})
	}
	all.Wait()
	decided := 0
	for range 8 {
		if <-errs == nil {
			decided++
		}
	}
	s = two.until(s.ID, importer.Arrived)
	if decided != 1 || len(s.Delivery) != 1 || files(t, path) != 2 {
		t.Errorf("%d decisions, %d deliveries", decided, len(s.Delivery))
	}
	checkTrail(t, one, s.ID)
}

// TestAnswerInstead begins with a wrong answer that was known already: the right one
// by the question's id counts.
func TestAnswerInstead(t *testing.T) {
	t.Parallel()
	p := portal(t)
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindLink, Link: personal.New(p.Link), Known: Answers{BirthDate: personal.New("19990101")}})
	must(t, err)
	s := w.until(id, importer.Waiting)
	if len(s.Question.Questions) != 1 {
		t.Fatalf("%s", show(s))
	}
	must(t, w.Answer(ctx, w.who, id, 0, Answers{ByID: personal.NewMap(map[string]string{s.Question.Questions[0].ID: madeUp(t).BirthDate})}, nil))
	w.until(id, importer.Review)
}

// TestRetryIsOffered says that a delivery that waits for its archive can be tried now.
func TestRetryIsOffered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, nil)
	s := w.small(1)
	w.decideFor(s, w.destinationAt("dicom://AWAY@"+hostPort(peer.FreePort(t)), ""))
	peer.Await(t, testPatience, "the delivery to wait", func() bool {
		var err error
		s, err = w.Snapshot(t.Context(), w.who, s.ID)
		must(t, err)
		return s.Delivery[0].RetryAt != nil
	})
	if !slices.Contains(s.Next, "retry") {
		t.Errorf("next: %v", s.Next)
	}
}

// TestClosingMeetsObjects closes imports all the time while objects arrive on several
// associations: each that was acknowledged is in an import, once.
func TestClosingMeetsObjects(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	atOnce := func(o *GatewayOptions) { o.Quiet = 10 * time.Millisecond }
	one, two := newWorld(t, dir, nil, atOnce), newWorld(t, dir, nil, atOnce)
	one.close()
	two.close()
	ports := []int{one.receiver(anyone()), two.receiver(anyone())}
	const rounds = 3
	content := madeSlices(t, 1, 12)
	var sending sync.WaitGroup
	for _, port := range ports {
		sending.Go(func() {
			for range rounds {
				if out, err := sendTo(t, port, content); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			}
		})
	}
	sent := make(chan struct{})
	go func() {
		sending.Wait()
		close(sent)
	}()
	for done := false; !done; {
		select {
		case <-sent:
			done = true
		default:
		}
		must(t, one.closeReceived(ctx))
	}
	parts := int64(0)
	page, err := one.List(ctx, one.who, store.ImportFilter{Kind: KindDICOM, Limit: 200})
	must(t, err)
	list := page.Imports
	for _, s := range list {
		parts += s.Received.Parts
	}
	if want := 2 * rounds * int64(len(content)); parts != want || len(list) < 2 {
		t.Errorf("%d objects in %d imports, %d were acknowledged", parts, len(list), want)
	}
}
