package dimse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"lotse/dimse/pdu"
)

// requestorBuffer is the receive buffer of a requestor: responses are short.
const requestorBuffer = 8 << 10

// NegotiatedContext is a proposed presentation context with its answer.
type NegotiatedContext struct {
	PresentationContext
	Result         pdu.Result
	TransferSyntax string // with pdu.Acceptance the chosen one, else ""
}

// Association is an association with a peer, requested by this side. Its methods
// may be called from several goroutines; operations are done one after the other.
type Association struct {
	contexts []NegotiatedContext
	peer     pdu.UserInfo
	remote   *Peer

	mu        sync.Mutex // held by the operation under way
	link      *link
	ended     error // why no more operation is possible, or nil
	messageID uint16
	encoder   encoder
	events    NormalizedHandler // for what the peer reports, or nil

	lingering chan struct{} // closed when the connection is gone; nil before the end
}

// Dial connects to addr (host:port), with TLS when cfg says so, and opens an
// association. See [Associate] for the errors.
func Dial(ctx context.Context, addr string, cfg Config, contexts []PresentationContext) (*Association, error) {
	times := cfg.Timeouts.withDefaults()
	dialCtx, cancel := context.WithTimeout(ctx, times.Connect)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(dialCtx, "tcp", addr)
	if err == nil && cfg.TLS != nil {
		conn, err = handshake(dialCtx, conn, addr, cfg.TLS)
	}
	if err != nil {
		return nil, connectError(ctx, err)
	}
	return Associate(ctx, conn, cfg, contexts)
}

func connectError(ctx context.Context, err error) error {
	const op = "connect"
	if cause := context.Cause(ctx); cause != nil {
		return &interruptError{op: op, cause: cause}
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &TimeoutError{Op: op}
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return fmt.Errorf("%s: %w", op, err) // trying again does not help
	}
	return &LostError{Op: op, Err: err}
}

func handshake(ctx context.Context, conn net.Conn, addr string, cfg *tls.Config) (net.Conn, error) {
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		cfg = cfg.Clone()
		cfg.ServerName = host
	}
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake error is the one to tell
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secure, nil
}

// Associate opens an association on a connection that is already open and owns
// it from now on. Errors are [*RejectError], [*AbortError], [*TimeoutError],
// [*LostError], [*ProtocolError], or wrap the cause of the context. An association
// on which the peer accepted no context is not an error, see [Association.Contexts].
func Associate(ctx context.Context, conn net.Conn, cfg Config, contexts []PresentationContext) (*Association, error) {
	request, err := cfg.request(contexts)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	l := newLink(conn, false, cfg.Timeouts.withDefaults(), !cfg.DisableQuickAck, requestorBuffer)
	l.op = "associate"
	l.in.maxData = request.User.MaxLength + dataTolerance
	a := &Association{link: l}
	stop := l.guard.follow(ctx)
	defer stop()
	answer, err := l.associate(request)
	if err == nil {
		err = l.out.limit(answer.User.MaxLength, cfg.MaxSendPDU)
	}
	if err != nil {
		a.end(err)
		return nil, err
	}
	a.peer = answer.User
	a.remote = &Peer{
		CallingAE: cfg.CallingAE, CalledAE: cfg.CalledAE, Requested: true,
		Addr: conn.RemoteAddr(), Conn: conn,
		ImplementationClassUID: answer.User.ImplementationClassUID,
		ImplementationVersion:  answer.User.ImplementationVersion,
	}
	a.contexts = negotiated(contexts, answer.Contexts)
	return a, nil
}

// request builds the A-ASSOCIATE-RQ.
func (cfg *Config) request(contexts []PresentationContext) (*pdu.AssociateRQ, error) {
	for _, ae := range []string{cfg.CallingAE, cfg.CalledAE} {
		if len(ae) < 1 || len(ae) > 16 {
			return nil, errors.New("associate: AE titles have 1 to 16 characters")
		}
	}
	if len(contexts) < 1 || len(contexts) > pdu.MaxContexts {
		return nil, fmt.Errorf("associate: %d presentation contexts, possible are 1 to %d", len(contexts), pdu.MaxContexts)
	}
	p := &pdu.AssociateRQ{
		ProtocolVersion:    1,
		CalledAE:           cfg.CalledAE,
		CallingAE:          cfg.CallingAE,
		ApplicationContext: pdu.ApplicationContext,
		User:               ownUserInfo(cfg.MaxPDU),
	}
	p.User.Roles, p.User.Extended, p.User.Identity = cfg.Roles, cfg.Extended, cfg.Identity
	for _, c := range contexts {
		p.Contexts = append(p.Contexts, pdu.ProposedContext{
			ID: c.ID, AbstractSyntax: c.SOPClass, TransferSyntaxes: c.TransferSyntaxes,
		})
	}
	return p, nil
}

func ownUserInfo(maxPDU uint32) pdu.UserInfo {
	if maxPDU == 0 {
		maxPDU = DefaultMaxPDU
	}
	return pdu.UserInfo{
		MaxLength:              maxPDU,
		ImplementationClassUID: ImplementationClassUID,
		ImplementationVersion:  ImplementationVersion,
	}
}

// associate goes from Sta1 to Sta6.
func (l *link) associate(request *pdu.AssociateRQ) (*pdu.AssociateAC, error) {
	if err := l.fire(evt1, nil); err != nil {
		return nil, err
	}
	l.in.by = time.Now().Add(l.times.Associate)
	if err := l.fire(evt2, request); err != nil {
		return nil, err
	}
	_, p, err := l.receive()
	if err != nil {
		return nil, err
	}
	switch p := p.(type) {
	case *pdu.AssociateAC:
		return p, nil
	case *pdu.AssociateRJ:
		return nil, &RejectError{AssociateRJ: *p}
	}
	return nil, l.violate("no answer to A-ASSOCIATE-RQ")
}

