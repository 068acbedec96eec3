package synth

import "math"

// Densities in Hounsfield units.
const (
	huAir     = -1000
	huLung    = -860
	huFat     = -100
	huWater   = 8
	huMuscle  = 55
	huOrgan   = 62
	huMarrow  = 190
	huBone    = 620
	bodySpan  = 480 // mm from the apex of the lungs to the pelvis
	ribCount  = 11
	ribPitch  = 24.0 // mm between two ribs at the spine
	ribSlant  = 95.0 // mm that a rib descends on its way to the front
	vertebra  = 27.0 // mm from one vertebra to the next
	vesselSet = 130  // vessels of one lung
)

// body is a trunk, lying on its back with the arms up; z runs in mm from the
// apex of the lungs towards the feet.
type body struct {
	contrast float32 // enhancement of vessels in Hounsfield units
	width    curve   // half widths and depths of the trunk
	depth    curve
	lung     curve // half width of a lung
	vessels  [2][]vessel
	bowel    []ellipsoid
}

type ellipsoid struct{ x, y, z, rx, ry, rz, angle float64 }

// vessel is a straight piece from the hilum towards the surface of a lung.
type vessel struct {
	from, to [3]float64
	radius   float64
}

func newBody(seed uint64, contrast float32) *body {
	r := seeded(seed, 1)
	girth := r.between(0.96, 1.06)
	b := &body{
		contrast: contrast,
		width:    curve{{0, 142 * girth}, {60, 160 * girth}, {150, 166 * girth}, {260, 158 * girth}, {350, 152 * girth}, {420, 160 * girth}, {480, 170 * girth}},
		depth:    curve{{0, 84 * girth}, {80, 106 * girth}, {190, 116 * girth}, {300, 110 * girth}, {390, 106 * girth}, {480, 112 * girth}},
		lung:     curve{{4, 0}, {20, 26}, {60, 46}, {120, 56}, {200, 62}, {250, 62}, {300, 56}, {345, 0}},
	}
	for side := range b.vessels {
		for range vesselSet {
			b.vessels[side] = append(b.vessels[side], newVessel(r, side))
		}
	}
	for range 46 {
		b.bowel = append(b.bowel, ellipsoid{
			x: r.between(-95, 95), y: r.between(-70, 10), z: r.between(350, 500),
			rx: r.between(12, 24), ry: r.between(10, 17), rz: r.between(14, 34), angle: r.between(-1.2, 1.2),
		})
	}
	return b
}

func newVessel(r *random, side int) vessel {
	sign := float64(2*side - 1)
	height, turn := r.between(-1, 1), r.between(0, 2*math.Pi)
	flat := math.Sqrt(1 - height*height)
	to := [3]float64{
		sign*74 + 54*flat*math.Cos(turn),
		-4 + 78*flat*math.Sin(turn),
		165 + 125*height,
	}
	reach := r.between(0.5, 0.97)
	from := [3]float64{sign * 34, 8 + r.between(-10, 10), 140 + r.between(-18, 22)}
	for i := range to {
		to[i] = from[i] + (to[i]-from[i])*reach
	}
	return vessel{from: from, to: to, radius: r.between(1.1, 3.9)}
}

// slice paints the section at z, in Hounsfield units.
func (b *body) slice(p *plane, z float64) {
	p.fill(huAir)
	w, d := b.width.at(z), b.depth.at(z)
	b.table(p, d)
	trunk := ellipse{rx: w, ry: d, square: 0.45}
	p.ring(trunk, 2.2, 20, huFat)
	fat := curve{{0, 10}, {150, 12}, {300, 17}, {420, 24}, {480, 26}}.at(z)
	trunk.rx, trunk.ry = w-fat, d-fat*0.8
	p.paint(trunk, huMuscle)
	b.cavity(p, z, w, d)
	b.lungs(p, z)
	b.mediastinum(p, z)
	b.abdomen(p, z)
	b.spine(p, z, d)
	b.cage(p, z, w, d)
	b.girdles(p, z, w, d)
}

