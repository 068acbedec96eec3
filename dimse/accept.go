package dimse

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"lotse/dimse/pdu"
)

// serve handles one connection from its first to its last byte.
func (s *Server) serve(ctx context.Context, conn net.Conn, full bool) {
	l := newLink(conn, true, s.Timeouts.withDefaults(), !s.DisableQuickAck, providerBuffer)
	defer l.linger()
	stop := l.guard.follow(ctx)
	defer stop()
	p, err := s.accept(ctx, l, full)
	if err != nil {
		l.abandon()
		s.log(conn, "association not established", err)
		return
	}
	err = p.run(ctx)
	if err != nil {
		l.abandon()
		s.log(conn, "association ended", err)
	}
	if s.Ended != nil {
		s.Ended(p.peer, err)
	}
}

func (s *Server) log(conn net.Conn, text string, err error) {
	if s.Log != nil {
		s.Log.Warn(text, "peer", conn.RemoteAddr().String(), "error", err)
	}
}

// accept goes from Sta1 to Sta6.
func (s *Server) accept(ctx context.Context, l *link, full bool) (*provider, error) {
	l.op = "accept an association"
	maxPDU := ownUserInfo(s.MaxPDU).MaxLength
	l.in.maxData = maxPDU + dataTolerance
	if err := l.fire(evt5, nil); err != nil {
		return nil, err
	}
	l.artim = time.Now().Add(l.times.Associate) // time for a TLS handshake, too
	l.in.by = l.artim
	_, p, err := l.receive()
	if err != nil {
		var timeout *TimeoutError
		if errors.As(err, &timeout) {
			err = errors.Join(err, l.fire(evt18, nil))
		}
		return nil, err
	}
	request, ok := p.(*pdu.AssociateRQ)
	if !ok {
		return nil, l.violate("no A-ASSOCIATE-RQ")
	}
	if refusal := s.check(request, full); refusal != nil {
		return nil, errors.Join(refusal, l.fireAE6(evt6, &refusal.AssociateRJ, false))
	}
	if err := l.fire(evt6, nil); err != nil {
		return nil, err
	}
	peer := peerOf(l.conn, request)
	if refusal := s.admit(ctx, peer); refusal != nil {
		return nil, errors.Join(refusal, l.fire(evt8, &refusal.AssociateRJ))
	}
	if err := l.out.limit(request.User.MaxLength, 0); err != nil {
		return nil, err
	}
	answer, contexts := s.answer(request, maxPDU)
	if err := l.fire(evt7, answer); err != nil {
		return nil, err
	}
	return &provider{server: s, link: l, peer: peer, contexts: contexts}, nil
}

// check is what makes a request unacceptable without asking the user of the service.
func (s *Server) check(p *pdu.AssociateRQ, full bool) *RejectError {
	switch {
	case p.ProtocolVersion&1 == 0:
		return reject(pdu.RejectedPermanent, pdu.RejectedByACSE, pdu.ReasonProtocolVersion)
	case duplicateIDs(p.Contexts):
		return reject(pdu.RejectedPermanent, pdu.RejectedByACSE, pdu.ReasonACSENone)
	case full:
		return reject(pdu.RejectedTransient, pdu.RejectedByPresentation, pdu.ReasonLocalLimit)
	}
	return nil
}

func reject(result pdu.RejectResult, source pdu.RejectSource, reason byte) *RejectError {
	return &RejectError{pdu.AssociateRJ{Result: result, Source: source, Reason: reason}}
}

func duplicateIDs(contexts []pdu.ProposedContext) bool {
	var seen [256]bool
	for _, c := range contexts {
		if seen[c.ID] {
			return true
		}
		seen[c.ID] = true
	}
	return false
}

func peerOf(conn net.Conn, p *pdu.AssociateRQ) *Peer {
	return &Peer{
		CallingAE: p.CallingAE, CalledAE: p.CalledAE,
		Addr: conn.RemoteAddr(), Conn: conn,
		Identity:               p.User.Identity,
		ImplementationClassUID: p.User.ImplementationClassUID,
		ImplementationVersion:  p.User.ImplementationVersion,
	}
}

// admit asks the user of the service.
func (s *Server) admit(ctx context.Context, p *Peer) *RejectError {
	if s.AETitle != "" && p.CalledAE != s.AETitle {
		return reject(pdu.RejectedPermanent, pdu.RejectedByUser, pdu.ReasonCalledAE)
	}
	if s.Admit == nil {
		return nil
	}
	err := s.Admit(ctx, p)
	if err == nil {
		return nil
	}
	var refusal *RejectError
	if !errors.As(err, &refusal) {
		refusal = reject(pdu.RejectedPermanent, pdu.RejectedByUser, pdu.ReasonNone)
	}
	return refusal
}

// answer builds the A-ASSOCIATE-AC, and the contexts as negotiated.
func (s *Server) answer(p *pdu.AssociateRQ, maxPDU uint32) (*pdu.AssociateAC, []NegotiatedContext) {
	ac := &pdu.AssociateAC{
		ProtocolVersion:    1,
		CalledAE:           p.CalledAE,
		CallingAE:          p.CallingAE,
		ApplicationContext: pdu.ApplicationContext,
		User:               ownUserInfo(maxPDU),
	}
	if id := p.User.Identity; id != nil && id.PositiveResponse {
		ac.User.IdentityResponse = &pdu.UserIdentityResponse{}
	}
	var contexts []NegotiatedContext
	for _, c := range p.Contexts {
		syntax, result := s.choose(c)
		ac.Contexts = append(ac.Contexts, pdu.ContextResult{ID: c.ID, Result: result, TransferSyntax: syntax})
		contexts = append(contexts, NegotiatedContext{
			PresentationContext: PresentationContext{ID: c.ID, SOPClass: c.AbstractSyntax, TransferSyntaxes: c.TransferSyntaxes},
			Result:              result, TransferSyntax: syntax,
		})
	}
	return ac, contexts
}

// choose answers one proposed context. A syntax has to stand in the answer even
// where it means nothing.
func (s *Server) choose(c pdu.ProposedContext) (string, pdu.Result) {
	policy := s.Policy
	switch {
	case c.ID%2 == 0:
		return ImplicitVRLittleEndian, pdu.NoReason
	case c.AbstractSyntax == Verification:
		policy = uncompressed
	case s.Store == nil:
		return ImplicitVRLittleEndian, pdu.AbstractSyntaxNotSupported
	case policy == nil:
		policy = FirstProposed
	}
	syntax, result := policy(c.AbstractSyntax, c.TransferSyntaxes)
	if result == pdu.Acceptance && !slices.Contains(c.TransferSyntaxes, syntax) {
		result = pdu.TransferSyntaxesNotSupported
	}
	if result != pdu.Acceptance {
		syntax = ImplicitVRLittleEndian
	}
	return syntax, result
}

// uncompressed is the policy for verification, which has no data sets.
func uncompressed(_ string, proposed []string) (string, pdu.Result) {
	for _, s := range []string{ImplicitVRLittleEndian, ExplicitVRLittleEndian} {
		if slices.Contains(proposed, s) {
			return s, pdu.Acceptance
		}
	}
	return FirstProposed(Verification, proposed)
}
