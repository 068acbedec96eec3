package synth

import (
	"math"
	"runtime"
	"sync"
)

// chest is a radiograph of a thorax, posterior to anterior, as the sum of what
// lies in the way of the beam. Millimetres of soft tissue are the unit; x runs
// to the right of the picture (the patient's left), y to the feet.
type chest struct {
	sum  *plane
	r    *random
	near []spot // for each pixel, of the stroke being drawn
	hit  []int  // pixels with a spot
}

// spot is where on a stroke a pixel lies.
type spot struct {
	d float32 // from the middle, in radii
	r float32 // of the stroke there, mm; 0 where there is no stroke
	t float32 // part of the path
}

const (
	chestWidth  = 896 // pixels
	chestHeight = 1008
	chestPixel  = 0.4115 // mm
)

func newChest(seed uint64) *chest {
	return &chest{
		sum: newPlane(chestWidth, chestHeight, chestPixel), r: seeded(seed, 2),
		near: make([]spot, chestWidth*chestHeight),
	}
}

// render returns the picture with values from 0 to 1, bone white.
func (c *chest) render() *plane {
	c.trunk()
	c.ribs()
	c.shoulders()
	c.spine()
	for side := range 2 {
		c.hilum(float64(2*side - 1))
	}
	c.marker()
	c.sum.blur(1)
	c.develop()
	return c.sum
}

// every adds to each pixel by its place, the rows spread over the processors.
func (c *chest) every(f func(x, y float64) float64) {
	p := c.sum
	var rows sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for first := range workers {
		rows.Go(func() {
			for py := first; py < p.h; py += workers {
				y := (float64(py) - float64(p.h-1)/2) * p.spacing
				for px := range p.w {
					x := (float64(px) - float64(p.w-1)/2) * p.spacing
					p.v[py*p.w+px] += float32(f(x, y))
				}
			}
		})
	}
	rows.Wait()
}

// dome is a smooth hump: 1 at 0, 0 at 1 and beyond.
func dome(u float64) float64 { return math.Sqrt(max(1-u*u, 0)) }

// step rises softly from 0 to 1 around 0, over about two millimetres of each width.
func step(mm, width float64) float64 { return 1 / (1 + math.Exp(-mm/width)) }

// trunk is skin, muscle, lungs, heart and abdomen.
func (c *chest) trunk() {
	outline := curve{{-208, 58}, {-178, 62}, {-150, 112}, {-122, 172}, {-92, 186}, {-50, 172}, {-10, 163}, {40, 158}, {120, 155}, {207, 152}}
	depth := curve{{-208, 95}, {-150, 120}, {-60, 185}, {60, 205}, {207, 215}}
	c.every(func(x, y float64) float64 {
		thick := depth.at(y) * math.Pow(dome(math.Abs(x)/outline.at(y)), 0.7)
		arm := 100 * oval(math.Abs(x), y, ellipse{x: 186, y: -62, rx: 30, ry: 140, angle: -0.12})
		thick = math.Sqrt(thick*thick + arm*arm)
		// What fills the chest takes the place of air.
		return thick - max(min(c.air(x, y), 0.82*thick)-c.heart(x, y), c.gas(x, y))
	})
}

// oval is the way through an ellipsoid at x, y as a part of that at its centre.
func oval(x, y float64, e ellipse) float64 {
	sin, cos := math.Sincos(e.angle)
	dx, dy := x-e.x, y-e.y
	return dome(e.distance((dx*cos+dy*sin)/e.rx, (dy*cos-dx*sin)/e.ry))
}

// lungEdge is how far a lung reaches from the middle, by height.
var lungEdge = curve{{-152, 34}, {-138, 60}, {-105, 88}, {-40, 114}, {40, 128}, {110, 134}, {170, 135}}

