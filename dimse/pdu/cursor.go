package pdu

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// cursor walks over the bytes of a PDU body and never beyond them. A cursor over
// an item shares the base offset of its parent so that errors name real places.
type cursor struct {
	typ  Type
	base int
	buf  []byte
	pos  int
}

func (c *cursor) fail(problem string) error {
	return &FormatError{Type: c.typ, Offset: c.base + c.pos, Problem: problem}
}

func (c *cursor) left() int { return len(c.buf) - c.pos }

// take returns the next n bytes; they belong to the body.
func (c *cursor) take(n int) ([]byte, error) {
	if n < 0 || n > c.left() {
		return nil, c.fail(fmt.Sprintf("%d bytes wanted, %d left", n, c.left()))
	}
	b := c.buf[c.pos : c.pos+n : c.pos+n]
	c.pos += n
	return b, nil
}

func (c *cursor) u8() (byte, error) {
	b, err := c.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (c *cursor) u16() (uint16, error) {
	b, err := c.take(2)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint16(b), nil
}

func (c *cursor) u32() (uint32, error) {
	b, err := c.take(4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b), nil
}

// reserved skips n bytes that the standard says not to test.
func (c *cursor) reserved(n int) error {
	_, err := c.take(n)
	return err
}

// block takes a two-byte length and that many bytes, as a copy.
func (c *cursor) block() ([]byte, error) {
	n, err := c.u16()
	if err != nil {
		return nil, err
	}
	b, err := c.take(int(n))
	if err != nil {
		return nil, err
	}
	return clone(b), nil
}

// item takes one item: type, reserved byte, two-byte length, value (PS3.8 §9.3.2).
func (c *cursor) item() (byte, *cursor, error) {
	typ, err := c.u8()
	if err != nil {
		return 0, nil, err
	}
	if err := c.reserved(1); err != nil {
		return 0, nil, err
	}
	n, err := c.u16()
	if err != nil {
		return 0, nil, err
	}
	base := c.base + c.pos
	b, err := c.take(int(n))
	if err != nil {
		return 0, nil, err
	}
	return typ, &cursor{typ: c.typ, base: base, buf: b}, nil
}

// rest takes everything that is left, as a copy.
func (c *cursor) rest() []byte {
	b := clone(c.buf[c.pos:])
	c.pos = len(c.buf)
	return b
}

// uid takes everything that is left as a UID. Padding, which has no place here
// but is seen in the field, is removed.
func (c *cursor) uid() string { return strings.TrimRight(string(c.rest()), "\x00 ") }

// clone copies b; an empty b becomes nil, so that equal PDUs compare equal.
func clone(b []byte) []byte { return append([]byte(nil), b...) }

// appendItem appends an item whose value fill appends.
func appendItem(dst []byte, typ byte, fill func([]byte) ([]byte, error)) ([]byte, error) {
	start := len(dst)
	dst, err := fill(append(dst, typ, 0, 0, 0))
	if err != nil {
		return dst, err
	}
	n := len(dst) - start - 4
	if n > 0xFFFF {
		return dst, fmt.Errorf("item %02XH of %d bytes: %w", typ, n, ErrTooLong)
	}
	binary.BigEndian.PutUint16(dst[start+2:], uint16(n))
	return dst, nil
}

// appendText appends an item whose value is the text itself.
func appendText(dst []byte, typ byte, text string) ([]byte, error) {
	return appendItem(dst, typ, func(b []byte) ([]byte, error) { return append(b, text...), nil })
}

// appendBlock appends a two-byte length and the bytes.
func appendBlock(dst, b []byte) ([]byte, error) {
	if len(b) > 0xFFFF {
		return dst, fmt.Errorf("block of %d bytes: %w", len(b), ErrTooLong)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(b)))
	return append(dst, b...), nil
}
