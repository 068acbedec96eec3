// Package report writes an inspection for people and for programs.
//
// Everything in an inspection comes from outside; what is written here can neither
// move the cursor of a terminal nor turn the direction of its text.
package report

import (
	"strings"
	"unicode"
)

// Plain returns foreign text for a terminal: control characters, line breaks and
// those that turn the direction of text become U+FFFD.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if hidden(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// hidden reports characters that act rather than show.
func hidden(r rune) bool {
	switch {
	case unicode.IsControl(r), r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069,
		r == 0x200E, r == 0x200F, r == 0x061C, r == 0x2028, r == 0x2029, r == 0xFEFF:
		return true
	}
	return false
}
