package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks may follow each other: more than any
// writing system has, fewer than what hides the lines above.
const maxMarks = 4

// Clean makes foreign text harmless in a terminal: one line of it, without control
// characters (escape sequences begin with one), without what changes the direction
// of writing or cannot be seen, and valid UTF-8. What is taken out shows as U+FFFD;
// breaks and tabs become spaces.
func Clean(s string) string {
	var b strings.Builder
	marks := 0
	for _, r := range s {
		if unicode.Is(unicode.M, r) {
			if marks++; marks > maxMarks {
				continue
			}
		} else {
			marks = 0
		}
		b.WriteRune(harmless(r))
	}
	return strings.TrimSpace(b.String())
}

func harmless(r rune) rune {
	const zeroWidthNonJoiner, zeroWidthJoiner = 0x200C, 0x200D // spelling, in Persian and Hindi
	switch {
	case r == '\t', r == '\n', r == '\r', r == '\v', r == '\f', r == 0x85, unicode.In(r, unicode.Zl, unicode.Zp):
		return ' '
	case r == zeroWidthNonJoiner, r == zeroWidthJoiner:
		return r
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs):
		return utf8.RuneError
	case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r):
		return utf8.RuneError
	}
	return r
}

// shorten cleans text and cuts it to at most n characters.
func shorten(s string, n int) string {
	runes := []rune(Clean(s))
	if len(runes) <= n {
		return string(runes)
	}
	return strings.TrimSpace(string(runes[:max(n-1, 0)])) + "…"
}
