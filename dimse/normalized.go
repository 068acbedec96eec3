package dimse

import (
	"context"
	"errors"
	"io"
	"time"
)

// NormalizedRequest is an N-ACTION or N-EVENT-REPORT to send (PS3.7 §10.1).
type NormalizedRequest struct {
	SOPClass, SOPInstance string
	// Type is the Action Type ID or Event Type ID, as the SOP class defines it.
	Type uint16
	// TransferSyntax is the one Data is encoded in; "" takes the accepted context
	// of the SOP class whatever its syntax is.
	TransferSyntax string
	// Data is the action or event information; nil sends none.
	Data Chunks
}

// NormalizedIndication is an N-ACTION or N-EVENT-REPORT as it is received. Its UIDs
// come from the peer and are checked for their length only.
type NormalizedIndication struct {
	Peer                  *Peer
	TransferSyntax        string
	SOPClass, SOPInstance string
	// Type is the Action Type ID or Event Type ID; 0 when the peer sent none.
	Type uint16
	// Data is the action or event information, empty without one, valid until the
	// handler returns. io.EOF comes only after its last byte.
	Data io.Reader
}

// NormalizedHandler handles a request. The response goes out only after it has
// returned, with the status it returned and without information of its own.
type NormalizedHandler func(context.Context, NormalizedIndication) Status

// Service is what a side answers for a SOP class of normalized services.
type Service struct {
	// Action, when set, handles N-ACTION: this side is the SCP.
	Action NormalizedHandler
	// Event, when set, handles N-EVENT-REPORT: this side is the SCU.
	Event NormalizedHandler
}

// handler gives the handler for a command field, or nil.
func (s Service) handler(field uint16) NormalizedHandler {
	switch field {
	case fieldAction:
		return s.Action
	case fieldEventReport:
		return s.Event
	}
	return nil
}

// Action asks the peer to do something (N-ACTION, PS3.7 §10.1.4) and waits for the
// response. Information in the response is read away. The errors are those of
// [Association.Store].
func (a *Association) Action(ctx context.Context, r NormalizedRequest) (Response, error) {
	return a.normalized(ctx, "N-ACTION", fieldAction, r)
}

// Event tells the peer what happened (N-EVENT-REPORT, PS3.7 §10.1.1) and waits for
// the response. Where this side opened the association, it has to propose for itself
// the role of SCP ([Config].Roles, PS3.7 D.3.3.4).
func (a *Association) Event(ctx context.Context, r NormalizedRequest) (Response, error) {
	return a.normalized(ctx, "N-EVENT-REPORT", fieldEventReport, r)
}

func (a *Association) normalized(ctx context.Context, op string, field uint16, r NormalizedRequest) (Response, error) {
	pc, err := a.Find(r.SOPClass, r.TransferSyntax)
	if err != nil {
		return Response{}, err
	}
	if len(r.SOPInstance) < 1 || len(r.SOPInstance) > 64 {
		return Response{}, errors.New(op + ": SOP Instance UIDs have 1 to 64 bytes")
	}
	var answer Response
	err = a.do(ctx, op, func() error {
		id := a.nextMessageID()
		if err := a.link.sendCommand(pc.ID, a.encoder.normalized(field, id, &r)); err != nil {
			return err
		}
		if r.Data == nil {
			err = a.link.flush()
		} else {
			err = a.link.sendData(pc.ID, r.Data)
		}
		if err != nil {
			return err
		}
		c, err := a.response(ctx, field, id)
		if err != nil {
			return err
		}
		answer = responseOf(c)
		return nil
	})
	return answer, err
}

// normalized encodes an N-ACTION-RQ or N-EVENT-REPORT-RQ (PS3.7 §10.3.5, §10.3.1).
func (e *encoder) normalized(field, id uint16, r *NormalizedRequest) []byte {
	follows := uint16(withDataSet)
	if r.Data == nil {
		follows = withoutDataSet
	}
	class, instance, typ := uint16(elemRequestedSOPClass), uint16(elemRequestedSOPInstance), uint16(elemActionTypeID)
	if field == fieldEventReport {
		class, instance, typ = elemAffectedSOPClass, elemAffectedSOPInstance, elemEventTypeID
	}
	return e.reset().
		uid(class, r.SOPClass).
		number(elemCommandField, field).
		number(elemMessageID, id).
		number(elemDataSetType, follows).
		uid(instance, r.SOPInstance).
		number(typ, r.Type).
		bytes()
}

