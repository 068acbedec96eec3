package charset

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// EncodeError is a character that a set cannot hold. It is permanent. Its
// message names the code point, never the text.
type EncodeError struct {
	Term string // canonical value of (0008,0005), several separated by backslashes
	Rune rune   // the first such character; U+FFFD also for text that is not UTF-8
}

// Error implements error.
func (e *EncodeError) Error() string {
	term := e.Term
	if term == "" {
		term = "ISO-IR 6"
	}
	return fmt.Sprintf("encode text in %s: no character U+%04X", term, e.Rune)
}

// CanHold reports whether Encode can write text in the declared set: everything
// but ESC in ISO_IR 192, Latin-1 in ISO_IR 100 (which has no C1 control
// characters), ASCII in all others, there without backslash and tilde when the
// first value is ISO_IR 13.
func (s Set) CanHold(text string) bool {
	_, bad := s.firstNotHeld(text)
	return !bad
}

// Encode writes text in the declared set, as far as CanHold goes; otherwise the
// error is an *EncodeError. What Encode wrote, Decode reads back.
func (s Set) Encode(text string) ([]byte, error) {
	if r, bad := s.firstNotHeld(text); bad {
		return nil, &EncodeError{Term: strings.Join(s.Terms(), `\`), Rune: r}
	}
	if !s.isLatin1() {
		return []byte(text), nil
	}
	b := make([]byte, 0, len(text))
	for _, r := range text {
		b = append(b, byte(r))
	}
	return b, nil
}

// CanEncode is CanHold of the set that term declares; false for unknown terms.
func CanEncode(term string, text string) bool {
	s, problems := Parse([]string{term})
	return len(problems) == 0 && s.CanHold(text)
}

// Encode writes text in the set that the single value term of (0008,0005)
// declares ("" is the default repertoire). The errors are those of [Set.Encode],
// and one for a term that is unknown.
func Encode(term string, text string) ([]byte, error) {
	s, problems := Parse([]string{term})
	if len(problems) > 0 {
		return nil, fmt.Errorf("encode text in %q: %v", problems[0].Term, problems[0].Reason)
	}
	return s.Encode(text)
}

func (s Set) isLatin1() bool { return s.first == iso100 && s.ext == "" }

// firstNotHeld finds the first character that Encode cannot write.
func (s Set) firstNotHeld(text string) (r rune, found bool) {
	utf, latin, romaji := s.IsUTF8(), s.isLatin1(), s.first == iso13
	for i, r := range text {
		held := false
		switch {
		case r == esc, romaji && (r == '\\' || r == '~'):
		case r < utf8.RuneSelf:
			held = true
		case r == utf8.RuneError:
			held = utf && strings.HasPrefix(text[i:], "\uFFFD")
		case latin:
			held = r >= 0xA0 && r <= 0xFF
		default:
			held = utf
		}
		if !held {
			return r, true
		}
	}
	return 0, false
}
