package charset

import "bytes"

// Split cuts the raw bytes of an element into its values, at backslashes that
// are delimiters and not the second byte of a character. Joining the values with
// backslashes gives b again; they share its memory. Text is one value always; an
// empty b has none.
func (s Set) Split(kind Kind, b []byte) [][]byte {
	switch {
	case len(b) == 0:
		return nil
	case kind == Text || bytes.IndexByte(b, '\\') < 0:
		return [][]byte{b}
	case s.first == gb18030 || s.first == gbk:
		return splitChinese(s.first, b)
	case s.first == iso192 || bytes.IndexByte(b, esc) < 0:
		return bytes.Split(b, []byte{'\\'})
	}
	return splitExtended(b)
}

func splitChinese(r repertoire, b []byte) [][]byte {
	var values [][]byte
	start := 0
	for i := 0; i < len(b); {
		if b[i] == '\\' {
			values = append(values, b[start:i:i])
			start = i + 1
		}
		i += r.charLen(b[i:])
	}
	return append(values, b[start:])
}

// splitExtended follows the escape sequences, because 0x5C is part of a character
// only while G0 holds a set of pairs.
func splitExtended(b []byte) [][]byte {
	var values [][]byte
	start, g0 := 0, iso6
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == esc:
			r, n := designation(b[i:])
			if n > 0 && r.toG0() {
				g0 = r
			}
			i += max(n, 1)
		case g0.inG0Pairs() && pairAt(b[i:]):
			i += 2
		default:
			if resets(Multi, c) {
				g0 = iso6
			}
			if c == '\\' {
				values = append(values, b[start:i:i])
				start = i + 1
			}
			i++
		}
	}
	return append(values, b[start:])
}