// HandleEvents makes h handle what the peer reports on this association while this
// side waits for a response or in [Association.Await]. Without a handler, or with
// nil, such reports are refused as unrecognized operations.
func (a *Association) HandleEvents(h NormalizedHandler) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = h
}

// Await serves what the peer reports (see [Association.HandleEvents]) until enough,
// asked before each wait, says so, until wait has passed, or until the peer releases
// the association. It reports whether it was enough. The association lives on unless
// the peer released it or there was an error; the end of ctx aborts it.
func (a *Association) Await(ctx context.Context, wait time.Duration, enough func() bool) (bool, error) {
	released, satisfied := false, false
	err := a.do(ctx, "wait for a report", func() error {
		for until := time.Now().Add(wait); ; {
			if satisfied = enough(); satisfied {
				return nil
			}
			if ready, err := a.link.ready(until); err != nil || !ready {
				return err
			}
			a.link.in.by, a.link.in.wait = time.Time{}, a.link.times.Read
			contextID, c, err := a.link.receiveCommand()
			if errors.Is(err, errReleaseRequested) {
				released = true
				return errors.Join(ErrClosed, a.link.agreeToRelease())
			}
			if err != nil {
				return err
			}
			if c.field()&fieldResponse != 0 {
				return a.link.violate("response to nothing that was asked")
			}
			if err := a.serve(ctx, contextID, c); err != nil {
				return err
			}
		}
	})
	if released {
		return false, nil
	}
	return satisfied, err
}

// ready waits until the peer sends something, and reports whether it did in time.
func (l *link) ready(until time.Time) (bool, error) {
	if l.in.r < l.in.w || l.in.pduLeft > 0 {
		return true, nil
	}
	l.in.by = until
	err := l.in.fill(l)
	var timeout *TimeoutError
	if errors.As(err, &timeout) {
		return false, nil
	}
	return err == nil, err
}

// serve answers a request of the peer on an association that this side opened.
func (a *Association) serve(ctx context.Context, contextID byte, c command) error {
	pc, err := a.context(contextID)
	if err != nil {
		return a.link.violate("presentation context was not accepted")
	}
	if h := (Service{Event: a.events}).handler(c.field()); h != nil {
		return a.link.serveNormalized(ctx, a.remote, &pc, c, h, &a.encoder)
	}
	return a.link.reply(contextID, c, UnrecognizedOperation, &a.encoder)
}

// unreadLimit is how much of the information of a request a handler may leave unread,
// in bytes; with more the association is aborted.
const unreadLimit = 16 << 20

// serveNormalized serves an N-ACTION or N-EVENT-REPORT: command, information,
// handler, response.
func (l *link) serveNormalized(ctx context.Context, peer *Peer, pc *NegotiatedContext, c command, h NormalizedHandler, e *encoder) error {
	to := headOf(c)
	data := &dataSet{l: l, context: pc.ID}
	if !c.hasDataSet() {
		data.err = io.EOF
	}
	var status Status
	switch n := len(to.instance); {
	case to.class != pc.SOPClass:
		status = NoSuchSOPClass
	case n < 1 || n > 64:
		status = InvalidSOPInstance
	default:
		status = h(ctx, NormalizedIndication{
			Peer: peer, TransferSyntax: pc.TransferSyntax,
			SOPClass: to.class, SOPInstance: to.instance, Type: to.kind, Data: data,
		})
	}
	if cause := l.guard.interrupted(); cause != nil {
		return &interruptError{op: l.op, cause: cause}
	}
	if err := l.finish(data, unreadLimit); err != nil {
		return err
	}
	return l.sendAlone(pc.ID, e.response(to, status))
}

// finish makes sure that the data set of a request has been read to its end, in the
// time of one wait.
func (l *link) finish(data *dataSet, limit int64) error {
	l.in.by = time.Now().Add(l.times.Read)
	end, err := data.drain(limit)
	if err == nil && !end {
		err = errTooMuchLeft
	}
	return err
}

var errTooMuchLeft = errors.New("the handler left too much of the data set unread")
