package pdu

import (
	"encoding/binary"
	"fmt"
)

// Sub-item types of the user information (PS3.8 Annex D.1, PS3.7 Annex D.3.3).
const (
	itemMaxLength            = 0x51
	itemImplementationClass  = 0x52
	itemAsyncOperations      = 0x53
	itemRole                 = 0x54
	itemImplementationName   = 0x55
	itemExtendedNegotiation  = 0x56
	itemUserIdentity         = 0x58
	itemUserIdentityResponse = 0x59
)

// UserInfo is the user information of an association request or acceptance.
type UserInfo struct {
	// MaxLength is the longest P-DATA-TF the sender of this PDU wants to
	// receive, in bytes behind the PDU header; 0 means no limit (PS3.8 D.1).
	MaxLength uint32
	// ImplementationClassUID names the implementation (PS3.7 D.3.3.2).
	ImplementationClassUID string
	// ImplementationVersion is its version name, 1 to 16 characters.
	ImplementationVersion string
	// AsyncOperations is nil when no window was negotiated.
	AsyncOperations *AsyncOperations
	Roles           []Role
	Extended        []ExtendedNegotiation
	// Identity stands in requests, IdentityResponse in acceptances.
	Identity         *UserIdentity
	IdentityResponse *UserIdentityResponse
	// Unknown are sub-items of other kinds, kept as they came.
	Unknown []Item
}

// AsyncOperations is the asynchronous operations window (PS3.7 D.3.3.3); 0 means
// no limit, 1 and 1 is what holds without negotiation.
type AsyncOperations struct {
	MaxInvoked, MaxPerformed uint16
}

// Role is an SCP/SCU role selection (PS3.7 D.3.3.4): the roles the association
// requestor offers, or the acceptor grants the requestor.
type Role struct {
	SOPClass string
	SCU, SCP bool
}

// ExtendedNegotiation is a SOP class extended negotiation (PS3.7 D.3.3.5).
type ExtendedNegotiation struct {
	SOPClass string
	Data     []byte // service class application information, as the SOP class defines it
}

// IdentityType tells what a [UserIdentity] consists of (PS3.7 D.3.3.7).
type IdentityType byte

// The identity types of PS3.7 table D.3-14.
const (
	IdentityUsername         IdentityType = 1
	IdentityUsernamePasscode IdentityType = 2
	IdentityKerberos         IdentityType = 3
	IdentitySAML             IdentityType = 4
	IdentityJWT              IdentityType = 5
)

// UserIdentity is who the requestor says it is (PS3.7 D.3.3.7.1). Its fields are
// secrets: do not log them.
type UserIdentity struct {
	Type IdentityType
	// PositiveResponse asks the acceptor to confirm the identity.
	PositiveResponse bool
	// Primary is user name, Kerberos ticket, SAML assertion or JWT.
	Primary []byte
	// Secondary is the passcode, only with [IdentityUsernamePasscode].
	Secondary []byte
}

// String hides the contents.
func (u *UserIdentity) String() string { return fmt.Sprintf("user identity of type %d", u.Type) }

// GoString hides the contents.
func (u *UserIdentity) GoString() string { return u.String() }

// UserIdentityResponse confirms the identity (PS3.7 D.3.3.7.2); Data is empty for
// user names.
type UserIdentityResponse struct {
	Data []byte
}

