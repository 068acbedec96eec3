package dimse

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"lotse/dimse/pdu"
)

// dataTolerance is by how many bytes a P-DATA-TF may exceed what was announced:
// some peers count the PDV header and some do not.
const dataTolerance = 1024

// commandLimit bounds a command set, in bytes. Real ones are below 1 KiB.
const commandLimit = 64 << 10

// inbox is the receiving half of a link: one reused buffer, and where in the
// structure of PDU and PDV the next byte of it stands.
type inbox struct {
	buf  []byte
	r, w int // unread bytes are buf[r:w]

	by   time.Time     // deadline of the operation, or zero:
	wait time.Duration // then each read may take this long

	maxData uint32 // limit for P-DATA-TF; 0 for none
	pduLeft uint32 // bytes of the current P-DATA-TF behind the current PDV
	pdvLeft uint32 // bytes of the current PDV
	context byte
	control byte

	command []byte // command set being put together
	elems   command
}

// fill reads once from the connection. There must be room in the buffer.
func (in *inbox) fill(l *link) error {
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
	by := in.by
	if by.IsZero() {
		by = time.Now().Add(in.wait)
	}
	if err := l.guard.readBy(by); err != nil {
		return l.ioError(err)
	}
	if l.quick != nil {
		l.quick()
	}
	n, err := l.conn.Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return l.ioError(err)
}

// need makes the next n bytes available and returns them without consuming them.
// n is at most 16.
func (in *inbox) need(l *link, n int) ([]byte, error) {
	if len(in.buf)-in.r < n {
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	}
	for in.w-in.r < n {
		if err := in.fill(l); err != nil {
			return nil, err
		}
	}
	return in.buf[in.r : in.r+n], nil
}

// some returns up to limit available bytes, at least one, and consumes them. They
// are valid until the next read.
func (in *inbox) some(l *link, limit uint32) ([]byte, error) {
	if in.r == in.w {
		if err := in.fill(l); err != nil {
			return nil, err
		}
	}
	n := min(uint64(limit), uint64(in.w-in.r))
	b := in.buf[in.r : in.r+int(n)]
	in.r += int(n)
	return b, nil
}

// discard throws away what is available.
func (in *inbox) discard(l *link) error {
	_, err := in.some(l, 1<<30)
	return err
}

// skip throws away the rest of the current P-DATA-TF.
func (in *inbox) skip(l *link) error {
	for left := uint64(in.pduLeft) + uint64(in.pdvLeft); left > 0; {
		b, err := in.some(l, uint32(min(left, 1<<30)))
		if err != nil {
			return err
		}
		left -= uint64(len(b))
	}
	in.pduLeft, in.pdvLeft = 0, 0
	return nil
}

// receive takes the next PDU and its transition. Of a P-DATA-TF only the header
// is taken, its body follows by nextPDV; then the PDU returned is nil. A-ABORT, the
// end of the connection, invalid and unexpected PDUs come as errors.
func (l *link) receive() (pdu.Type, pdu.PDU, error) {
	head, err := l.in.need(l, pdu.HeaderLen)
	if err != nil {
		return 0, nil, err
	}
	t, length := pdu.ParseHeader([pdu.HeaderLen]byte(head))
	if err := (pdu.Limits{Data: l.in.maxData}).Check(t, length); err != nil {
		return 0, nil, l.invalid(&ProtocolError{Problem: "PDU header", Err: err})
	}
	l.in.r += pdu.HeaderLen
	if t == pdu.TypeDataTF {
		return t, nil, l.receiveData(length)
	}
	p, err := l.receiveBody(t, length)
	if err != nil {
		return 0, nil, err
	}
	if t == pdu.TypeAssociateRQ && l.m.state == sta2 {
		return t, p, nil // the caller decides what AE-6 does
	}
	return t, p, l.arrived(t, p)
}

// arrived takes the transition for a received PDU that is not P-DATA-TF.
func (l *link) arrived(t pdu.Type, p pdu.PDU) error {
	before := l.m.state
	if err := l.fire(received(t), nil); err != nil {
		return err
	}
	if a, ok := p.(*pdu.Abort); ok {
		return &AbortError{Abort: *a}
	}
	if l.m.state == sta13 && before != sta13 {
		return &ProtocolError{Problem: "unexpected " + t.String()}
	}
	return nil
}

func (l *link) receiveData(length uint32) error {
	before := l.m.state
	if err := l.fire(evt10, nil); err != nil {
		return err
	}
	l.in.pduLeft, l.in.pdvLeft = length, 0
	switch {
	case before == sta13:
		return l.in.skip(l)
	case l.m.state == sta13:
		return &ProtocolError{Problem: "unexpected " + pdu.TypeDataTF.String()}
	}
	return nil
}

