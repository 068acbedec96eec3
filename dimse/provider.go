package dimse

import (
	"context"
	"errors"
	"io"
	"time"

	"lotse/dimse/pdu"
)

// StoreHandler stores one object. The response goes out only after it has returned,
// with the status it returned: when that says success the object must be safe. A
// handler that finds Data broken off returns any failure; no response is sent then.
type StoreHandler func(context.Context, StoreIndication) Status

// StoreIndication is a C-STORE request as a provider receives it (PS3.7 §9.1.1).
// Its UIDs come from the peer and are checked for their length only.
type StoreIndication struct {
	Peer           *Peer
	ContextID      byte
	TransferSyntax string
	SOPClass       string
	SOPInstance    string
	Priority       Priority
	MoveOriginator *MoveOriginator // nil without one
	// Data is the data set, valid until the handler returns. io.EOF comes only after
	// its last byte; any other error means that the rest never came. It also implements
	// io.WriterTo, which hands on the receive buffer without a copy.
	Data io.Reader

	comment *string
}

// Comment adds an Error Comment to a response that is not a success (PS3.7 C.4.2):
// up to 64 characters of ASCII, without personal data. What is too much is cut off.
func (in StoreIndication) Comment(text string) {
	if in.comment != nil {
		*in.comment = text[:min(len(text), 64)]
	}
}

// provider is one established association of a Server.
type provider struct {
	server   *Server
	link     *link
	peer     *Peer
	contexts []NegotiatedContext
	encoder  encoder
}

// run serves messages until the association ends; nil means released. The end of ctx
// interrupts the wait for a request, that of work the operation that it asks for.
func (p *provider) run(ctx, work context.Context) error {
	for {
		contextID, c, err := p.next(ctx)
		if errors.Is(err, errReleaseRequested) {
			return p.link.agreeToRelease()
		}
		if err == nil {
			err = p.handle(work, contextID, c)
		}
		if err != nil {
			return err
		}
	}
}

// next waits for a request.
func (p *provider) next(ctx context.Context) (contextID byte, c command, err error) {
	l := p.link
	l.op = "wait for a request"
	l.in.by, l.in.wait = time.Time{}, l.times.Idle
	stop := l.guard.follow(ctx)
	defer stop()
	return l.receiveCommand()
}

// agreeToRelease answers A-RELEASE-RQ.
func (l *link) agreeToRelease() error {
	if l.m.state != sta8 {
		return l.violate("release at the wrong time")
	}
	return l.fire(evt14, &pdu.ReleaseRP{})
}

// handle serves one request.
func (p *provider) handle(ctx context.Context, contextID byte, c command) error {
	p.link.op = "serve a request"
	p.link.in.by, p.link.in.wait = time.Time{}, p.link.times.Read
	stop := p.link.guard.follow(ctx)
	defer stop()
	pc := p.context(contextID)
	if pc == nil {
		return p.link.violate("presentation context was not accepted")
	}
	service := p.server.Services[pc.SOPClass]
	switch f := c.field(); {
	case f == fieldEcho:
		return p.link.reply(contextID, c, Success, &p.encoder)
	case f == fieldStore && p.server.Store != nil:
		return p.store(ctx, pc, c)
	case service.handler(f) != nil:
		return p.link.serveNormalized(ctx, p.peer, pc, c, service.handler(f), &p.encoder)
	case f&fieldResponse != 0:
		return p.link.violate("response to nothing that was asked")
	}
	return p.link.reply(contextID, c, UnrecognizedOperation, &p.encoder)
}

func (p *provider) context(id byte) *NegotiatedContext {
	for i := range p.contexts {
		if p.contexts[i].ID == id && p.contexts[i].Result == pdu.Acceptance {
			return &p.contexts[i]
		}
	}
	return nil
}

// store serves a C-STORE: command, data set, handler, response.
func (p *provider) store(ctx context.Context, pc *NegotiatedContext, c command) error {
	p.link.op = "receive an object"
	data := &dataSet{l: p.link, context: pc.ID}
	status, bad := checkStore(pc, c)
	to := headOf(c)
	if !c.hasDataSet() {
		data.err = io.EOF
	}
	if !bad {
		in := p.indication(pc, c, data)
		in.comment = &to.comment
		status = p.server.Store(ctx, in)
	}
	if cause := p.link.guard.interrupted(); cause != nil {
		return &interruptError{op: p.link.op, cause: cause}
	}
	limit := p.server.DrainLimit
	if limit <= 0 {
		limit = DefaultDrainLimit
	}
	if err := p.link.finish(data, limit); err != nil {
		return err
	}
	if status == Success {
		to.comment = ""
	}
	return p.link.sendAlone(pc.ID, p.encoder.response(to, status))
}

// checkStore finds out whether a C-STORE-RQ can be handled at all.
func checkStore(pc *NegotiatedContext, c command) (status Status, bad bool) {
	switch n := len(c.text(elemAffectedSOPInstance)); {
	case c.text(elemAffectedSOPClass) != pc.SOPClass:
		return SOPClassNotSupported, true
	case n < 1 || n > 64:
		return InvalidSOPInstance, true
	case !c.hasDataSet():
		return CannotUnderstand, true
	}
	return Success, false
}

func (p *provider) indication(pc *NegotiatedContext, c command, data io.Reader) StoreIndication {
	priority, _ := c.number(elemPriority)
	in := StoreIndication{
		Peer:           p.peer,
		ContextID:      pc.ID,
		TransferSyntax: pc.TransferSyntax,
		SOPClass:       pc.SOPClass,
		SOPInstance:    c.text(elemAffectedSOPInstance),
		Priority:       Priority(priority),
		Data:           data,
	}
	if ae := c.text(elemMoveOriginatorAE); ae != "" {
		id, _ := c.number(elemMoveOriginatorID)
		in.MoveOriginator = &MoveOriginator{AETitle: ae, MessageID: id}
	}
	return in
}
