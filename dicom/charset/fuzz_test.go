package charset

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzDecode(f *testing.F) {
	for _, e := range examples() {
		f.Add(e.set, uint8(e.kind), []byte(e.raw))
	}
	for i, set := range allSets() {
		f.Add(set, uint8(i), []byte("\x1b$B;3E\\\xfc\x1b-L\xb0\x81\x30\x81\x30\x95\x5c"))
	}
	f.Fuzz(func(t *testing.T, declared string, k uint8, raw []byte) {
		s, problems := Parse([]string{declared})
		kind := Kind(k % 3)
		again, more := Parse(s.Terms())
		if len(problems) == 0 && again != s || len(more) > 0 {
			t.Fatalf("Terms %q are not canonical", s.Terms())
		}
		text, ok := s.Decode(kind, raw)
		if !utf8.ValidString(text) {
			t.Fatalf("%q is not UTF-8", text)
		}
		if ok != s.Valid(kind, raw) {
			t.Fatal("Valid differs from Decode")
		}
		checkSplit(t, s, kind, raw, text)
		checkEncode(t, s, kind, raw, text, ok)
		checkName(t, text)
	})
}

// checkSplit: joining gives the bytes, decoding the values gives the text.
func checkSplit(t *testing.T, s Set, kind Kind, raw []byte, text string) {
	values := s.Split(kind, raw)
	if !bytes.Equal(bytes.Join(values, []byte{'\\'}), raw) {
		t.Fatalf("Split is not the inverse of Join: %q", values)
	}
	var parts []string
	for _, value := range values {
		if again := s.Split(kind, value); len(again) > 1 {
			t.Fatalf("value %q splits again", value)
		}
		part, _ := s.Decode(kind, value)
		parts = append(parts, part)
	}
	if joined := strings.Join(parts, `\`); joined != text {
		t.Fatalf("decoded apart %q, together %q", joined, text)
	}
}

// checkEncode: valid text of the sets that can be written encodes to its bytes.
func checkEncode(t *testing.T, s Set, kind Kind, raw []byte, text string, ok bool) {
	if encoded, err := s.Encode(text); err == nil {
		if back, valid := s.Decode(kind, encoded); back != text || !valid {
			t.Fatalf("%q came back as %q", text, back)
		}
	}
	if !ok || !(s.IsUTF8() || s.IsDefault() || s.isLatin1()) || bytes.IndexByte(raw, esc) >= 0 {
		return
	}
	if encoded, err := s.Encode(text); err != nil || !bytes.Equal(encoded, raw) {
		t.Fatalf("Encode(Decode(%q)) = %q, %v", raw, encoded, err)
	}
}

func checkName(t *testing.T, text string) {
	once := ParseName(text).String()
	if twice := ParseName(once).String(); twice != once {
		t.Fatalf("name %q becomes %q", once, twice)
	}
}
