package adjust

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// jpegHeader is what a JPEG says of itself before its first scan.
type jpegHeader struct {
	frame         byte // marker of the frame header: C0 is baseline
	precision     int
	width, height int
	components    []jpegComponent
	adobe         int // color transform of the Adobe marker, -1 without one
	orientation   int // of EXIF, 1 to 8; 1 is upright
}

type jpegComponent struct{ id, h, v byte }

var errJPEG = errors.New("not a JPEG file that can be read")

// readJPEGHeader reads markers up to the first scan (ITU-T T.81 Annex B).
func readJPEGHeader(src io.Reader) (jpegHeader, error) {
	h := jpegHeader{adobe: -1, orientation: 1}
	r := bufio.NewReader(io.LimitReader(src, 64<<20))
	if b, err := readBytes(r, 2); err != nil || b[0] != 0xFF || b[1] != 0xD8 {
		return h, errJPEG
	}
	for {
		marker, err := nextMarker(r)
		if err != nil {
			return h, errJPEG
		}
		if marker == 0xDA {
			break
		}
		if marker == 0x01 || marker >= 0xD0 && marker <= 0xD7 {
			continue
		}
		b, err := readBytes(r, 2)
		if err != nil || binary.BigEndian.Uint16(b) < 2 {
			return h, errJPEG
		}
		segment, err := readBytes(r, int(binary.BigEndian.Uint16(b))-2)
		if err != nil {
			return h, errJPEG
		}
		if err := h.segment(marker, segment); err != nil {
			return h, err
		}
	}
	if h.frame == 0 || h.width == 0 || h.height == 0 {
		return h, errJPEG
	}
	return h, nil
}

func readBytes(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// nextMarker goes past fill bytes.
func nextMarker(r *bufio.Reader) (byte, error) {
	c, err := r.ReadByte()
	if err != nil || c != 0xFF {
		return 0, errJPEG
	}
	for c == 0xFF && err == nil {
		c, err = r.ReadByte()
	}
	return c, err
}

func (h *jpegHeader) segment(marker byte, b []byte) error {
	switch {
	case marker == 0xE1 && bytes.HasPrefix(b, []byte("Exif\x00\x00")):
		h.orientation = exifOrientation(b[6:])
	case marker == 0xEE && len(b) >= 12 && bytes.HasPrefix(b, []byte("Adobe")):
		h.adobe = int(b[11])
	case marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC:
		return h.frameHeader(marker, b)
	}
	return nil
}

func (h *jpegHeader) frameHeader(marker byte, b []byte) error {
	if len(b) < 6 || len(b) < 6+3*int(b[5]) || h.frame != 0 {
		return errJPEG
	}
	h.frame, h.precision = marker, int(b[0])
	h.height, h.width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	for i := range int(b[5]) {
		c := b[6+3*i:]
		h.components = append(h.components, jpegComponent{id: c[0], h: c[1] >> 4, v: c[1] & 15})
	}
	return nil
}

// wrappable reports a JPEG that can stand in a DICOM object as it is: baseline,
// upright, grey or of three colours.
func (h *jpegHeader) wrappable() bool {
	return h.frame == 0xC0 && h.precision == 8 && h.orientation == 1 &&
		(len(h.components) == 1 || len(h.components) == 3)
}

// photometric is the Photometric Interpretation (PS3.3 §C.7.6.3.1.2) of a JPEG of
// one or three components.
func (h *jpegHeader) photometric() string {
	c := h.components
	switch {
	case len(c) == 1:
		return "MONOCHROME2"
	case h.adobe == 0, h.adobe < 0 && c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B':
		return "RGB"
	case c[0].h == c[1].h && c[0].v == c[1].v && c[1].h == c[2].h && c[1].v == c[2].v:
		return "YBR_FULL"
	}
	return "YBR_FULL_422"
}

// exifOrientation reads tag 0112 of the first directory of a TIFF structure; 1
// when there is none.
func exifOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b[0] == 'M' {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 1
	}
	entries := b[at+2:]
	for range order.Uint16(b[at:]) {
		if len(entries) < 12 {
			return 1
		}
		if order.Uint16(entries) == 0x0112 && order.Uint16(entries[2:]) == 3 {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}

// String is for technicians.
func (h *jpegHeader) String() string {
	return fmt.Sprintf("JPEG SOF%d, %d bit, %d components, %d×%d", h.frame&15, h.precision, len(h.components), h.width, h.height)
}