// table is the couch: a thin shell of carbon with foam inside.
func (b *body) table(p *plane, depth float64) {
	top := ellipse{y: depth + 22, rx: 205, ry: 17, square: 0.65}
	p.ring(top, 2.4, -180, -930)
}

// cavity fills the inside of the muscles: mediastinal and abdominal fat.
func (b *body) cavity(p *plane, z, w, d float64) {
	in := curve{{0, 60}, {60, 40}, {200, 38}, {330, 42}, {480, 48}}.at(z)
	p.paint(ellipse{y: -4, rx: w - in, ry: d - in*0.85, square: 0.3}, huFat+float32(curve{{0, 60}, {200, 70}, {330, 10}, {480, 0}}.at(z)))
}

func (b *body) lungs(p *plane, z float64) {
	rx := b.lung.at(z)
	if rx < 2 {
		return
	}
	ry := rx*1.05 + curve{{0, 6}, {150, 22}, {340, 16}}.at(z)
	for side := range 2 {
		sign := float64(2*side - 1)
		lobe := ellipse{x: sign * (22 + rx*0.94), y: 2, rx: rx, ry: ry, angle: sign * -0.12, square: 0.37}
		p.each(lobe, p.spacing, func(i int, c float32) {
			// Blood sinks to the back: the lung grows denser by some 60 HU.
			y := float32(i/p.w) / float32(p.h)
			p.v[i] += (huLung - 40 + 110*(y-0.3) - p.v[i]) * c
		})
		for _, v := range b.vessels[side] {
			v.paint(p, z, b.contrast)
		}
	}
}

// paint draws the section of a vessel at z, the longer the flatter it runs.
func (v vessel) paint(p *plane, z float64, contrast float32) {
	dz := v.to[2] - v.from[2]
	t := (z - v.from[2]) / dz
	dx, dy := v.to[0]-v.from[0], v.to[1]-v.from[1]
	run := math.Hypot(dx, dy)
	r := v.radius * (1 - 0.75*t)
	half := min(r*math.Hypot(run, dz)/math.Abs(dz), 14)
	if t < 0 || t > 1 || r < 0.4 {
		return
	}
	p.paint(ellipse{x: v.from[0] + t*dx, y: v.from[1] + t*dy, rx: half, ry: r, angle: math.Atan2(dy, dx)},
		-20+contrast*0.6)
}

// paintBall draws the section of e at z.
func (p *plane) paintBall(e ellipsoid, z float64, value float32) {
	h := 1 - (z-e.z)*(z-e.z)/(e.rz*e.rz)
	if h <= 0 {
		return
	}
	h = math.Sqrt(h)
	p.paint(ellipse{x: e.x, y: e.y, rx: e.rx * h, ry: e.ry * h, angle: e.angle}, value)
}

func within(z, from, to float64) bool { return z >= from && z < to }

