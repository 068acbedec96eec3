package deliver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/dicom"
	"lotse/dimse"
	"lotse/internal/importer"
	"lotse/test/peer"
)

const (
	ctStorage = "1.2.840.10008.5.1.4.1.1.2"
	mrStorage = "1.2.840.10008.5.1.4.1.1.4"
)

// exam is a set of synthetic objects; an object with fail set breaks off there.
type exam struct {
	objects []Object
	data    [][]byte
	fail    map[int]error
	renders atomic.Int64
}

func (e *exam) Len() int            { return len(e.objects) }
func (e *exam) Object(i int) Object { return e.objects[i] }

func (e *exam) Render(_ context.Context, i int, rd *dicom.Reader, w io.Writer, form Form) (Rendered, error) {
	e.renders.Add(1)
	if err := e.fail[i]; err != nil {
		_, _ = w.Write(e.data[i][:len(e.data[i])/2])
		return Rendered{}, err
	}
	if err := rd.Reset(bytes.NewReader(e.data[i]), int64(len(e.data[i])), dicom.ReadOptions{Syntax: e.objects[i].TransferSyntax}); err != nil {
		return Rendered{}, err
	}
	out, err := rd.Rewrite(w, dicom.Rewrite{Syntax: form.TransferSyntax, File: form.File})
	return Rendered{Bytes: out.Written}, err
}

func newExam(t *testing.T, n, size int) *exam {
	t.Helper()
	e := &exam{fail: map[int]error{}}
	for i := range n {
		e.add(t, fmt.Sprintf("1.2.3.%d", 1+i/50), fmt.Sprintf("1.2.3.4.%d", i+1), ctStorage, dicom.ExplicitVRLittleEndian, size)
	}
	return e
}

func (e *exam) add(t *testing.T, study, instance, class, syntax string, size int) {
	t.Helper()
	ds := dicom.New()
	for tag, v := range map[dicom.Tag]string{dicom.SOPClassUID: class, dicom.SOPInstanceUID: instance,
		0x00100010: "Test^Person", 0x00100020: "P1", 0x0020000D: study, 0x0020000E: study + ".1", 0x00080060: "CT"} {
		if _, err := ds.SetString(tag, v); err != nil {
			t.Fatal(err)
		}
	}
	ds.Put(dicom.NewBytes(dicom.PixelData, dicom.OW, bytes.Repeat([]byte{1, 2}, size/2)))
	b, err := ds.Encode(syntax)
	if err != nil {
		t.Fatal(err)
	}
	e.data = append(e.data, b)
	e.objects = append(e.objects, Object{Item: int32(len(e.objects)), Study: study, Series: study + ".1",
		SOPClass: class, SOPInstance: instance, TransferSyntax: syntax})
}

// results gathers what is reported and fails on a second report of one object.
type results struct {
	t    *testing.T
	list []Result
	seen map[int]bool
}

func (r *results) add(res Result) error {
	if r.seen == nil {
		r.seen = map[int]bool{}
	}
	if r.seen[res.Index] {
		r.t.Errorf("object %d is reported twice", res.Index)
	}
	r.seen[res.Index] = true
	r.list = append(r.list, res)
	return nil
}

func (r *results) fates() map[importer.Fate]int {
	m := map[importer.Fate]int{}
	for _, res := range r.list {
		m[res.Fate]++
	}
	return m
}

func node(t *testing.T, address string, opts Options) *Node {
	t.Helper()
	a, err := ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	return NewNode(a, opts)
}

func noWait(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }

func TestDeliverToStoreSCP(t *testing.T) {
	for _, associations := range []int{1, 3} {
		t.Run(fmt.Sprint(associations), func(t *testing.T) {
			scp := peer.StoreSCP(t)
			e := newExam(t, 120, 3000)
			e.add(t, "1.2.3.1", "1.2.9.1", mrStorage, dicom.ImplicitVRLittleEndian, 2_500_000) // beyond what may be in flight
			n := node(t, fmt.Sprintf("dicom://SINK@%s?associations=%d", scp.Addr(), associations), Options{})
			r := &results{t: t}
			if err := n.Deliver(t.Context(), e, r.add); err != nil {
				t.Fatal(err)
			}
			if got := r.fates()[importer.Delivered]; got != 121 {
				t.Fatalf("delivered %d of 121: %v", got, r.fates())
			}
			if got := len(scp.Files(t)); got != 121 {
				t.Errorf("the peer has %d files", got)
			}
		})
	}
}

