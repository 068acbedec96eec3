// Package commitment is the Storage Commitment Push Model (PS3.4 Annex J): the peer
// that got objects is asked by N-ACTION to commit itself to keep them, and answers
// later by N-EVENT-REPORT, on the same association or on one that it opens itself.
//
// To ask, open an association with [Context] among its presentation contexts and call
// [Ask]. For the reports that come later put [Reports] into the Services of a
// dimse.Server. [Requests] and [Tell] are the side of the archive.
//
// Nothing here remembers transactions: whoever handles a report has to check that the
// transaction is open and that the reporter is the one that was asked.
package commitment

import (
	"crypto/x509"
	"fmt"
	"net"

	"lotse/dimse"
	"lotse/dimse/pdu"
)

// The SOP class and its well-known instance (PS3.4 J.3.5).
const (
	SOPClass    = "1.2.840.10008.1.20.1"
	SOPInstance = "1.2.840.10008.1.20.1.1"
)

// Bounds of one transaction, in either direction. Who has more to ask for makes
// several transactions of it.
const (
	MaxReferences = 50_000
	MaxBytes      = 12 << 20 // of an encoded data set
)

// actionType is the only action, "Request Storage Commitment" (PS3.4 J.3.2.1).
const actionType = 1

// Reference names one object; UIDs have 1 to 64 characters.
type Reference struct {
	SOPClass, SOPInstance string
}

// Request asks for commitment (PS3.4 J.3.2.1.1).
type Request struct {
	// TransactionUID must never have been used before.
	TransactionUID string
	// Referenced are 1 to [MaxReferences] objects.
	Referenced []Reference
}

// EventType tells how a transaction ended (PS3.4 J.3.3.1).
type EventType uint16

// The event types of PS3.4 table J.3-2.
const (
	Complete      EventType = 1
	FailuresExist EventType = 2
)

// Report is what the archive says about a transaction.
type Report struct {
	TransactionUID string
	Committed      []Reference
	// Failed holds what is not kept. A peer that names an object both as committed and as
	// failed has not committed itself to it: then it is here only.
	Failed []Failure
	// EventType as the peer sent it; Failed counts, not the type.
	EventType EventType
}

// Failure is an object that the archive did not commit itself to.
type Failure struct {
	Reference
	Reason Reason
}

// Reason is a Failure Reason (0008,1197), PS3.3 C.14.1.1.
type Reason uint16

// The reasons of PS3.3 C.14.1.1; peers send others, too.
const (
	ProcessingFailure     Reason = 0x0110
	NoSuchObject          Reason = 0x0112
	ClassInstanceConflict Reason = 0x0119
	SOPClassNotSupported  Reason = 0x0122
	DuplicateTransaction  Reason = 0x0131
	ResourceLimitation    Reason = 0x0213
)

// String gives the reason in words and hexadecimal.
func (r Reason) String() string {
	words := map[Reason]string{
		ProcessingFailure:     "processing failure",
		NoSuchObject:          "no such object instance",
		ClassInstanceConflict: "SOP class does not fit the instance",
		SOPClassNotSupported:  "SOP class not supported",
		DuplicateTransaction:  "transaction UID used before",
		ResourceLimitation:    "resource limitation",
	}[r]
	if words == "" {
		words = "failure"
	}
	return fmt.Sprintf("%s (%04XH)", words, uint16(r))
}

// Party is the other side of a request or report.
type Party struct {
	// AETitle is its own, Own the title of this side. AE titles prove nothing; compare
	// the address or, with TLS, the certificate.
	AETitle, Own string
	Addr         net.Addr
	// Certificate is the verified TLS certificate of the other side, nil without.
	Certificate *x509.Certificate
	// SameAssociation tells that it was this side that opened the association.
	SameAssociation bool
}

func partyOf(p *dimse.Peer) Party {
	party := Party{Addr: p.Addr, SameAssociation: p.Requested}
	party.AETitle, party.Own = p.Titles()
	if state := p.TLS(); state != nil && len(state.VerifiedChains) > 0 {
		party.Certificate = state.VerifiedChains[0][0]
	}
	return party
}

// Context is the presentation context to propose for this service.
func Context(id byte) dimse.PresentationContext {
	return dimse.PresentationContext{ID: id, SOPClass: SOPClass,
		TransferSyntaxes: []string{dimse.ExplicitVRLittleEndian, dimse.ImplicitVRLittleEndian}}
}

// ReporterRole is what an archive proposes in the Config of an association that it
// opens to report (PS3.7 D.3.3.4).
func ReporterRole() pdu.Role { return pdu.Role{SOPClass: SOPClass, SCP: true} }
