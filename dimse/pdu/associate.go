package pdu

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// ApplicationContext is the only DICOM application context name (PS3.7 Annex A.2.1).
const ApplicationContext = "1.2.840.10008.3.1.1.1"

// MaxContexts is how many presentation contexts fit one association: the odd
// ids from 1 to 255 (PS3.8 §9.3.2.2).
const MaxContexts = 128

// Item types of A-ASSOCIATE-RQ and -AC (PS3.8 §9.3.2, §9.3.3).
const (
	itemApplicationContext = 0x10
	itemProposedContext    = 0x20
	itemContextResult      = 0x21
	itemAbstractSyntax     = 0x30
	itemTransferSyntax     = 0x40
	itemUserInfo           = 0x50
)

// Item is an item or sub-item of a kind this package does not know, kept as it came.
type Item struct {
	Type byte
	Data []byte
}

// ProposedContext is a presentation context as proposed (PS3.8 §9.3.2.2).
type ProposedContext struct {
	ID               byte // odd, 1 to 255
	AbstractSyntax   string
	TransferSyntaxes []string
}

// Result is the answer to one proposed presentation context (PS3.8 §9.3.3.2).
type Result byte

// The results of PS3.8 table 9-18.
const (
	Acceptance                   Result = 0
	UserRejection                Result = 1
	NoReason                     Result = 2
	AbstractSyntaxNotSupported   Result = 3
	TransferSyntaxesNotSupported Result = 4
)

// String gives the result in words.
func (r Result) String() string {
	names := [...]string{"accepted", "rejected by the user", "rejected without reason",
		"abstract syntax not supported", "transfer syntaxes not supported"}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("result %d", byte(r))
}

// ContextResult is the answer to a proposed context (PS3.8 §9.3.3.2). The transfer
// syntax means something only with [Acceptance].
type ContextResult struct {
	ID             byte
	Result         Result
	TransferSyntax string
}

// AssociateRQ asks for an association (PS3.8 §9.3.2).
type AssociateRQ struct {
	ProtocolVersion    uint16 // bit 0 set means version 1
	CalledAE           string // at most 16 bytes, without padding
	CallingAE          string // at most 16 bytes, without padding
	ApplicationContext string
	Contexts           []ProposedContext
	User               UserInfo
	Unknown            []Item
}

// AssociateAC grants an association (PS3.8 §9.3.3). The AE titles are reserved
// fields that repeat those of the request.
type AssociateAC struct {
	ProtocolVersion    uint16
	CalledAE           string
	CallingAE          string
	ApplicationContext string
	Contexts           []ContextResult
	User               UserInfo
	Unknown            []Item
}

// Type is [TypeAssociateRQ].
func (*AssociateRQ) Type() Type { return TypeAssociateRQ }

// Type is [TypeAssociateAC].
func (*AssociateAC) Type() Type { return TypeAssociateAC }

func (p *AssociateRQ) appendBody(dst []byte) ([]byte, error) {
	dst, err := appendFixed(dst, p.ProtocolVersion, p.CalledAE, p.CallingAE)
	if err != nil {
		return dst, err
	}
	if dst, err = appendText(dst, itemApplicationContext, p.ApplicationContext); err != nil {
		return dst, err
	}
	for _, pc := range p.Contexts {
		if dst, err = appendItem(dst, itemProposedContext, pc.appendTo); err != nil {
			return dst, err
		}
	}
	return appendTail(dst, &p.User, p.Unknown)
}

func (p *AssociateAC) appendBody(dst []byte) ([]byte, error) {
	dst, err := appendFixed(dst, p.ProtocolVersion, p.CalledAE, p.CallingAE)
	if err != nil {
		return dst, err
	}
	if dst, err = appendText(dst, itemApplicationContext, p.ApplicationContext); err != nil {
		return dst, err
	}
	for _, cr := range p.Contexts {
		if dst, err = appendItem(dst, itemContextResult, cr.appendTo); err != nil {
			return dst, err
		}
	}
	return appendTail(dst, &p.User, p.Unknown)
}

func (pc ProposedContext) appendTo(dst []byte) ([]byte, error) {
	dst, err := appendText(append(dst, pc.ID, 0, 0, 0), itemAbstractSyntax, pc.AbstractSyntax)
	for _, ts := range pc.TransferSyntaxes {
		if err != nil {
			return dst, err
		}
		dst, err = appendText(dst, itemTransferSyntax, ts)
	}
	return dst, err
}

func (cr ContextResult) appendTo(dst []byte) ([]byte, error) {
	return appendText(append(dst, cr.ID, 0, byte(cr.Result), 0), itemTransferSyntax, cr.TransferSyntax)
}