func TestDamagedObjectDoesNotStopTheOthers(t *testing.T) {
	scp := peer.StoreSCP(t)
	e := newExam(t, 30, 100_000)
	damaged := errors.New("checksum error")
	e.fail[0], e.fail[11], e.fail[29] = damaged, damaged, damaged
	r := &results{t: t}
	if err := node(t, "dicom://SINK@"+scp.Addr(), Options{Wait: noWait}).Deliver(t.Context(), e, r.add); err != nil {
		t.Fatal(err)
	}
	for _, res := range r.list {
		want := importer.Delivered
		if e.fail[res.Index] != nil {
			want = importer.Failed
			if res.Reason != FailureSource || !errors.Is(res.Err, damaged) {
				t.Errorf("object %d: reason %q, error %v", res.Index, res.Reason, res.Err)
			}
		}
		if res.Fate != want {
			t.Errorf("object %d: %s", res.Index, res.Fate)
		}
	}
	if got := len(scp.Files(t)); len(r.list) != 30 || got != 27 {
		t.Errorf("%d results, the peer has %d files, want 30 and 27: none of a damaged object", len(r.list), got)
	}
}

// provider runs our own C-STORE provider with a handler, for behaviour that real
// archives show only when they are in trouble.
func provider(t *testing.T, s *dimse.Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(ctx, ln) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return ln.Addr().String()
}

func TestStatuses(t *testing.T) {
	var resources atomic.Int64
	addr := provider(t, &dimse.Server{Store: func(_ context.Context, in dimse.StoreIndication) dimse.Status {
		_, _ = io.Copy(io.Discard, in.Data)
		switch in.SOPInstance {
		case "1.2.3.4.2":
			return 0xB000
		case "1.2.3.4.3":
			return 0xC123
		case "1.2.3.4.4":
			if resources.Add(1) < 4 {
				return 0xA700
			}
		case "1.2.3.4.5", "1.2.3.4.6":
			return 0xA701
		}
		return dimse.Success
	}})
	e := newExam(t, 8, 1000)
	r := &results{t: t}
	var waits []time.Duration
	opts := Options{Resources: 5, Wait: func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }}
	if err := node(t, "dicom://SINK@"+addr, opts).Deliver(t.Context(), e, r.add); err != nil {
		t.Fatal(err)
	}
	want := map[int]struct {
		fate   importer.Fate
		reason FailureCode
		sent   int
	}{1: {importer.Warned, "", 1}, 2: {importer.Failed, FailureRefused, 1}, 3: {importer.Delivered, "", 4}, 4: {importer.Failed, FailureResources, 6},
		5: {importer.Failed, FailureResources, 2}}
	for _, res := range r.list {
		w, ok := want[res.Index]
		if !ok {
			w.fate, w.sent = importer.Delivered, 1
		}
		if res.Fate != w.fate || res.Reason != w.reason || res.Sent != w.sent {
			t.Errorf("object %d: %s %s sent %d, want %+v", res.Index, res.Fate, res.Reason, res.Sent, w)
		}
	}
	if len(r.list) != 8 || len(waits) != 3+5+1 || waits[0] != time.Second || waits[1] != 2*time.Second {
		t.Errorf("%d results, waits %v", len(r.list), waits)
	}
}

func TestLostAssociationGoesOn(t *testing.T) {
	var stored sync.Map
	var count, poison atomic.Int64
	addr := provider(t, &dimse.Server{Store: func(_ context.Context, in dimse.StoreIndication) dimse.Status {
		n := count.Add(1)
		if in.SOPInstance == "1.2.3.4.7" { // ends every association it comes in
			poison.Add(1)
			_ = in.Peer.Conn.Close()
			return dimse.ProcessingFailure
		}
		_, _ = io.Copy(io.Discard, in.Data)
		if n%10 == 0 {
			_ = in.Peer.Conn.Close()
			return dimse.ProcessingFailure
		}
		stored.Store(in.SOPInstance, true)
		return dimse.Success
	}})
	e := newExam(t, 45, 20_000)
	r := &results{t: t}
	if err := node(t, "dicom://SINK@"+addr, Options{Wait: noWait}).Deliver(t.Context(), e, r.add); err != nil {
		t.Fatal(err)
	}
	f := r.fates()
	if f[importer.Delivered] != 44 || f[importer.Failed] != 1 || poison.Load() != maxSends {
		t.Fatalf("%v, the poisonous object was sent %d times", f, poison.Load())
	}
	for _, res := range r.list {
		if _, ok := stored.Load(res.Object.SOPInstance); ok != (res.Fate == importer.Delivered) {
			t.Errorf("object %d: %s, but stored is %v", res.Index, res.Fate, ok)
		}
		if res.Fate == importer.Failed && res.Reason != FailureLost {
			t.Errorf("object %d: reason %s", res.Index, res.Reason)
		}
	}
}

