package charset

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

type example struct {
	name, set string
	kind      Kind
	raw, want string
}

// examples are those of PS3.5 Annexes H, I, J and K, and text that depends on
// one rule of PS3.5 §6.1.2 each.
func examples() []example {
	return []example{
		{"H.3.1", `\ISO 2022 IR 87`, PersonName,
			"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
			"Yamada^Tarou=山田^太郎=やまだ^たろう"},
		{"H.3.2", `ISO 2022 IR 13\ISO 2022 IR 87`, PersonName,
			"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
			"ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"},
		{"I.2", `\ISO 2022 IR 149`, PersonName,
			"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
			"Hong^Gildong=洪^吉洞=홍^길동"},
		{"I.3", `\ISO 2022 IR 149`, Text,
			"\x1b$)CThe first line includes \xb1\xe6\xb5\xbf.\r\n\x1b$)CThe second line includes \xb1\xe6\xb5\xbf, too.\r\nThe third line.",
			"The first line includes 길동.\r\nThe second line includes 길동, too.\r\nThe third line."},
		{"J.1", "ISO_IR 192", PersonName,
			"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1=", "Wang^XiaoDong=王^小東="},
		{"J.3", "GB18030", PersonName, "Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="},
		{"K.2", `\ISO 2022 IR 58`, PersonName,
			"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang^XiaoDong=张^小东="},
		{"K.3", `\ISO 2022 IR 58`, Text,
			"\x1b$)A1. \xb5\xda\xd2\xbb\xd0\xd0\xce\xc4\xd7\xd6\xa1\xa3\r\n\x1b$)A2. \xb5\xda\xb6\xfe\xd0\xd0\xce\xc4\xd7\xd6\xa1\xa3\r\n",
			"1. 第一行文字。\r\n2. 第二行文字。\r\n"},
		{"GB 2312 inside lines", `\ISO 2022 IR 58`, Text,
			"1. \x1b$)A\xb5\xda\xd2\xbb\r\n2. \x1b$)A\xb5\xda\xb6\xfe\r\n", "1. 第一\r\n2. 第二\r\n"},
		{"GBK", "GBK", PersonName, "Zhang^XiaoDong=\xd5\xc5^\xd0\xa1\xb6\xab", "Zhang^XiaoDong=张^小东"},
		{"JIS X 0212", `\ISO 2022 IR 159`, Multi, "\x1b$(D\x30\x21\x30\x22\x1b(B.", "丂丄."},
		{"87 and 159", `\ISO 2022 IR 87\ISO 2022 IR 159`, Multi, "a\x1b$B;3\x1b$(D\x30\x21\x1b(Bb", "a山丂b"},
		{"IR 13 romaji", "ISO_IR 13", Text, "a\\b~c\xb1", "a¥b‾cｱ"},
		{"IR 13 values", "ISO_IR 13", Multi, "a\\b~\xb1", "a\\b‾ｱ"},
		{"JIS backslash", `\ISO 2022 IR 87`, Multi, "\x1b$B!@!A\x1b(B\\x", "＼〜\\x"},
		{"backslash inside JIS pair", `\ISO 2022 IR 87`, Multi, "\x1b$B\x4a\x5c\x1b(B\\x", "鞭\\x"},
		{"^ and = inside JIS pair", `\ISO 2022 IR 87`, PersonName, "\x1b$B\x3d\x5e\x5e\x3d\x1b(B^x", "殉渊^x"},
		{"line end leaves JIS pairs", `\ISO 2022 IR 87`, Text, "\x1b$B;3\r\nABCD", "山\r\nABCD"},
		{"both G0 and G1", `ISO 2022 IR 100\ISO 2022 IR 87\ISO 2022 IR 144`, Multi,
			"\xfc\x1b$B;3\xfc\x1b-L;3\xb0\x1b(B;3\xb0", "ü山ü山А;3А"},
		{"G1 in every line", `ISO 2022 IR 100\ISO 2022 IR 126`, Text, "\x1b-F\xe1\xe2\n\xe1\t\x1b-F\xe1\f\xe1", "αβ\ná\tα\fá"},
		{"G1 ends at a value", `ISO 2022 IR 100\ISO 2022 IR 126`, Multi, "\x1b-F\xe1\\\xe1", "α\\á"},
		{"backslash of text ends nothing", `ISO 2022 IR 100\ISO 2022 IR 126`, Text, "\x1b-F\xe1\\\xe1", "α\\α"},
		{"^ of other text ends nothing", `ISO 2022 IR 100\ISO 2022 IR 126`, Multi, "\x1b-F\xe1^\xe1=\xe1", "α^α=α"},
		{"G1 ends at ^ and =", `ISO 2022 IR 100\ISO 2022 IR 126`, PersonName, "\x1b-F\xe1^\xe1=\x1b-F\xe1=\xe1", "α^á=α=á"},
		{"romaji by escape", `ISO 2022 IR 100\ISO 2022 IR 13`, Text, "~\x1b(J~\x1b)I\xb1\x1b(B~\xb1", "~‾ｱ~ｱ"},
		{"own escape in a single set", "ISO_IR 144", Multi, "\xb0\x1b(B\x1b-L\xb0", "АА"},
		{"GBK trail byte 5C", "GBK", Multi, "\x95\x5c\\b", "昞\\b"},
		{"GB18030 trail byte 5C", "GB18030", PersonName, "\x95\x5c^b\\\x81\x30\x81\x30", "昞^b\\\u0080"},
		{"GB18030 replacement character", "GB18030", Text, "\x84\x31\xa4\x37", "\uFFFD"},
		{"Latin-9", "ISO_IR 203", Multi, "\xa4\xbd", "€œ"},
		{"Latin-9 by escape", `\ISO 2022 IR 203`, Multi, "\x1b-b\xa4", "€"},
		{"Thai", "ISO_IR 166", Multi, "\xb9\xd2\xc2", "นาย"},
		{"149 alone", "ISO 2022 IR 149", PersonName, "\xb1\xe6^\xb5\xbf", "길^동"},
	}
}

