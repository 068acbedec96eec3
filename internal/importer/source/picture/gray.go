package picture

import (
	"image"
	"image/draw"
	"math"
)

// gray is a picture of brightness only.
type gray struct {
	pix           []byte // row by row, 0 is black
	width, height int
}

// toGray takes transparency for white paper.
func toGray(img image.Image) gray {
	bounds := img.Bounds()
	g := gray{width: bounds.Dx(), height: bounds.Dy()}
	if y, ok := img.(*image.YCbCr); ok {
		g.pix = make([]byte, g.width*g.height)
		for row := range g.height {
			copy(g.pix[row*g.width:(row+1)*g.width], y.Y[y.YOffset(bounds.Min.X, bounds.Min.Y+row):])
		}
		return g
	}
	canvas := image.NewGray(image.Rect(0, 0, g.width, g.height))
	draw.Draw(canvas, canvas.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(canvas, canvas.Bounds(), img, bounds.Min, draw.Over)
	g.pix = canvas.Pix
	return g
}

// A picture is looked at in several sizes between half of longEdge and
// maxLongEdge, in pixels. Codes are found best where a module is some pixels wide:
// a small code on a large page needs a large view, a blurred photograph a small one.
const (
	longEdge    = 1000
	maxLongEdge = 4000
)

// views returns the picture in several sizes and, for codes that stand on a
// corner, turned.
func (g gray) views() []gray {
	long := max(g.width, g.height)
	var sizes []int
	for _, size := range []int{longEdge, longEdge * 2, longEdge / 2, maxLongEdge} {
		if size < long {
			sizes = append(sizes, size)
		}
	}
	var views []gray
	if long <= maxLongEdge {
		views = append(views, g)
	}
	for _, size := range sizes {
		views = append(views, g.scale(float64(size)/float64(long)))
	}
	small := g
	if long > longEdge {
		small = g.scale(longEdge / float64(long))
	} else if long < longEdge/2 {
		small = g.scale(math.Ceil(longEdge / 2 / float64(long)))
		views = append(views, small.framed())
	}
	return append(views, small.turned(math.Pi/4), small.turned(math.Pi/8))
}

// scale averages when it shrinks, and repeats pixels when it grows.
func (g gray) scale(factor float64) gray {
	s := gray{width: max(1, int(float64(g.width)*factor)), height: max(1, int(float64(g.height)*factor))}
	s.pix = make([]byte, s.width*s.height)
	for y := range s.height {
		top, bottom := span(y, s.height, g.height)
		for x := range s.width {
			left, right := span(x, s.width, g.width)
			sum := 0
			for row := top; row < bottom; row++ {
				for _, p := range g.pix[row*g.width+left : row*g.width+right] {
					sum += int(p)
				}
			}
			s.pix[y*s.width+x] = byte(sum / ((bottom - top) * (right - left)))
		}
	}
	return s
}

// span is what pixel i of n covers of length m.
func span(i, n, m int) (from, to int) {
	from = i * m / n
	return from, max(from+1, (i+1)*m/n)
}

// framed puts white around: a code without its quiet zone is not found.
func (g gray) framed() gray {
	margin := max(g.width, g.height)/8 + 1
	f := blank(g.width+2*margin, g.height+2*margin)
	for y := range g.height {
		copy(f.pix[(y+margin)*f.width+margin:], g.pix[y*g.width:(y+1)*g.width])
	}
	return f
}

// turned rotates about the middle, onto white.
func (g gray) turned(angle float64) gray {
	sin, cos := math.Sincos(angle)
	side := int(math.Hypot(float64(g.width), float64(g.height))) + 1
	t := blank(side, side)
	middle := float64(side) / 2
	for y := range side {
		for x := range side {
			dx, dy := float64(x)-middle, float64(y)-middle
			sx := int(math.Floor(dx*cos + dy*sin + float64(g.width)/2))
			sy := int(math.Floor(dy*cos - dx*sin + float64(g.height)/2))
			if sx >= 0 && sx < g.width && sy >= 0 && sy < g.height {
				t.pix[y*side+x] = g.pix[sy*g.width+sx]
			}
		}
	}
	return t
}

func blank(width, height int) gray {
	b := gray{pix: make([]byte, width*height), width: width, height: height}
	for i := range b.pix {
		b.pix[i] = 0xff
	}
	return b
}
