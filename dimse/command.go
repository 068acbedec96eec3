package dimse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Elements of a command set, group 0000 (PS3.7 Annex E.1).
const (
	elemGroupLength          = 0x0000
	elemAffectedSOPClass     = 0x0002
	elemRequestedSOPClass    = 0x0003
	elemCommandField         = 0x0100
	elemMessageID            = 0x0110
	elemRespondedTo          = 0x0120
	elemMoveDestination      = 0x0600
	elemPriority             = 0x0700
	elemDataSetType          = 0x0800
	elemStatus               = 0x0900
	elemOffendingElement     = 0x0901
	elemErrorComment         = 0x0902
	elemErrorID              = 0x0903
	elemAffectedSOPInstance  = 0x1000
	elemRequestedSOPInstance = 0x1001
	elemEventTypeID          = 0x1002
	elemAttributeList        = 0x1005
	elemActionTypeID         = 0x1008
	elemMoveOriginatorAE     = 0x1030
	elemMoveOriginatorID     = 0x1031
)

// Command fields (PS3.7 Annex E.1). The response has bit 15 set.
const (
	fieldStore       = 0x0001
	fieldEcho        = 0x0030
	fieldEventReport = 0x0100
	fieldAction      = 0x0130
	fieldCancel      = 0x0FFF
	fieldResponse    = 0x8000
)

// Command data set types: 0101H says that no data set follows (PS3.7 Annex E.1).
const (
	withDataSet    = 0x0000
	withoutDataSet = 0x0101
)

// element is one element of a command set; the value has an even length.
type element struct {
	tag   uint16 // element number in group 0000
	value []byte
}

// command is a command set without its group length, in the order received.
type command []element

var errCommand = errors.New("malformed")

// decodeCommand decodes a command set, always Implicit VR Little Endian (PS3.7
// §6.3.1), and appends its elements to elems. The values refer to b.
func decodeCommand(b []byte, elems command) (command, error) {
	for len(b) > 0 {
		if len(b) < 8 {
			return elems, fmt.Errorf("%w: %d bytes left over", errCommand, len(b))
		}
		group, tag := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		n := binary.LittleEndian.Uint32(b[4:])
		b = b[8:]
		if group != 0 {
			return elems, fmt.Errorf("%w: element of group %04X", errCommand, group)
		}
		if uint64(n) > uint64(len(b)) {
			return elems, fmt.Errorf("%w: (0000,%04X) of %d bytes, %d left", errCommand, tag, n, len(b))
		}
		value := b[:n:n]
		b = b[n:]
		if tag == elemGroupLength {
			continue
		}
		if n%2 != 0 {
			value = append(value, 0)
		}
		elems = append(elems, element{tag, value})
	}
	return elems, nil
}

func (c command) value(tag uint16) ([]byte, bool) {
	for _, e := range c {
		if e.tag == tag {
			return e.value, true
		}
	}
	return nil, false
}

// number returns a US value, and whether there is one.
func (c command) number(tag uint16) (uint16, bool) {
	v, ok := c.value(tag)
	if !ok || len(v) < 2 {
		return 0, false
	}
	return binary.LittleEndian.Uint16(v), true
}

// text returns a UI, AE or LO value without padding; "" when there is none.
func (c command) text(tag uint16) string {
	v, _ := c.value(tag)
	return strings.Trim(string(v), "\x00 ")
}

// tags returns an AT value as group<<16 | element.
func (c command) tags(tag uint16) []uint32 {
	v, _ := c.value(tag)
	var tags []uint32
	for ; len(v) >= 4; v = v[4:] {
		tags = append(tags, uint32(binary.LittleEndian.Uint16(v))<<16|uint32(binary.LittleEndian.Uint16(v[2:])))
	}
	return tags
}

// field returns the command field; 0 when there is none.
func (c command) field() uint16 {
	f, _ := c.number(elemCommandField)
	return f
}

// hasDataSet reports whether a data set follows.
func (c command) hasDataSet() bool {
	t, ok := c.number(elemDataSetType)
	return ok && t != withoutDataSet
}

// encoder builds a command set; the elements must come in ascending order.
type encoder struct {
	b []byte
}

// reset starts a command set in the memory of the last one.
func (e *encoder) reset() *encoder {
	e.b = append(e.b[:0], 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0)
	return e
}

func (e *encoder) head(tag uint16, n int) {
	e.b = append(e.b, 0, 0)
	e.b = binary.LittleEndian.AppendUint16(e.b, tag)
	e.b = binary.LittleEndian.AppendUint32(e.b, uint32(n))
}

// number appends a US element.
func (e *encoder) number(tag, v uint16) *encoder {
	e.head(tag, 2)
	e.b = binary.LittleEndian.AppendUint16(e.b, v)
	return e
}

// uid appends a UI element; an empty one is left out.
func (e *encoder) uid(tag uint16, v string) *encoder { return e.padded(tag, v, 0) }

// text appends an AE or LO element; an empty one is left out.
func (e *encoder) text(tag uint16, v string) *encoder { return e.padded(tag, v, ' ') }

func (e *encoder) padded(tag uint16, v string, pad byte) *encoder {
	if v == "" {
		return e
	}
	e.head(tag, len(v)+len(v)&1)
	e.b = append(e.b, v...)
	if len(v)&1 != 0 {
		e.b = append(e.b, pad)
	}
	return e
}

// raw appends an element as it is.
func (e *encoder) raw(x element) *encoder {
	e.head(x.tag, len(x.value))
	e.b = append(e.b, x.value...)
	return e
}

// bytes sets the group length and returns the command set, valid until reset.
func (e *encoder) bytes() []byte {
	binary.LittleEndian.PutUint32(e.b[8:], uint32(len(e.b)-12))
	return e.b
}
