package dimse

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"lotse/test/peer"
)

// object is a test object as it is sent.
type object struct {
	class, instance, syntax string
	data                    []byte
}

// newObject makes a CT object of a given size of pixel data, in Explicit or
// Implicit VR Little Endian. The pixels differ from object to object.
func newObject(number, pixels int, syntax string) object {
	o := object{class: ctStorage, instance: fmt.Sprintf("2.25.1000.%d", number), syntax: syntax}
	long := []string{"OB", "OW", "SQ", "UN", "UT"}
	add := func(tag uint32, vr string, value []byte) {
		if len(value)%2 != 0 {
			value = append(value, map[bool]byte{true: 0, false: ' '}[vr == "UI"])
		}
		o.data = binary.LittleEndian.AppendUint16(o.data, uint16(tag>>16))
		o.data = binary.LittleEndian.AppendUint16(o.data, uint16(tag))
		switch {
		case syntax == ImplicitVRLittleEndian:
			o.data = binary.LittleEndian.AppendUint32(o.data, uint32(len(value)))
		case slices.Contains(long, vr):
			o.data = append(o.data, vr...)
			o.data = append(o.data, 0, 0)
			o.data = binary.LittleEndian.AppendUint32(o.data, uint32(len(value)))
		default:
			o.data = append(o.data, vr...)
			o.data = binary.LittleEndian.AppendUint16(o.data, uint16(len(value)))
		}
		o.data = append(o.data, value...)
	}
	us := func(v int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(v)) }
	add(0x00080016, "UI", []byte(o.class))
	add(0x00080018, "UI", []byte(o.instance))
	add(0x00080060, "CS", []byte("CT"))
	add(0x00100010, "PN", []byte("Test^Object"))
	add(0x00100020, "LO", []byte("T1"))
	add(0x0020000D, "UI", []byte("2.25.2000"))
	add(0x0020000E, "UI", []byte("2.25.3000"))
	add(0x00200013, "IS", fmt.Append(nil, number))
	rows := max(pixels/1024, 1)
	add(0x00280002, "US", us(1))
	add(0x00280004, "CS", []byte("MONOCHROME2"))
	add(0x00280010, "US", us(rows))
	add(0x00280011, "US", us(512))
	add(0x00280100, "US", us(16))
	add(0x00280101, "US", us(16))
	add(0x00280102, "US", us(15))
	add(0x00280103, "US", us(0))
	frame := make([]byte, pixels&^1)
	for i := range frame {
		frame[i] = byte(i*7 + i>>8 + number)
	}
	add(0x7FE00010, "OW", frame)
	return o
}

func (o object) request() StoreRequest {
	return StoreRequest{SOPClass: o.class, SOPInstance: o.instance, TransferSyntax: o.syntax, Data: FromBytes(o.data)}
}

// key is what Plan wants to know.
func (o object) key() ContextKey { return ContextKey{SOPClass: o.class, TransferSyntax: o.syntax} }

// quick are timeouts for tests in which something hangs.
var quick = Timeouts{Associate: 2 * time.Second, Write: time.Second, Response: time.Second, Read: time.Second,
	Release: time.Second, ARTIM: time.Second, Abort: 500 * time.Millisecond}

// dial opens an association for the objects and closes it when the test ends.
func dial(t testing.TB, addr, called string, cfg Config, objects ...object) *Association {
	t.Helper()
	var keys []ContextKey
	for _, o := range objects {
		keys = append(keys, o.key())
	}
	contexts := []PresentationContext{VerificationContext(1)}
	if plan := Plan(keys); plan != nil {
		contexts = plan[0]
	}
	cfg.CallingAE, cfg.CalledAE = "LOTSE", called
	a, err := Dial(t.Context(), addr, cfg, contexts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// store sends an object and wants success.
func store(t testing.TB, a *Association, o object) {
	t.Helper()
	r, err := a.Store(t.Context(), o.request())
	if err != nil || r.Status != Success {
		t.Fatalf("store: %v, %v", r.Status, err)
	}
}

// arrival is what a test provider got.
type arrival struct {
	StoreIndication
	sum  [sha256.Size]byte
	size int64
	err  error
}

// sink is a provider that remembers what it gets.
type sink struct {
	Server
	addr string
	mu   sync.Mutex
	got  []arrival
	ends []error
}

// startSink serves until the test ends; prepare may change the server before.
func startSink(t testing.TB, prepare func(*sink)) *sink {
	t.Helper()
	s := &sink{}
	s.Store = s.keep
	s.Ended = func(_ *Peer, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ends = append(s.ends, err)
	}
	s.Timeouts.ARTIM = time.Second
	if prepare != nil {
		prepare(s)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.serve(t, ln)
	return s
}

func (s *sink) serve(t testing.TB, ln net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

func (s *sink) keep(_ context.Context, in StoreIndication) Status {
	h := sha256.New()
	n, err := io.Copy(h, in.Data)
	r := arrival{StoreIndication: in, size: n, err: err}
	h.Sum(r.sum[:0])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, r)
	if err != nil {
		return ProcessingFailure
	}
	return Success
}

// objects gives what has arrived so far.
func (s *sink) objects() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// awaitEnd waits for the end of the first association and returns how it ended.
func (s *sink) awaitEnd(t testing.TB) error {
	t.Helper()
	var end error
	peer.Await(t, 10*time.Second, "end of the association", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.ends) > 0 {
			end = s.ends[0]
		}
		return len(s.ends) > 0
	})
	return end
}

// wantIntact checks that the sink got exactly the object as its n-th.
func (s *sink) wantIntact(t testing.TB, n int, o object) {
	t.Helper()
	got := s.objects()
	if len(got) <= n {
		t.Fatalf("%d objects arrived", len(got))
	}
	if g := got[n]; g.err != nil || g.size != int64(len(o.data)) || g.sum != sha256.Sum256(o.data) || g.SOPInstance != o.instance || g.TransferSyntax != o.syntax {
		t.Errorf("object %d arrived damaged: %d of %d bytes, %v", n, g.size, len(o.data), g.err)
	}
}
