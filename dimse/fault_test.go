package dimse

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"lotse/dimse/pdu"
	"lotse/test/peer"
)

// double is a peer that misbehaves as real ones do not do on request.
func double(t *testing.T, behave func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			behave(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ln.Addr().String()
}

// accepted answers A-ASSOCIATE-RQ by accepting all with the given maximum length.
func accepted(conn net.Conn, maxLength uint32) bool {
	p, err := pdu.Read(conn, pdu.Limits{})
	rq, ok := p.(*pdu.AssociateRQ)
	if err != nil || !ok {
		return false
	}
	ac := &pdu.AssociateAC{ProtocolVersion: 1, CalledAE: rq.CalledAE, CallingAE: rq.CallingAE,
		ApplicationContext: pdu.ApplicationContext, User: pdu.UserInfo{MaxLength: maxLength}}
	for _, c := range rq.Contexts {
		ac.Contexts = append(ac.Contexts, pdu.ContextResult{ID: c.ID, TransferSyntax: c.TransferSyntaxes[0]})
	}
	return say(conn, ac)
}

func say(conn net.Conn, p pdu.PDU) bool {
	b, err := pdu.Append(nil, p)
	if err != nil {
		return false
	}
	_, err = conn.Write(b)
	return err == nil
}

// untilClosed reads to the end.
func untilClosed(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func TestPeerNeverAnswers(t *testing.T) {
	aborted := make(chan bool, 1)
	addr := double(t, func(conn net.Conn) {
		_, _ = pdu.Read(conn, pdu.Limits{})
		p, _ := pdu.Read(conn, pdu.Limits{})
		a, ok := p.(*pdu.Abort)
		aborted <- ok && a.Source == pdu.AbortedByUser
	})
	times := quick
	times.Associate = 100 * time.Millisecond
	_, err := Dial(t.Context(), addr, Config{CallingAE: "A", CalledAE: "B", Timeouts: times}, []PresentationContext{VerificationContext(1)})
	var timeout *TimeoutError
	if !errors.As(err, &timeout) || !Temporary(err) {
		t.Errorf("got %v", err)
	}
	if !<-aborted {
		t.Error("no A-ABORT after the timeout")
	}
}

func TestPeerNeverResponds(t *testing.T) {
	addr := double(t, func(conn net.Conn) { accepted(conn, 0); untilClosed(conn) })
	o := newObject(1, 10, ExplicitVRLittleEndian)
	a := dial(t, addr, "B", Config{Timeouts: quick}, o)
	var timeout *TimeoutError
	if _, err := a.Store(t.Context(), o.request()); !errors.As(err, &timeout) {
		t.Errorf("got %v", err)
	}
}

// TestPeerStopsReading must end by the write deadline, or the context, in the
// middle of a write that no buffer can take.
func TestPeerStopsReading(t *testing.T) {
	release := make(chan struct{})
	addr := double(t, func(conn net.Conn) { accepted(conn, 0); <-release })
	defer close(release)
	o := newObject(1, 32<<20, ExplicitVRLittleEndian)
	a := dial(t, addr, "B", Config{Timeouts: quick}, o)
	begin := time.Now()
	var timeout *TimeoutError
	if _, err := a.Store(t.Context(), o.request()); !errors.As(err, &timeout) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestCancelMidWrite cancels while a write waits for a peer that reads on later: the
// cut PDU must be completed before A-ABORT, and the object never.
func TestCancelMidWrite(t *testing.T) {
	cancelled := make(chan struct{})
	result := make(chan error, 1)
	addr := double(t, func(conn net.Conn) {
		accepted(conn, 0)
		<-cancelled
		result <- wantAbort(conn)
	})
	o := newObject(1, 32<<20, ExplicitVRLittleEndian)
	times := quick
	times.Write, times.Abort = 30*time.Second, 30*time.Second
	a := dial(t, addr, "B", Config{Timeouts: times}, o)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, func() { cancel(); close(cancelled) })
	if _, err := a.Store(ctx, o.request()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// wantAbort reads whole PDUs to an A-ABORT and no last fragment of a data set.
func wantAbort(conn net.Conn) error {
	for {
		p, err := pdu.Read(conn, pdu.Limits{})
		if err != nil {
			return err
		}
		switch p := p.(type) {
		case *pdu.Abort:
			return nil
		case *pdu.DataTF:
			for _, v := range p.Values {
				if v.Last && !v.Command {
					return errors.New("the object was completed")
				}
			}
		}
	}
}

// TestPeerNonsense answers a C-ECHO with things no peer may answer.
func TestPeerNonsense(t *testing.T) {
	var e encoder
	echo := requestHead{class: Verification, field: fieldEcho, id: 1}
	wrongID := requestHead{class: Verification, field: fieldEcho, id: 77}
	command := func(cmd []byte, control byte) []byte {
		b, err := pdu.Append(nil, &pdu.DataTF{Values: []pdu.PDV{{ContextID: 1, Command: control&1 != 0, Last: control&2 != 0, Data: bytes.Clone(cmd)}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, answer := range map[string][]byte{
		"wrong id":         command(e.response(wrongID, Success), 3),
		"data set":         command(e.response(echo, Success), 2),
		"no command set":   command([]byte("nonsense"), 3),
		"unknown PDU":      {0x42, 0, 0, 0, 0, 0},
		"unexpected PDU":   {0x06, 0, 0, 0, 0, 4, 0, 0, 0, 0},
		"too long":         {0x04, 0, 0xff, 0xff, 0xff, 0xff},
		"too long a body":  {0x05, 0, 0x7f, 0xff, 0xff, 0xff},
		"lying fragment":   {0x04, 0, 0, 0, 0, 8, 0, 0, 0, 99, 1, 3, 0, 0},
		"no fragment":      {0x04, 0, 0, 0, 0, 0},
		"half a fragment":  {0x04, 0, 0, 0, 0, 3, 1, 2, 3},
		"endless command":  bytes.Repeat(command(make([]byte, 30<<10), 1), 3),
		"truncated answer": command(e.response(echo, Success)[:20], 3),
	} {
		ended := make(chan error, 1)
		addr := double(t, func(conn net.Conn) {
			accepted(conn, 0)
			_, _ = pdu.Read(conn, pdu.Limits{})
			_, _ = conn.Write(answer)
			ended <- wantAbort(conn)
		})
		a := dial(t, addr, "B", Config{Timeouts: quick})
		var bad *ProtocolError
		if _, err := a.Echo(t.Context()); !errors.As(err, &bad) || Temporary(err) {
			t.Errorf("%s: got %v", name, err)
		}
		if err := <-ended; err != nil {
			t.Errorf("%s: no A-ABORT: %v", name, err)
		}
	}
}

// TestRequestBeforeResponse lets the peer ask for something before it answers.
func TestRequestBeforeResponse(t *testing.T) {
	refused := make(chan Status, 1)
	addr := double(t, func(conn net.Conn) {
		accepted(conn, 0)
		_, _ = pdu.Read(conn, pdu.Limits{})
		var e encoder
		event := e.reset().uid(elemAffectedSOPClass, "1.2.840.10008.1.20.1").number(elemCommandField, 0x0100).
			number(elemMessageID, 9).number(elemDataSetType, withDataSet).bytes()
		say(conn, &pdu.DataTF{Values: []pdu.PDV{{ContextID: 1, Command: true, Last: true, Data: event}, {ContextID: 1, Last: true, Data: []byte("12345678")}}})
		p, _ := pdu.Read(conn, pdu.Limits{})
		if d, ok := p.(*pdu.DataTF); ok {
			c, _ := decodeCommand(d.Values[0].Data, nil)
			refused <- responseOf(c).Status
		}
		say(conn, &pdu.DataTF{Values: []pdu.PDV{{ContextID: 1, Command: true, Last: true, Data: e.response(requestHead{field: fieldEcho, id: 1}, Success)}}})
		untilClosed(conn)
	})
	a := dial(t, addr, "B", Config{Timeouts: quick})
	if r, err := a.Echo(t.Context()); err != nil || r.Status != Success {
		t.Errorf("%v, %v", r.Status, err)
	}
	if s := <-refused; s != UnrecognizedOperation {
		t.Errorf("event report answered with %v", s)
	}
}

// TestReleaseCollision lets both sides ask for release at the same time.
func TestReleaseCollision(t *testing.T) {
	near, far := connected(t)
	requestor, acceptor := newLink(near, false, quick.withDefaults(), true, 1024), newLink(far, true, quick.withDefaults(), true, 1024)
	requestor.m.state, acceptor.m.state = sta6, sta6
	errs := make(chan error, 2)
	asked, proceed := make(chan struct{}, 2), make(chan struct{})
	for _, l := range []*link{requestor, acceptor} {
		go func() {
			l.in.by = time.Now().Add(5 * time.Second)
			// Both requests are on their way before either side reads.
			err := l.fire(evt11, &pdu.ReleaseRQ{})
			asked <- struct{}{}
			<-proceed
			if err == nil {
				err = l.awaitRelease()
			}
			l.linger()
			errs <- err
		}()
	}
	<-asked
	<-asked
	close(proceed)
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if requestor.m.state != sta1 || acceptor.m.state != sta1 {
		t.Errorf("requestor %v, acceptor %v", requestor.m.state, acceptor.m.state)
	}
}

// connected gives both ends of a TCP connection.
func connected(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if near, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

func TestReleasedByPeer(t *testing.T) {
	addr := double(t, func(conn net.Conn) {
		accepted(conn, 0)
		_, _ = pdu.Read(conn, pdu.Limits{})
		say(conn, &pdu.ReleaseRQ{})
		_, _ = pdu.Read(conn, pdu.Limits{})
	})
	a := dial(t, addr, "B", Config{Timeouts: quick})
	var lost *LostError
	if _, err := a.Echo(t.Context()); !errors.As(err, &lost) || !Temporary(err) {
		t.Errorf("got %v", err)
	}
}

func TestTinyMaximumLength(t *testing.T) {
	addr := double(t, func(conn net.Conn) { accepted(conn, 3); untilClosed(conn) })
	var bad *ProtocolError
	_, err := Dial(t.Context(), addr, Config{CallingAE: "A", CalledAE: "B", Timeouts: quick}, []PresentationContext{VerificationContext(1)})
	if !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

// TestProviderNonsense sends nonsense to a provider, which must survive it.
func TestProviderNonsense(t *testing.T) {
	s := startSink(t, func(s *sink) { s.Timeouts = quick })
	rq := &pdu.AssociateRQ{ProtocolVersion: 1, CalledAE: "B", CallingAE: "A", ApplicationContext: pdu.ApplicationContext,
		Contexts: []pdu.ProposedContext{{ID: 1, AbstractSyntax: ctStorage, TransferSyntaxes: []string{ImplicitVRLittleEndian}}}}
	twice := *rq
	twice.Contexts = append(twice.Contexts, twice.Contexts[0])
	version := *rq
	version.ProtocolVersion = 2
	var e encoder
	begun := e.store(ctStorage, 1, &StoreRequest{SOPInstance: "1.2.3"})
	for name, c := range map[string]struct {
		say  []pdu.PDU
		want pdu.Type
	}{
		"silence":        {nil, 0},
		"abort at once":  {[]pdu.PDU{&pdu.Abort{}}, 0},
		"release first":  {[]pdu.PDU{&pdu.ReleaseRQ{}}, pdu.TypeAbort},
		"same id twice":  {[]pdu.PDU{&twice}, pdu.TypeAssociateRJ},
		"other version":  {[]pdu.PDU{&version}, pdu.TypeAssociateRJ},
		"request twice":  {[]pdu.PDU{rq, rq}, pdu.TypeAbort},
		"other context":  {[]pdu.PDU{rq, &pdu.DataTF{Values: []pdu.PDV{{ContextID: 3, Command: true, Last: true, Data: begun}}}}, pdu.TypeAbort},
		"two commands":   {[]pdu.PDU{rq, &pdu.DataTF{Values: []pdu.PDV{{ContextID: 1, Command: true, Last: true, Data: begun}, {ContextID: 1, Command: true, Last: true, Data: begun}}}}, pdu.TypeAbort},
		"half an object": {[]pdu.PDU{rq, &pdu.DataTF{Values: []pdu.PDV{{ContextID: 1, Command: true, Last: true, Data: begun}, {ContextID: 1, Data: []byte("half")}}}, &pdu.ReleaseRQ{}}, pdu.TypeAbort},
	} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range c.say {
			say(conn, p)
		}
		if err := wantLast(conn, c.want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_ = conn.Close()
	}
	for _, got := range s.objects() {
		if got.err == nil {
			t.Errorf("half an object looked whole: %+v", got.StoreIndication)
		}
	}
	a := dial(t, s.addr, "B", Config{})
	if r, err := a.Echo(t.Context()); err != nil || r.Status != Success {
		t.Errorf("echo afterwards: %v, %v", r.Status, err)
	}
}

// wantLast reads to the end and checks that the last PDU is of type want.
func wantLast(conn net.Conn, want pdu.Type) error {
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	var last pdu.Type
	for {
		p, err := pdu.Read(conn, pdu.Limits{})
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				return err
			}
			break
		}
		last = p.Type()
		if last == want {
			return nil
		}
	}
	if last != want {
		return errors.New("the last PDU was " + last.String())
	}
	return nil
}

// TestEarlyReturn lets the handler return before it has read the object.
func TestEarlyReturn(t *testing.T) {
	for name, limit := range map[string]int64{"drained": 0, "aborted": 1 << 20} {
		s := startSink(t, func(s *sink) {
			s.Store = func(context.Context, StoreIndication) Status { return OutOfResources }
			s.DrainLimit = limit
		})
		o := newObject(1, 8<<20, ExplicitVRLittleEndian)
		a := dial(t, s.addr, "ANY", Config{Timeouts: quick}, o)
		r, err := a.Store(t.Context(), o.request())
		var aborted *AbortError
		switch {
		case limit == 0 && (err != nil || !r.Status.Retryable()):
			t.Errorf("%s: %v, %v", name, r.Status, err)
		case limit != 0 && !errors.As(err, &aborted):
			t.Errorf("%s: %v, %v", name, r.Status, err)
		}
	}
}

// TestResponseAfterHandler checks that no success leaves before the handler returns.
func TestResponseAfterHandler(t *testing.T) {
	proceed, handled := make(chan struct{}), make(chan struct{})
	s := startSink(t, func(s *sink) {
		s.Store = func(_ context.Context, in StoreIndication) Status {
			_, _ = io.Copy(io.Discard, in.Data)
			close(handled)
			<-proceed
			return ElementsDiscarded
		}
	})
	o := newObject(1, 1000, ExplicitVRLittleEndian)
	a := dial(t, s.addr, "ANY", Config{}, o)
	answered := make(chan StoreResponse, 1)
	go func() {
		r, _ := a.Store(t.Context(), o.request())
		answered <- r
	}()
	<-handled
	select {
	case <-answered:
		t.Error("answered before the handler returned")
	case <-time.After(100 * time.Millisecond):
	}
	close(proceed)
	if r := <-answered; r.Status != ElementsDiscarded || !r.Status.Stored() || r.SOPInstance != o.instance {
		t.Errorf("got %+v", r)
	}
}

// TestOwnPeers sends between our own user and provider in awkward sizes.
func TestOwnPeers(t *testing.T) {
	for _, maxPDU := range []uint32{0, 64, 65, 4096, 1 << 20} {
		s := startSink(t, func(s *sink) { s.MaxPDU = maxPDU })
		objects := []object{newObject(1, 10, ImplicitVRLittleEndian), newObject(2, 300_001, ExplicitVRLittleEndian)}
		a := dial(t, s.addr, "ANY", Config{MaxSendPDU: 1 << 20}, objects...)
		for i, o := range objects {
			store(t, a, o)
			s.wantIntact(t, i, o)
		}
		r := objects[1].request()
		r.Data = FromReader(bytes.NewReader(objects[1].data), 1000)
		if resp, err := a.Store(t.Context(), r); err != nil || resp.Status != Success {
			t.Fatalf("%v, %v", resp.Status, err)
		}
		s.wantIntact(t, 2, objects[1])
	}
}

// TestSenderVanishes breaks the connection inside an object.
func TestSenderVanishes(t *testing.T) {
	s := startSink(t, func(s *sink) { s.Timeouts = quick })
	o := newObject(1, 4<<20, ExplicitVRLittleEndian)
	a := dial(t, s.addr, "ANY", Config{Timeouts: quick}, o)
	r := o.request()
	source := &pieces{data: o.data, sizes: []int{500_000}}
	source.next = func() {
		if source.calls == 4 {
			a.link.reset()
		}
	}
	r.Data = source
	if _, err := a.Store(t.Context(), r); err == nil {
		t.Error("stored over a broken connection")
	}
	if err := s.awaitEnd(t); !Temporary(err) {
		t.Errorf("provider saw %v", err)
	}
	peer.Await(t, 5*time.Second, "handler", func() bool { return len(s.objects()) == 1 })
	if got := s.objects()[0]; got.err == nil || got.size >= int64(len(o.data)) {
		t.Errorf("handler saw %d bytes and %v", got.size, got.err)
	}
}

func TestCloseTwice(t *testing.T) {
	s := startSink(t, nil)
	a := dial(t, s.addr, "ANY", Config{})
	for range 2 {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := a.Echo(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}
