package terminal

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for given, want := range map[string]string{
		"Müller, Jürgen":             "Müller, Jürgen",
		"Ju\u0308rgen":               "Ju\u0308rgen",
		"胸部 CT":                      "胸部 CT",
		"می\u200cخواهم":              "می\u200cخواهم",
		"\x1b[31mred\x1b[0m":         "\uFFFD[31mred\uFFFD[0m",
		"\x1b]0;title\x07":           "\uFFFD]0;title\uFFFD",
		"\u009b31m":                  "\uFFFD31m",
		"a\x7fb\x00c":                "a\uFFFDb\uFFFDc",
		"line\r\nbreak\tand\vmore":   "line  break and more",
		"next\u0085line\u2028\u2029": "next line",
		"exe\u202egnp.txt":           "exe\uFFFDgnp.txt",
		"\u2066x\u2069\u200e\u200f":  "\uFFFDx\uFFFD\uFFFD\uFFFD",
		"\u200bhi\ufeff\u2060":       "\uFFFDhi\uFFFD\uFFFD",
		"tag\U000E0041":              "tag\uFFFD",
		"bad\xff\xfe":                "bad\uFFFD\uFFFD",
		"\u3164blank":                "\uFFFDblank",
		"  trimmed ":                 "trimmed",
		"":                           "",
	} {
		if got := Clean(given); got != want {
			t.Errorf("Clean(%q) = %q, want %q", given, got, want)
		}
	}
	if got := Clean("a" + strings.Repeat("\u0335", 500)); utf8.RuneCountInString(got) > 5 {
		t.Errorf("%d characters of a heap of marks are left", utf8.RuneCountInString(got))
	}
}

func FuzzClean(f *testing.F) {
	f.Add("Müller\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !utf8.ValidString(got) || Clean(got) != got {
			t.Errorf("Clean(%q) = %q", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("Clean(%q) leaves %U", s, r)
			}
		}
	})
}