// appendFixed appends the 68 bytes in front of the items.
func appendFixed(dst []byte, version uint16, called, calling string) ([]byte, error) {
	dst = binary.BigEndian.AppendUint16(dst, version)
	dst = append(dst, 0, 0)
	for _, ae := range []string{called, calling} {
		if len(ae) > 16 {
			return dst, fmt.Errorf("AE title of %d bytes: %w", len(ae), ErrTooLong)
		}
		dst = append(dst, ae...)
		dst = append(dst, "                "[len(ae):]...)
	}
	return append(dst, make([]byte, 32)...), nil
}

func appendTail(dst []byte, user *UserInfo, unknown []Item) ([]byte, error) {
	dst, err := appendItem(dst, itemUserInfo, user.appendTo)
	if err != nil {
		return dst, err
	}
	return appendUnknown(dst, unknown)
}

func appendUnknown(dst []byte, items []Item) ([]byte, error) {
	var err error
	for _, it := range items {
		if dst, err = appendText(dst, it.Type, string(it.Data)); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// frame is what both association PDUs share while being decoded.
type frame struct {
	version         uint16
	called, calling string
	application     string
	user            UserInfo
	unknown         []Item
}

// decodeFrame decodes fixed fields and items; items of type context go to each.
func decodeFrame(c *cursor, context byte, each func(*cursor) error) (*frame, error) {
	f := &frame{}
	var err error
	if f.version, err = c.u16(); err != nil {
		return nil, err
	}
	if err := c.reserved(2); err != nil {
		return nil, err
	}
	for _, ae := range []*string{&f.called, &f.calling} {
		b, err := c.take(16)
		if err != nil {
			return nil, err
		}
		*ae = strings.Trim(string(b), " \x00")
	}
	if err := c.reserved(32); err != nil {
		return nil, err
	}
	seenUser := false
	for c.left() > 0 {
		typ, sub, err := c.item()
		if err != nil {
			return nil, err
		}
		switch typ {
		case itemApplicationContext:
			f.application = sub.uid()
		case context:
			err = each(sub)
		case itemUserInfo:
			if seenUser {
				return nil, sub.fail("second user information item")
			}
			seenUser = true
			err = f.user.decode(sub)
		default:
			f.unknown = append(f.unknown, Item{Type: typ, Data: sub.rest()})
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

func decodeAssociateRQ(c *cursor) (PDU, error) {
	p := &AssociateRQ{}
	f, err := decodeFrame(c, itemProposedContext, func(sub *cursor) error {
		pc, err := decodeProposed(sub)
		p.Contexts = append(p.Contexts, pc)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.ProtocolVersion, p.CalledAE, p.CallingAE = f.version, f.called, f.calling
	p.ApplicationContext, p.User, p.Unknown = f.application, f.user, f.unknown
	return p, nil
}

func decodeAssociateAC(c *cursor) (PDU, error) {
	p := &AssociateAC{}
	f, err := decodeFrame(c, itemContextResult, func(sub *cursor) error {
		cr, err := decodeResult(sub)
		p.Contexts = append(p.Contexts, cr)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.ProtocolVersion, p.CalledAE, p.CallingAE = f.version, f.called, f.calling
	p.ApplicationContext, p.User, p.Unknown = f.application, f.user, f.unknown
	return p, nil
}

func decodeProposed(c *cursor) (pc ProposedContext, err error) {
	if pc.ID, err = c.u8(); err != nil {
		return pc, err
	}
	if err := c.reserved(3); err != nil {
		return pc, err
	}
	for c.left() > 0 {
		typ, sub, err := c.item()
		if err != nil {
			return pc, err
		}
		switch typ {
		case itemAbstractSyntax:
			pc.AbstractSyntax = sub.uid()
		case itemTransferSyntax:
			pc.TransferSyntaxes = append(pc.TransferSyntaxes, sub.uid())
		}
	}
	return pc, nil
}

func decodeResult(c *cursor) (cr ContextResult, err error) {
	if cr.ID, err = c.u8(); err != nil {
		return cr, err
	}
	if err := c.reserved(1); err != nil {
		return cr, err
	}
	r, err := c.u8()
	if err != nil {
		return cr, err
	}
	cr.Result = Result(r)
	if err := c.reserved(1); err != nil {
		return cr, err
	}
	for c.left() > 0 {
		typ, sub, err := c.item()
		if err != nil {
			return cr, err
		}
		if typ == itemTransferSyntax {
			cr.TransferSyntax = sub.uid()
		}
	}
	return cr, nil
}
