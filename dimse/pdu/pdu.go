package pdu

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Type is the PDU type of PS3.8 §9.3.1, the first byte on the wire.
type Type byte

// The PDU types of PS3.8 §9.3.2 to §9.3.8.
const (
	TypeAssociateRQ Type = 0x01
	TypeAssociateAC Type = 0x02
	TypeAssociateRJ Type = 0x03
	TypeDataTF      Type = 0x04
	TypeReleaseRQ   Type = 0x05
	TypeReleaseRP   Type = 0x06
	TypeAbort       Type = 0x07
)

// String gives the name of the PDU as the standard writes it.
func (t Type) String() string {
	switch t {
	case TypeAssociateRQ:
		return "A-ASSOCIATE-RQ"
	case TypeAssociateAC:
		return "A-ASSOCIATE-AC"
	case TypeAssociateRJ:
		return "A-ASSOCIATE-RJ"
	case TypeDataTF:
		return "P-DATA-TF"
	case TypeReleaseRQ:
		return "A-RELEASE-RQ"
	case TypeReleaseRP:
		return "A-RELEASE-RP"
	case TypeAbort:
		return "A-ABORT"
	}
	return fmt.Sprintf("PDU type %02XH", byte(t))
}

// Known reports whether the type is one of the seven of PS3.8 §9.3.
func (t Type) Known() bool { return t >= TypeAssociateRQ && t <= TypeAbort }

// HeaderLen is the length in bytes of the header all PDUs share: type, a
// reserved byte and a four-byte big-endian length of what follows (PS3.8 §9.3.1).
const HeaderLen = 6

// PDU is one protocol data unit: [*AssociateRQ], [*AssociateAC], [*AssociateRJ],
// [*DataTF], [*ReleaseRQ], [*ReleaseRP] or [*Abort].
type PDU interface {
	// Type tells which PDU it is.
	Type() Type
	// appendBody appends everything behind the header.
	appendBody(dst []byte) ([]byte, error)
}

// Append appends the encoded PDU to dst. It fails when a field does not fit
// its place on the wire, for example an AE title longer than 16 bytes.
func Append(dst []byte, p PDU) ([]byte, error) {
	start := len(dst)
	dst = append(dst, byte(p.Type()), 0, 0, 0, 0, 0)
	dst, err := p.appendBody(dst)
	if err != nil {
		return dst[:start], fmt.Errorf("encode %v: %w", p.Type(), err)
	}
	length := len(dst) - start - HeaderLen
	if uint64(length) > 0xFFFFFFFF {
		return dst[:start], fmt.Errorf("encode %v: longer than 4 GiB", p.Type())
	}
	binary.BigEndian.PutUint32(dst[start+2:], uint32(length))
	return dst, nil
}

// ParseHeader takes type and length of what follows from the six header bytes.
// It accepts any type; ask [Type.Known].
func ParseHeader(h [HeaderLen]byte) (Type, uint32) {
	return Type(h[0]), binary.BigEndian.Uint32(h[2:])
}

// Decode decodes the body (everything behind the header) of a PDU of type t.
// What it returns does not refer to body. All errors are [*FormatError].
func Decode(t Type, body []byte) (PDU, error) {
	c := &cursor{typ: t, buf: body}
	var p PDU
	var err error
	switch t {
	case TypeAssociateRQ:
		p, err = decodeAssociateRQ(c)
	case TypeAssociateAC:
		p, err = decodeAssociateAC(c)
	case TypeAssociateRJ:
		p, err = decodeAssociateRJ(c)
	case TypeDataTF:
		p, err = decodeDataTF(c)
	case TypeReleaseRQ:
		p, err = &ReleaseRQ{}, c.reserved(4)
	case TypeReleaseRP:
		p, err = &ReleaseRP{}, c.reserved(4)
	case TypeAbort:
		p, err = decodeAbort(c)
	default:
		return nil, c.fail("unknown type")
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Limits bounds what [Read] accepts, in bytes behind the header. Zero means the
// default for Associate and "no limit of its own" for Data.
type Limits struct {
	// Associate bounds every PDU but P-DATA-TF; default [MaxAssociateLen].
	Associate uint32
	// Data bounds P-DATA-TF.
	Data uint32
}

// MaxAssociateLen is the default limit for association PDUs: 128 presentation
// contexts with dozens of transfer syntaxes each stay far below it.
const MaxAssociateLen = 1 << 20

// Check refuses a header that names an unknown type ([*FormatError]) or a length
// above the limits ([*TooLongError]).
func (l Limits) Check(t Type, length uint32) error {
	if !t.Known() {
		return &FormatError{Type: t, Problem: "unknown type"}
	}
	limit := l.Data
	if t != TypeDataTF {
		limit = l.Associate
		if limit == 0 {
			limit = MaxAssociateLen
		}
	}
	if limit != 0 && length > limit {
		return &TooLongError{Type: t, Length: length, Limit: limit}
	}
	return nil
}

// readStep is how much memory Read reserves ahead of what has arrived.
const readStep = 16 << 10

// Read takes one PDU from r. A length that promises more than arrives costs no
// memory: the buffer grows with the bytes. At the end of the stream before the
// first byte the error is io.EOF, later io.ErrUnexpectedEOF.
func Read(r io.Reader, limits Limits) (PDU, error) {
	var h [HeaderLen]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, err
	}
	t, length := ParseHeader(h)
	if err := limits.Check(t, length); err != nil {
		return nil, err
	}
	body := make([]byte, 0, min(int64(length), readStep))
	for left := int64(length); left > 0; {
		n := int(min(left, readStep))
		start := len(body)
		body = append(body, make([]byte, n)...)
		if _, err := io.ReadFull(r, body[start:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		left -= int64(n)
	}
	return Decode(t, body)
}
