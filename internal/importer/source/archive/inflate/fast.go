package inflate

import "encoding/binary"

// fastInput is the input that the fast decoder wants at hand for each turn: two times 8
// bytes, of which the first moves on by at most 7.
const fastInput = 16

// fast decodes symbols of a coded block until the limit, the end of the block, or until
// little input is at hand.
//
//nolint:funlen,gocognit // the variables stay in registers only within one function
func (z *Reader) fast(limit int) {
	in, pos := z.in[:z.end], z.pos
	bits, count := z.bits, z.count
	out, to := z.window[:], z.to
	litlen, dist := &z.codes.litlen, &z.codes.dist
	bad := false

	for pos <= len(in)-fastInput && to < limit {
		bits |= binary.LittleEndian.Uint64(in[pos:]) << (count & 63)
		pos += int(63-count) >> 3
		count |= 56

		// Up to three entries of literals: 33 of 56 bits.
		e := litlen[bits&(1<<litlenBits-1)]
		if e&flagLit != 0 {
			binary.LittleEndian.PutUint16(out[to:], uint16(e>>valueShift))
			to += int(e >> 12 & litsMask)
			bits >>= e & takeMask
			count -= uint(e & takeMask)
			e = litlen[bits&(1<<litlenBits-1)]
			if e&flagLit != 0 {
				binary.LittleEndian.PutUint16(out[to:], uint16(e>>valueShift))
				to += int(e >> 12 & litsMask)
				bits >>= e & takeMask
				count -= uint(e & takeMask)
				e = litlen[bits&(1<<litlenBits-1)]
				if e&flagLit != 0 {
					binary.LittleEndian.PutUint16(out[to:], uint16(e>>valueShift))
					to += int(e >> 12 & litsMask)
					bits >>= e & takeMask
					count -= uint(e & takeMask)
					continue
				}
			}
		}
		if e&flagOther != 0 {
			if e&flagLink == 0 {
				break // the end, or not a code
			}
			e = litlen[(uint64(e>>valueShift)+bits>>litlenBits&(1<<(e>>countShift&countMask)-1))&(litlenEntries-1)]
			if e&flagLit != 0 {
				out[to] = byte(e >> valueShift)
				to++
				bits >>= e & takeMask
				count -= uint(e & takeMask)
				continue
			}
			if e&flagOther != 0 {
				break // not a code
			}
		}
		length := int(uint64(e>>valueShift) + bits&(1<<(e&takeMask)-1)>>(e>>countShift&countMask))
		bits >>= e & takeMask
		count -= uint(e & takeMask)

		if count < maxCode+13 {
			bits |= binary.LittleEndian.Uint64(in[pos:]) << (count & 63)
			pos += int(63-count) >> 3
			count |= 56
		}
		e = dist[bits&(1<<distBits-1)]
		if e&flagOther != 0 {
			if e&flagLink != 0 {
				e = dist[(uint64(e>>valueShift)+bits>>distBits&(1<<(e>>countShift&countMask)-1))&(distEntries-1)]
			}
			if e&flagOther != 0 {
				bad = true
				break
			}
		}
		distance := int(uint64(e>>valueShift) + bits&(1<<(e&takeMask)-1)>>(e>>countShift&countMask))
		if distance > to {
			bad = true
			break
		}
		bits >>= e & takeMask
		count -= uint(e & takeMask)
		from := to - distance
		if distance >= 8 {
			for i := 0; i < length; i += 8 {
				binary.LittleEndian.PutUint64(out[to+i:], binary.LittleEndian.Uint64(out[from+i:]))
			}
		} else {
			for i := range length {
				out[to+i] = out[from+i]
			}
		}
		to += length
	}
	z.pos, z.to = pos, to
	z.bits, z.count = bits&(1<<count-1), count
	if bad {
		z.err = z.corrupt()
	}
}
