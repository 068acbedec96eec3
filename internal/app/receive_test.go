package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/receive"
	"lotse/internal/store"
	"lotse/internal/synth"
	"lotse/test/peer"
)

// receiver runs the C-STORE provider of a world.
func (w *world) receiver(rules ...receive.Rule) (port int) { return w.secureReceiver(nil, rules...) }

// secureReceiver demands TLS when it is set.
func (w *world) secureReceiver(secure *tls.Config, rules ...receive.Rule) (port int) {
	w.t.Helper()
	server, err := receive.New(receive.Config{Address: "127.0.0.1:0", TLS: secure}, w.Rules(rules), w.Intake("main"), w.Gateway, slog.New(slog.NewTextHandler(testLog{w.t}, nil)))
	if err != nil {
		w.t.Fatal(err)
	}
	ln, err := server.Listen(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.t.Errorf("receive: %v", err)
		}
	})
	return ln.Addr().(*net.TCPAddr).Port
}

// TestCommitmentProves delivers to Orthanc, which reports on an association of its own.
func TestCommitmentProves(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	port := w.receiver()
	orthanc := peer.Orthanc(t, map[string]any{"DicomModalities": map[string]any{
		"lotse": map[string]any{"AET": "LOTSE", "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": true},
	}})
	ctx := t.Context()
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Files: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.upload(id, "exam.zip", madeUp(t).ZIP)
	s := w.until(id, importer.Review)
	d, err := w.AddDestination(ctx, w.who, NewDestination{Name: "PACS", Verify: proofCommit, Address: fmt.Sprintf("dicom://%s@127.0.0.1:%d", orthanc.AET, orthanc.DICOMPort)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Decide(ctx, w.who, id, s.Version, NewDecision{Patient: importer.LocalPatient{ID: text("4711")}, Destinations: []string{d.ID}}); err != nil {
		t.Fatal(err)
	}
	s = w.until(id, importer.Arrived)
	if s.Delivery[0].Proof != proofCommit {
		t.Errorf("proved by %q", s.Delivery[0].Proof)
	}
	if !s.Purge.Before(s.Expires) {
		t.Errorf("a delivery that was committed to does not shorten the time: %s", s.Purge)
	}
	checkTrail(t, w, id)
}

// TestReceivedObjectsBecomeAnImport sends two studies by storescu; each becomes an
// import that closes by itself, and a late object opens another.
func TestReceivedObjectsBecomeAnImport(t *testing.T) {
	clock := &shift{}
	w := newWorld(t, t.TempDir(), clock, nil)
	port := w.receiver(receive.Rule{Name: "ct", CallingAE: "CT1", Objects: true, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	ctx := t.Context()
	dir := t.TempDir()
	for study := range 2 {
		for slice := range 5 {
			raw, err := synth.Slice(synth.SliceOptions{Seed: uint64(study + 1), Number: slice + 1})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d-%d.dcm", study, slice)), raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	send := func() {
		peer.Run(t, "storescu", "-aet", "CT1", "-aec", "LOTSE", "+sd", "127.0.0.1", fmt.Sprint(port), dir)
	}
	send()
	open := func() []*Snapshot {
		page, err := w.List(ctx, w.who, store.ImportFilter{Kind: KindDICOM})
		if err != nil {
			t.Fatal(err)
		}
		return page.Imports
	}
	if list := open(); len(list) != 2 || list[0].Received.Parts != 5 || list[0].State != importer.Fetching {
		t.Fatalf("received: %s", show(list))
	}
	clock.add(2 * time.Minute)
	if err := w.closeReceived(ctx); err != nil {
		t.Fatal(err)
	}
	for _, s := range open() {
		if s = w.until(s.ID, importer.Review); s.Received.Instances != 5 || s.Basis != string(importer.BasisTreatment) {
			t.Errorf("an import has %d instances, its legal basis is %q", s.Received.Instances, s.Basis)
		}
	}
	send()
	if list := open(); len(list) != 4 {
		t.Errorf("late objects: %d imports", len(list))
	}
	begun, err := w.AuditEvents(ctx, w.who, store.EventFilter{Actor: "dicom:CT1", Event: "import.created", Limit: 10})
	if err != nil || len(begun.Events) != 4 || begun.Events[0].Personal["address"] != "127.0.0.1" {
		t.Errorf("the trail does not tell where they came from: %+v, %v", begun, err)
	}
}