func (u *UserInfo) appendTo(dst []byte) ([]byte, error) {
	dst = append(dst, itemMaxLength, 0, 0, 4)
	dst = binary.BigEndian.AppendUint32(dst, u.MaxLength)
	dst, err := appendText(dst, itemImplementationClass, u.ImplementationClassUID)
	if err != nil {
		return dst, err
	}
	if u.AsyncOperations != nil {
		dst = append(dst, itemAsyncOperations, 0, 0, 4)
		dst = binary.BigEndian.AppendUint16(dst, u.AsyncOperations.MaxInvoked)
		dst = binary.BigEndian.AppendUint16(dst, u.AsyncOperations.MaxPerformed)
	}
	for _, r := range u.Roles {
		if dst, err = appendItem(dst, itemRole, r.appendTo); err != nil {
			return dst, err
		}
	}
	if u.ImplementationVersion != "" {
		if dst, err = appendText(dst, itemImplementationName, u.ImplementationVersion); err != nil {
			return dst, err
		}
	}
	for _, e := range u.Extended {
		if dst, err = appendItem(dst, itemExtendedNegotiation, e.appendTo); err != nil {
			return dst, err
		}
	}
	if u.Identity != nil {
		if dst, err = appendItem(dst, itemUserIdentity, u.Identity.appendTo); err != nil {
			return dst, err
		}
	}
	if r := u.IdentityResponse; r != nil {
		dst, err = appendItem(dst, itemUserIdentityResponse, func(b []byte) ([]byte, error) {
			return appendBlock(b, r.Data)
		})
		if err != nil {
			return dst, err
		}
	}
	return appendUnknown(dst, u.Unknown)
}

func (r Role) appendTo(dst []byte) ([]byte, error) {
	dst, err := appendBlock(dst, []byte(r.SOPClass))
	return append(dst, flag(r.SCU), flag(r.SCP)), err
}

func (e ExtendedNegotiation) appendTo(dst []byte) ([]byte, error) {
	dst, err := appendBlock(dst, []byte(e.SOPClass))
	return append(dst, e.Data...), err
}

func (u *UserIdentity) appendTo(dst []byte) ([]byte, error) {
	dst, err := appendBlock(append(dst, byte(u.Type), flag(u.PositiveResponse)), u.Primary)
	if err != nil {
		return dst, err
	}
	return appendBlock(dst, u.Secondary)
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (u *UserInfo) decode(c *cursor) error {
	for c.left() > 0 {
		typ, sub, err := c.item()
		if err != nil {
			return err
		}
		if err := u.decodeItem(typ, sub); err != nil {
			return err
		}
	}
	return nil
}

func (u *UserInfo) decodeItem(typ byte, c *cursor) (err error) {
	switch typ {
	case itemMaxLength:
		u.MaxLength, err = c.u32()
	case itemImplementationClass:
		u.ImplementationClassUID = c.uid()
	case itemImplementationName:
		u.ImplementationVersion = c.uid()
	case itemAsyncOperations:
		u.AsyncOperations, err = decodeAsync(c)
	case itemRole:
		var r Role
		r, err = decodeRole(c)
		u.Roles = append(u.Roles, r)
	case itemExtendedNegotiation:
		var class []byte
		class, err = c.block()
		u.Extended = append(u.Extended, ExtendedNegotiation{trimUID(class), c.rest()})
	case itemUserIdentity:
		u.Identity, err = decodeIdentity(c)
	case itemUserIdentityResponse:
		u.IdentityResponse = &UserIdentityResponse{}
		u.IdentityResponse.Data, err = c.block()
	default:
		u.Unknown = append(u.Unknown, Item{Type: typ, Data: c.rest()})
	}
	return err
}

func trimUID(b []byte) string { return (&cursor{buf: b}).uid() }

func decodeAsync(c *cursor) (*AsyncOperations, error) {
	invoked, err := c.u16()
	if err != nil {
		return nil, err
	}
	performed, err := c.u16()
	return &AsyncOperations{MaxInvoked: invoked, MaxPerformed: performed}, err
}

func decodeRole(c *cursor) (r Role, err error) {
	class, err := c.block()
	if err != nil {
		return r, err
	}
	b, err := c.take(2)
	if err != nil {
		return r, err
	}
	return Role{SOPClass: trimUID(class), SCU: b[0] == 1, SCP: b[1] == 1}, nil
}

func decodeIdentity(c *cursor) (*UserIdentity, error) {
	u := &UserIdentity{}
	b, err := c.take(2)
	if err != nil {
		return nil, err
	}
	u.Type, u.PositiveResponse = IdentityType(b[0]), b[1] == 1
	if u.Primary, err = c.block(); err != nil {
		return nil, err
	}
	u.Secondary, err = c.block()
	return u, err
}