func TestPeerKilled(t *testing.T) {
	scp := peer.StoreSCP(t)
	e := newExam(t, 40, 200_000)
	r := &results{t: t}
	report := func(res Result) error {
		if len(r.list) == 10 {
			scp.Kill()
			<-scp.Ended()
		}
		return r.add(res)
	}
	err := node(t, "dicom://SINK@"+scp.Addr(), Options{Wait: noWait}).Deliver(t.Context(), e, report)
	var p *importer.Problem
	if !errors.As(err, &p) || p.Code != importer.ProblemDestination {
		t.Fatalf("error %v", err)
	}
	f := r.fates()
	if len(r.list) != 40 || f[importer.Delivered] < 11 || f[importer.Failed] == 0 {
		t.Errorf("%d results: %v", len(r.list), f)
	}
}

func TestNothingListens(t *testing.T) {
	addr := fmt.Sprintf("127.0.0.1:%d", peer.FreePort(t))
	r := &results{t: t}
	err := node(t, "dicom://SINK@"+addr, Options{Wait: noWait}).Deliver(t.Context(), newExam(t, 3, 100), r.add)
	var p *importer.Problem
	if !errors.As(err, &p) || p.Code != importer.ProblemDestination || r.fates()[importer.Failed] != 3 {
		t.Fatalf("error %v, fates %v", err, r.fates())
	}
}

func TestCancelled(t *testing.T) {
	scp := peer.StoreSCP(t)
	e := newExam(t, 60, 100_000)
	ctx, cancel := context.WithCancel(t.Context())
	r := &results{t: t}
	err := node(t, "dicom://SINK@"+scp.Addr(), Options{}).Deliver(ctx, e, func(res Result) error {
		if len(r.list) == 5 {
			cancel()
		}
		return r.add(res)
	})
	if err == nil || len(r.list) != 60 || r.list[59].Reason != FailureCancelled {
		t.Fatalf("error %v, %d results", err, len(r.list))
	}
}