func (b *body) mediastinum(p *plane, z float64) {
	blood := 42 + b.contrast
	if within(z, 0, 66) { // the great vessels of the neck
		for _, x := range []float64{-26, -13, 14, 27} {
			p.paint(ellipse{x: x * (1 - z/220), y: -8 + math.Abs(x)*0.2, rx: 6, ry: 6.5}, blood)
		}
	}
	p.paintBall(ellipsoid{x: 20, y: -24, z: 208, rx: 68, ry: 50, rz: 68, angle: 0.45}, z, 46)
	p.paintBall(ellipsoid{x: 34, y: -20, z: 212, rx: 36, ry: 22, rz: 44, angle: 0.5}, z, blood)
	p.paintBall(ellipsoid{x: -12, y: -36, z: 205, rx: 26, ry: 24, rz: 46, angle: 0.4}, z, blood-20)
	p.paintBall(ellipsoid{x: 4, y: 6, z: 180, rx: 30, ry: 17, rz: 30}, z, blood)
	if within(z, 62, 92) { // arch of the aorta
		p.paint(ellipse{x: 4, y: 6, rx: 14, ry: 42, angle: -0.5}, blood)
	}
	if within(z, 88, 172) {
		p.paint(ellipse{x: -10, y: -24, rx: 15, ry: 16}, blood)
		p.paint(ellipse{x: -32, y: -20, rx: 9, ry: 10}, blood+20)
	}
	if within(z, 104, 136) { // pulmonary trunk and arteries
		p.paint(ellipse{x: 14, y: -16, rx: 14, ry: 20, angle: 0.3}, blood)
		p.paint(ellipse{x: -4, y: 2, rx: 36, ry: 9, angle: -0.15}, blood)
	}
	if z >= 86 { // descending aorta
		shift := curve{{86, 0}, {300, 4}, {480, 18}}.at(z)
		p.paint(ellipse{x: 24 - shift, y: b.depth.at(z) - 76, rx: 12.5, ry: 12.5}, blood)
	}
	p.paint(ellipse{x: 8, y: 30, rx: 8 * curve{{0, 1}, {330, 1}, {331, 0}}.at(z), ry: 6}, 35)
	b.airways(p, z)
}

func (b *body) airways(p *plane, z float64) {
	switch {
	case z < 108:
		p.ring(ellipse{x: 0, y: 12, rx: 11, ry: 10.5}, 2, 70, -990)
	case z < 160:
		for _, sign := range []float64{-1, 1} {
			p.ring(ellipse{x: sign * (7 + (z-108)*0.55), y: 13, rx: 9, ry: 7.5}, 1.8, 60, -985)
		}
	}
}

func (b *body) abdomen(p *plane, z float64) {
	blood := b.contrast
	p.paintBall(ellipsoid{x: -66, y: -8, z: 318, rx: 84, ry: 84, rz: 84, angle: 0.1}, z, huOrgan+blood*0.3)
	p.paintBall(ellipsoid{x: -10, y: -46, z: 312, rx: 62, ry: 34, rz: 46, angle: 0.15}, z, huOrgan+blood*0.3)
	p.paintBall(ellipsoid{x: 98, y: 34, z: 318, rx: 30, ry: 44, rz: 56, angle: 0.35}, z, huOrgan-8+blood*0.35)
	p.paintBall(ellipsoid{x: 62, y: -28, z: 322, rx: 46, ry: 36, rz: 50, angle: -0.3}, z, 25)
	p.paintBall(ellipsoid{x: 60, y: -44, z: 318, rx: 34, ry: 15, rz: 34}, z, -960)
	p.paintBall(ellipsoid{x: -52, y: -46, z: 372, rx: 17, ry: 17, rz: 26}, z, huWater)
	p.paintBall(ellipsoid{x: 14, y: -18, z: 372, rx: 52, ry: 12, rz: 18, angle: -0.25}, z, 45+blood*0.3)
	for _, sign := range []float64{-1, 1} {
		kidney := ellipsoid{x: sign * 64, y: 42, z: 374 - 5*sign, rx: 25, ry: 29, rz: 56, angle: -sign * 0.5}
		p.paintBall(kidney, z, 34+blood)
		kidney.x, kidney.rx, kidney.ry, kidney.rz = sign*56, 10, 14, 34
		p.paintBall(kidney, z, huFat+110)
	}
	for i, loop := range b.bowel {
		p.paintBall(loop, z, 38)
		loop.rx, loop.ry, loop.rz = loop.rx-3, loop.ry-3, loop.rz-3
		p.paintBall(loop, z, []float32{30, 18, huFat + 120}[i%3])
		if i%3 == 0 {
			loop.y, loop.ry, loop.rx, loop.angle = loop.y-loop.ry*0.4, loop.ry*0.5, loop.rx*0.75, 0
			p.paintBall(loop, z, -940)
		}
	}
}

