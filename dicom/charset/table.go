package charset

import (
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// upperHalf returns the table of a single-byte set with a G1 half, nil for all
// other sets.
func (r repertoire) upperHalf() *charmap.Charmap {
	switch r {
	case iso100:
		return charmap.ISO8859_1
	case iso101:
		return charmap.ISO8859_2
	case iso109:
		return charmap.ISO8859_3
	case iso110:
		return charmap.ISO8859_4
	case iso126:
		return charmap.ISO8859_7
	case iso127:
		return charmap.ISO8859_6
	case iso138:
		return charmap.ISO8859_8
	case iso144:
		return charmap.ISO8859_5
	case iso148:
		return charmap.ISO8859_9
	case iso166:
		return charmap.Windows874
	case iso203:
		return charmap.ISO8859_15
	}
	return nil
}

// upperRune decodes one byte from 0x80 on in the single-byte set r, or returns
// utf8.RuneError. C1 control characters are no text (PS3.5 §6.1.3).
func upperRune(r repertoire, c byte) rune {
	if r == iso13 {
		if c >= 0xA1 && c <= 0xDF {
			return 0xFF61 + rune(c-0xA1)
		}
		return utf8.RuneError
	}
	table := r.upperHalf()
	if table == nil || c < 0xA0 {
		return utf8.RuneError
	}
	return table.DecodeByte(c)
}

// romaji decodes one byte of ISO-IR 14, which differs from ASCII twice.
func romaji(c byte) rune {
	switch c {
	case 0x5C:
		return '¥'
	case 0x7E:
		return '‾'
	}
	return rune(c)
}

// multibyte decodes single characters of the multi-byte sets with the tables of
// x/text. It keeps the decoder of the set it was last used for.
type multibyte struct {
	of       repertoire
	dec      *encoding.Decoder
	src, dst [8]byte
}

// rune decodes exactly one character, given as the bytes found in the value, or
// returns false.
func (m *multibyte) rune(r repertoire, char ...byte) (rune, bool) {
	if m.dec == nil || m.of != r {
		m.of, m.dec = r, r.tables().NewDecoder()
	}
	n := m.place(r, char)
	written, _, err := m.dec.Transformer.Transform(m.dst[:], m.src[:n], true)
	if err != nil {
		return utf8.RuneError, false
	}
	decoded, size := utf8.DecodeRune(m.dst[:written])
	if size != written {
		return utf8.RuneError, false
	}
	if decoded == utf8.RuneError {
		if r == gb18030 {
			return outsideTables(char)
		}
		return decoded, false
	}
	if r.inG0Pairs() {
		decoded = japaneseStandard(r, decoded)
	}
	return decoded, true
}

// tables returns the encoding whose tables hold the set.
func (r repertoire) tables() encoding.Encoding {
	switch r {
	case iso87, iso159:
		return japanese.EUCJP
	case iso149:
		return korean.EUCKR
	case gb18030:
		return simplifiedchinese.GB18030
	}
	return simplifiedchinese.GBK
}

// place writes a character into m.src in the form that tables understands and
// returns its length.
func (m *multibyte) place(r repertoire, char []byte) int {
	if !r.inG0Pairs() {
		return copy(m.src[:], char)
	}
	n := 0
	if r == iso159 {
		m.src[0] = 0x8F // EUC's single shift to JIS X 0212
		n++
	}
	for _, c := range char {
		m.src[n] = c | 0x80
		n++
	}
	return n
}

// japaneseStandard undoes Microsoft's variants of some symbols in x/text's
// tables of JIS X 0208 and JIS X 0212.
func japaneseStandard(set repertoire, r rune) rune {
	switch r {
	case '～':
		if set == iso159 { // 0x2237
			return '~'
		}
		return '〜' // 0x2141
	case '∥': // 0x2142
		return '‖'
	case '－': // 0x215D
		return '−'
	case '￠': // 0x2171
		return '¢'
	case '￡': // 0x2172
		return '£'
	case '￢': // 0x224C
		return '¬'
	case '￤': // 0x2243 of JIS X 0212
		return '¦'
	}
	return r
}

// outsideTables decodes what GB 18030 defines and x/text's tables lack: the three
// user-defined areas, which map to the Private Use Area, and U+FFFD itself.
func outsideTables(char []byte) (rune, bool) {
	if string(char) == "\x84\x31\xA4\x37" {
		return utf8.RuneError, true
	}
	if len(char) != 2 {
		return utf8.RuneError, false
	}
	row, cell := rune(char[0]), rune(char[1])
	switch {
	case row >= 0xAA && row <= 0xAF && cell >= 0xA1:
		return 0xE000 + (row-0xAA)*94 + cell - 0xA1, true
	case row >= 0xF8 && row <= 0xFE && cell >= 0xA1:
		return 0xE234 + (row-0xF8)*94 + cell - 0xA1, true
	case row >= 0xA1 && row <= 0xA7 && cell >= 0x40 && cell <= 0xA0 && cell != 0x7F:
		if cell > 0x7F {
			cell--
		}
		return 0xE4C6 + (row-0xA1)*96 + cell - 0x40, true
	}
	return utf8.RuneError, false
}
