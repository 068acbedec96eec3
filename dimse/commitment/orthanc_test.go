package commitment_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"lotse/dicom"
	"lotse/dicom/uid"
	"lotse/dimse"
	"lotse/dimse/commitment"
	"lotse/test/peer"
)

const secondaryCapture = "1.2.840.10008.5.1.4.1.1.7"

// inbox is a server of this side that keeps the reports it gets.
type inbox struct {
	addr    string
	reports chan commitment.Report
	mu      sync.Mutex
	parties []commitment.Party
}

func (b *inbox) port(t *testing.T) int {
	t.Helper()
	_, port, err := net.SplitHostPort(b.addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (b *inbox) take(_ context.Context, from commitment.Party, r commitment.Report) dimse.Status {
	b.mu.Lock()
	b.parties = append(b.parties, from)
	b.mu.Unlock()
	b.reports <- r
	return dimse.Success
}

func (b *inbox) next(t *testing.T) commitment.Report {
	t.Helper()
	select {
	case r := <-b.reports:
		return r
	case <-time.After(30 * time.Second):
		t.Fatal("no report")
		return commitment.Report{}
	}
}

// serve runs a server until the test ends.
func serve(t *testing.T, s *dimse.Server) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return ln.Addr().String()
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	b := &inbox{reports: make(chan commitment.Report, 100)}
	b.addr = serve(t, &dimse.Server{AETitle: "LOTSE", Services: map[string]dimse.Service{
		commitment.SOPClass: {Event: commitment.Reports(b.take)},
	}})
	return b
}

func orthanc(t *testing.T, port int) *peer.OrthancPeer {
	t.Helper()
	return peer.Orthanc(t, map[string]any{"DicomModalities": map[string]any{
		"lotse": map[string]any{"AET": "LOTSE", "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": true, "AllowEcho": true},
	}})
}

// dial opens an association that can store and ask for commitment.
func dial(t *testing.T, addr, called string) *dimse.Association {
	t.Helper()
	a, err := dimse.Dial(t.Context(), addr, dimse.Config{CallingAE: "LOTSE", CalledAE: called}, []dimse.PresentationContext{
		commitment.Context(1),
		{ID: 3, SOPClass: secondaryCapture, TransferSyntaxes: []string{dimse.ExplicitVRLittleEndian}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// store sends an object to a peer.
func store(t *testing.T, a *dimse.Association) commitment.Reference {
	t.Helper()
	r := commitment.Reference{SOPClass: secondaryCapture, SOPInstance: uid.New()}
	d := dicom.New()
	for tag, value := range map[dicom.Tag]string{
		dicom.SOPClassUID: r.SOPClass, dicom.SOPInstanceUID: r.SOPInstance, 0x00100020: "T1",
		0x0020000D: "2.25.2000", 0x0020000E: "2.25.3000", 0x00080060: "OT",
	} {
		if _, err := d.SetString(tag, value); err != nil {
			t.Fatal(err)
		}
	}
	data, err := d.Encode(dimse.ExplicitVRLittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.Store(t.Context(), dimse.StoreRequest{SOPClass: r.SOPClass, SOPInstance: r.SOPInstance,
		TransferSyntax: dimse.ExplicitVRLittleEndian, Data: dimse.FromBytes(data)})
	if err != nil || answer.Status != dimse.Success {
		t.Fatalf("store: %v, %v", answer.Status, err)
	}
	return r
}

// TestOrthancCommits asks for objects that are there, then also for one that is not.
func TestOrthancCommits(t *testing.T) {
	in := newInbox(t)
	o := orthanc(t, in.port(t))
	a := dial(t, o.DICOMAddr(), o.AET)
	there := []commitment.Reference{store(t, a), store(t, a), store(t, a)}
	absent := commitment.Reference{SOPClass: secondaryCapture, SOPInstance: uid.New()}

	ask := func(list []commitment.Reference) commitment.Report {
		t.Helper()
		request := commitment.Request{TransactionUID: uid.New(), Referenced: list}
		outcome, err := commitment.Ask(t.Context(), a, request, 50*time.Millisecond, in.take)
		if err != nil || outcome.Response.Status != dimse.Success {
			t.Fatalf("ask: %v, %v", outcome.Response.Status, err)
		}
		if outcome.Reported {
			t.Error("Orthanc is said to have reported on the same association")
		}
		r := in.next(t)
		if r.TransactionUID != request.TransactionUID {
			t.Error("report about another transaction")
		}
		return r
	}
	r := ask(there)
	if !sameSet(r.Committed, there) || len(r.Failed) != 0 || r.EventType != commitment.Complete {
		t.Errorf("committed %d, failed %v, type %d", len(r.Committed), r.Failed, r.EventType)
	}
	r = ask(append(slices.Clone(there), absent))
	want := commitment.Failure{Reference: absent, Reason: commitment.NoSuchObject}
	if !sameSet(r.Committed, there) || !slices.Equal(r.Failed, []commitment.Failure{want}) || r.EventType != commitment.FailuresExist {
		t.Errorf("committed %d, failed %v, type %d", len(r.Committed), r.Failed, r.EventType)
	}
	for _, p := range in.parties {
		if p.AETitle != o.AET || p.Own != "LOTSE" || p.SameAssociation || p.Certificate != nil {
			t.Errorf("report from %+v", p)
		}
	}
	if err := a.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func sameSet(a, b []commitment.Reference) bool {
	less := func(x, y commitment.Reference) int {
		return bytes.Compare([]byte(x.SOPInstance), []byte(y.SOPInstance))
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, less)
	slices.SortFunc(b, less)
	return slices.Equal(a, b)
}

// TestOrthancAsks lets Orthanc ask this side, which reports on an association of its own.
func TestOrthancAsks(t *testing.T) {
	requests := make(chan commitment.Request, 1)
	addr := serve(t, &dimse.Server{AETitle: "LOTSE", Services: map[string]dimse.Service{
		commitment.SOPClass: {Action: commitment.Requests(func(_ context.Context, _ commitment.Party, r commitment.Request) dimse.Status {
			requests <- r
			return dimse.Success
		})},
	}})
	o := orthanc(t, (&inbox{addr: addr}).port(t))
	kept, lost := uid.New(), uid.New()
	var started struct{ ID string }
	post(t, o.URL()+"/modalities/lotse/storage-commitment", map[string]any{"DicomInstances": []map[string]string{
		{"SOPClassUID": secondaryCapture, "SOPInstanceUID": kept}, {"SOPClassUID": secondaryCapture, "SOPInstanceUID": lost}}}, &started)
	request := <-requests
	if len(request.Referenced) != 2 || request.TransactionUID != started.ID {
		t.Fatalf("%d references", len(request.Referenced))
	}

	a, err := dimse.Dial(t.Context(), o.DICOMAddr(), dimse.Config{CallingAE: "LOTSE", CalledAE: o.AET,
		Roles: roles()}, []dimse.PresentationContext{commitment.Context(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	answer, err := commitment.Tell(t.Context(), a, commitment.Report{TransactionUID: request.TransactionUID,
		Committed: []commitment.Reference{{SOPClass: secondaryCapture, SOPInstance: kept}},
		Failed:    []commitment.Failure{{Reference: commitment.Reference{SOPClass: secondaryCapture, SOPInstance: lost}, Reason: commitment.ResourceLimitation}}})
	if err != nil || answer.Status != dimse.Success {
		t.Fatalf("tell: %v, %v", answer.Status, err)
	}
	var report struct {
		Status   string
		Success  []any
		Failures []struct {
			SOPInstanceUID string
			FailureReason  int
		}
	}
	if err := json.Unmarshal(o.Get(t, "/storage-commitment/"+started.ID), &report); err != nil {
		t.Fatal(err)
	}
	if report.Status != "Failure" || len(report.Success) != 1 || len(report.Failures) != 1 || report.Failures[0].SOPInstanceUID != lost ||
		report.Failures[0].FailureReason != int(commitment.ResourceLimitation) {
		t.Errorf("Orthanc understood %+v", report)
	}
}

func post(t *testing.T, url string, body, answer any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(url, "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	if err := json.Unmarshal(got, answer); err != nil {
		t.Fatal(err)
	}
}
