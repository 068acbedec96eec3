package receive

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"

	"lotse/dicom/dict"
	"lotse/dimse"
	"lotse/dimse/pdu"
)

// admit decides about an association. Who is not known learns no more than that.
func (s *Server) admit(ctx context.Context, p *dimse.Peer) error {
	refused := &dimse.RejectError{AssociateRJ: pdu.AssociateRJ{Result: pdu.RejectedPermanent,
		Source: pdu.RejectedByUser, Reason: pdu.ReasonCallingAE}}
	later := &dimse.RejectError{AssociateRJ: pdu.AssociateRJ{Result: pdu.RejectedTransient,
		Source: pdu.RejectedByPresentation, Reason: pdu.ReasonCongestion}}
	if s.paused.Load() {
		return later
	}
	rules, err := s.rules.For(ctx, p.CallingAE, p.CalledAE)
	if err != nil {
		s.log.Error("rules for senders not available", "error", err)
		return later
	}
	addr, certificate := addressOf(p), certificateOf(p)
	known := len(rules)
	rules = slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool { return !r.fits(addr, certificate) })
	rule, storing := only(rules)
	switch {
	case storing > 1:
		s.log.Warn("sender refused: ambiguous, several rules let it store", "calling", p.CallingAE, "called", p.CalledAE, "rules", named(rules))
		return refused
	case len(rules) > 0:
		return s.letIn(p, rule)
	}
	s.log.Warn("sender refused", "calling", p.CallingAE, "called", p.CalledAE, "rules", known, "certificate", certificate != nil)
	return refused
}

// only finds the rule that counts among those that fit, and how many let the sender
// store. Whose it would be when there are several is not to be guessed. What any of them
// lets it report, it may.
func only(fit []Rule) (rule Rule, storing int) {
	reports := false
	for i, r := range fit {
		reports = reports || r.Reports
		if r.Objects {
			storing++
		}
		if i == 0 || r.Objects {
			rule = r
		}
	}
	rule.Reports = reports
	return rule, storing
}

// named tells which rules let a sender store.
func named(rules []Rule) []string {
	var names []string
	for _, r := range rules {
		if r.Objects {
			names = append(names, strings.TrimSpace(r.Tenant+" "+r.Name))
		}
	}
	return names
}

// letIn counts the associations of a rule.
func (s *Server) letIn(p *dimse.Peer, r Rule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, other := range s.callers {
		if other.Tenant == r.Tenant && other.Name == r.Name && other.CallingAE == r.CallingAE {
			n++
		}
	}
	if r.Associations > 0 && n >= r.Associations {
		return &dimse.RejectError{AssociateRJ: pdu.AssociateRJ{Result: pdu.RejectedTransient,
			Source: pdu.RejectedByPresentation, Reason: pdu.ReasonLocalLimit}}
	}
	s.callers[p] = r
	return nil
}

func (s *Server) ended(p *dimse.Peer, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.callers, p)
}

// rule gives the rule that let a peer in.
func (s *Server) rule(p *dimse.Peer) (Rule, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.callers[p]
	return r, ok
}

// addressOf is the IP address of a peer; the zero address, which is in no network, for
// connections that have none.
func addressOf(p *dimse.Peer) netip.Addr {
	tcp, ok := p.Addr.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// certificateOf is the verified certificate of a peer, or nil.
func certificateOf(p *dimse.Peer) *x509.Certificate {
	state := p.TLS()
	if state == nil || len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return nil
	}
	return state.VerifiedChains[0][0]
}

// choose is the policy for presentation contexts: every storage class, private ones
// included, in the first syntax proposed that has the pixel data in it, Big Endian last.
func choose(sopClass string, proposed []string) (string, pdu.Result) {
	if class, known := dict.SOPClassByUID(sopClass); known && !class.Storage {
		return "", pdu.AbstractSyntaxNotSupported
	}
	best, rank := "", 0
	for _, s := range proposed {
		if r := liking(s); r > rank {
			best, rank = s, r
		}
	}
	if rank == 0 {
		return "", pdu.TransferSyntaxesNotSupported
	}
	return best, pdu.Acceptance
}

// liking ranks transfer syntaxes; 0 is not to be taken.
func liking(syntax string) int {
	known, ok := dict.TransferSyntaxByUID(syntax)
	switch {
	case syntax == "1.2.840.10008.1.2.4.94", syntax == "1.2.840.10008.1.2.4.95",
		syntax == "1.2.840.10008.1.2.4.204", syntax == "1.2.840.10008.1.2.4.205":
		return 0 // JPIP: the pixel data stay with the sender
	case !ok: // a private one; PS3.5 §10 says enough to hand it on
		return 1
	case known.BigEndian:
		return 2
	}
	return 3
}