func TestDecodeExamples(t *testing.T) {
	for _, e := range examples() {
		got, ok := mustParse(t, e.set).Decode(e.kind, []byte(e.raw))
		if got != e.want || !ok {
			t.Errorf("%s: Decode(%q) = %q, %v; want %q", e.name, e.raw, got, ok, e.want)
		}
		if mustParse(t, e.set).Valid(e.kind, []byte(e.raw)) != ok {
			t.Errorf("%s: Valid differs from Decode", e.name)
		}
	}
}

func TestDecodeSalvagesWhatIsNotValid(t *testing.T) {
	for _, e := range []example{
		{"Latin-1 undeclared", "", Multi, "M\xfcller\\a", "Müller\\a"},
		{"UTF-8 undeclared", "", Multi, "M\xc3\xbcller\\a", "Müller\\a"},
		{"each value by itself", "", Multi, "M\xc3\xbcller\\M\xfcller", "Müller\\Müller"},
		{"UTF-8 declared as Latin-1", "ISO_IR 100", Text, "\xc3\x96l", "Öl"},
		{"C1 in Latin-1", "ISO_IR 100", Text, "a\x80\xfc", "a\u0080ü"},
		{"C1 in Cyrillic", "ISO_IR 144", Text, "a\x80\xb0", "a\uFFFDА"},
		{"Latin-1 declared as UTF-8", "ISO_IR 192", Text, "M\xfcller", "Müller"},
		{"cut UTF-8", "ISO_IR 192", Text, "\xe7\x8e\x8b\xe5\xb0", "王\uFFFD"},
		{"escape in UTF-8", "ISO_IR 192", Text, "a\x1b(Bb", "a\x1b(Bb"},
		{"escape in GBK", "GBK", Text, "a\x1b(Bb\x95\x5c", "a\x1b(Bb昞"},
		{"UTF-8 declared as GBK", "GBK", Text, "\xc3\xbc.", "眉."}, // valid in both, so what is declared
		{"UTF-8 declared as GB18030", "GB18030", Text, "\xe7\x8e\x8b.", "王."},
		{"cut GBK", "GBK", Text, "\xcd\xf5\xd0", "王\uFFFD"},
		{"hole in Greek", "ISO_IR 126", Text, "\xe1\xd2.", "α\uFFFD."},
		{"UTF-8 declared as Greek", "ISO_IR 126", Text, "\xce\xb1\xce\x92", "αΒ"},
		{"not katakana", "ISO_IR 13", Text, "\xb1\xe0", "ｱ\uFFFD"},
		{"undeclared escape", "", PersonName, "\x1b$B;3\x1b(B^x", "山^x"},
		{"undeclared G1", "ISO_IR 100", PersonName, "\x1b-L\xb0^\xe4", "А^ä"},
		{"unknown escape", `\ISO 2022 IR 87`, Multi, "a\x1b%Gb\x1b", "a\uFFFD%Gb\uFFFD"},
		{"JIS not left before ^", `\ISO 2022 IR 87`, PersonName, "\x1b$B;3ED^\x1b$BB@O:=", "山田^太郎="},
		{"half a JIS pair", `\ISO 2022 IR 87`, Text, "\x1b$B;3E\x1b(Bx", "山Ex"},
		{"hole in JIS", `\ISO 2022 IR 87`, Text, "\x1b$B\x2f\x2f;3\x1b(Bx", "\uFFFD山x"},
		{"Korean escape not repeated", `\ISO 2022 IR 149`, PersonName, "\x1b$)C\xc8\xab^\xb1\xe6\xb5\xbf", "홍^길동"},
		{"half a Korean pair", `\ISO 2022 IR 149`, Text, "\x1b$)C\xc8\xab\xb1.", "홍\uFFFD."},
		{"UTF-8 declared as Japanese", `\ISO 2022 IR 87`, Multi, "\xe7\x8e\x8b", "王"},
		{"high bytes without G1", `\ISO 2022 IR 87`, Multi, "\xfc", "ü"},
	} {
		got, ok := mustParse(t, e.set).Decode(e.kind, []byte(e.raw))
		if got != e.want || ok != (e.name == "UTF-8 declared as GBK") {
			t.Errorf("%s: Decode(%q) = %q, %v; want %q", e.name, e.raw, got, ok, e.want)
		}
	}
	unknown, _ := Parse([]string{"FOO"})
	if got, ok := unknown.Decode(Text, []byte("\xe7\x8e\x8b")); got != "王" || ok {
		t.Errorf("in an unknown set: %q, %v", got, ok)
	}
}

