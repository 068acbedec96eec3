package charset

import (
	"strings"
	"unicode/utf8"
)

// Guess decodes text for which no set, or a wrong one, is declared: as UTF-8 if
// it is valid UTF-8, else as Latin-1. term is "" for ASCII, "ISO_IR 192" or
// "ISO_IR 100".
func Guess(b []byte) (text string, term string) {
	if !utf8.Valid(b) {
		return latin1(b), iso100.term(false)
	}
	if (Set{}).isPlain(b) {
		return string(b), ""
	}
	return string(b), iso192.term(false)
}

// latin1 maps every byte to the code point of the same number.
func latin1(b []byte) string {
	var out strings.Builder
	out.Grow(len(b) + len(b)/2)
	for _, c := range b {
		out.WriteRune(rune(c))
	}
	return out.String()
}
