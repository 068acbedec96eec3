package synth

import "math"

// plane is a picture of values under construction, with coordinates in millimetres
// from its centre, x to the right and y downwards.
type plane struct {
	w, h    int
	spacing float64 // mm per pixel
	v       []float32
}

func newPlane(w, h int, spacing float64) *plane {
	return &plane{w: w, h: h, spacing: spacing, v: make([]float32, w*h)}
}

func (p *plane) fill(value float32) {
	for i := range p.v {
		p.v[i] = value
	}
}

// ellipse is centred at x, y (mm) with half axes rx, ry, turned by angle (radians,
// clockwise on the screen).
type ellipse struct {
	x, y, rx, ry, angle float64
	square              float64 // 0 is an ellipse, 1 nearly a rectangle (superellipse of power 4)
}

// each calls f for every pixel within e with its cover, 0 to 1, soft at the edge
// over about soft millimetres.
func (p *plane) each(e ellipse, soft float64, f func(i int, cover float32)) {
	if e.rx <= 0 || e.ry <= 0 {
		return
	}
	sin, cos := math.Sincos(e.angle)
	reachX := math.Hypot(e.rx*cos, e.ry*sin) + soft
	reachY := math.Hypot(e.rx*sin, e.ry*cos) + soft
	if e.square > 0 {
		reachX, reachY = reachX*1.2, reachY*1.2
	}
	cx, cy := float64(p.w-1)/2, float64(p.h-1)/2
	x0, x1 := p.clip(cx+(e.x-reachX)/p.spacing, p.w), p.clip(cx+(e.x+reachX)/p.spacing+1, p.w)
	y0, y1 := p.clip(cy+(e.y-reachY)/p.spacing, p.h), p.clip(cy+(e.y+reachY)/p.spacing+1, p.h)
	scale := min(e.rx, e.ry) / max(soft, p.spacing)
	for py := y0; py < y1; py++ {
		dy := (float64(py)-cy)*p.spacing - e.y
		for px := x0; px < x1; px++ {
			dx := (float64(px)-cx)*p.spacing - e.x
			d := e.distance((dx*cos+dy*sin)/e.rx, (dy*cos-dx*sin)/e.ry)
			if c := (1-d)*scale + 0.5; c > 0 {
				f(py*p.w+px, float32(min(c, 1)))
			}
		}
	}
}

// distance is 1 on the edge, for coordinates in half axes.
func (e ellipse) distance(u, v float64) float64 {
	u, v = u*u, v*v
	d := math.Sqrt(u + v)
	if e.square > 0 {
		d += (math.Sqrt(math.Sqrt(u*u+v*v)) - d) * e.square
	}
	return d
}

func (p *plane) clip(at float64, n int) int { return int(min(max(at, 0), float64(n))) }

// paint lays value over what is there.
func (p *plane) paint(e ellipse, value float32) {
	p.each(e, p.spacing, func(i int, c float32) { p.v[i] += (value - p.v[i]) * c })
}

// ring paints e, and inside of its rim (mm) another value: bone with its marrow,
// skin with its fat.
func (p *plane) ring(e ellipse, rim float64, outer, inner float32) {
	p.paint(e, outer)
	e.rx, e.ry = e.rx-rim, e.ry-rim
	p.paint(e, inner)
}

// curve is a smooth function through points in the order of x.
type curve [][2]float64

func (c curve) at(x float64) float64 {
	if x <= c[0][0] {
		return c[0][1]
	}
	for i := 1; i < len(c); i++ {
		if x < c[i][0] {
			t := (x - c[i-1][0]) / (c[i][0] - c[i-1][0])
			t = t * t * (3 - 2*t)
			return c[i-1][1] + (c[i][1]-c[i-1][1])*t
		}
	}
	return c[len(c)-1][1]
}