// air is how many millimetres of the way lead through a lung.
func (c *chest) air(x, y float64) float64 {
	outer := lungEdge.at(y)
	inner := curve{{-152, 20}, {-60, 12}, {60, 5}, {170, 5}}.at(y)
	u := (math.Abs(x) - (outer+inner)/2) / ((outer - inner) / 2)
	lung := 150 * math.Pow(dome(u), 0.6) * curve{{-154, 0}, {-146, 0.18}, {-110, 0.6}, {-40, 0.93}, {30, 1}, {150, 0.95}}.at(y)
	top, centre := 78.0, -60.0 // right half of the diaphragm
	if x > 0 {
		top, centre = 90, 66
	}
	fall := (x - centre) / 80
	return lung * step(top+26*fall*fall+34*math.Pow(max(math.Abs(fall)-0.45, 0), 2)-y, 1)
}

// gas is what of the way leads through trachea, bronchi and stomach.
func (c *chest) gas(x, y float64) float64 {
	tube := 26 * dome((x-2*math.Sin(y/40))/9.5) * step(-38-y, 4)
	for _, sign := range []float64{-1, 1} {
		tube += 15 * dome((x-sign*(y+44)*0.85)/7.5) * step(y+44, 2) * step(-12-y, 5)
	}
	return tube + 72*oval(x, y, ellipse{x: 62, y: 121, rx: 27, ry: 17, angle: 0.2})*(0.7+0.3*step(x-55, 12))
}

// heart is mediastinum, great vessels and heart, in millimetres.
func (c *chest) heart(x, y float64) float64 {
	t := 112 * math.Pow(oval(x, y, ellipse{x: 27, y: 50, rx: 71, ry: 49, angle: 0.62}), 0.75)
	t = max(t, 92*math.Pow(oval(x, y, ellipse{x: -8, y: 44, rx: 40, ry: 50}), 0.75))
	for _, part := range []struct {
		e  ellipse
		mm float64
	}{
		{ellipse{x: 15, y: -64, rx: 24, ry: 21}, 84},            // arch of the aorta
		{ellipse{x: 26, y: -18, rx: 22, ry: 28}, 76},            // pulmonary trunk
		{ellipse{x: -14, y: -52, rx: 21, ry: 68}, 74},           // superior vena cava
		{ellipse{x: 18, y: 40, rx: 16, ry: 120}, 90},            // descending aorta
		{ellipse{x: 0, y: -20, rx: 27, ry: 150, square: 1}, 96}, // the rest of the mediastinum
	} {
		t = math.Hypot(t, 0.75*part.mm*oval(x, y, part.e))
	}
	return t
}

// stroke is a tube along a path, for bones and vessels.
type stroke struct {
	path   [][2]float64
	radius func(t float64) float64
	wall   float64 // of the radius; 1 is solid
	weight float64 // mm of soft tissue for one of the tube's material
	marrow float64 // the same for what is inside of the wall
	fade   float64 // part of the path at its end over which it vanishes
}

// draw adds the tube of a stroke to the picture.
func (c *chest) draw(s stroke) {
	p := c.sum
	c.hit = c.hit[:0]
	for i := 1; i < len(s.path); i++ {
		a, b := s.path[i-1], s.path[i]
		dx, dy := b[0]-a[0], b[1]-a[1]
		length := math.Hypot(dx, dy)
		t := float64(i) / float64(len(s.path))
		r := s.radius(t)
		around := ellipse{x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, rx: length/2 + 2*r, ry: 2 * r, angle: math.Atan2(dy, dx)}
		p.each(around, p.spacing, func(at int, _ float32) {
			x := (float64(at%p.w)-float64(p.w-1)/2)*p.spacing - a[0]
			y := (float64(at/p.w)-float64(p.h-1)/2)*p.spacing - a[1]
			along := min(max((x*dx+y*dy)/(length*length), 0), 1)
			d := math.Hypot(x-along*dx, y-along*dy) / r
			old := &c.near[at]
			if d >= 1 || old.r > 0 && float64(old.d) <= d {
				return
			}
			if old.r == 0 {
				c.hit = append(c.hit, at)
			}
			*old = spot{float32(d), float32(r), float32(t)}
		})
	}
	for _, at := range c.hit {
		n := c.near[at]
		v := s.density(float64(n.d), float64(n.r))
		if s.fade > 0 {
			v *= min((1-n.t)/float32(s.fade), 1)
		}
		p.v[at] += v
		c.near[at] = spot{}
	}
}

