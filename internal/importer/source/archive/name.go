package archive

import (
	"hash/crc32"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// unicodePath is the extra field with the name in UTF-8 (APPNOTE 4.6.9).
const unicodePath = 0x7075

// decodeName returns a name as text. Archives say too rarely what their names are
// written in: what is valid UTF-8 is UTF-8, everything else the code page of DOS.
func decodeName(name, extra []byte, declared bool) string {
	if f := field(extra, unicodePath); !declared && len(f) > 5 && f[0] == 1 &&
		u32(f[1:]) == crc32.ChecksumIEEE(name) && utf8.Valid(f[5:]) {
		name = f[5:]
	}
	if utf8.Valid(name) {
		return string(name)
	}
	text, err := charmap.CodePage437.NewDecoder().Bytes(name)
	if err != nil {
		return strings.ToValidUTF8(string(name), "\uFFFD")
	}
	return string(text)
}

func isFolder(name string) bool { return strings.HasSuffix(name, "/") || strings.HasSuffix(name, `\`) }

// contain returns a name as a path for people, and whether it would have left the
// folder it is unpacked to: absolute, with a drive, or through "..".
func contain(name string) (clean string, escapes bool) {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '\\':
			return '/'
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		}
		return r
	}, name)
	escapes = strings.HasPrefix(name, "/") || drive(name)
	for segment := range strings.SplitSeq(name, "/") {
		escapes = escapes || segment == ".."
	}
	if escapes {
		return strings.TrimSuffix(name, "/"), true
	}
	return path.Clean(name), false
}

func drive(name string) bool {
	return len(name) >= 2 && name[1] == ':' && (name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z')
}
