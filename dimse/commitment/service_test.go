package commitment_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"lotse/dicom/uid"
	"lotse/dimse"
	"lotse/dimse/commitment"
	"lotse/dimse/pdu"
)

func roles() []pdu.Role { return []pdu.Role{commitment.ReporterRole()} }

// TestManyReferences sends the largest transaction there and back between two sides of
// this package, on one association that the archive opens.
func TestManyReferences(t *testing.T) {
	in := newInbox(t)
	list := make([]commitment.Reference, commitment.MaxReferences)
	for i := range list {
		list[i] = commitment.Reference{SOPClass: secondaryCapture, SOPInstance: fmt.Sprintf("1.2.276.0.7230010.3.1.4.8323329.12345.1700000000.%d", i)}
	}
	a, err := dimse.Dial(t.Context(), in.addr, dimse.Config{CallingAE: "PACS", CalledAE: "LOTSE", Roles: roles()},
		[]dimse.PresentationContext{commitment.Context(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if granted := a.Peer().Roles; len(granted) != 1 || granted[0] != commitment.ReporterRole() {
		t.Errorf("granted %v", granted)
	}
	begin := time.Now()
	answer, err := commitment.Tell(t.Context(), a, commitment.Report{TransactionUID: "2.25.1", Committed: list})
	if err != nil || answer.Status != dimse.Success {
		t.Fatalf("tell: %v, %v", answer.Status, err)
	}
	if got := in.next(t); !sameSet(got.Committed, list) {
		t.Errorf("%d of %d came", len(got.Committed), len(list))
	}
	t.Logf("%d references in %v", len(list), time.Since(begin))
	_, err = commitment.Tell(t.Context(), a, commitment.Report{TransactionUID: "2.25.1", Committed: append(list, list[0])})
	if !errors.Is(err, commitment.ErrTooLarge) {
		t.Errorf("one more than allowed: %v", err)
	}
}

// TestRoles: what a peer proposes is answered, and what it may not do is refused.
func TestRoles(t *testing.T) {
	in := newInbox(t)
	for name, c := range map[string]struct {
		propose  []pdu.Role
		granted  []pdu.Role
		accepted bool
	}{
		"none":     {nil, nil, true}, // taken all the same
		"reporter": {roles(), roles(), true},
		"both":     {[]pdu.Role{{SOPClass: commitment.SOPClass, SCU: true, SCP: true}}, roles(), true},
		"asker":    {[]pdu.Role{{SOPClass: commitment.SOPClass, SCU: true}}, nil, false},
	} {
		a, err := dimse.Dial(t.Context(), in.addr, dimse.Config{CallingAE: "PACS", CalledAE: "LOTSE", Roles: c.propose},
			[]dimse.PresentationContext{commitment.Context(1)})
		if err != nil {
			t.Fatal(err)
		}
		accepted := a.Contexts()[0].Result == pdu.Acceptance
		if granted := a.Peer().Roles; accepted != c.accepted || fmt.Sprint(granted) != fmt.Sprint(c.granted) {
			t.Errorf("%s: granted %v, accepted %v", name, granted, accepted)
		}
		if accepted {
			answer, err := commitment.Tell(t.Context(), a, commitment.Report{TransactionUID: uid.New(), Committed: []commitment.Reference{{SOPClass: "1.2", SOPInstance: "1.3"}}})
			if err != nil || answer.Status != dimse.Success {
				t.Errorf("%s: %v, %v", name, answer.Status, err)
			}
			// This side is not an archive.
			asked, err := commitment.Ask(t.Context(), a, commitment.Request{TransactionUID: uid.New(), Referenced: []commitment.Reference{{SOPClass: "1.2", SOPInstance: "1.3"}}}, time.Minute, in.take)
			if err != nil || asked.Response.Status != dimse.UnrecognizedOperation {
				t.Errorf("%s: asked %v, %v", name, asked.Response.Status, err)
			}
		}
		_ = a.Close()
	}
}

// TestRefusals sends what a handler must not get to see.
func TestRefusals(t *testing.T) {
	in := newInbox(t)
	a, err := dimse.Dial(t.Context(), in.addr, dimse.Config{CallingAE: "PACS", CalledAE: "LOTSE", Roles: roles()},
		[]dimse.PresentationContext{commitment.Context(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	pc, err := a.Find(commitment.SOPClass, "")
	if err != nil {
		t.Fatal(err)
	}
	// One reference in Implicit VR Little Endian; the context may be in either.
	whole := []byte("\x08\x00\x95\x11\x04\x00\x00\x001.2\x00")
	if pc.TransferSyntax != dimse.ImplicitVRLittleEndian {
		t.Fatalf("syntax %s", pc.TransferSyntax)
	}
	for name, c := range map[string]struct {
		instance string
		kind     uint16
		data     []byte
		want     dimse.Status
	}{
		"other instance": {"1.2.3", 1, whole, dimse.NoSuchSOPInstance},
		"other event":    {commitment.SOPInstance, 3, whole, dimse.NoSuchEventType},
		"no transaction": {commitment.SOPInstance, 1, []byte("\x08\x00\x95\x11\x00\x00\x00\x00"), dimse.InvalidArgument},
		"cut off":        {commitment.SOPInstance, 1, append(whole[:12:12], "\x08\x00\x99\x11\x40\x00\x00\x00"...), dimse.InvalidArgument},
		"no UIDs":        {commitment.SOPInstance, 1, append(whole[:12:12], "\x08\x00\x99\x11\x08\x00\x00\x00\xfe\xff\x00\xe0\x00\x00\x00\x00"...), dimse.InvalidArgument},
		"too long":       {commitment.SOPInstance, 1, append(whole[:12:12], make([]byte, commitment.MaxBytes)...), dimse.ResourceLimitation},
		"nothing at all": {commitment.SOPInstance, 1, nil, dimse.InvalidArgument},
	} {
		request := dimse.NormalizedRequest{SOPClass: commitment.SOPClass, SOPInstance: c.instance, Type: c.kind}
		if c.data != nil {
			request.Data = dimse.FromBytes(c.data)
		}
		answer, err := a.Event(t.Context(), request)
		if err != nil || answer.Status != c.want {
			t.Errorf("%s: %v, %v", name, answer.Status, err)
		}
	}
	if len(in.reports) != 0 {
		t.Error("a broken report was taken")
	}
}

// archive is a peer that reports on the association it was asked on: before the response,
// after it, or never.
func archive(t *testing.T, behave func(a *archiveConn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		behave(&archiveConn{Conn: conn})
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

type archiveConn struct{ net.Conn }

func (c *archiveConn) say(p pdu.PDU) {
	if b, err := pdu.Append(nil, p); err == nil {
		_, _ = c.Write(b)
	}
}

// accept answers the A-ASSOCIATE-RQ and reads the N-ACTION-RQ.
func (c *archiveConn) accept() {
	p, _ := pdu.Read(c, pdu.Limits{})
	rq, ok := p.(*pdu.AssociateRQ)
	if !ok {
		return
	}
	c.say(&pdu.AssociateAC{ProtocolVersion: 1, CalledAE: rq.CalledAE, CallingAE: rq.CallingAE, ApplicationContext: pdu.ApplicationContext,
		Contexts: []pdu.ContextResult{{ID: 1, TransferSyntax: dimse.ImplicitVRLittleEndian}}, User: pdu.UserInfo{MaxLength: 16384}})
	c.message() // the command
	c.message() // the references
}

// message reads to the last fragment of a command or data set.
func (c *archiveConn) message() {
	for {
		p, err := pdu.Read(c, pdu.Limits{})
		d, ok := p.(*pdu.DataTF)
		if err != nil || !ok || len(d.Values) == 0 || d.Values[len(d.Values)-1].Last {
			return
		}
	}
}

func (c *archiveConn) command(fields string) {
	c.say(&pdu.DataTF{Values: []pdu.PDV{{ContextID: 1, Command: true, Last: true, Data: []byte(fields)}}})
}

func (c *archiveConn) respond() {
	c.command("\x00\x00\x02\x00\x14\x00\x00\x001.2.840.10008.1.20.1" +
		"\x00\x00\x00\x01\x02\x00\x00\x00\x30\x81" + "\x00\x00\x20\x01\x02\x00\x00\x00\x01\x00" +
		"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01" + "\x00\x00\x00\x09\x02\x00\x00\x00\x00\x00")
}

// report sends an N-EVENT-REPORT-RQ about transaction 1.2 and reads the response.
func (c *archiveConn) report(transaction string) {
	c.command("\x00\x00\x02\x00\x14\x00\x00\x001.2.840.10008.1.20.1" +
		"\x00\x00\x00\x01\x02\x00\x00\x00\x00\x01" + "\x00\x00\x10\x01\x02\x00\x00\x00\x07\x00" +
		"\x00\x00\x00\x08\x02\x00\x00\x00\x00\x00" + "\x00\x00\x00\x10\x16\x00\x00\x001.2.840.10008.1.20.1.1" +
		"\x00\x00\x02\x10\x02\x00\x00\x00\x01\x00")
	c.say(&pdu.DataTF{Values: []pdu.PDV{{ContextID: 1, Last: true, Data: []byte("\x08\x00\x95\x11\x04\x00\x00\x00" + transaction + "\x00" +
		"\x08\x00\x99\x11\x20\x00\x00\x00\xfe\xff\x00\xe0\x18\x00\x00\x00" +
		"\x08\x00\x50\x11\x04\x00\x00\x001.4\x00\x08\x00\x55\x11\x04\x00\x00\x001.5\x00")}}})
	c.message()
}

func TestSameAssociation(t *testing.T) {
	request := commitment.Request{TransactionUID: "1.2", Referenced: []commitment.Reference{{SOPClass: "1.4", SOPInstance: "1.5"}}}
	for name, c := range map[string]struct {
		behave   func(*archiveConn)
		reports  int
		reported bool
		lives    bool
	}{
		"after the response":  {func(a *archiveConn) { a.respond(); a.report("1.2"); a.message() }, 1, true, true},
		"before the response": {func(a *archiveConn) { a.report("1.2"); a.respond(); a.message() }, 1, true, true},
		"another one first":   {func(a *archiveConn) { a.respond(); a.report("1.3"); a.report("1.2"); a.message() }, 2, true, true},
		"never":               {func(a *archiveConn) { a.respond(); a.message() }, 0, false, true},
		"released instead":    {func(a *archiveConn) { a.respond(); a.say(&pdu.ReleaseRQ{}); a.message() }, 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			addr := archive(t, func(a *archiveConn) { a.accept(); c.behave(a) })
			a, err := dimse.Dial(t.Context(), addr, dimse.Config{CallingAE: "LOTSE", CalledAE: "PACS"}, []dimse.PresentationContext{commitment.Context(1)})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			wait := 10 * time.Second
			if name == "never" {
				wait = 50 * time.Millisecond
			}
			reports := 0
			o, err := commitment.Ask(t.Context(), a, request, wait, func(_ context.Context, from commitment.Party, r commitment.Report) dimse.Status {
				reports++
				if from.AETitle != "PACS" || from.Own != "LOTSE" || !from.SameAssociation || len(r.Committed) != 1 || r.Committed[0] != request.Referenced[0] {
					t.Errorf("from %+v: %+v", from, r)
				}
				return dimse.Success
			})
			if err != nil || o.Response.Status != dimse.Success || o.Reported != c.reported || reports != c.reports {
				t.Errorf("%+v, %d reports, %v", o, reports, err)
			}
			_, err = a.Await(t.Context(), 0, func() bool { return true })
			if lives := err == nil; lives != c.lives {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestAskRefusesItself(t *testing.T) {
	in := newInbox(t)
	a, err := dimse.Dial(t.Context(), in.addr, dimse.Config{CallingAE: "PACS", CalledAE: "LOTSE"}, []dimse.PresentationContext{commitment.Context(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for name, r := range map[string]commitment.Request{
		"nothing":         {TransactionUID: "1.2"},
		"no transaction":  {Referenced: []commitment.Reference{{SOPClass: "1", SOPInstance: "2"}}},
		"no instance":     {TransactionUID: "1.2", Referenced: []commitment.Reference{{SOPClass: "1"}}},
		"several in one":  {TransactionUID: "1.2", Referenced: []commitment.Reference{{SOPClass: "1", SOPInstance: `1\2`}}},
		"more than a UID": {TransactionUID: "1.2", Referenced: []commitment.Reference{{SOPClass: "1", SOPInstance: fmt.Sprintf("1.%064d", 1)}}},
	} {
		if _, err := commitment.Ask(t.Context(), a, r, 0, nil); err == nil {
			t.Errorf("%s: sent", name)
		}
	}
}
