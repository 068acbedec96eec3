package hostname

import (
	"slices"
	"strings"
	"unicode"
)

// Warning says why a host may not be what it looks like, in a code.
type Warning string

// Warnings.
const (
	Special   Warning = "special-letters" // letters beyond ASCII
	Mixed     Warning = "mixed-scripts"   // letters of several scripts in one label, or ones that imitate Latin
	Imitation Warning = "imitation"       // looks like a host that is known
	Address   Warning = "address"         // a number instead of a name
)

// Warnings judges a canonical host among those that are known.
func Warnings(host string, known []string) []Warning {
	name := Readable(withoutPort(host))
	var all []Warning
	add := func(is bool, w Warning) {
		if is {
			all = append(all, w)
		}
	}
	add(name != withoutPort(host) || strings.Contains(host, "xn--"), Special)
	add(slices.ContainsFunc(strings.Split(name, "."), mixed), Mixed)
	add(slices.ContainsFunc(known, func(k string) bool { return imitates(name, Readable(withoutPort(k))) }), Imitation)
	add(strings.HasPrefix(host, "[") || strings.Trim(withoutPort(host), "0123456789.") == "", Address)
	return all
}

// withoutPort takes the port of a canonical host away.
func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i]
	}
	return host
}

// mixed reports a label with letters of several scripts, other than those that are
// written together, or one whose letters all look like Latin and are not.
func mixed(label string) bool {
	scripts, foreign, alike := map[string]bool{}, 0, 0
	for _, r := range label {
		for name, table := range unicode.Scripts {
			if name != "Common" && name != "Inherited" && unicode.Is(table, r) {
				scripts[name] = true
			}
		}
		if r >= 0x80 {
			foreign++
			if looks(r) != string(r) {
				alike++
			}
		}
	}
	if len(scripts) == 1 && !scripts["Latin"] && foreign > 0 && foreign == alike {
		return true
	}
	for _, together := range [][]string{{"Han", "Hiragana", "Katakana", "Latin"}, {"Han", "Hangul", "Latin"}, {"Han", "Bopomofo", "Latin"}} {
		others := 0
		for s := range scripts {
			if !slices.Contains(together, s) {
				others++
			}
		}
		if others == 0 {
			return false
		}
	}
	return len(scripts) > 1
}

// imitates reports a name that is another one and looks like it: the same when letters
// that look alike are one, or but for one letter.
func imitates(name, known string) bool {
	if name == known {
		return false
	}
	a, b := skeleton(name), skeleton(known)
	return a == b || len(b) >= 12 && oneApart([]rune(a), []rune(b))
}

// oneApart reports that one letter too many, too few, or another one is all that makes
// the difference, or two that changed places.
func oneApart(a, b []rune) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return slices.Equal(a[i:], b[i+1:])
	}
	if i == len(a) {
		return true
	}
	swapped := i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && slices.Equal(a[i+2:], b[i+2:])
	return slices.Equal(a[i+1:], b[i+1:]) || swapped
}

// skeleton writes letters that look alike in one way.
func skeleton(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		b.WriteString(looks(r))
	}
	return strings.NewReplacer("rn", "m", "vv", "w", "cl", "d", "0", "o", "1", "l", "i", "l", "5", "s", "-", "", "_", "").Replace(b.String())
}

// looks is the Latin that a letter looks like, else the letter itself: those of Cyrillic,
// Greek, Armenian and extended Latin that fonts hardly tell apart (Unicode TS 39 has them all).
func looks(r rune) string {
	const alike = "аaеeоoрpсcуyхxіiјjѕsԁdһhԛqԝwӏlкkмmтtвbнhгrьbпnззαaοoρpνvτtιiκkυuηnγyωwχxεeβbոnսuօoցgհhքfäaàaáaâaãaåaāaąaăaèeéeêeëeēeęeěeìiíiîiïiīiıiòoóoôoõoöoøoōoőoùuúuûuüuūuůuűuçcćcčcñnńnňnßsśsšsşsýyÿyžzźzżzłlđdðdğgɡgɑaꞵb"
	pair := []rune(alike)
	for i := 0; i+1 < len(pair); i += 2 {
		if pair[i] == r {
			return string(pair[i+1])
		}
	}
	return string(r)
}
