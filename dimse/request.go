package dimse

import (
	"context"
	"errors"
	"time"
)

// Response is what every DIMSE response says.
type Response struct {
	Status Status
	// ErrorComment is free text of the peer. It may hold personal data: show it to
	// the person at work, do not log it.
	ErrorComment string
	// OffendingElements are tags, group<<16 | element.
	OffendingElements []uint32
	// ErrorID is a code of the peer's own making; 0 when there is none.
	ErrorID uint16
}

func responseOf(c command) Response {
	status, _ := c.number(elemStatus)
	id, _ := c.number(elemErrorID)
	return Response{
		Status:            Status(status),
		ErrorComment:      c.text(elemErrorComment),
		OffendingElements: c.tags(elemOffendingElement),
		ErrorID:           id,
	}
}

// nextMessageID gives 1 to 65535 in turn.
func (a *Association) nextMessageID() uint16 {
	a.messageID++
	if a.messageID == 0 {
		a.messageID = 1
	}
	return a.messageID
}

// response waits for the response to a request. Events that the peer reports in the
// meantime are handled as [Association.HandleEvents] says, other requests are refused
// as unrecognized operations.
func (a *Association) response(ctx context.Context, field, messageID uint16) (command, error) {
	l := a.link
	l.in.by = time.Now().Add(l.times.Response)
	for {
		contextID, c, err := l.receiveCommand()
		if errors.Is(err, errReleaseRequested) {
			return nil, a.releasedByPeer()
		}
		if err != nil {
			return nil, err
		}
		answered, _ := c.number(elemRespondedTo)
		_, hasStatus := c.number(elemStatus)
		switch f := c.field(); {
		case f == field|fieldResponse && answered == messageID && hasStatus:
			return c, a.skipDataSet(contextID, c)
		case f&fieldResponse != 0:
			return nil, l.violate("response to nothing that was asked")
		default:
			if err := a.serve(ctx, contextID, c); err != nil {
				return nil, err
			}
			l.in.by = time.Now().Add(l.times.Response)
		}
	}
}

// skipDataSet reads a data set that no response here should have.
func (a *Association) skipDataSet(contextID byte, c command) error {
	if !c.hasDataSet() {
		return nil
	}
	d := &dataSet{l: a.link, context: contextID}
	end, err := d.drain(commandLimit)
	if err == nil && !end {
		err = a.link.violate("data set too long in a response")
	}
	return err
}

// releasedByPeer answers a release that comes instead of a response.
func (a *Association) releasedByPeer() error {
	if err := a.link.agreeToRelease(); err != nil {
		return err
	}
	return &LostError{Op: a.link.op, Err: errReleaseRequested}
}

// reply answers a request after having read its data set, if any, away.
func (l *link) reply(contextID byte, c command, status Status, e *encoder) error {
	to := headOf(c)
	if c.hasDataSet() {
		d := &dataSet{l: l, context: contextID}
		end, err := d.drain(batchBytes)
		if err == nil && !end {
			err = l.violate("unwanted data set too long")
		}
		if err != nil {
			return err
		}
	}
	if to.field == fieldCancel { // has no response
		return nil
	}
	return l.sendAlone(contextID, e.response(to, status))
}

// sendAlone sends a command set that no data set follows.
func (l *link) sendAlone(contextID byte, cmd []byte) error {
	if err := l.sendCommand(contextID, cmd); err != nil {
		return err
	}
	return l.flush()
}

// requestHead is what a response repeats of its request.
type requestHead struct {
	class, instance string
	field, id       uint16
	kind            uint16 // action or event type
	comment         string // added to the response by its handler
}

func headOf(c command) requestHead {
	h := requestHead{class: c.text(elemAffectedSOPClass), instance: c.text(elemAffectedSOPInstance), field: c.field()}
	if h.class == "" { // N-SET, N-GET, N-ACTION and N-DELETE name what they request
		h.class, h.instance = c.text(elemRequestedSOPClass), c.text(elemRequestedSOPInstance)
	}
	h.id, _ = c.number(elemMessageID)
	if t := h.kindElement(); t != 0 {
		h.kind, _ = c.number(t)
	}
	return h
}

// kindElement is where the action or event type stands; 0 for other requests.
func (h requestHead) kindElement() uint16 {
	switch h.field {
	case fieldAction:
		return elemActionTypeID
	case fieldEventReport:
		return elemEventTypeID
	}
	return 0
}

// response encodes a response without a data set.
func (e *encoder) response(to requestHead, status Status) []byte {
	e.reset().
		uid(elemAffectedSOPClass, to.class).
		number(elemCommandField, to.field|fieldResponse).
		number(elemRespondedTo, to.id).
		number(elemDataSetType, withoutDataSet).
		number(elemStatus, uint16(status)).
		text(elemErrorComment, to.comment).
		uid(elemAffectedSOPInstance, to.instance)
	if t := to.kindElement(); t != 0 {
		e.number(t, to.kind)
	}
	return e.bytes()
}
