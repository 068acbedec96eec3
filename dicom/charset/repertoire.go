package charset

import "strings"

// repertoire is one coded character set that a term of (0008,0005) names, or
// one half of a term (iso14 belongs to the term of iso13). The zero value is
// ISO-IR 6, the default repertoire.
type repertoire uint8

const (
	iso6    repertoire = iota // US-ASCII; as G1: nothing designated
	iso13                     // JIS X 0201 katakana, G1
	iso14                     // JIS X 0201 romaji, G0
	iso58                     // GB 2312, G1, two bytes
	iso87                     // JIS X 0208, G0, two bytes
	iso100                    // Latin-1
	iso101                    // Latin-2
	iso109                    // Latin-3
	iso110                    // Latin-4
	iso126                    // Greek
	iso127                    // Arabic
	iso138                    // Hebrew
	iso144                    // Cyrillic
	iso148                    // Latin-5, Turkish
	iso149                    // KS X 1001, G1, two bytes
	iso159                    // JIS X 0212, G0, two bytes
	iso166                    // TIS 620-2533, Thai
	iso192                    // UTF-8
	iso203                    // Latin-9
	gb18030                   // GB 18030
	gbk                       // GBK
	nowhere                   // one past the last
)

// number is the registration number of ISO-IR, or the whole term of sets that
// have none.
func (r repertoire) number() string {
	return [nowhere]string{
		iso6: "6", iso13: "13", iso14: "14", iso58: "58", iso87: "87",
		iso100: "100", iso101: "101", iso109: "109", iso110: "110",
		iso126: "126", iso127: "127", iso138: "138", iso144: "144",
		iso148: "148", iso149: "149", iso159: "159", iso166: "166",
		iso192: "192", iso203: "203", gb18030: "GB18030", gbk: "GBK",
	}[r]
}

// term is the defined term, in the spelling with or without code extensions
// (PS3.3 Tables C.12-2 to C.12-5). The default repertoire is the empty term.
func (r repertoire) term(extended bool) string {
	switch {
	case r == iso6:
		return ""
	case r == gb18030 || r == gbk:
		return r.number()
	case r.doubleByte(), extended && r != iso192:
		return "ISO 2022 IR " + r.number()
	default:
		return "ISO_IR " + r.number()
	}
}

// standsAlone reports a set that allows no code extensions (PS3.3 Table C.12-5).
func (r repertoire) standsAlone() bool { return r == iso192 || r == gb18030 || r == gbk }

// doubleByte reports a 94×94 set that is reached by escape sequences
// (PS3.3 Table C.12-4).
func (r repertoire) doubleByte() bool { return r.inG0Pairs() || r.inG1Pairs() }

func (r repertoire) inG0Pairs() bool { return r == iso87 || r == iso159 }

func (r repertoire) inG1Pairs() bool { return r == iso149 || r == iso58 }

// lookup finds the set that a term means, forgiving spelling: separators, case,
// a superfluous or missing 2022, IANA's names.
func lookup(term string) (repertoire, bool) {
	if len(term) > 40 {
		return iso6, false
	}
	key := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" _-./:\t\x00", r) {
			return -1
		}
		return r
	}, strings.ToUpper(term))
	if r, ok := byAlias(key); ok {
		return r, true
	}
	rest, named := strings.CutPrefix(key, "ISO")
	for {
		var ir, ext bool
		rest, ir = strings.CutPrefix(rest, "IR")
		rest, ext = strings.CutPrefix(rest, "2022")
		named = named || ir
		if !ir && !ext {
			break
		}
	}
	return byNumber(rest, named)
}

func byNumber(number string, named bool) (repertoire, bool) {
	if number == "14" {
		number = "13" // the term that comprises ISO-IR 14
	}
	for r := range nowhere {
		if named && r.number() == number {
			return r, true
		}
	}
	return iso6, false
}

// byAlias knows the names of other registries that are found in real files.
func byAlias(key string) (repertoire, bool) {
	switch key {
	case "UTF8":
		return iso192, true
	case "GB18030":
		return gb18030, true
	case "GBK", "CP936", "GB2312": // bare GB2312: written without escape sequences
		return gbk, true
	case "ASCII", "USASCII":
		return iso6, true
	case "LATIN1":
		return iso100, true
	}
	part, ok := strings.CutPrefix(key, "ISO8859")
	if !ok {
		return iso6, false
	}
	switch part {
	case "1":
		return iso100, true
	case "2":
		return iso101, true
	case "3":
		return iso109, true
	case "4":
		return iso110, true
	case "5":
		return iso144, true
	case "6":
		return iso127, true
	case "7":
		return iso126, true
	case "8":
		return iso138, true
	case "9":
		return iso148, true
	case "11":
		return iso166, true
	case "15":
		return iso203, true
	}
	return iso6, false
}
