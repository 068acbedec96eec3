package dimse

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"lotse/dimse/pdu"
)

// serve handles one connection from its first to its last byte. ctx ends waiting,
// work ends operations under way.
func (s *Server) serve(ctx, work context.Context, conn net.Conn, full bool) {
	l := newLink(conn, true, s.Timeouts.withDefaults(), !s.DisableQuickAck, providerBuffer)
	defer l.linger()
	p := &provider{server: s, link: l}
	text := "association not established"
	err := p.accept(ctx, full)
	if err == nil {
		text = "association ended"
		err = p.run(ctx, work)
	}
	if err != nil {
		l.abandon()
		s.log(conn, text, err)
	}
	if p.peer != nil && s.Ended != nil {
		s.Ended(p.peer, err)
	}
}

func (s *Server) log(conn net.Conn, text string, err error) {
	if s.Log != nil {
		s.Log.Warn(text, "peer", conn.RemoteAddr().String(), "error", err)
	}
}

// accept goes from Sta1 to Sta6.
func (p *provider) accept(ctx context.Context, full bool) error {
	s, l := p.server, p.link
	stop := l.guard.follow(ctx)
	defer stop()
	l.op = "accept an association"
	maxPDU := ownUserInfo(s.MaxPDU).MaxLength
	l.in.maxData = maxPDU + dataTolerance
	request, err := l.awaitRequest()
	if err != nil {
		return err
	}
	if refusal := s.check(request, full); refusal != nil {
		return errors.Join(refusal, l.fireAE6(evt6, &refusal.AssociateRJ, false))
	}
	if err := l.fire(evt6, nil); err != nil {
		return err
	}
	peer := peerOf(l.conn, request)
	if refusal := s.admit(ctx, peer); refusal != nil {
		return errors.Join(refusal, l.fire(evt8, &refusal.AssociateRJ))
	}
	p.peer = peer // from here on its end is told
	if err := l.out.limit(request.User.MaxLength, 0); err != nil {
		return err
	}
	answer, contexts := s.answer(request, maxPDU)
	p.contexts = contexts
	return l.fire(evt7, answer)
}

// awaitRequest goes from Sta1 to Sta2 and waits for the A-ASSOCIATE-RQ.
func (l *link) awaitRequest() (*pdu.AssociateRQ, error) {
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
	return request, nil
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
	roles := s.roles(p.User.Roles)
	var contexts []NegotiatedContext
	for _, c := range p.Contexts {
		syntax, result := s.choose(c)
		if r, ok := roles[c.AbstractSyntax]; ok && result == pdu.Acceptance {
			if r == (pdu.Role{SOPClass: r.SOPClass}) { // nothing it could do here
				syntax, result = ImplicitVRLittleEndian, pdu.UserRejection
			} else if !slices.Contains(ac.User.Roles, r) {
				ac.User.Roles = append(ac.User.Roles, r)
			}
		}
		ac.Contexts = append(ac.Contexts, pdu.ContextResult{ID: c.ID, Result: result, TransferSyntax: syntax})
		contexts = append(contexts, NegotiatedContext{
			PresentationContext: PresentationContext{ID: c.ID, SOPClass: c.AbstractSyntax, TransferSyntaxes: c.TransferSyntaxes},
			Result:              result, TransferSyntax: syntax,
		})
	}
	return ac, contexts
}

// roles gives what is granted of the roles the requestor proposes for itself (PS3.7
// D.3.3.4), by SOP class. The requestor may be SCU of all that is offered here, and SCP of what
// reports events.
func (s *Server) roles(proposed []pdu.Role) map[string]pdu.Role {
	granted := make(map[string]pdu.Role, len(proposed))
	for _, r := range proposed {
		if service, ok := s.Services[r.SOPClass]; ok {
			r.SCU = r.SCU && service.Action != nil
			r.SCP = r.SCP && service.Event != nil
		} else {
			r.SCP = false
		}
		granted[r.SOPClass] = r
	}
	return granted
}

// choose answers one proposed context. A syntax has to stand in the answer even
// where it means nothing.
func (s *Server) choose(c pdu.ProposedContext) (string, pdu.Result) {
	policy := s.Policy
	_, normalized := s.Services[c.AbstractSyntax]
	switch {
	case c.ID%2 == 0:
		return ImplicitVRLittleEndian, pdu.NoReason
	case c.AbstractSyntax == Verification:
		policy = verification
	case normalized:
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

// uncompressed is the policy for normalized services.
func uncompressed(_ string, proposed []string) (string, pdu.Result) {
	for _, s := range []string{ImplicitVRLittleEndian, ExplicitVRLittleEndian} {
		if slices.Contains(proposed, s) {
			return s, pdu.Acceptance
		}
	}
	return "", pdu.TransferSyntaxesNotSupported
}

// verification is the policy for C-ECHO, which has no data sets: any syntax will do.
func verification(class string, proposed []string) (string, pdu.Result) {
	if syntax, result := uncompressed(class, proposed); result == pdu.Acceptance {
		return syntax, result
	}
	return FirstProposed(class, proposed)
}
