package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"lotse/dicom"
	"lotse/dimse"
	"lotse/dimse/commitment"
	"lotse/test/peer"
)

const ctStorage = "1.2.840.10008.5.1.4.1.1.2"

// shelf is an Intake that keeps files in memory.
type shelf struct {
	mu    sync.Mutex
	files map[string][]byte // by SOP Instance UID
	metas []Meta
	broke []error                           // of objects that broke off
	after func(context.Context, Meta) error // when a file is complete, before it counts
}

// Receive implements Intake.
func (s *shelf) Receive(ctx context.Context, meta Meta, r io.Reader) error {
	var b bytes.Buffer
	_, err := io.Copy(&b, r)
	if err == nil && s.after != nil {
		err = s.after(ctx, meta)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.broke = append(s.broke, err)
		return fmt.Errorf("keep an object: %w", err)
	}
	if s.files == nil {
		s.files = map[string][]byte{}
	}
	s.files[meta.SOPInstance] = b.Bytes()
	s.metas = append(s.metas, meta)
	return nil
}

// got gives what is known of the objects kept, and how others broke off.
func (s *shelf) got() (metas []Meta, broke []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.metas), slices.Clone(s.broke)
}

func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files)
}

func (s *shelf) file(instance string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[instance]
}

// here is this computer.
func here() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// anybody lets the AE titles of the tests in.
func anybody() RuleList {
	var l RuleList
	for _, ae := range []string{"SENDER", "STORESCU", "DCMSEND", "ECHOSCU", "ORTHANC"} {
		l = append(l, Rule{Name: "rule of " + ae, CallingAE: ae, Networks: here(), Objects: true, Reports: true})
	}
	return l
}

// running is a server under test.
type running struct {
	*Server
	addr string
	stop context.CancelFunc
	done chan error
}

