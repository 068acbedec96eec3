package dimse

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"lotse/dimse/pdu"
)

const (
	// fragmentHead is the length of PDU header and PDV header together.
	fragmentHead = pdu.HeaderLen + pdu.PDVHeaderLen
	// batchPDUs and batchBytes bound what goes out with one system call.
	batchPDUs  = 128
	batchBytes = 1 << 20
	// flatBytes bounds it where the pieces have to be copied together (TLS).
	flatBytes = 256 << 10
	// leastPDU is the smallest maximum length accepted from a peer, in bytes.
	leastPDU = 64
)

// outbox is the sending half of a link: the fragments of one batch, as pointers
// into the caller's memory with headers of our own between them.
type outbox struct {
	vectored bool // the connection can gather (writev)
	fragment int  // longest fragment, in bytes, even

	heads  []byte      // headers of the batch, fragmentHead bytes each
	pieces net.Buffers // headers and data in turn
	gather net.Buffers // pieces not yet written
	size   int         // bytes in pieces
	flat   []byte      // for connections that cannot gather

	torn   net.Buffers // rest of a PDU that was cut off by a failed write
	broken bool        // nothing more may be written
}

// limit sets the longest fragment from the peer's maximum length and our own.
func (o *outbox) limit(peer, own uint32) error {
	if own == 0 {
		own = DefaultMaxPDU
	}
	if peer == 0 || peer > own {
		peer = own
	}
	if peer < leastPDU {
		return &ProtocolError{Problem: "maximum length below 64 bytes"}
	}
	o.fragment = int(peer-pdu.PDVHeaderLen) &^ 1
	o.heads = make([]byte, 0, batchPDUs*fragmentHead)
	o.pieces = make(net.Buffers, 0, 3*batchPDUs)
	return nil
}

// full reports whether the batch should be flushed before another fragment.
func (o *outbox) full() bool {
	most := batchBytes
	if !o.vectored {
		most = flatBytes
	}
	return len(o.heads) == cap(o.heads) || o.size >= most
}

// add appends one P-DATA-TF with the one fragment a||b. Both must stay as they
// are until flush.
func (o *outbox) add(context, control byte, a, b []byte) {
	n := len(a) + len(b)
	start := len(o.heads)
	o.heads = append(o.heads, byte(pdu.TypeDataTF), 0)
	o.heads = binary.BigEndian.AppendUint32(o.heads, uint32(n+pdu.PDVHeaderLen))
	o.heads = binary.BigEndian.AppendUint32(o.heads, uint32(n+2))
	o.heads = append(o.heads, context, control)
	o.pieces = append(o.pieces, o.heads[start:])
	if len(a) > 0 {
		o.pieces = append(o.pieces, a)
	}
	if len(b) > 0 {
		o.pieces = append(o.pieces, b)
	}
	o.size += fragmentHead + n
}

// flush writes the batch with one system call where possible.
func (l *link) flush() error {
	o := &l.out
	if o.size == 0 {
		return nil
	}
	if err := l.fire(evt9, nil); err != nil {
		return err
	}
	if err := l.guard.writeBy(time.Now().Add(l.times.Write)); err != nil {
		return l.ioError(err)
	}
	n, err := o.writeTo(l.conn)
	if err != nil {
		o.cutOff(n)
		o.broken = o.broken || !o.vectored
	}
	o.heads, o.pieces, o.size = o.heads[:0], o.pieces[:0], 0
	if err != nil {
		return l.writeError(err)
	}
	return nil
}

func (o *outbox) writeTo(conn net.Conn) (int64, error) {
	if o.vectored {
		o.gather = o.pieces
		return o.gather.WriteTo(conn)
	}
	o.flat = o.flat[:0]
	for _, p := range o.pieces {
		o.flat = append(o.flat, p...)
	}
	n, err := conn.Write(o.flat)
	return int64(n), err
}

// cutOff finds out where a failed write of n bytes stopped, so that the PDU that
// was cut can be finished before A-ABORT.
func (o *outbox) cutOff(n int64) {
	end := int64(0)
	for i := 0; i < len(o.heads); i += fragmentHead {
		head := o.heads[i : i+fragmentHead]
		start := end
		end += pdu.HeaderLen + int64(binary.BigEndian.Uint32(head[2:]))
		if n > end {
			continue
		}
		if n == start || n == end {
			return
		}
		last := head[11]&pdu.ControlLast != 0 && head[11]&pdu.ControlCommand == 0
		o.tear(first(o.gather, end-n), true, last)
		return
	}
}

