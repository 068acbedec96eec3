package pdu

import (
	"encoding/binary"
	"fmt"
)

// PDV is a presentation data value: one fragment of a message (PS3.8 §9.3.5.1,
// Annex E.2).
type PDV struct {
	ContextID byte
	Command   bool // fragment of a command set, else of a data set
	Last      bool // last fragment of that command set or data set
	Data      []byte
}

// DataTF carries fragments (PS3.8 §9.3.5).
type DataTF struct {
	Values []PDV
}

// PDVHeaderLen is the length in bytes of what stands before the fragment: a
// four-byte length, the context id and the message control header.
const PDVHeaderLen = 6

// Bits of the message control header (PS3.8 Annex E.2).
const (
	ControlCommand = 0x01
	ControlLast    = 0x02
)

// Type is [TypeDataTF].
func (*DataTF) Type() Type { return TypeDataTF }

func (p *DataTF) appendBody(dst []byte) ([]byte, error) {
	for _, v := range p.Values {
		if uint64(len(v.Data)) > 0xFFFFFFFF-2 {
			return dst, fmt.Errorf("fragment of %d bytes: %w", len(v.Data), ErrTooLong)
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.Data)+2))
		dst = append(dst, v.ContextID, flag(v.Command)*ControlCommand|flag(v.Last)*ControlLast)
		dst = append(dst, v.Data...)
	}
	return dst, nil
}

func decodeDataTF(c *cursor) (PDU, error) {
	p := &DataTF{}
	for c.left() > 0 {
		n, err := c.u32()
		if err != nil {
			return nil, err
		}
		if n < 2 || int64(n) > int64(c.left()) {
			return nil, c.fail(fmt.Sprintf("fragment length %d, %d bytes left", n, c.left()))
		}
		b, err := c.take(int(n))
		if err != nil {
			return nil, err
		}
		p.Values = append(p.Values, PDV{
			ContextID: b[0],
			Command:   b[1]&ControlCommand != 0,
			Last:      b[1]&ControlLast != 0,
			Data:      clone(b[2:]),
		})
	}
	if len(p.Values) == 0 {
		return nil, c.fail("no fragment")
	}
	return p, nil
}