// density is the way of the beam through a tube at distance d of its radius r.
func (s stroke) density(d, r float64) float32 {
	in := 1 - s.wall
	core := 0.0
	if in > 0 && d < in {
		core = math.Sqrt(in*in - d*d)
	}
	return float32(2 * r * (s.weight*(dome(d)-core) + s.marrow*core))
}

// ribs run as in the body of the CT: obliquely down from the spine around to the
// front, where they meet the sternum as cartilage that does not show.
func (c *chest) ribs() {
	for k := range 10 {
		y0 := -158 + 23.5*float64(k)
		slant := curve{{0, 52}, {3, 96}, {9, 120}}.at(float64(k))
		rx := lungEdge.at(y0+slant/2) + 3
		reach := 0.84 - 0.02*float64(max(k-5, 0))
		for _, sign := range []float64{-1, 1} {
			var path [][2]float64
			for t := 0.02; t < reach; t += 0.012 {
				lift := -8 * math.Sin(math.Pi*min(t/0.4, 1))
				path = append(path, [2]float64{sign * (8 + (rx-8)*math.Sin(math.Pi*t)), y0 + slant*t + lift + 18*t*t})
			}
			c.draw(stroke{path: path, wall: 0.28, weight: 3.1, marrow: 1, fade: 0.16, radius: func(t float64) float64 {
				return 5.3 + 0.9*t
			}})
		}
	}
}

// shoulders are clavicles, shoulder blades and the heads of the upper arms.
func (c *chest) shoulders() {
	for _, sign := range []float64{-1, 1} {
		var clavicle, blade [][2]float64
		for t := 0.0; t <= 1; t += 0.02 {
			clavicle = append(clavicle, [2]float64{sign * (17 + 128*t), -128 - 20*t + 9*math.Sin(2*math.Pi*t+0.5)})
			blade = append(blade, [2]float64{sign * (118 + 20*math.Sin(math.Pi*t*0.9)), -118 + 132*t})
		}
		c.draw(stroke{path: clavicle, wall: 0.27, weight: 3.5, marrow: 1.2, radius: func(t float64) float64 { return 6.6 - 2*math.Sin(math.Pi*t) }})
		c.draw(stroke{path: blade, wall: 0.5, weight: 1.5, marrow: 0.9, radius: func(float64) float64 { return 3 }})
		add := func(e ellipse, soft, weight float64) {
			c.sum.each(e, soft, func(i int, cover float32) { c.sum.v[i] += cover * float32(weight) })
		}
		add(ellipse{x: sign * 143, y: -62, rx: 20, ry: 62, angle: sign * -0.12}, 3, 15)
		add(ellipse{x: sign * 152, y: -134, rx: 22, ry: 9, angle: sign * 0.35}, 3, 18)
		add(ellipse{x: sign * 172, y: -106, rx: 22, ry: 24}, 2, 34)
		add(ellipse{x: sign * 172, y: -106, rx: 19, ry: 21}, 3, -9)
		add(ellipse{x: sign * 186, y: -30, rx: 11, ry: 75, angle: sign * -0.08}, 2, 34)
		add(ellipse{x: sign * 186, y: -30, rx: 7, ry: 73, angle: sign * -0.08}, 2, -18)
	}
}