// receiveBody collects and decodes the body of an association PDU. Its memory
// grows with the bytes that have arrived.
func (l *link) receiveBody(t pdu.Type, length uint32) (pdu.PDU, error) {
	var body []byte
	for left := length; left > 0; {
		b, err := l.in.some(l, left)
		if err != nil {
			return nil, err
		}
		body = append(body, b...)
		left -= uint32(len(b))
	}
	p, err := pdu.Decode(t, body)
	if err != nil {
		return nil, l.invalid(&ProtocolError{Problem: "PDU", Err: err})
	}
	return p, nil
}

// nextPDV takes the header of the next PDV, in the current P-DATA-TF or a new one.
func (l *link) nextPDV() error {
	in := &l.in
	for in.pduLeft == 0 {
		t, _, err := l.receive()
		if err != nil {
			return err
		}
		switch t {
		case pdu.TypeReleaseRQ:
			return errReleaseRequested
		case pdu.TypeDataTF:
			if in.pduLeft == 0 {
				return l.violate("P-DATA-TF without a fragment")
			}
		}
	}
	if in.pduLeft < pdu.PDVHeaderLen {
		return l.violate("P-DATA-TF ends inside a fragment header")
	}
	head, err := in.need(l, pdu.PDVHeaderLen)
	if err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head)
	if n < 2 || n > in.pduLeft-4 {
		return l.violate("fragment longer than its P-DATA-TF")
	}
	in.r += pdu.PDVHeaderLen
	in.context, in.control = head[4], head[5]
	in.pduLeft -= 4 + n
	in.pdvLeft = n - 2
	return nil
}

// receiveCommand puts the next command set together and decodes it. What it
// returns is valid until the next call.
func (l *link) receiveCommand() (contextID byte, c command, err error) {
	in := &l.in
	in.command = in.command[:0]
	for first := true; ; first = false {
		if err := l.nextPDV(); err != nil {
			return 0, nil, err
		}
		switch {
		case in.control&pdu.ControlCommand == 0:
			return 0, nil, l.violate("data set where a command set is due")
		case !first && in.context != contextID:
			return 0, nil, l.violate("presentation context changes inside a message")
		case uint64(len(in.command))+uint64(in.pdvLeft) > commandLimit:
			return 0, nil, l.violate("command set too long")
		}
		contextID = in.context
		for in.pdvLeft > 0 {
			b, err := in.some(l, in.pdvLeft)
			if err != nil {
				return 0, nil, err
			}
			in.command = append(in.command, b...)
			in.pdvLeft -= uint32(len(b))
		}
		if in.control&pdu.ControlLast != 0 {
			break
		}
	}
	in.elems, err = decodeCommand(in.command, in.elems[:0])
	if err != nil {
		return 0, nil, l.invalid(&ProtocolError{Problem: "command set", Err: err})
	}
	return contextID, in.elems, nil
}

// dataSet reads the data set of a message as the fragments arrive. It is an
// io.Reader and io.WriterTo; io.EOF comes only after the last fragment.
type dataSet struct {
	l       *link
	context byte
	begun   bool
	err     error // final state; io.EOF at the end
}

// next returns the next bytes, valid until the next call.
func (d *dataSet) next(limit int) ([]byte, error) {
	in := &d.l.in
	for d.err == nil && in.pdvLeft == 0 {
		if d.begun && in.control&pdu.ControlLast != 0 {
			d.err = io.EOF
			break
		}
		d.err = d.header()
	}
	if d.err != nil {
		return nil, d.err
	}
	b, err := in.some(d.l, uint32(min(uint64(in.pdvLeft), uint64(limit))))
	if err != nil {
		d.err = err
		return nil, err
	}
	in.pdvLeft -= uint32(len(b))
	return b, nil
}

func (d *dataSet) header() error {
	if err := d.l.nextPDV(); err != nil {
		if errors.Is(err, errReleaseRequested) {
			err = &ProtocolError{Problem: "release inside a message"}
		}
		return err
	}
	switch in := &d.l.in; {
	case in.control&pdu.ControlCommand != 0:
		return d.l.violate("command set where a data set is due")
	case in.context != d.context:
		return d.l.violate("presentation context changes inside a message")
	}
	d.begun = true
	return nil
}

// Read implements io.Reader.
func (d *dataSet) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := d.next(len(p))
	return copy(p, b), err
}

// WriteTo implements io.WriterTo; w gets slices of the receive buffer.
func (d *dataSet) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		b, err := d.next(1 << 30)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(b)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// drain reads up to limit bytes to nowhere and reports whether that was the end.
func (d *dataSet) drain(limit int64) (bool, error) {
	for limit >= 0 {
		b, err := d.next(1 << 30)
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		limit -= int64(len(b))
	}
	return false, nil
}
