package password

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Lengths in characters. There are no rules of composition (NIST SP 800-63B §3.1.1).
const (
	MinLength = 12
	MaxLength = 256
)

// Weakness is why a password is refused; empty: it is not.
type Weakness string

// Weaknesses.
const (
	Short    Weakness = "too-short"
	Long     Weakness = "too-long"
	Common   Weakness = "too-common"   // words and patterns that are tried first
	Personal Weakness = "about-person" // little more than the login, the name or the product
)

// enough is how much a password must be worth, see worth.
const enough = 9

//go:embed common.txt
var common string

// known are the words that are tried first, folded.
var known = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for line := range strings.Lines(common) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			words[fold(line)] = true
		}
	}
	return words
})

// rows are sequences that fingers know; they count in both directions.
func rows() []string {
	return []string{"abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "qwertzuiopü", "asdfghjklöä", "zxcvbnm", "yxcvbnm", "1qaz2wsx3edc4rfv5tgb",
		"1qay2wsx3edc4rfv5tgb", "!\"§$%&/()=", "!@#$%^&*()"}
}

// Check says why a password is too weak. about are words that everybody knows of the
// person: login, name, address.
func Check(plain string, about ...string) Weakness {
	plain = norm.NFKC.String(plain)
	switch n := utf8.RuneCountInString(plain); {
	case n < MinLength:
		return Short
	case n > MaxLength:
		return Long
	}
	words := maps(known(), personal(about))
	switch {
	case worth(plain, known()) < enough:
		return Common
	case worth(plain, words) < enough:
		return Personal
	}
	return ""
}

// personal are the words of a person, and the product's.
func personal(about []string) map[string]bool {
	words := map[string]bool{"lotse": true}
	for _, text := range about {
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if utf8.RuneCountInString(word) >= 3 {
				words[fold(word)] = true
			}
		}
	}
	return words
}

func maps(a, b map[string]bool) map[string]bool {
	all := make(map[string]bool, len(a)+len(b))
	for _, m := range []map[string]bool{a, b} {
		for word := range m {
			all[word] = true
		}
	}
	return all
}

// fold makes what people write in place of letters those letters.
func fold(text string) string {
	return strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i", "l", "i").Replace(strings.ToLower(text))
}

// worth estimates how much there is to guess: a known word counts two, a run of a
// row, of one character or a year one, anything else one for each character. What
// comes again counts nothing.
func worth(plain string, words map[string]bool) int {
	lower := []rune(strings.ToLower(plain))
	folded := []rune(fold(string(lower)))
	seen, sum := map[string]bool{}, 0
	for at := 0; at < len(lower); {
		n, value := piece(lower[at:], folded[at:], words)
		if key := string(lower[at : at+n]); n == 1 || !seen[key] {
			seen[key] = true
			sum += value
		}
		at += n
	}
	return sum
}

// piece is the longest that is easy to guess at the beginning, and what it counts.
func piece(lower, folded []rune, words map[string]bool) (n, value int) {
	n, value = 1, 1
	if run := max(same(lower), row(lower)); run >= 3 {
		n = run
	}
	if year(lower) {
		n = max(n, 4)
	}
	for length := min(len(folded), 24); length > n && length >= 3; length-- {
		if words[string(folded[:length])] {
			return length, 2
		}
	}
	return n, value
}

// same is how often the first character is repeated.
func same(text []rune) int {
	n := 1
	for n < len(text) && text[n] == text[0] {
		n++
	}
	return n
}

// row is how much of the beginning is a part of a row, in either direction.
func row(text []rune) int {
	longest := 0
	for _, r := range rows() {
		for _, direction := range []string{r, reversed(r)} {
			for n := min(len(text), len(direction)); n > longest && n >= 3; n-- {
				if strings.Contains(direction, string(text[:n])) {
					longest = n
				}
			}
		}
	}
	return longest
}

func reversed(text string) string {
	runes := []rune(text)
	for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
		runes[i], runes[j] = runes[j], runes[i]
	}
	return string(runes)
}

// year tells whether the text begins with a year that people live in.
func year(text []rune) bool {
	if len(text) < 4 || !unicode.IsDigit(text[2]) || !unicode.IsDigit(text[3]) {
		return false
	}
	century := string(text[:2])
	return century == "19" || century == "20"
}
