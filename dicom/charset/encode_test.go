package charset

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestEncode(t *testing.T) {
	for _, c := range []struct{ term, text, want string }{
		{"", "Mueller", "Mueller"}, {"ISO_IR 6", `a\b~`, `a\b~`},
		{"ISO_IR 100", "Müller", "M\xfcller"}, {"ISO 2022 IR 100", "ÿ\u00a0", "\xff\xa0"},
		{"ISO_IR 192", "王^小東\uFFFD", "王^小東\uFFFD"}, {"ISO_IR 144", "abc", "abc"}, {"GBK", `a\~`, `a\~`},
	} {
		got, err := Encode(c.term, c.text)
		if err != nil || string(got) != c.want || !CanEncode(c.term, c.text) {
			t.Errorf("Encode(%q, %q) = %q, %v", c.term, c.text, got, err)
		}
	}
}

func TestEncodeNamesTheCharacterButNotTheText(t *testing.T) {
	for _, c := range []struct {
		term, text string
		want       rune
	}{
		{"", "Geheim Müller", 'ü'}, {"ISO_IR 100", "Geheim 王小", '王'}, {"ISO_IR 100", "Geheim \u0085", 0x85},
		{"ISO_IR 192", "Geheim \xff", 0xFFFD}, {"ISO_IR 192", "Geheim \x1b(B", 0x1B}, {"", "Geheim \xff", 0xFFFD},
		{"ISO_IR 144", "Geheim А", 'А'}, {"ISO_IR 13", `Geheim\`, '\\'}, {"ISO_IR 13", "Geheim~", '~'},
		{`ISO 2022 IR 13\ISO 2022 IR 87`, "Geheim~", '~'}, {`ISO 2022 IR 100\ISO 2022 IR 87`, "Geheim ü", 'ü'},
	} {
		_, err := Encode(c.term, c.text)
		var bad *EncodeError
		if !errors.As(err, &bad) || bad.Rune != c.want || CanEncode(c.term, c.text) {
			t.Errorf("Encode(%q, %q): %v", c.term, c.text, err)
			continue
		}
		if strings.Contains(err.Error(), "Geheim") || !strings.Contains(err.Error(), "U+") {
			t.Errorf("message %q", err)
		}
	}
	if _, err := Encode("FOO", "a"); err == nil || CanEncode("FOO", "a") {
		t.Error("an unknown set can be written")
	}
}

func allSets() []string {
	return []string{"", "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 126", "ISO_IR 127",
		"ISO_IR 138", "ISO_IR 144", "ISO_IR 148", "ISO_IR 166", "ISO_IR 203", "ISO_IR 13", "ISO_IR 192", "GB18030", "GBK",
		"ISO 2022 IR 87", "ISO 2022 IR 149", "ISO 2022 IR 58", "FOO",
		`\ISO 2022 IR 87`, `\ISO 2022 IR 149`, `\ISO 2022 IR 58`, `\ISO 2022 IR 159`, `ISO 2022 IR 13\ISO 2022 IR 87\ISO 2022 IR 159`,
		`ISO 2022 IR 100\ISO 2022 IR 144\ISO 2022 IR 126\ISO 2022 IR 203`}
}

// Whatever CanHold accepts, Decode(Encode(x)) == x.
func TestWhatCanBeHeldComesBack(t *testing.T) {
	alphabet := []rune("abc^=\\~\r\n\t\x00\x1b\x7f\u0080\u0085\u00a0äÿĀ¥‾ｱαА山丂홍王\uFFFD😀$(B)C-A")
	random := rand.New(rand.NewPCG(1, 2))
	held := 0
	for _, value := range allSets() {
		s, _ := Parse([]string{value})
		for range 20000 {
			runes := make([]rune, random.IntN(6))
			for i := range runes {
				runes[i] = alphabet[random.IntN(len(alphabet))]
			}
			text := string(runes)
			raw, err := s.Encode(text)
			if s.CanHold(text) != (err == nil) {
				t.Fatalf("%q: CanHold(%q) and Encode disagree: %v", value, text, err)
			}
			if err != nil {
				continue
			}
			held++
			for _, kind := range []Kind{Text, Multi, PersonName} {
				if back, ok := s.Decode(kind, raw); back != text || !ok {
					t.Fatalf("%q: %q came back as %q, %v", value, text, back, ok)
				}
			}
		}
	}
	if held < 10000 {
		t.Errorf("only %d texts could be held", held)
	}
}