// tear remembers the rest of a PDU. A PDU that completes an object is never
// finished. (Connections that cannot gather, TLS, are broken by any failed write.)
func (o *outbox) tear(rest net.Buffers, begun, last bool) {
	switch {
	case !begun:
	case last:
		o.broken = true
	default:
		o.torn = rest
	}
}

// first gives the first n bytes of bufs as a copy: the memory belongs to others.
func first(bufs net.Buffers, n int64) net.Buffers {
	var b []byte
	for _, p := range bufs {
		p = p[:min(int64(len(p)), n)]
		b = append(b, p...)
		n -= int64(len(p))
	}
	return net.Buffers{b}
}

// writeError says what a failed write means. When the connection broke, an A-ABORT
// that the peer sent before may still wait to be read and says more.
func (l *link) writeError(err error) error {
	if l.guard.interrupted() != nil {
		return l.ioError(err)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return l.ioError(err)
	}
	l.in.by = time.Now().Add(l.times.Abort)
	l.out.broken = true
	if l.in.skip(l) == nil {
		for range 8 { // a few unread PDUs at most: nothing but the abort is due
			_, _, readErr := l.receive()
			if readErr == nil && l.in.skip(l) == nil {
				continue
			}
			var aborted *AbortError
			if errors.As(readErr, &aborted) {
				return readErr
			}
			break
		}
	}
	return l.ioError(err)
}

// sendCommand adds a command set to the batch; flush sends it.
func (l *link) sendCommand(context byte, cmd []byte) error {
	for {
		n := min(len(cmd), l.out.fragment)
		control := byte(pdu.ControlCommand)
		if n == len(cmd) {
			control |= pdu.ControlLast
		}
		l.out.add(context, control, cmd[:n], nil)
		if cmd = cmd[n:]; len(cmd) == 0 {
			return nil
		}
		if l.out.full() {
			if err := l.flush(); err != nil {
				return err
			}
		}
	}
}

// maxEmpty is how many empty pieces in a row a source may give.
const maxEmpty = 100

// sendData streams a data set. Always a few bytes are held back until the source
// says that it is complete, so that the peer never sees a last fragment before.
func (l *link) sendData(context byte, src Chunks) error {
	var held [8]byte // bytes held back from the pieces before
	heldLen, empty := 0, 0
	for {
		piece, err := src.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return &SourceError{Err: err}
		}
		last := errors.Is(err, io.EOF)
		if len(piece) == 0 && !last {
			if empty++; empty == maxEmpty {
				return &SourceError{Err: io.ErrNoProgress}
			}
			continue
		}
		empty = 0
		total := heldLen + len(piece)
		if last {
			return l.sendTail(context, held[:heldLen], piece)
		}
		keep := 2 + total&1
		if len(piece) <= 4 { // too small to cut: collect in held
			heldLen += copy(held[heldLen:], piece)
			piece = nil
			keep = min(keep, heldLen)
		}
		var ahead [8]byte
		copy(ahead[:], held[:heldLen])
		if piece == nil {
			if err := l.sendPart(context, ahead[:heldLen-keep], nil); err != nil {
				return err
			}
			heldLen = copy(held[:], ahead[heldLen-keep:heldLen])
			continue
		}
		cut := len(piece) - keep
		if err := l.sendPart(context, ahead[:heldLen], piece[:cut]); err != nil {
			return err
		}
		heldLen = copy(held[:], piece[cut:])
	}
}

// sendPart sends a||b, an even number of bytes, as fragments that are not the last.
func (l *link) sendPart(context byte, a, b []byte) error {
	if err := l.addFragments(context, 0, a, b); err != nil {
		return err
	}
	return l.flush()
}

// sendTail sends a||b as the end of the data set.
func (l *link) sendTail(context byte, a, b []byte) error {
	switch n := len(a) + len(b); {
	case n == 0:
		return &SourceError{Err: ErrEmptyDataSet}
	case n%2 != 0:
		return &SourceError{Err: ErrOddDataSet}
	}
	if err := l.addFragments(context, pdu.ControlLast, a, b); err != nil {
		return err
	}
	return l.flush()
}

// addFragments cuts a||b into fragments; only the last one gets control. a is short.
func (l *link) addFragments(context, control byte, a, b []byte) error {
	o := &l.out
	for len(a)+len(b) > 0 {
		if o.full() {
			if err := l.flush(); err != nil {
				return err
			}
		}
		n := min(o.fragment-len(a), len(b))
		c := byte(0)
		if n == len(b) {
			c = control
		}
		o.add(context, c, a, b[:n])
		a, b = nil, b[n:]
	}
	return nil
}
