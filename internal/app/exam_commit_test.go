package app

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"lotse/dimse"
	"lotse/dimse/commitment"
	"lotse/internal/importer"
	"lotse/internal/receive"
	"lotse/internal/store"
	"lotse/test/peer"
)

// archive takes objects and requests for commitment, and leaves the reports to the test.
type archive struct {
	address string
	addr    net.Addr

	mu       sync.Mutex
	asked    []commitment.Request
	stored   int
	refusing bool
}

func startArchive(t *testing.T, address string, offers bool) *archive {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	must(t, err)
	a := &archive{address: "dicom://ARCHIVE@" + ln.Addr().String(), addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000}}
	server := &dimse.Server{AETitle: "ARCHIVE", Store: func(_ context.Context, in dimse.StoreIndication) dimse.Status {
		if _, err := io.Copy(io.Discard, in.Data); err != nil {
			return dimse.ProcessingFailure
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.stored++
		return dimse.Success
	}}
	if offers {
		server.Services = map[string]dimse.Service{commitment.SOPClass: {Action: commitment.Requests(func(_ context.Context, _ commitment.Party, r commitment.Request) dimse.Status {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.refusing {
				return dimse.ProcessingFailure
			}
			a.asked = append(a.asked, r)
			return dimse.Success
		})}}
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return a
}

// requests waits until the archive was asked n times.
func (a *archive) requests(t *testing.T, n int) []commitment.Request {
	t.Helper()
	var list []commitment.Request
	peer.Await(t, testPatience, "requests for commitment", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		list = append([]commitment.Request(nil), a.asked...)
		return len(list) >= n
	})
	return list
}

func (a *archive) objects() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stored
}

// report reports on an association of the archive's own, without some objects.
func (a *archive) report(w *world, r commitment.Request, without int) error {
	report := commitment.Report{TransactionUID: r.TransactionUID, EventType: commitment.Complete, Committed: r.Referenced[without:]}
	for _, ref := range r.Referenced[:without] {
		report.EventType = commitment.FailuresExist
		report.Failed = append(report.Failed, commitment.Failure{Reference: ref, Reason: commitment.NoSuchObject})
	}
	return w.Report(w.t.Context(), receive.Reporter{Party: commitment.Party{AETitle: "ARCHIVE", Own: "LOTSE", Addr: a.addr}}, report)
}

func (w *world) decideFor(s *Snapshot, destinations ...string) {
	w.t.Helper()
	must(w.t, w.Decide(w.t.Context(), w.who, s.ID, 0, NewDecision{Patient: importer.LocalPatient{ID: text("4711")}, Destinations: destinations}))
}

// broken waits until an import has failed.
func (w *world) broken(id string) *Snapshot {
	w.t.Helper()
	var s *Snapshot
	peer.Await(w.t, testPatience, "the import to fail", func() bool {
		var err error
		s, err = w.Snapshot(w.t.Context(), w.who, id)
		must(w.t, err)
		return s.State == importer.Broken
	})
	return s
}

// TestCommitmentOfAPart has an archive deny what it took: the receipt says so, and a
// person who tries again sends just that.
func TestCommitmentOfAPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, quickReports)
	a := startArchive(t, "127.0.0.1:0", true)
	s := w.small(3)
	w.decideFor(s, w.destinationAt(a.address, proofCommit))
	must(t, a.report(w, a.requests(t, 1)[0], 1))
	s = w.broken(s.ID)
	if d := s.Delivery[0]; d.Problem != string(importer.ProblemUnconfirmed) || d.Failed != 1 || d.Delivered != 2 {
		t.Errorf("after a denial: %s", show(s))
	}
	must(t, w.Retry(t.Context(), w.who, s.ID, 0))
	must(t, a.report(w, a.requests(t, 2)[1], 0))
	s = w.until(s.ID, importer.Arrived)
	if n := a.objects(); n != 4 || s.Delivery[0].Proof != proofCommit || s.Delivery[0].Delivered != 3 {
		t.Errorf("%d objects went out: %s", n, show(s))
	}
}