// spine paints vertebra, canal, arch and processes, and the muscles beside.
func (b *body) spine(p *plane, z, depth float64) {
	y := depth - 60
	if z > 320 {
		for _, sign := range []float64{-1, 1} {
			grown := min((z-320)/60, 1)
			p.paint(ellipse{x: sign * 36, y: y - 2, rx: 17 * grown, ry: 20 * grown}, huMuscle)
		}
	}
	for _, sign := range []float64{-1, 1} {
		p.paint(ellipse{x: sign * 30, y: y + 32, rx: 25, ry: 15, angle: sign * 0.2}, huMuscle+4)
	}
	phase := math.Mod(z, vertebra) / vertebra
	size := curve{{0, 14}, {200, 18}, {480, 24}}.at(z)
	trunk := ellipse{y: y, rx: size, ry: size * 0.8}
	if phase > 0.82 {
		p.ring(trunk, 3, 120, 80) // disc
	} else {
		p.ring(trunk, 1.8+2.5*math.Abs(phase-0.41), huBone, huMarrow)
	}
	arch := ellipse{y: y + size*0.8 + 9, rx: 13, ry: 11}
	p.ring(arch, 3.2, huBone-100, 25)
	p.paint(ellipse{y: arch.y + 1, rx: 5.5, ry: 5}, 35)
	if phase < 0.6 {
		p.ring(ellipse{y: arch.y + 19, rx: 3.4, ry: 11}, 1.4, huBone, huMarrow+90)
		for _, sign := range []float64{-1, 1} {
			p.ring(ellipse{x: sign * (size + 10), y: arch.y + 2, rx: 15, ry: 4.5, angle: sign * 0.35}, 1.5, huBone-40, huMarrow+60)
		}
	}
}

// cage paints ribs and sternum. A rib runs obliquely, so that a section meets
// many of them, each at another place.
func (b *body) cage(p *plane, z, w, d float64) {
	rx, ry := w-27, d-22
	for k := range ribCount {
		theta := (z + 22 - ribPitch*float64(k)) / ribSlant
		limit := 0.86 - 0.035*float64(max(k-6, 0))
		if theta < 0.1 || theta > limit {
			continue
		}
		turn := theta * math.Pi
		x, y := rx*math.Sin(turn), ry*math.Cos(turn)
		tangent := math.Atan2(-ry*math.Sin(turn), rx*math.Cos(turn))
		for _, sign := range []float64{-1, 1} {
			p.ring(ellipse{x: sign * x, y: y, rx: 17, ry: 5, angle: sign * tangent}, 1.6, huBone+80, huMarrow+40)
		}
	}
	if within(z, 52, 232) {
		p.ring(ellipse{y: -d + 23, rx: curve{{52, 26}, {100, 16}, {200, 19}, {232, 8}}.at(z), ry: 6.5}, 1.5, huBone-120, huMarrow-40)
	}
}

// girdles paints the bones of shoulder and pelvis.
func (b *body) girdles(p *plane, z, w, d float64) {
	for _, sign := range []float64{-1, 1} {
		if within(z, 0, 46) { // clavicles
			x := 30 + z*1.7
			p.ring(ellipse{x: sign * x, y: -d*0.62 + z*0.25, rx: 26, ry: 5.5, angle: sign * 0.25}, 1.7, huBone+100, huMarrow)
		}
		if within(z, 6, 160) { // shoulder blades
			p.ring(ellipse{x: sign * (w - 42), y: d*0.52 - z*0.05, rx: curve{{6, 34}, {90, 42}, {160, 8}}.at(z), ry: 4.2, angle: sign * -0.75}, 1.5, huBone, huMarrow+80)
			p.paint(ellipse{x: sign * (w - 30), y: d*0.45 - z*0.05, rx: 22, ry: 6, angle: sign * -0.75}, huMuscle+5)
		}
		if z > 425 { // iliac bones
			grown := min((z-425)/40, 1)
			p.ring(ellipse{x: sign * (w - 58), y: d * 0.36, rx: 14 + 40*grown, ry: 7, angle: sign * -0.95}, 2.2, huBone+60, huMarrow)
		}
	}
}