func (r *running) port(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// start serves until the test ends.
func start(t testing.TB, cfg Config, rules Rules, intake Intake, reports Reports) *running {
	t.Helper()
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	if cfg.Timeouts.ARTIM == 0 {
		cfg.Timeouts.ARTIM = time.Second
	}
	s, err := New(cfg, rules, intake, reports, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Server: s, addr: ln.Addr().String(), stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Serve(ctx, ln); close(r.done) }()
	t.Cleanup(func() {
		cancel()
		if err := <-r.done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return r
}

// object is a CT object in Explicit VR Little Endian.
type object struct {
	instance string
	data     []byte
}

func newObject(t testing.TB, number, pixels int, edit ...func(*dicom.Dataset)) object {
	t.Helper()
	o := object{instance: fmt.Sprintf("2.25.7000.%d", number)}
	d := dicom.New()
	for tag, value := range map[dicom.Tag]string{
		dicom.SOPClassUID: ctStorage, dicom.SOPInstanceUID: o.instance, 0x00100010: "Test^Object", 0x00100020: "T1",
		studyInstanceUID: "2.25.2000", 0x0020000E: "2.25.3000", 0x00080060: "CT",
	} {
		if _, err := d.SetString(tag, value); err != nil {
			t.Fatal(err)
		}
	}
	frame := bytes.Repeat([]byte{byte(number), 7}, pixels/2)
	d.Put(dicom.NewBytes(0x7FE00010, dicom.OW, frame))
	for _, e := range edit {
		e(d)
	}
	var err error
	if o.data, err = d.Encode(dicom.ExplicitVRLittleEndian); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o object) request() dimse.StoreRequest {
	return dimse.StoreRequest{SOPClass: ctStorage, SOPInstance: o.instance,
		TransferSyntax: dicom.ExplicitVRLittleEndian, Data: dimse.FromBytes(o.data)}
}

func contexts() []dimse.PresentationContext {
	return []dimse.PresentationContext{
		dimse.VerificationContext(1),
		{ID: 3, SOPClass: ctStorage, TransferSyntaxes: []string{dicom.ExplicitVRLittleEndian}},
		commitment.Context(5),
	}
}

func dial(t testing.TB, addr string) *dimse.Association {
	t.Helper()
	a, err := dimse.Dial(t.Context(), addr, dimse.Config{CallingAE: "SENDER", CalledAE: "LOTSE"}, contexts())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func store(t testing.TB, a *dimse.Association, o object, want dimse.Status) {
	t.Helper()
	r, err := a.Store(t.Context(), o.request())
	if err != nil || r.Status != want {
		t.Errorf("store: %v %q, %v; want %v", r.Status, r.ErrorComment, err, want)
	}
	if want != dimse.Success && r.ErrorComment == "" {
		t.Error("refused without a word")
	}
}

// TestFile: what the Intake gets is a Part 10 file around the bytes as they came.
func TestFile(t *testing.T) {
	s := &shelf{}
	r := start(t, Config{AETitle: "LOTSE"}, anybody(), s, nil)
	o := newObject(t, 1, 300_000)
	a := dial(t, r.addr)
	store(t, a, o, dimse.Success)
	metas, _ := s.got()
	meta, file := metas[0], s.file(o.instance)
	want := Meta{Rule: "rule of SENDER", CallingAE: "SENDER", CalledAE: "LOTSE", Peer: "127.0.0.1", SOPClass: ctStorage,
		SOPInstance: o.instance, Study: "2.25.2000", TransferSyntax: dicom.ExplicitVRLittleEndian, Header: len(file) - len(o.data)}
	if meta != want {
		t.Errorf("meta %+v, want %+v", meta, want)
	}
	if !bytes.Equal(file[meta.Header:], o.data) {
		t.Error("the data set is not as it was sent")
	}
	in, err := dicom.NewReader(bytes.NewReader(file), int64(len(file)), dicom.ReadOptions{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	if head := in.Meta(); head.String(0x00020016) != "SENDER" || head.String(dicom.MediaStorageSOPInstUID) != o.instance ||
		head.String(dicom.TransferSyntaxUID) != dicom.ExplicitVRLittleEndian {
		t.Error("file meta information is wrong")
	}
	if r.Open() != 0 {
		t.Errorf("%d objects open", r.Open())
	}
}

// TestNoStatusBeforeDurable blocks the Intake after it has read everything.
func TestNoStatusBeforeDurable(t *testing.T) {
	read, durable := make(chan struct{}), make(chan struct{})
	s := &shelf{after: func(context.Context, Meta) error { close(read); <-durable; return nil }}
	r := start(t, Config{}, anybody(), s, nil)
	a := dial(t, r.addr)
	answer := make(chan dimse.Status, 1)
	go func() {
		got, _ := a.Store(t.Context(), newObject(t, 1, 100).request())
		answer <- got.Status
	}()
	<-read
	select {
	case status := <-answer:
		t.Fatalf("answered %v before the object was durable", status)
	case <-time.After(300 * time.Millisecond):
	}
	close(durable)
	if status := <-answer; status != dimse.Success {
		t.Errorf("status %v", status)
	}
}

// TestStatuses: what each trouble is answered with.
func TestStatuses(t *testing.T) {
	remove := func(tag dicom.Tag) func(*dicom.Dataset) { return func(d *dicom.Dataset) { d.Remove(tag) } }
	other := func(tag dicom.Tag) func(*dicom.Dataset) {
		return func(d *dicom.Dataset) { d.Put(dicom.NewBytes(tag, dicom.UI, []byte("1.2.3.4"))) }
	}
	garbage := newObject(t, 1, 100)
	garbage.data = bytes.Repeat([]byte("garbage "), 100)
	file := newObject(t, 1, 100)
	file.data = append(dicom.FileMeta(ctStorage, file.instance, dicom.ExplicitVRLittleEndian), file.data...)
	for name, c := range map[string]struct {
		object object
		intake error
		want   dimse.Status
	}{
		"other instance":  {newObject(t, 1, 100, other(dicom.SOPInstanceUID)), nil, dimse.DataSetMismatch},
		"other class":     {newObject(t, 1, 100, other(dicom.SOPClassUID)), nil, dimse.DataSetMismatch},
		"no instance":     {newObject(t, 1, 100, remove(dicom.SOPInstanceUID)), nil, dimse.DataSetMismatch},
		"no study":        {newObject(t, 1, 100, remove(studyInstanceUID)), nil, dimse.DataSetMismatch},
		"garbage":         {garbage, nil, dimse.DataSetMismatch},
		"a file":          {file, nil, dimse.CannotUnderstand},
		"disk full":       {newObject(t, 1, 100), errors.New("no space left on device"), dimse.OutOfResources},
		"intake mismatch": {newObject(t, 1, 100), &Refusal{Reason: Mismatch, Text: "told apart"}, dimse.DataSetMismatch},
		"intake confused": {newObject(t, 1, 100), &Refusal{Reason: NotUnderstood, Text: "not readable"}, dimse.CannotUnderstand},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{after: func(_ context.Context, m Meta) error {
				if m.SOPInstance == "2.25.7000.2" {
					return nil
				}
				return c.intake
			}}
			r := start(t, Config{}, anybody(), s, nil)
			a := dial(t, r.addr)
			store(t, a, c.object, c.want)
			if s.count() != 0 {
				t.Error("the object was kept")
			}
			store(t, a, newObject(t, 2, 100), dimse.Success) // the association goes on
		})
	}
}

// lazy is an Intake that says yes too early.
type lazy struct{ read int64 }

func (l lazy) Receive(_ context.Context, _ Meta, r io.Reader) error {
	_, err := io.CopyN(io.Discard, r, l.read)
	return err
}

func TestLazyIntake(t *testing.T) {
	for _, n := range []int64{0, 10, 200_000} {
		r := start(t, Config{}, anybody(), lazy{n}, nil)
		store(t, dial(t, r.addr), newObject(t, 1, 300_000), dimse.OutOfResources)
	}
}

func TestQuotas(t *testing.T) {
	s := &shelf{}
	rules := RuleList{{Name: "small", CallingAE: "SENDER", Networks: here(), Objects: true, ObjectBytes: 100_000, Associations: 2}}
	r := start(t, Config{}, rules, s, nil)
	a := dial(t, r.addr)
	store(t, a, newObject(t, 1, 101_000), dimse.OutOfResources)
	store(t, a, newObject(t, 2, 50_000), dimse.Success)
	dial(t, r.addr)
	_, err := dimse.Dial(t.Context(), r.addr, dimse.Config{CallingAE: "SENDER", CalledAE: "LOTSE"}, contexts())
	var refused *dimse.RejectError
	if !errors.As(err, &refused) || !dimse.Temporary(err) {
		t.Errorf("third association: %v", err)
	}
	if _, broke := s.got(); len(broke) != 1 || s.file("2.25.7000.2") == nil || s.count() != 1 {
		t.Errorf("%d kept, broken off %v", s.count(), broke)
	}
}

// TestOpenObjects: one object arrives, a second one waits in vain for its place.
func TestOpenObjects(t *testing.T) {
	read, durable := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := &shelf{after: func(context.Context, Meta) error { once.Do(func() { close(read) }); <-durable; return nil }}
	r := start(t, Config{Limits: Limits{OpenObjects: 1, OpenWait: 50 * time.Millisecond}}, anybody(), s, nil)
	first, second := dial(t, r.addr), dial(t, r.addr)
	answer := make(chan dimse.Status, 1)
	go func() {
		got, _ := first.Store(t.Context(), newObject(t, 1, 100).request())
		answer <- got.Status
	}()
	<-read
	store(t, second, newObject(t, 2, 100), dimse.OutOfResources)
	close(durable)
	if status := <-answer; status != dimse.Success {
		t.Errorf("first: %v", status)
	}
	store(t, second, newObject(t, 2, 100), dimse.Success)
}

// stream is an object that comes piece by piece, as the test wants.
type stream struct{ pieces chan []byte }

var errSender = errors.New("the sender gives up")

func (s stream) Next() ([]byte, error) {
	b, ok := <-s.pieces
	switch {
	case !ok:
		return nil, io.EOF
	case b == nil:
		return nil, errSender
	}
	return b, nil
}

// begin starts to send an object of which the first half is on its way.
func begin(t *testing.T, a *dimse.Association, o object) (rest stream, answer chan error) {
	rest, answer = stream{make(chan []byte, 2)}, make(chan error, 1)
	request := o.request()
	request.Data = rest
	rest.pieces <- o.data[:len(o.data)/2&^1]
	go func() {
		got, err := a.Store(t.Context(), request)
		if err == nil && got.Status != dimse.Success {
			err = fmt.Errorf("%v: %s", got.Status, got.ErrorComment)
		}
		answer <- err
	}()
	return rest, answer
}

// TestAbortInside: nothing of an object that breaks off reaches success.
func TestAbortInside(t *testing.T) {
	s := &shelf{}
	r := start(t, Config{}, anybody(), s, nil)
	o := newObject(t, 1, 300_000)
	rest, answer := begin(t, dial(t, r.addr), o)
	rest.pieces <- nil
	if err := <-answer; !errors.Is(err, errSender) {
		t.Errorf("sender: %v", err)
	}
	store(t, dial(t, r.addr), o, dimse.Success)
	var aborted *dimse.AbortError
	peer.Await(t, 10*time.Second, "the end of the broken object", func() bool { return r.Open() == 0 })
	if metas, broke := s.got(); len(broke) != 1 || !errors.As(broke[0], &aborted) || len(metas) != 1 {
		t.Errorf("broken off %v, kept %d", broke, len(metas))
	}
}

// TestSlowSender: a slow one does not hold up the others, and not for ever.
func TestSlowSender(t *testing.T) {
	s := &shelf{}
	r := start(t, Config{Limits: Limits{ObjectTime: 200 * time.Millisecond}}, anybody(), s, nil)
	o := newObject(t, 1, 300_000)
	rest, answer := begin(t, dial(t, r.addr), o)
	begun := time.Now()
	store(t, dial(t, r.addr), newObject(t, 2, 1000), dimse.Success)
	timer := time.NewTimer(time.Until(begun.Add(400 * time.Millisecond)))
	defer timer.Stop()
	<-timer.C
	rest.pieces <- o.data[len(o.data)/2&^1:]
	close(rest.pieces)
	if err := <-answer; err == nil || s.file(o.instance) != nil {
		t.Errorf("taken too late: %v", err)
	}
}

// TestStop: an object under way ends well, idle associations do not hold up the end.
func TestStop(t *testing.T) {
	s := &shelf{}
	r := start(t, Config{Grace: time.Minute}, anybody(), s, nil)
	idle, busy := dial(t, r.addr), dial(t, r.addr)
	o := newObject(t, 1, 300_000)
	rest, answer := begin(t, busy, o)
	peer.Await(t, 10*time.Second, "an object under way", func() bool { return r.Open() > 0 })
	r.stop()
	var aborted *dimse.AbortError
	if _, err := idle.Await(t.Context(), time.Minute, func() bool { return false }); !errors.As(err, &aborted) {
		t.Errorf("idle association: %v", err)
	}
	if _, err := dimse.Dial(t.Context(), r.addr, dimse.Config{CallingAE: "SENDER", CalledAE: "LOTSE"}, contexts()); err == nil {
		t.Error("a new association was taken")
	}
	rest.pieces <- o.data[len(o.data)/2&^1:]
	close(rest.pieces)
	if err := <-answer; err != nil {
		t.Errorf("object under way: %v", err)
	}
	if err := <-r.done; err != nil || s.count() != 1 {
		t.Errorf("end: %v, %d kept", err, s.count())
	}
}

// TestStopBounded: an object that does not end is given up.
func TestStopBounded(t *testing.T) {
	s := &shelf{}
	r := start(t, Config{Grace: 100 * time.Millisecond}, anybody(), s, nil)
	rest, answer := begin(t, dial(t, r.addr), newObject(t, 1, 300_000))
	defer func() { close(rest.pieces); <-answer }()
	peer.Await(t, 10*time.Second, "an object under way", func() bool { return r.Open() > 0 })
	r.stop()
	select {
	case err := <-r.done:
		if err != nil || s.count() != 0 {
			t.Errorf("end: %v, %d kept", err, s.count())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the server does not stop")
	}
}

func TestPause(t *testing.T) {
	r := start(t, Config{}, anybody(), &shelf{}, nil)
	a := dial(t, r.addr)
	r.Pause()
	store(t, a, newObject(t, 1, 100), dimse.OutOfResources)
	if _, err := dimse.Dial(t.Context(), r.addr, dimse.Config{CallingAE: "SENDER", CalledAE: "LOTSE"}, contexts()); !dimse.Temporary(err) {
		t.Errorf("association in a pause: %v", err)
	}
	r.Resume()
	store(t, a, newObject(t, 1, 100), dimse.Success)
}