// TestCommitmentNeverComes asks three times, says that nothing was confirmed, and
// asks anew when a person tries again.
func TestCommitmentNeverComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, quickReports)
	a := startArchive(t, "127.0.0.1:0", true)
	s := w.small(1)
	w.decideFor(s, w.destinationAt(a.address, proofCommit))
	expired := func(n int) commitment.Request {
		r := a.requests(t, n)[n-1]
		// Its 15 minutes pass, for this row.
		must(t, w.db.Tenant("main").Write(t.Context(), func(tx *store.Tx) error {
			c, err := tx.LockCommitment(r.TransactionUID)
			if err != nil {
				return err
			}
			c.State = commitExpired
			return tx.SaveCommitment(c)
		}))
		return r
	}
	first := expired(1)
	if err := a.report(w, first, 0); !errors.Is(err, receive.ErrUnknownTransaction) {
		t.Errorf("a report that comes too late: %v", err)
	}
	expired(2)
	expired(3)
	s = w.broken(s.ID)
	if s.Delivery[0].Problem != string(importer.ProblemUnconfirmed) {
		t.Errorf("%s", show(s))
	}
	must(t, w.Retry(t.Context(), w.who, s.ID, 0))
	last := a.requests(t, 4)[3]
	for name, from := range map[string]commitment.Party{
		"another title":   {AETitle: "OTHER", Addr: a.addr},
		"another address": {AETitle: "ARCHIVE", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}},
	} {
		err := w.Report(t.Context(), receive.Reporter{Party: from}, commitment.Report{TransactionUID: last.TransactionUID, Committed: last.Referenced})
		if !errors.Is(err, receive.ErrUnknownTransaction) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, a.report(w, last, 0))
	if w.until(s.ID, importer.Arrived); a.objects() != 1 {
		t.Errorf("%d objects", a.objects())
	}
	if err := a.report(w, last, 0); !errors.Is(err, receive.ErrUnknownTransaction) {
		t.Errorf("a report for the second time: %v", err)
	}
}

// TestCommitmentOfAnArchiveThatIsAway lets the archive be away when it is to be
// asked: that is no attempt, and it is asked as soon as it is back.
func TestCommitmentOfAnArchiveThatIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, quickReports)
	s := w.small(1)
	w.close()
	port := peer.FreePort(t)
	host := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	id := w.destinationAt("dicom://ARCHIVE@"+host, proofCommit)
	w.decideFor(s, id)
	rec := startArchive(t, host, false) // for the objects only
	must(t, w.claim(jobDeliver).do(w.deliverJob))
	if rec.objects() != 1 {
		t.Fatal("not sent")
	}
	_ = rec
	w2 := newWorld(t, w.dir, nil, nil)
	s = w2.broken(s.ID)
	if s.Delivery[0].Problem != string(importer.ProblemNoCommitment) {
		t.Errorf("an archive that does not offer it: %s", show(s))
	}
	var rows []store.Commitment
	must(t, w2.db.Tenant("main").Read(t.Context(), func(tx *store.Tx) (err error) {
		rows, err = tx.CommitmentsOf(s.Delivery[0].ID)
		return err
	}))
	if len(rows) != 0 {
		t.Errorf("%d transactions are open that the archive knows nothing of", len(rows))
	}
}

// TestReportForAnother reports, on the association of one archive, about what
// another archive was asked.
func TestReportForAnother(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, quickReports)
	a := startArchive(t, "127.0.0.1:0", true)
	s := w.small(1)
	w.decideFor(s, w.destinationAt(a.address, proofCommit))
	r := a.requests(t, 1)[0]
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// What deliver hands on for an association that this side opened to someone else.
	heard := hearing("1.2.3", w.reported)
	party := commitment.Party{AETitle: "EVIL", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}, SameAssociation: true}
	if status := heard(ctx, party, commitment.Report{TransactionUID: r.TransactionUID, Committed: r.Referenced}); status == dimse.Success {
		t.Error("it counts")
	}
}

// quickReports lets no test wait for a report that does not come.
func quickReports(o *GatewayOptions) { o.CommitWait = 10 * time.Millisecond }
