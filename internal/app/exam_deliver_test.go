package app

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"lotse/dicom"
	"lotse/dimse"
	"lotse/dimse/pdu"
	"lotse/internal/importer"
	"lotse/internal/importer/receipt"
	"lotse/internal/synth"
	"lotse/test/peer"
)

// receiptOf reads and verifies the receipt of a delivery.
func (w *world) receiptOf(s *Snapshot, n int) (*receipt.Verified, string) {
	w.t.Helper()
	r, err := w.Receipt(w.t.Context(), w.who, s.ID, s.Delivery[n].ID)
	must(w.t, err)
	raw, err := io.ReadAll(r)
	must(w.t, err)
	keys, err := w.ReceiptKeys(w.t.Context(), w.who)
	must(w.t, err)
	v, err := receipt.Verify(bytes.NewReader(raw), func(id string) (ed25519.PublicKey, bool) {
		for _, k := range keys {
			if public, err := base64.StdEncoding.DecodeString(k.Public); err == nil && k.ID == id {
				return public, true
			}
		}
		return nil, false
	})
	must(w.t, err)
	return v, string(raw)
}

// server runs an archive on an address.
func serveDICOM(t *testing.T, address string, server *dimse.Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return ln.Addr().String()
}

func swallow(_ context.Context, in dimse.StoreIndication) dimse.Status {
	if _, err := io.Copy(io.Discard, in.Data); err != nil {
		return dimse.ProcessingFailure
	}
	return dimse.Success
}

// TestArchiveRejects delivers to an archive that does not know Lotse: it is said at
// once, and the receipt names everything that was not sent. One that is only busy is
// tried again.
func TestArchiveRejects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, nil)
	var result atomic.Uint32
	result.Store(uint32(pdu.RejectedPermanent))
	address := serveDICOM(t, "127.0.0.1:0", &dimse.Server{AETitle: "STRICT", Store: swallow, Admit: func(context.Context, *dimse.Peer) error {
		switch r := pdu.RejectResult(result.Load()); r {
		case 0:
			return nil
		default:
			return &dimse.RejectError{AssociateRJ: pdu.AssociateRJ{Result: r, Source: pdu.RejectedByUser, Reason: 1}}
		}
	}})
	s := w.small(3)
	w.decideFor(s, w.destinationAt("dicom://STRICT@"+address, ""))
	s = w.broken(s.ID)
	if d := s.Delivery[0]; d.Problem != string(importer.ProblemSomeFailed) && d.Problem != string(importer.ProblemRejected) || d.Failed != 3 {
		t.Errorf("rejected: %s", show(s))
	}
	if v, raw := w.receiptOf(s, 0); v.Problem != string(importer.ProblemRejected) || v.Totals.Failed != 3 || v.Totals.CameIn != 3 {
		t.Errorf("the receipt says %s of %+v\n%s", v.Problem, v.Totals, raw)
	}
	result.Store(uint32(pdu.RejectedTransient))
	must(t, w.Retry(t.Context(), w.who, s.ID, 0))
	peer.Await(t, testPatience, "the delivery to wait for a busy archive", func() bool {
		var err error
		s, err = w.Snapshot(t.Context(), w.who, s.ID)
		must(t, err)
		if s.State != importer.Delivering {
			t.Fatalf("busy: %s", show(s))
		}
		return s.Delivery[0].RetryAt != nil
	})
	result.Store(0)
	must(t, w.Retry(t.Context(), w.who, s.ID, 0))
	s = w.until(s.ID, importer.Arrived)
	if v, _ := w.receiptOf(s, 0); v.Totals.Delivered != 3 || v.Totals.Failed != 0 {
		t.Errorf("%+v", v.Totals)
	}
	checkTrail(t, w, s.ID)
}

