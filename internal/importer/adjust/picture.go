package adjust

import (
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"strconv"

	"lotse/dicom"
)

// Greatest number of pixels of a picture that is decoded; decoders of progressive
// and 16-bit pictures need several times the memory.
const (
	maxPixels      = 100_000_000
	maxHeavyPixels = 40_000_000
)

// jpeg makes a Secondary Capture of a JPEG: around the bytes as they are where
// that is allowed, else from the decoded picture, turned upright.
func (c *conversion) jpeg() (*Made, error) {
	r, err := c.open()
	if err != nil {
		return nil, err
	}
	h, err := readJPEGHeader(r)
	if closed := r.Close(); err == nil && closed != nil {
		return nil, closed
	}
	if err != nil {
		return nil, unfit("%w", err)
	}
	c.lossy(h.width, h.height, len(h.components))
	if h.wrappable() {
		return c.wrap(&h)
	}
	limit := maxPixels
	if h.frame != 0xC0 {
		limit = maxHeavyPixels
	}
	if h.width*h.height > limit {
		return nil, unfit("too many pixels to decode: %s", &h)
	}
	return c.decoded(jpeg.Decode, h.orientation)
}

// png makes a Secondary Capture of a PNG.
func (c *conversion) png() (*Made, error) {
	r, err := c.open()
	if err != nil {
		return nil, err
	}
	config, err := png.DecodeConfig(r)
	if closed := r.Close(); err == nil && closed != nil {
		return nil, closed
	}
	if err != nil {
		return nil, unfit("not a PNG file that can be read: %w", err)
	}
	limit := maxPixels
	switch config.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model:
		limit = maxHeavyPixels
	}
	if config.Width > limit || config.Height > limit || config.Width*config.Height > limit {
		return nil, unfit("too many pixels to decode: PNG of %d×%d", config.Width, config.Height)
	}
	return c.decoded(png.Decode, 1)
}

// lossy says that the picture has been through lossy compression (PS3.3
// §C.7.6.1.1.5), which decoding does not undo.
func (c *conversion) lossy(width, height, samples int) {
	ratio := float64(width) * float64(height) * float64(samples) / float64(max(c.size, 1))
	c.set(0x00282110, "01")
	c.set(0x00282112, strconv.FormatFloat(max(ratio, 0.01), 'f', 2, 64))
	c.set(0x00282114, "ISO_10918_1")
}

// imagePixels describes the pixels (PS3.3 §C.7.6.3) and what else an image has.
func (c *conversion) imagePixels(width, height, samples, bits int, photometric string) error {
	if width > math.MaxUint16 || height > math.MaxUint16 {
		return unfit("a picture of %d×%d does not fit Rows and Columns", width, height)
	}
	c.set(0x00080060, "OT")
	c.set(0x00080008, `DERIVED\SECONDARY`)
	c.set(0x00200020, "") // Patient Orientation
	c.set(0x00200060, "") // Laterality
	if title := line(c.doc.Title, 1024); title != "" {
		c.set(0x00204000, title) // Image Comments
	}
	c.numbers(0x00280002, samples)
	c.set(0x00280004, photometric)
	if samples > 1 {
		c.numbers(0x00280006, 0) // Planar Configuration: by pixel
	}
	c.numbers(0x00280010, height)
	c.numbers(0x00280011, width)
	c.numbers(0x00280100, bits)
	c.numbers(0x00280101, bits)
	c.numbers(0x00280102, bits-1)
	c.numbers(0x00280103, 0)
	return nil
}

// wrap puts the JPEG into one fragment (PS3.5 §A.4).
func (c *conversion) wrap(h *jpegHeader) (*Made, error) {
	if c.size > math.MaxUint32-1 {
		return nil, unfit("a picture of 4 GiB or more")
	}
	if err := c.imagePixels(h.width, h.height, len(h.components), 8, h.photometric()); err != nil {
		return nil, err
	}
	odd := c.size & 1
	header := []byte{0xE0, 0x7F, 0x10, 0, 'O', 'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
		0xFE, 0xFF, 0, 0xE0, 4, 0, 0, 0, 0, 0, 0, 0, // Basic Offset Table: one frame, at 0
		0xFE, 0xFF, 0, 0xE0}
	header = binary.LittleEndian.AppendUint32(header, uint32(c.size+odd))
	behind := append(make([]byte, odd), 0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0)
	return c.finish(SecondaryCapture, dicom.JPEGBaseline8Bit, header, behind, c.size, c.open)
}

// decoder is that of one picture format.
type decoder func(io.Reader) (image.Image, error)

// decoded makes the object of the decoded picture. It is decoded once to see that
// it can be, and again each time the object is read: pictures are too large to be
// kept until their turn.
func (c *conversion) decoded(decode decoder, orientation int) (*Made, error) {
	p, err := c.pixels(decode, orientation)
	if err != nil {
		return nil, err
	}
	photometric := "RGB"
	if p.samples == 1 {
		photometric = "MONOCHROME2"
	}
	if err := c.imagePixels(p.width, p.height, p.samples, p.bits, photometric); err != nil {
		return nil, err
	}
	length := p.length()
	if length > math.MaxUint32-1 {
		return nil, unfit("a picture of 4 GiB or more")
	}
	odd := length & 1
	vr := "OB"
	if p.bits > 8 {
		vr = "OW"
	}
	header := append([]byte{0xE0, 0x7F, 0x10, 0}, vr...)
	header = append(header, 0, 0)
	header = binary.LittleEndian.AppendUint32(header, uint32(length+odd))
	return c.finish(SecondaryCapture, dicom.ExplicitVRLittleEndian, header, make([]byte, odd), length,
		func() (io.ReadCloser, error) {
			p, err := c.pixels(decode, orientation)
			if err != nil {
				return nil, err
			}
			return io.NopCloser(&rowReader{pixels: p}), nil
		})
}

// pixels decodes the picture.
func (c *conversion) pixels(decode decoder, orientation int) (*pixels, error) {
	r, err := c.open()
	if err != nil {
		return nil, err
	}
	img, err := decode(r)
	if closed := r.Close(); err == nil && closed != nil {
		return nil, closed
	}
	if err != nil {
		return nil, unfit("the picture cannot be decoded: %w", err)
	}
	return newPixels(img, orientation), nil
}

// rowReader reads the rows of a picture one by one.
type rowReader struct {
	pixels *pixels
	y      int
	buf    []byte
	row    []byte // of buf, what is not read yet
}

func (r *rowReader) Read(b []byte) (int, error) {
	if len(r.row) == 0 {
		if r.y == r.pixels.height {
			return 0, io.EOF
		}
		r.buf = r.pixels.rowAt(r.y, r.buf)
		r.row = r.buf
		r.y++
	}
	n := copy(b, r.row)
	r.row = r.row[n:]
	return n, nil
}