func TestReportFails(t *testing.T) {
	scp := peer.StoreSCP(t)
	full := errors.New("disk full")
	n := 0
	err := node(t, "dicom://SINK@"+scp.Addr(), Options{}).Deliver(t.Context(), newExam(t, 20, 1000), func(Result) error {
		n++
		if n == 3 {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) || n != 3 {
		t.Fatalf("error %v after %d reports", err, n)
	}
}

func TestUnacceptedSyntaxIsConvertedOrReported(t *testing.T) {
	scp := peer.StoreSCP(t, "+xi") // Implicit VR Little Endian only
	e := newExam(t, 2, 1000)
	e.add(t, "1.2.3.1", "1.2.5.1", ctStorage, dicom.ImplicitVRLittleEndian, 1000)
	e.objects = append(e.objects, Object{Item: 3, Study: "1.2.3.1", Series: "1.2.3.1.1", SOPClass: ctStorage, SOPInstance: "1.2.6",
		TransferSyntax: dicom.JPEGBaseline8Bit, LossyOnly: true})
	e.data = append(e.data, nil)
	r := &results{t: t}
	if err := node(t, "dicom://SINK@"+scp.Addr(), Options{}).Deliver(t.Context(), e, r.add); err != nil {
		t.Fatal(err)
	}
	for _, res := range r.list {
		switch {
		case res.Object.LossyOnly:
			if res.Reason != FailureContext {
				t.Errorf("JPEG: %s %s", res.Fate, res.Reason)
			}
		case res.Fate != importer.Delivered || res.Syntax != dicom.ImplicitVRLittleEndian:
			t.Errorf("object %d: %s in %s: %v", res.Index, res.Fate, res.Syntax, res.Err)
		}
	}
	if len(r.list) != 4 {
		t.Errorf("%d results", len(r.list))
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	e := newExam(t, 3, 1000)
	e.objects[1].SOPInstance = "../../escape"
	r := &results{t: t}
	if err := NewFolder(dir).Deliver(t.Context(), e, r.add); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
	if err != nil || len(files) != 3 || r.fates()[importer.Delivered] != 3 {
		t.Fatalf("files %v, fates %v, error %v", files, r.fates(), err)
	}
	again := &results{t: t}
	if err := NewFolder(dir).Deliver(t.Context(), e, again.add); err != nil || again.fates()[importer.Delivered] != 3 {
		t.Fatalf("a second time: %v, %v", again.fates(), err)
	}
	other := newExam(t, 1, 1000)
	other.data[0] = bytes.Replace(other.data[0], []byte("P1"), []byte("P2"), 1)
	kept, err := os.ReadFile(filepath.Join(dir, "1.2.3.1", "1.2.3.1.1", "1.2.3.4.1.dcm"))
	if err != nil {
		t.Fatal(err)
	}
	refused := &results{t: t}
	if err := NewFolder(dir).Deliver(t.Context(), other, refused.add); err != nil || refused.list[0].Reason != FailureExists {
		t.Fatalf("another patient's object: %+v, %v", refused.list[0], err)
	}
	if now, err := os.ReadFile(filepath.Join(dir, "1.2.3.1", "1.2.3.1.1", "1.2.3.4.1.dcm")); err != nil || !bytes.Equal(now, kept) {
		t.Error("the file there was touched")
	}
	if parts, _ := filepath.Glob(filepath.Join(dir, "*", "*", ".*")); len(parts) > 0 {
		t.Errorf("left behind: %v", parts)
	}
}

// TestFolderBelow: a folder below a root is made and used; whatever links lead to is not,
// also when it became one since.
func TestFolderBelow(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	e := newExam(t, 2, 1000)
	in, r := filepath.Join(root, "a", "b"), &results{t: t}
	if err := NewFolder(in).Below(root).Deliver(t.Context(), e, r.add); err != nil || r.fates()[importer.Delivered] != 2 {
		t.Fatalf("%v, %v", err, r.fates())
	}
	if err := os.Symlink(outside, filepath.Join(root, "way-out")); err != nil {
		t.Fatal(err)
	}
	study := filepath.Join(in, "1.2.3.1")
	if err := errors.Join(os.RemoveAll(study), os.Symlink(outside, study)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{in, filepath.Join(root, "way-out"), filepath.Join(root, "way-out", "x"), filepath.Join(root, "..", "x"), outside} {
		r := &results{t: t}
		if err := NewFolder(path).Below(root).Deliver(t.Context(), e, r.add); err != nil || r.fates()[importer.Failed] != 2 || r.list[0].Reason != FailureWrite {
			t.Errorf("%s: %v, %v", path, err, r.fates())
		}
		if path != in {
			if c := Test(t.Context(), Address{Folder: path}, Options{Below: root}); len(c) != 1 || c[0].OK {
				t.Errorf("%s is fine: %+v", path, c)
			}
		}
	}
	if found, err := os.ReadDir(outside); err != nil || len(found) > 0 {
		t.Errorf("outside there is %v (%v)", found, err)
	}
	for _, path := range []string{root, filepath.Join(root, "new", "one")} {
		if c := Test(t.Context(), Address{Folder: path}, Options{Below: root}); len(c) != 1 || !c[0].OK {
			t.Errorf("%s: %+v", path, c)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]Address{
		"dicom://PACS@pacs.example:11112":                      {Called: "PACS", Calling: "LOTSE", HostPort: "pacs.example:11112", TLS: TLSOff, Associations: 1},
		"dicom://A%20B@[::1]?calling=ME&tls=on&associations=4": {Called: "A B", Calling: "ME", HostPort: "[::1]:104", TLS: TLSVerify, Associations: 4},
		"dir:/tmp/x": {Folder: "/tmp/x"},
		"dir:out":    {Folder: "out"},
	} {
		got, err := ParseAddress(in)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "pacs:104", "http://x", "dicom://host:104", "dicom://TOOLONGAETITLE1234@h:1", "dicom://A@h:0",
		"dicom://A@h:1?tls=maybe", "dicom://A@h:1?associations=99", "dicom://A@h:1?x=1", "dicom://A@h:1/path", "dir:"} {
		if a, err := ParseAddress(in); err == nil {
			t.Errorf("%q was accepted: %+v", in, a)
		}
	}
}
