package inflate

import "math/bits"

const (
	maxCode   = 15  // bits of a code
	maxLength = 258 // bytes of a match

	litlenBits = 11 // of the first look-up
	distBits   = 9

	// With these bits a complete code of 288 or 32 symbols takes at most 2342 and 594
	// entries, its second tables included; powers of two make every masked index good.
	litlenEntries = 4096
	distEntries   = 1024
)

// tables are the codes of a block. They are looked up by the next bits of the stream,
// the first one lowest. An entry has, from the lowest bit:
//
//	 0 to 5   bits to take, extra bits included; of a link those of the first look-up
//	 8 to 11  bits of the first code alone; of a link those of the second look-up
//	12, 13    literals: how many, one or two; others: flagEnd, flagLink
//	14        flagOther: no literal, length or distance
//	15        flagLiteral
//	16 to 31  literals, the first one lowest; least length or distance; where a link leads
//
// An entry with flagOther alone is not a code.
type tables struct {
	litlen [litlenEntries]uint32
	dist   [distEntries]uint32
}

const (
	countShift = 8
	flagEnd    = 1 << 12
	flagLink   = 1 << 13
	flagOther  = 1 << 14
	flagLit    = 1 << 15
	oneLit     = 1 << 12
	twoLits    = 2 << 12
	valueShift = 16

	takeMask  = 63
	countMask = 15
	litsMask  = 3
)

// canonical is a code as its symbols in the order of their codes, and how many have
// each length.
type canonical struct {
	counts  [maxCode + 1]int
	symbols [288]uint16
	longest int
}

// sort makes the code of the lengths (RFC 1951 §3.2.2), at most 288; a length of 0 means that
// the symbol is not used. It reports whether each sequence of bits means one thing. As
// in zlib a code may also be empty, or one code of one bit.
func (c *canonical) sort(lengths []uint8) bool {
	c.counts = [maxCode + 1]int{}
	for _, l := range lengths {
		c.counts[l&maxCode]++
	}
	c.counts[0] = 0
	var offsets [maxCode + 2]int
	free := 1 // codes of the length that no shorter one begins
	c.longest = 0
	for l := 1; l <= maxCode; l++ {
		n := c.counts[l]
		offsets[l+1] = offsets[l] + n
		free = free<<1 - n
		if free < 0 {
			return false
		}
		if n > 0 {
			c.longest = l
		}
	}
	for symbol, l := range lengths {
		if l &= maxCode; l > 0 {
			c.symbols[offsets[l]] = uint16(symbol)
			offsets[l]++
		}
	}
	return free == 0 || c.longest == 0 || c.longest == 1
}

// fill makes the table of a code; root is how many bits are looked up first. The value
// of a symbol is an entry without what depends on the code.
func (c *canonical) fill(table []uint32, root int, value func(symbol uint16) uint32) {
	if c.longest < 2 { // perhaps not complete
		bad := uint32(flagOther | c.longest<<countShift | c.longest)
		for i := range 1 << root {
			table[i] = bad
		}
	}
	code, next := 0, 0
	for l := 1; l <= min(root, c.longest); l++ {
		code <<= 1
		for range c.counts[l] {
			e := value(c.symbols[next]) + uint32(l<<countShift|l)
			for i := reverse(code, l); i < 1<<root; i += 1 << l {
				table[i] = e
			}
			code++
			next++
		}
	}
	c.fillLong(table, root, code, next, value)
}

// fillLong makes the second tables, behind the first, for the codes that are longer.
func (c *canonical) fillLong(table []uint32, root, code, next int, value func(symbol uint16) uint32) {
	free, start, width, prefix := 1<<root, 0, 0, -1
	for l := root + 1; l <= c.longest; l++ {
		code <<= 1
		for n := c.counts[l]; n > 0; n-- {
			at := reverse(code, l)
			if low := at & (1<<root - 1); low != prefix {
				prefix = low
				start = free
				width = l - root
				for left := 1<<width - n; left > 0 && root+width < c.longest; width++ {
					left = left<<1 - c.counts[root+width+1]
				}
				free += 1 << width
				table[prefix] = uint32(start<<valueShift | flagOther | flagLink | width<<countShift | root)
			}
			e := value(c.symbols[next]) + uint32(l<<countShift|l)
			for i := at >> root; i < 1<<width; i += 1 << (l - root) {
				table[start+i] = e
			}
			code++
			next++
		}
	}
}

// reverse turns a code of n bits around: its first bit comes lowest.
func reverse(code, n int) int { return int(bits.Reverse16(uint16(code)) >> (16 - n)) }

// litlenCode makes the table for literals and lengths.
func (t *tables) litlenCode(lengths []uint8) bool {
	var c canonical
	if !c.sort(lengths) {
		return false
	}
	c.fill(t.litlen[:], litlenBits, litlenValue)
	t.pair()
	return true
}

// pair joins entries of literals whose next bits, as far as they were looked up, are a
// literal too. An entry is joined with one of a lower index, which is still single.
func (t *tables) pair() {
	for i := 1<<litlenBits - 1; i >= 0; i-- {
		e := t.litlen[i]
		first := e & takeMask
		if e&flagLit == 0 {
			continue
		}
		second := t.litlen[i>>first]
		if second&flagLit == 0 || first+second&takeMask > litlenBits {
			continue
		}
		t.litlen[i] = e + second&takeMask - oneLit + twoLits + second>>valueShift<<(valueShift+8)
	}
}

// litlenValue is what a symbol means (RFC 1951 §3.2.5).
func litlenValue(symbol uint16) uint32 {
	const end, shortest, longest = 256, 257, 285
	s := uint32(symbol)
	switch {
	case s < end:
		return s<<valueShift | flagLit | oneLit
	case s == end:
		return flagOther | flagEnd
	case s < shortest+8:
		return (s - shortest + 3) << valueShift
	case s < longest:
		extra := (s-shortest)/4 - 1
		return (((s-shortest)%4+4)<<extra+3)<<valueShift | extra
	case s == longest:
		return maxLength << valueShift
	}
	return flagOther
}

// distanceCode makes the table for distances.
func (t *tables) distanceCode(lengths []uint8) bool {
	var c canonical
	if !c.sort(lengths) {
		return false
	}
	c.fill(t.dist[:], distBits, distanceValue)
	return true
}

// distanceValue is what a symbol means (RFC 1951 §3.2.5).
func distanceValue(symbol uint16) uint32 {
	s := uint32(symbol)
	switch {
	case s < 4:
		return (s + 1) << valueShift
	case s < maxDistance:
		extra := s/2 - 1
		return ((s%2+2)<<extra+1)<<valueShift | extra
	}
	return flagOther
}

// fixedTables are the codes that every stream may use (RFC 1951 §3.2.6).
func fixedTables() *tables {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	t := new(tables)
	t.litlenCode(lengths[:])
	for i := range 32 {
		lengths[i] = 5
	}
	t.distanceCode(lengths[:32])
	return t
}
