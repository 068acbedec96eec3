package dimse

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"lotse/dimse/pdu"
)

// link is one transport connection with its protocol machine, its receiving half
// (receive.go) and its sending half (send.go). It is used by one goroutine at a time.
type link struct {
	conn  net.Conn
	guard guard
	m     machine
	times Timeouts
	quick func() // nil when not wanted or not possible
	artim time.Time
	op    string // what is being done, for errors
	in    inbox
	out   outbox
	// lost is how the transport ended, once it has.
	lost error
}

func newLink(conn net.Conn, acceptor bool, times Timeouts, quickack bool, buffer int) *link {
	l := &link{conn: conn, times: times}
	l.guard.conn = conn
	l.m = machine{state: sta1, acceptor: acceptor}
	l.in.buf = make([]byte, buffer)
	_, l.out.vectored = conn.(*net.TCPConn)
	if quickack {
		l.quick = quickAck(conn)
	}
	return l
}

// fire takes the transition for an event and does what its action says, except
// for P-DATA-TF, which the caller moves itself. p is the PDU of a primitive.
func (l *link) fire(e event, p pdu.PDU) error { return l.fireAE6(e, p, true) }

// fireAE6 is fire with the verdict that AE-6 asks for.
func (l *link) fireAE6(e event, p pdu.PDU, accept bool) error {
	x, err := l.m.step(e, accept)
	if err != nil {
		return err
	}
	switch x.timer {
	case timerStarted:
		l.artim = time.Now().Add(l.times.ARTIM)
	case timerStopped:
		l.artim = time.Time{}
	}
	if x.send != 0 && x.send != pdu.TypeDataTF {
		err = l.write(p)
	}
	if x.abort != noAbort {
		l.writeAbort(x.abort, e)
	}
	if x.close {
		_ = l.conn.Close() // nothing is left that could fail to be sent
	}
	return err
}

// write sends one PDU that is not P-DATA-TF.
func (l *link) write(p pdu.PDU) error {
	b, err := pdu.Append(nil, p)
	if err != nil {
		return err
	}
	if err := l.guard.writeBy(time.Now().Add(l.times.Write)); err != nil {
		return l.ioError(err)
	}
	if n, err := l.conn.Write(b); err != nil {
		l.out.tear(net.Buffers{b[n:]}, n > 0, false)
		return l.ioError(err)
	}
	return nil
}

// writeAbort sends A-ABORT as well as it can: first what is missing of a PDU that
// was being written, because an A-ABORT inside of it would be data. A PDU that would
// complete an object is not finished, then the connection is reset instead.
func (l *link) writeAbort(kind abortPDU, why event) {
	p := &pdu.Abort{Source: pdu.AbortedByUser}
	if kind == providerAbort {
		p.Source = pdu.AbortedByProvider
		p.Reason = pdu.AbortUnexpectedPDU
		if why == evt19 {
			p.Reason = pdu.AbortUnrecognizedPDU
		}
	}
	l.guard.settle()
	rest, ok := l.out.torn, !l.out.broken
	l.out.torn = nil
	if ok {
		b, err := pdu.Append(nil, p)
		rest = append(rest, b)
		ok = err == nil && l.conn.SetWriteDeadline(time.Now().Add(l.times.Abort)) == nil
		if ok {
			_, err = rest.WriteTo(l.conn)
			ok = err == nil
		}
	}
	if !ok {
		l.out.broken = true
		l.reset()
	}
}

// reset closes the connection without waiting for unsent data.
func (l *link) reset() {
	if tcp, ok := l.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // the close below happens anyway
	}
	_ = l.conn.Close()
}

// ioError says what an error of the connection means, and takes the transition
// when it is the end of the transport.
func (l *link) ioError(err error) error {
	if cause := l.guard.interrupted(); cause != nil {
		return &interruptError{op: l.op, cause: cause}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &TimeoutError{Op: l.op}
	}
	if errors.Is(err, io.EOF) {
		err = errClosedByPeer
	}
	if l.lost == nil {
		l.lost = &LostError{Op: l.op, Err: err}
		// In Sta1 nothing is to be done any more; the table has no entry then.
		_ = l.fire(evt17, nil)
		_ = l.conn.Close()
	}
	return l.lost
}

var errClosedByPeer = errors.New("closed by the peer")

// interruptError tells that a context ended an operation.
type interruptError struct {
	op    string
	cause error
}

func (e *interruptError) Error() string { return e.op + ": " + e.cause.Error() }
func (e *interruptError) Unwrap() error { return e.cause }

// violate reports that the peer broke the protocol above the level of PDUs.
func (l *link) violate(problem string) error {
	return l.invalid(&ProtocolError{Problem: problem})
}

// invalid takes the transition for an invalid PDU.
func (l *link) invalid(err *ProtocolError) error {
	if e := l.fire(evt19, nil); e != nil {
		return errors.Join(err, e)
	}
	return err
}

// abandon ends whatever is left of the association after a failed operation.
func (l *link) abandon() {
	switch l.m.state {
	case sta1:
		_ = l.conn.Close()
	case sta2, sta13:
	default:
		// The table knows A-ABORT in all the other states.
		_ = l.fire(evt15, nil)
	}
}

// linger waits in Sta13 until the peer closes the connection or ARTIM
// expires, and closes it.
func (l *link) linger() {
	defer l.conn.Close()
	l.guard.settle()
	l.op = "wait for the peer to close"
	l.in.by = l.artim
	if l.in.skip(l) != nil {
		return
	}
	for l.m.state == sta13 {
		_, _, err := l.receive()
		var timeout *TimeoutError
		var bad *ProtocolError
		switch {
		case errors.As(err, &timeout):
			_ = l.fire(evt18, nil) // closes
			return
		case errors.As(err, &bad):
			// The stream makes no sense any more; wait for its end only.
			for l.in.discard(l) == nil {
			}
			return
		case err != nil:
			return
		}
	}
}
