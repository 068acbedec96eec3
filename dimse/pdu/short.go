package pdu

import "fmt"

// RejectResult tells whether trying again may help (PS3.8 §9.3.4).
type RejectResult byte

// The results of PS3.8 table 9-21.
const (
	RejectedPermanent RejectResult = 1
	RejectedTransient RejectResult = 2
)

// RejectSource tells who rejected (PS3.8 §9.3.4).
type RejectSource byte

// The sources of PS3.8 table 9-21.
const (
	RejectedByUser         RejectSource = 1
	RejectedByACSE         RejectSource = 2
	RejectedByPresentation RejectSource = 3
)

// The reasons of PS3.8 table 9-21; their meaning depends on the source.
const (
	// With RejectedByUser.
	ReasonNone               = 1
	ReasonApplicationContext = 2
	ReasonCallingAE          = 3
	ReasonCalledAE           = 7
	// With RejectedByACSE.
	ReasonACSENone        = 1
	ReasonProtocolVersion = 2
	// With RejectedByPresentation.
	ReasonCongestion = 1
	ReasonLocalLimit = 2
)

// AssociateRJ refuses an association (PS3.8 §9.3.4).
type AssociateRJ struct {
	Result RejectResult
	Source RejectSource
	Reason byte
}

// ReleaseRQ asks for the orderly end of an association (PS3.8 §9.3.6).
type ReleaseRQ struct{}

// ReleaseRP agrees to it (PS3.8 §9.3.7).
type ReleaseRP struct{}

// AbortSource tells who aborted (PS3.8 §9.3.8).
type AbortSource byte

// The sources of PS3.8 table 9-26.
const (
	AbortedByUser     AbortSource = 0
	AbortedByProvider AbortSource = 2
)

// The reasons of PS3.8 table 9-26; they mean something only with AbortedByProvider.
const (
	AbortUnspecified         = 0
	AbortUnrecognizedPDU     = 1
	AbortUnexpectedPDU       = 2
	AbortUnrecognizedParam   = 4
	AbortUnexpectedParam     = 5
	AbortInvalidParameterVal = 6
)

// Abort ends an association at once (PS3.8 §9.3.8).
type Abort struct {
	Source AbortSource
	Reason byte
}

// Type is [TypeAssociateRJ].
func (*AssociateRJ) Type() Type { return TypeAssociateRJ }

// Type is [TypeReleaseRQ].
func (*ReleaseRQ) Type() Type { return TypeReleaseRQ }

// Type is [TypeReleaseRP].
func (*ReleaseRP) Type() Type { return TypeReleaseRP }

// Type is [TypeAbort].
func (*Abort) Type() Type { return TypeAbort }

// String tells in words why the association was refused.
func (p *AssociateRJ) String() string {
	result := map[RejectResult]string{RejectedPermanent: "permanently", RejectedTransient: "for now"}[p.Result]
	if result == "" {
		result = fmt.Sprintf("with result %d", p.Result)
	}
	return fmt.Sprintf("refused %s: %s", result, p.reason())
}

func (p *AssociateRJ) reason() string {
	type key struct {
		source RejectSource
		reason byte
	}
	words := map[key]string{
		{RejectedByUser, ReasonNone}:               "no reason given",
		{RejectedByUser, ReasonApplicationContext}: "application context not supported",
		{RejectedByUser, ReasonCallingAE}:          "calling AE title not recognized",
		{RejectedByUser, ReasonCalledAE}:           "called AE title not recognized",
		{RejectedByACSE, ReasonACSENone}:           "no reason given",
		{RejectedByACSE, ReasonProtocolVersion}:    "protocol version not supported",
		{RejectedByPresentation, ReasonCongestion}: "temporary congestion",
		{RejectedByPresentation, ReasonLocalLimit}: "local limit exceeded",
	}[key{p.Source, p.Reason}]
	if words == "" {
		return fmt.Sprintf("source %d, reason %d", p.Source, p.Reason)
	}
	return words
}

// String tells in words why the association was aborted.
func (p *Abort) String() string {
	if p.Source == AbortedByUser {
		return "by the service user"
	}
	words := map[byte]string{
		AbortUnspecified:         "reason not specified",
		AbortUnrecognizedPDU:     "unrecognized PDU",
		AbortUnexpectedPDU:       "unexpected PDU",
		AbortUnrecognizedParam:   "unrecognized PDU parameter",
		AbortUnexpectedParam:     "unexpected PDU parameter",
		AbortInvalidParameterVal: "invalid PDU parameter value",
	}[p.Reason]
	if words == "" {
		words = fmt.Sprintf("reason %d", p.Reason)
	}
	return "by the service provider: " + words
}

func (p *AssociateRJ) appendBody(dst []byte) ([]byte, error) {
	return append(dst, 0, byte(p.Result), byte(p.Source), p.Reason), nil
}

func (p *ReleaseRQ) appendBody(dst []byte) ([]byte, error) { return append(dst, 0, 0, 0, 0), nil }

func (p *ReleaseRP) appendBody(dst []byte) ([]byte, error) { return append(dst, 0, 0, 0, 0), nil }

func (p *Abort) appendBody(dst []byte) ([]byte, error) {
	return append(dst, 0, 0, byte(p.Source), p.Reason), nil
}

func decodeAssociateRJ(c *cursor) (PDU, error) {
	b, err := c.take(4)
	if err != nil {
		return nil, err
	}
	return &AssociateRJ{Result: RejectResult(b[1]), Source: RejectSource(b[2]), Reason: b[3]}, nil
}

func decodeAbort(c *cursor) (PDU, error) {
	b, err := c.take(4)
	if err != nil {
		return nil, err
	}
	return &Abort{Source: AbortSource(b[2]), Reason: b[3]}, nil
}
