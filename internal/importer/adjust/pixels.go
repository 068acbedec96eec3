package adjust

import (
	"image"
	"image/color"
	"image/draw"
	"slices"
)

// pixels are the samples of a decoded picture, upright, on white where it is
// transparent.
type pixels struct {
	img           image.Image
	orientation   int // of EXIF, 1 to 8
	width, height int // upright
	samples, bits int
}

func newPixels(img image.Image, orientation int) *pixels {
	size := img.Bounds().Size()
	p := &pixels{img: img, orientation: orientation, width: size.X, height: size.Y, samples: 3, bits: 8}
	if orientation >= 5 {
		p.width, p.height = size.Y, size.X
	}
	switch img.(type) {
	case *image.Gray:
		p.samples = 1
	case *image.Gray16:
		p.samples, p.bits = 1, 16
	}
	return p
}

func (p *pixels) length() int64 {
	return int64(p.width) * int64(p.height) * int64(p.samples) * int64(p.bits/8)
}

// line returns the strip of the source that is row y upright, and whether it runs
// backwards.
func (p *pixels) strip(y int) (r image.Rectangle, backwards bool) {
	b := p.img.Bounds()
	switch p.orientation {
	case 3, 4:
		y = b.Dy() - 1 - y
	case 7, 8:
		y = b.Dx() - 1 - y
	}
	switch p.orientation {
	case 2, 3, 6, 7:
		backwards = true
	}
	if p.orientation >= 5 {
		return image.Rect(b.Min.X+y, b.Min.Y, b.Min.X+y+1, b.Max.Y), backwards
	}
	return image.Rect(b.Min.X, b.Min.Y+y, b.Max.X, b.Min.Y+y+1), backwards
}

// rowAt returns the samples of row y, reusing buf.
func (p *pixels) rowAt(y int, buf []byte) []byte {
	buf = buf[:0]
	strip, backwards := p.strip(y)
	switch img := p.img.(type) {
	case *image.Gray:
		for i := range p.width {
			buf = append(buf, img.GrayAt(at(strip, i)).Y)
		}
	case *image.Gray16:
		for i := range p.width {
			v := img.Gray16At(at(strip, i)).Y
			buf = append(buf, byte(v), byte(v>>8))
		}
	default:
		row := image.NewRGBA(image.Rectangle{Max: strip.Size()})
		draw.Draw(row, row.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
		draw.Draw(row, row.Rect, p.img, strip.Min, draw.Over)
		for i := range p.width {
			buf = append(buf, row.Pix[4*i:4*i+3]...)
		}
	}
	if backwards {
		reverse(buf, p.samples*p.bits/8)
	}
	return buf
}

// at is the place of sample i of a strip, which is one row or one column.
func at(strip image.Rectangle, i int) (x, y int) {
	if strip.Dx() == 1 && strip.Dy() != 1 {
		return strip.Min.X, strip.Min.Y + i
	}
	return strip.Min.X + i, strip.Min.Y
}

// reverse turns the order of the units of b around.
func reverse(b []byte, unit int) {
	slices.Reverse(b)
	for ; len(b) >= unit; b = b[unit:] {
		slices.Reverse(b[:unit])
	}
}
