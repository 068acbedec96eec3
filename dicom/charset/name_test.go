package charset

import (
	"testing"
	"testing/quick"
)

func TestParseName(t *testing.T) {
	for _, c := range []struct {
		in, out string
		want    Name
	}{
		{"", "", Name{}},
		{"Doe^John", "Doe^John", Name{Alphabetic: Group{Family: "Doe", Given: "John"}}},
		{"Adams^John Robert Quincy^^Rev.^B.A. M.Div. ", "Adams^John Robert Quincy^^Rev.^B.A. M.Div.",
			Name{Alphabetic: Group{"Adams", "John Robert Quincy", "", "Rev.", "B.A. M.Div."}}},
		{"Doe^^^^", "Doe", Name{Alphabetic: Group{Family: "Doe"}}},
		{" Doe ^ John \x00", "Doe^John", Name{Alphabetic: Group{Family: "Doe", Given: "John"}}},
		{"^John", "^John", Name{Alphabetic: Group{Given: "John"}}},
		{"Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou=山田^太郎=やまだ^たろう", Name{
			Group{Family: "Yamada", Given: "Tarou"}, Group{Family: "山田", Given: "太郎"}, Group{Family: "やまだ", Given: "たろう"}}},
		{"==やまだ^", "==やまだ", Name{Phonetic: Group{Family: "やまだ"}}},
		{"Wang==", "Wang", Name{Alphabetic: Group{Family: "Wang"}}},
		{"a^b^c^d^e^f^", "a^b^c^d^e^f", Name{Alphabetic: Group{"a", "b", "c", "d", "e^f"}}},
		{"a=b=c=d", "a=b=c=d", Name{Group{Family: "a"}, Group{Family: "b"}, Group{Family: "c=d"}}},
	} {
		got := ParseName(c.in)
		if got != c.want || got.String() != c.out {
			t.Errorf("ParseName(%q) = %+v, %q", c.in, got, got.String())
		}
	}
}

func TestNameComesBack(t *testing.T) {
	alphabet := "ab^= \x00é"
	property := func(picks []uint8) bool {
		var in []rune
		for _, p := range picks {
			in = append(in, []rune(alphabet)[int(p)%7])
		}
		once := ParseName(string(in)).String()
		return ParseName(once).String() == once
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 20000}); err != nil {
		t.Error(err)
	}
}