func TestSplitKnowsBackslashesInsideCharacters(t *testing.T) {
	for _, c := range []struct {
		set, raw string
		kind     Kind
		want     []string
	}{
		{"", `a\b\\c\`, Multi, []string{"a", "b", "", "c", ""}},
		{"", `a\b`, Text, []string{`a\b`}},
		{"", "", Multi, nil},
		{"GBK", "\x95\x5c\\\x95\x5c", Multi, []string{"\x95\x5c", "\x95\x5c"}},
		{"GB18030", "\x81\x30\x81\x30\\\x95\x5c\\", PersonName, []string{"\x81\x30\x81\x30", "\x95\x5c", ""}},
		{"ISO_IR 100", "\x95\x5c\xfc", Multi, []string{"\x95", "\xfc"}},
		{`\ISO 2022 IR 87`, "\x1b$B\x4a\x5c\x1b(B\\\x1b$B\x4a\x5c", Multi, []string{"\x1b$B\x4a\x5c\x1b(B", "\x1b$B\x4a\x5c"}},
		{`\ISO 2022 IR 149`, "\x1b$)C\xc8\xab\\\xc8", Multi, []string{"\x1b$)C\xc8\xab", "\xc8"}},
		{`ISO_IR 13`, "\xb1\\\xb1", Multi, []string{"\xb1", "\xb1"}},
	} {
		var got []string
		for _, value := range mustParse(t, c.set).Split(c.kind, []byte(c.raw)) {
			got = append(got, string(value))
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") || len(got) != len(c.want) {
			t.Errorf("%q: Split(%q) = %q; want %q", c.set, c.raw, got, c.want)
		}
	}
}

func TestGuess(t *testing.T) {
	for _, c := range []struct{ raw, text, term string }{
		{"abc", "abc", ""}, {"", "", ""}, {"M\xfcller", "Müller", "ISO_IR 100"}, {"M\xc3\xbcller", "Müller", "ISO_IR 192"},
	} {
		if text, term := Guess([]byte(c.raw)); text != c.text || term != c.term {
			t.Errorf("Guess(%q) = %q, %q", c.raw, text, term)
		}
	}
}

func TestDecodeOfPlainTextAllocatesOnlyTheString(t *testing.T) {
	raw := bytes.Repeat([]byte("CHEST PA\\"), 20)
	for _, set := range []string{"", "ISO_IR 100", "ISO_IR 192", "GB18030", `\ISO 2022 IR 87`} {
		s := mustParse(t, set)
		if n := testing.AllocsPerRun(100, func() { s.Decode(Multi, raw) }); n > 1 {
			t.Errorf("%q: %v allocations", set, n)
		}
	}
}

// A quadratic decoder would need many times the limit for these.
func TestDecodeIsLinearOnHostileBytes(t *testing.T) {
	const size = 1 << 16
	for _, unit := range []string{"\x1b", "\x1b$B", "\x1b$)C\xb1", "\\", "^", "\xff", "\xb1\xe6\xff", "\x81\x30\x81", "\xc8\xab\\",
		"\xc3\xbc\x80"} {
		raw := []byte(strings.Repeat(unit, size/len(unit)))
		for _, declared := range allSets() {
			s, _ := Parse([]string{declared})
			start := time.Now()
			s.Decode(PersonName, raw)
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("%q: %v for %d × %q", declared, took, len(raw)/len(unit), unit)
			}
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, e := range examples()[:7] {
		s := mustParse(b, e.set)
		raw := []byte(strings.Repeat(e.raw+"\\", 1000))
		b.Run(e.name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				s.Decode(PersonName, raw)
			}
		})
	}
}
