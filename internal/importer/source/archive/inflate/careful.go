package inflate

// step is what came of a symbol.
type step uint8

const (
	stepMore  step = iota // it was decoded
	stepEnd               // it ended the block
	stepInput             // it needs more input
	stepBad               // it is not a symbol
)

// careful decodes symbols of a coded block one at a time, until the limit, the end of
// the block, or until there is input enough for the fast decoder. It reports whether it
// took all input at hand and wants more.
func (z *Reader) careful(limit int) bool {
	for z.to < limit {
		for z.count < 56 && z.pos < z.end {
			z.bits |= uint64(z.in[z.pos]) << z.count
			z.pos++
			z.count += 8
		}
		switch z.symbol() {
		case stepEnd:
			z.block = between
			return false
		case stepInput:
			return true
		case stepBad:
			z.err = z.corrupt()
			return false
		case stepMore:
			if z.end-z.pos >= fastInput {
				return false
			}
		}
	}
	return false
}

// symbol decodes a literal or a match, which takes at most 48 bits, if all of its bits
// are there. Bits that are not there read as 0; a code found with them is never shorter
// than the bits that are there.
func (z *Reader) symbol() step {
	have, bits := uint32(z.count), z.bits
	e := z.codes.litlen[bits&(1<<litlenBits-1)]
	if e&flagLink != 0 && e&flagOther != 0 {
		e = z.codes.litlen[uint64(e>>valueShift)+bits>>litlenBits&(1<<(e>>countShift&countMask)-1)]
	}
	code := e >> countShift & countMask
	switch {
	case code > have:
		return stepInput
	case e&flagLit != 0:
		z.window[z.to] = byte(e >> valueShift)
		z.to++
		z.take(uint(code))
		return stepMore
	case e&flagOther != 0:
		z.take(uint(code))
		if e&flagEnd != 0 {
			return stepEnd
		}
		return stepBad
	}
	used := e & takeMask
	if used > have {
		return stepInput
	}
	length := value(e, bits)

	bits >>= used
	have -= used
	e = z.codes.dist[bits&(1<<distBits-1)]
	if e&flagLink != 0 && e&flagOther != 0 {
		e = z.codes.dist[uint64(e>>valueShift)+bits>>distBits&(1<<(e>>countShift&countMask)-1)]
	}
	switch {
	case e>>countShift&countMask > have:
		return stepInput
	case e&flagOther != 0:
		return stepBad
	case e&takeMask > have:
		return stepInput
	}
	distance := value(e, bits)
	if distance > z.to {
		return stepBad
	}
	z.take(uint(used + e&takeMask))
	for range length {
		z.window[z.to] = z.window[z.to-distance]
		z.to++
	}
	return stepMore
}

// value is the length or distance of an entry, with its extra bits.
func value(e uint32, bits uint64) int {
	extra := bits & (1<<(e&takeMask) - 1) >> (e >> countShift & countMask)
	return int(uint64(e>>valueShift) + extra)
}