// spine adds the vertebrae, which show weakly behind the heart.
func (c *chest) spine() {
	const pitch = 25.0
	for y := -200.0; y < 210; y += pitch {
		w := curve{{-200, 13}, {0, 16.5}, {200, 21}}.at(y)
		add := func(e ellipse, soft, weight float64) {
			c.sum.each(e, soft, func(i int, cover float32) { c.sum.v[i] += cover * float32(weight) })
		}
		add(ellipse{y: y, rx: w, ry: pitch * 0.41, square: 0.9}, 2, 21)
		add(ellipse{y: y, rx: w - 2.2, ry: pitch*0.41 - 1.8, square: 0.9}, 2, -6)
		for _, sign := range []float64{-1, 1} {
			add(ellipse{x: sign * (w - 5), y: y - 3, rx: 3, ry: 4.4}, 1.2, 13)
			add(ellipse{x: sign * (w + 7), y: y - 4, rx: 10, ry: 3.6, angle: sign * -0.2}, 1.5, 11)
		}
		add(ellipse{y: y + 6, rx: 2.4, ry: 6}, 1.2, 15)
	}
}

// hilum grows the vessels of one lung, fanned out in all directions.
func (c *chest) hilum(sign float64) {
	const trees = 20
	for i := range trees {
		fan := -1.3 + 2.75*(float64(i)+c.r.float())/trees
		heading := math.Atan2(math.Sin(fan), sign*math.Cos(fan))
		c.branch(sign*31+c.r.normal()*3, -5+c.r.normal()*8, heading, c.r.between(2, 3.9), 0)
	}
}

// branch draws one vessel and those that it divides into.
func (c *chest) branch(x, y, heading, radius float64, depth int) {
	if radius < 0.4 || depth > 6 {
		return
	}
	length := radius * c.r.between(6, 11)
	path := [][2]float64{{x, y}}
	turn := c.r.normal() * 0.05
	const pieces = 6
	for range pieces {
		heading += turn
		x, y = x+math.Cos(heading)*length/pieces, y+math.Sin(heading)*length/pieces
		path = append(path, [2]float64{x, y})
	}
	thin := radius * 0.86
	seen := 1.7 * max(min((c.air(x, y)-c.heart(x, y))/60, 1), 0)
	c.draw(stroke{path: path, wall: 1, weight: seen, radius: func(t float64) float64 { return radius + (thin-radius)*t }})
	c.branch(x, y, heading+c.r.between(-0.15, 0.45), thin*c.r.between(0.82, 0.97), depth+1)
	c.branch(x, y, heading-c.r.between(0.2, 0.75), thin*c.r.between(0.55, 0.85), depth+1)
}

// marker is the R of lead at the patient's right.
func (c *chest) marker() {
	x, y := -168.0, -186.0
	lines := [][][2]float64{
		{{x, y + 16}, {x, y}, {x + 6, y}, {x + 9, y + 2}, {x + 9, y + 6}, {x + 6, y + 8}, {x, y + 8}},
		{{x + 4, y + 8}, {x + 10, y + 16}},
	}
	for _, path := range lines {
		c.draw(stroke{path: path, wall: 1, weight: 140, radius: func(float64) float64 { return 1.3 }})
	}
}

// develop turns millimetres into film: an S-shaped curve, and noise that grows
// where little light came through.
func (c *chest) develop() {
	for i, mm := range c.sum.v {
		v := 1 / (1 + math.Exp(-(float64(mm)-106)/40))
		v += c.r.normal() * (0.004 + 0.009*v)
		c.sum.v[i] = float32(min(max(v, 0), 1))
	}
}

// blur averages over squares of 2n+1 pixels.
func (p *plane) blur(n int) {
	line := make([]float32, max(p.w, p.h))
	pass := func(start, stride, count int) {
		for i := range count {
			var sum float32
			for j := max(i-n, 0); j <= min(i+n, count-1); j++ {
				sum += p.v[start+j*stride]
			}
			line[i] = sum / float32(min(i+n, count-1)-max(i-n, 0)+1)
		}
		for i := range count {
			p.v[start+i*stride] = line[i]
		}
	}
	for y := range p.h {
		pass(y*p.w, 1, p.w)
	}
	for x := range p.w {
		pass(x, p.w, p.h)
	}
}