// negotiated joins proposals and answers. What was not answered, or answered with
// a syntax that was not proposed, counts as rejected.
func negotiated(proposed []PresentationContext, results []pdu.ContextResult) []NegotiatedContext {
	list := make([]NegotiatedContext, len(proposed))
	for i, p := range proposed {
		list[i] = NegotiatedContext{PresentationContext: p, Result: pdu.NoReason}
		for _, r := range results {
			if r.ID != p.ID {
				continue
			}
			list[i].Result = r.Result
			if r.Result == pdu.Acceptance {
				list[i].TransferSyntax = r.TransferSyntax
				if !slices.Contains(p.TransferSyntaxes, r.TransferSyntax) {
					list[i].Result, list[i].TransferSyntax = pdu.TransferSyntaxesNotSupported, ""
				}
			}
			break
		}
	}
	return list
}

// Contexts gives all proposed contexts with their answers, as proposed.
func (a *Association) Contexts() []NegotiatedContext { return slices.Clone(a.contexts) }

// Peer gives the user information of the peer: implementation, roles granted,
// confirmation of the identity.
func (a *Association) Peer() pdu.UserInfo { return a.peer }

// Remote gives the other side of the association.
func (a *Association) Remote() *Peer { return a.remote }

// IdentityConfirmed reports whether the peer confirmed the user identity. Many
// peers ignore it; then this is false even where a positive response was asked for.
func (a *Association) IdentityConfirmed() bool { return a.peer.IdentityResponse != nil }

// Find gives the accepted context for a SOP class and transfer syntax; with "" for
// the syntax the first accepted one of the class. The error is a [*ContextError].
func (a *Association) Find(sopClass, transferSyntax string) (NegotiatedContext, error) {
	for _, c := range a.contexts {
		if c.SOPClass == sopClass && c.Result == pdu.Acceptance && (transferSyntax == "" || c.TransferSyntax == transferSyntax) {
			return c, nil
		}
	}
	return NegotiatedContext{}, a.missing(sopClass, transferSyntax)
}

// missing tells why Find found nothing.
func (a *Association) missing(sopClass, transferSyntax string) error {
	e := &ContextError{SOPClass: sopClass, TransferSyntax: transferSyntax}
	for _, c := range a.contexts {
		if c.SOPClass != sopClass || transferSyntax != "" && !slices.Contains(c.TransferSyntaxes, transferSyntax) {
			continue
		}
		e.Proposed, e.Result = true, c.Result
		if c.Result == pdu.Acceptance { // with another syntax
			e.Result = pdu.TransferSyntaxesNotSupported
		}
	}
	return e
}

// context gives an accepted context by its id.
func (a *Association) context(id byte) (NegotiatedContext, error) {
	for _, c := range a.contexts {
		if c.ID != id {
			continue
		}
		if c.Result != pdu.Acceptance {
			return c, &ContextError{SOPClass: c.SOPClass, Proposed: true, Result: c.Result}
		}
		return c, nil
	}
	return NegotiatedContext{}, &ContextError{}
}

// do runs one operation. Any error of it is the end of the association.
func (a *Association) do(ctx context.Context, op string, work func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended != nil {
		return a.ended
	}
	if ctx.Err() != nil {
		return &interruptError{op: op, cause: context.Cause(ctx)}
	}
	stop := a.link.guard.follow(ctx)
	defer stop()
	a.link.op = op
	if err := work(); err != nil {
		a.end(err)
		return err
	}
	return nil
}

// end makes err the end of the association and leaves the connection to linger.
func (a *Association) end(err error) {
	a.ended = fmt.Errorf("association has ended: %w", err)
	a.link.abandon()
	a.lingering = make(chan struct{})
	go func() {
		defer close(a.lingering)
		a.link.linger()
	}()
}

// Release ends the association in order (A-RELEASE) and closes the connection.
// A release by the peer at the same time is handled (PS3.8 §9.2.3, AR-8).
func (a *Association) Release(ctx context.Context) error {
	a.mu.Lock()
	if a.ended != nil {
		defer a.mu.Unlock()
		return a.ended
	}
	a.mu.Unlock()
	err := a.do(ctx, "release", func() error {
		if err := a.link.release(); err != nil {
			return err
		}
		return ErrClosed
	})
	if errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// release goes from Sta6 to Sta1, or to Sta13 on the acceptor's side of a collision.
func (l *link) release() error {
	l.in.by = time.Now().Add(l.times.Release)
	if err := l.fire(evt11, &pdu.ReleaseRQ{}); err != nil {
		return err
	}
	return l.awaitRelease()
}

// awaitRelease waits for the answer to A-RELEASE-RQ.
func (l *link) awaitRelease() error {
	for {
		if err := l.in.skip(l); err != nil { // data that came before the answer
			return err
		}
		if _, _, err := l.receive(); err != nil {
			return err
		}
		switch l.m.state {
		case sta1, sta13:
			return nil
		case sta9, sta12: // our turn to answer the peer's request
			if err := l.fire(evt14, &pdu.ReleaseRP{}); err != nil {
				return err
			}
			if l.m.state == sta13 {
				return nil
			}
		}
	}
}

// Abort ends the association at once (A-ABORT), after the operation under way.
// To interrupt that one, cancel its context.
func (a *Association) Abort() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended == nil {
		a.end(ErrClosed)
	}
}

// Close aborts the association when it has not ended yet, closes the connection and
// waits until nothing of it is left. It always returns nil and may be called twice.
func (a *Association) Close() error {
	a.Abort()
	// The A-ABORT has been written; a close that fails leaves nothing to do.
	_ = a.link.conn.Close()
	<-a.lingering
	return nil
}
