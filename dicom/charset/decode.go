package charset

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Kind says which bytes of a value are delimiters, at which code extensions end
// (PS3.5 §6.1.2.5.3).
type Kind uint8

const (
	// Text is LT, ST or UT: the backslash is a character.
	Text Kind = iota
	// Multi is SH, LO or UC: the backslash separates values.
	Multi
	// PersonName is PN: as Multi, and ^ and = separate components and groups.
	PersonName
)

// Decode turns the raw bytes of a value into text, always valid UTF-8. For Multi
// and PersonName b may hold several values; the text then holds them separated
// by backslashes, each decoded on its own. ok is false when bytes were not valid
// in the declared set or used a set that is not declared; such text is what the
// bytes most probably mean (see [Guess]; an escape sequence is followed even if
// its set is not declared), with U+FFFD where they mean nothing. The time is
// linear in len(b).
func (s Set) Decode(kind Kind, b []byte) (text string, ok bool) {
	if s.isPlain(b) {
		return string(b), true
	}
	if kind == Text || bytes.IndexByte(b, '\\') < 0 {
		return s.decodeValue(kind, b)
	}
	var out strings.Builder
	out.Grow(len(b) + len(b)/2)
	ok = true
	for i, value := range s.Split(kind, b) {
		if i > 0 {
			out.WriteByte('\\')
		}
		part, valid := s.decodeValue(kind, value)
		out.WriteString(part)
		ok = ok && valid
	}
	return out.String(), ok
}

// Valid reports whether Decode decodes b without a problem.
func (s Set) Valid(kind Kind, b []byte) bool {
	_, ok := s.Decode(kind, b)
	return ok
}

// isPlain reports bytes that mean the same in this set as in ASCII.
func (s Set) isPlain(b []byte) bool {
	romaji := s.first == iso13
	for _, c := range b {
		if c >= utf8.RuneSelf || c == esc || romaji && (c == '\\' || c == '~') {
			return false
		}
	}
	return true
}

// decodeValue decodes a single value.
func (s Set) decodeValue(kind Kind, b []byte) (string, bool) {
	switch {
	case s.isPlain(b):
		return string(b), true
	case s.first == iso192:
		return decodeUTF8(b)
	case s.first.standsAlone():
		return s.decodeChinese(b)
	}
	return s.decodeExtended(kind, b)
}

// decodeUTF8 decodes ISO_IR 192. Broken text that holds no UTF-8 sequence at all
// is taken for Latin-1; else only the broken bytes are lost.
func decodeUTF8(b []byte) (string, bool) {
	if utf8.Valid(b) {
		return string(b), bytes.IndexByte(b, esc) < 0
	}
	for rest := b; len(rest) > 0; {
		_, size := utf8.DecodeRune(rest)
		if size > 1 {
			return strings.ToValidUTF8(string(b), "\uFFFD"), false
		}
		rest = rest[size:]
	}
	return latin1(b), false
}

// decodeChinese decodes GBK and GB18030, which know no escape sequences.
func (s Set) decodeChinese(b []byte) (string, bool) {
	var out strings.Builder
	out.Grow(len(b) + len(b)/2)
	var chars multibyte
	ok := true
	for i := 0; i < len(b); {
		n := s.first.charLen(b[i:])
		if b[i] < utf8.RuneSelf {
			out.WriteByte(b[i])
			ok = ok && b[i] != esc
		} else {
			r, valid := utf8.RuneError, false
			if n > 1 {
				r, valid = chars.rune(s.first, b[i:i+n]...)
			}
			out.WriteRune(r)
			ok = ok && valid
		}
		i += n
	}
	if !ok && utf8.Valid(b) {
		return string(b), false
	}
	return out.String(), ok
}

// charLen is the length of the character at the start of b in GBK or GB18030,
// assigned or not; 1 when the bytes have no such structure.
func (r repertoire) charLen(b []byte) int {
	if b[0] <= 0x80 || b[0] == 0xFF || len(b) < 2 {
		return 1
	}
	switch c := b[1]; {
	case c >= 0x40 && c <= 0xFE && c != 0x7F:
		return 2
	case r == gb18030 && len(b) >= 4 && c >= '0' && c <= '9' &&
		b[2] >= 0x81 && b[2] <= 0xFE && b[3] >= '0' && b[3] <= '9':
		return 4
	}
	return 1
}