// TestSeveralDestinations has one archive take everything and another refuse one
// object: the first is not sent anything again.
func TestSeveralDestinations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, nil)
	rec, good := recording(t)
	var refuse atomic.Bool
	var sent atomic.Int32
	refuse.Store(true)
	address := serveDICOM(t, "127.0.0.1:0", &dimse.Server{AETitle: "PICKY", Store: func(ctx context.Context, in dimse.StoreIndication) dimse.Status {
		if status := swallow(ctx, in); status != dimse.Success {
			return status
		}
		if sent.Add(1) == 2 && refuse.Load() {
			return dimse.CannotUnderstand
		}
		return dimse.Success
	}})
	s := w.small(3)
	one, two := w.destinationAt(good, ""), w.destinationAt("dicom://PICKY@"+address, "")
	w.decideFor(s, one, two, one) // named twice is sent once
	s = w.broken(s.ID)
	if len(s.Delivery) != 2 {
		t.Fatalf("%d deliveries", len(s.Delivery))
	}
	for n, d := range s.Delivery {
		v, _ := w.receiptOf(s, n)
		switch d.Destination {
		case one:
			if d.State != importer.DeliveryVerified || v.Totals.Delivered != 3 {
				t.Errorf("the good one: %s", show(d))
			}
		case two:
			if d.State != importer.DeliveryIncomplete || d.Failed != 1 || v.Totals.Failed != 1 || v.Problem != string(importer.ProblemSomeFailed) {
				t.Errorf("the picky one: %s", show(d))
			}
		}
	}
	refuse.Store(false)
	must(t, w.Retry(t.Context(), w.who, s.ID, 0))
	s = w.until(s.ID, importer.Arrived)
	if sent.Load() != 4 {
		t.Errorf("%d objects went to the picky one", sent.Load())
	}
	for uid, sight := range rec.Seen() {
		if sight.Count() != 1 {
			t.Errorf("%s went %d times to the good one", uid, sight.Count())
		}
	}
	checkTrail(t, w, s.ID)
}

// TestOnlyOneOfSeveralPatients decides about one of two patients on a medium with a
// letter: what may be the other one's does not get the first one's name.
func TestOnlyOneOfSeveralPatients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Files: 3})
	must(t, err)
	for n, name := range []string{"ANNA", "BERTA"} {
		raw, err := synth.Slice(synth.SliceOptions{Seed: uint64(n + 1), Elements: []dicom.Element{
			dicom.NewBytes(0x00100010, dicom.PN, []byte(name+"^A")), dicom.NewBytes(0x00100020, dicom.LO, []byte(name))}})
		must(t, err)
		w.upload(id, name+".dcm", raw)
	}
	w.upload(id, "Befund Berta.pdf", letter())
	w.until(id, importer.Review)
	destination, path := w.folder()
	err = w.Decide(ctx, w.who, id, 0, NewDecision{Patient: importer.LocalPatient{ID: text("4711")}, Destinations: []string{destination}})
	if err == nil {
		t.Fatal("two patients became one")
	}
	must(t, w.Decide(ctx, w.who, id, 0, NewDecision{OnlyPatient: "ANNA", Patient: importer.LocalPatient{ID: text("4711")}, Destinations: []string{destination}}))
	s := w.until(id, importer.Arrived)
	if n := files(t, path); n != 1 {
		t.Errorf("%d objects were delivered: %s", n, show(s))
	}
	if v, raw := w.receiptOf(s, 0); v.Totals.CameIn != 3 || v.Totals.LeftOut != 2 || !strings.Contains(raw, string(importer.ReasonNotChosen)) {
		t.Errorf("%+v\n%s", v.Totals, raw)
	}
}

// letter is a PDF of one page.
func letter() []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var at []int
	for i, object := range []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj%sendobj\n", i+1, object)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 4\n0000000000 65535 f \n")
	for _, n := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", n)
	}
	fmt.Fprintf(&b, "trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", start)
	return b.Bytes()
}

// TestArchiveWithoutCertificate delivers to an archive that nobody vouches for: it is
// said at once and waits for a person.
func TestArchiveWithoutCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, nil)
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	s := w.small(1)
	w.decideFor(s, w.destinationAt("dicom://ANY@"+server.Listener.Addr().String()+"?tls=on", ""))
	s = w.broken(s.ID)
	if d := s.Delivery[0]; d.Problem != string(importer.ProblemCertificate) || d.Failed != 1 {
		t.Errorf("%s", show(s))
	}
}
