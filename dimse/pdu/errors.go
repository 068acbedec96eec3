package pdu

import (
	"errors"
	"fmt"
)

// FormatError tells that the bytes of a PDU break the structure of PS3.8 §9.3 or
// PS3.7 Annex D. It never quotes contents.
type FormatError struct {
	Type    Type   // of the PDU
	Offset  int    // in bytes behind the header, where it was noticed
	Problem string // what is wrong
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%v: byte %d: %s", e.Type, e.Offset, e.Problem)
}

// TooLongError tells that a PDU header announces more bytes than allowed.
type TooLongError struct {
	Type   Type
	Length uint32 // announced, in bytes
	Limit  uint32 // allowed, in bytes
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("%v of %d bytes exceeds the limit of %d", e.Type, e.Length, e.Limit)
}

// ErrTooLong tells that a value does not fit its place on the wire.
var ErrTooLong = errors.New("value too long for its field")
