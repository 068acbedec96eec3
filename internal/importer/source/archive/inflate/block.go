package inflate

import "math/bits"

// maxHeader is more than a block's header takes, in bytes: 17 bits, 19 lengths of 3
// bits, and 316 of at most 7 + 7.
const maxHeader = 576

// Kinds of blocks (RFC 1951 §3.2.3).
const (
	kindStored = iota
	kindFixed
	kindDynamic
)

// need makes n bits available, at most 32.
func (z *Reader) need(n uint) error {
	for z.count < n {
		if z.pos == z.end {
			if err := z.fill(); err != nil {
				return err
			}
		}
		z.bits |= uint64(z.in[z.pos]) << z.count
		z.pos++
		z.count += 8
	}
	return nil
}

// take takes n bits that are available.
func (z *Reader) take(n uint) int {
	v := z.bits & (1<<n - 1)
	z.bits >>= n
	z.count -= n
	return int(v)
}

// header reads the header of a block.
func (z *Reader) header() error {
	if z.final {
		z.block = done
		return nil
	}
	if err := z.need(3); err != nil {
		return err
	}
	z.final = z.take(1) == 1
	switch z.take(2) {
	case kindStored:
		return z.stored()
	case kindFixed:
		if z.fixed == nil {
			z.fixed = fixedTables()
		}
		z.codes, z.block = z.fixed, coded
		return nil
	case kindDynamic:
		return z.dynamicCodes()
	}
	return z.corrupt()
}

// stored reads the length of a stored block (RFC 1951 §3.2.4).
func (z *Reader) stored() error {
	z.take(z.count & 7)
	if err := z.need(32); err != nil {
		return err
	}
	n := z.take(16)
	if z.take(16) != ^n&0xffff {
		return z.corrupt()
	}
	z.length, z.block = n, stored
	return nil
}

// copyStored copies what is at hand of a stored block, up to the limit, and reports
// whether it wants more input.
func (z *Reader) copyStored(limit int) bool {
	for z.count >= 8 && z.length > 0 && z.to < limit {
		z.window[z.to] = byte(z.take(8))
		z.to++
		z.length--
	}
	if z.count < 8 {
		n := min(z.length, limit-z.to)
		n = copy(z.window[z.to:z.to+n], z.in[z.pos:z.end])
		z.to += n
		z.pos += n
		z.length -= n
	}
	if z.length == 0 {
		z.block = between
		return false
	}
	return z.to < limit
}

const (
	maxLitlen   = 286 // symbols for literals and lengths
	maxDistance = 30  // symbols for distances
)

// dynamicCodes reads the codes of a block (RFC 1951 §3.2.7).
func (z *Reader) dynamicCodes() error {
	if err := z.need(14); err != nil {
		return err
	}
	litlens := z.take(5) + 257
	distances := z.take(5) + 1
	if litlens > maxLitlen || distances > maxDistance {
		return z.corrupt()
	}
	var meta metaTable
	if err := z.metaCode(&meta, z.take(4)+4); err != nil {
		return err
	}
	var lengths [maxLitlen + maxDistance]uint8
	if err := z.codeLengths(&meta, lengths[:litlens+distances]); err != nil {
		return err
	}
	if !z.dynamic.litlenCode(lengths[:litlens]) ||
		!z.dynamic.distanceCode(lengths[litlens:litlens+distances]) {
		return z.corrupt()
	}
	z.codes, z.block = &z.dynamic, coded
	return nil
}

// metaTable is the code that the lengths of the other codes are written in, by its
// next 7 bits: length of the code, and symbol above the lowest 4 bits.
type metaTable [1 << metaBits]uint8

const (
	metaBits    = 7
	metaSymbols = 19
)

func (z *Reader) metaCode(meta *metaTable, n int) error {
	order := [metaSymbols]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	var lengths [metaSymbols]uint8
	for _, symbol := range order[:n] {
		if err := z.need(3); err != nil {
			return err
		}
		lengths[symbol] = uint8(z.take(3))
	}
	var c canonical
	if !c.sort(lengths[:]) {
		return z.corrupt()
	}
	code := 0
	next := 0
	for length := 1; length <= metaBits; length++ {
		code <<= 1
		for range c.counts[length] {
			first := int(bits.Reverse8(uint8(code)) >> (8 - length))
			for i := first; i < len(meta); i += 1 << length {
				meta[i] = uint8(c.symbols[next])<<3 | uint8(length)
			}
			code++
			next++
		}
	}
	return nil
}

// codeLengths reads the lengths of the codes of a block.
func (z *Reader) codeLengths(meta *metaTable, lengths []uint8) error {
	for i := 0; i < len(lengths); {
		symbol, err := z.metaSymbol(meta)
		if err != nil {
			return err
		}
		if symbol < 16 {
			lengths[i] = symbol
			i++
			continue
		}
		var value uint8
		var extra uint
		repeat := 3
		switch symbol {
		case 16:
			if i == 0 {
				return z.corrupt()
			}
			value, extra = lengths[i-1], 2
		case 17:
			extra = 3
		default:
			repeat, extra = 11, 7
		}
		if err := z.need(extra); err != nil {
			return err
		}
		repeat += z.take(extra)
		if repeat > len(lengths)-i {
			return z.corrupt()
		}
		for range repeat {
			lengths[i] = value
			i++
		}
	}
	return nil
}

func (z *Reader) metaSymbol(meta *metaTable) (uint8, error) {
	for {
		e := meta[z.bits&(1<<metaBits-1)]
		length := uint(e & 7)
		switch {
		case length == 0:
			return 0, z.corrupt() // not a code
		case length <= z.count:
			z.take(length)
			return e >> 3, nil
		}
		if err := z.need(z.count + 1); err != nil {
			return 0, err
		}
	}
}
