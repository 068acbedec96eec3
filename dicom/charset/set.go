package charset

import "strings"

// maxProblems bounds what Parse reports about a hostile value.
const maxProblems = 16

// Set is the meaning of one Specific Character Set (0008,0005). It is an
// immutable value and may be compared with ==. The zero value is the default
// repertoire, ISO-IR 6, which is also what an absent (0008,0005) means.
type Set struct {
	first   repertoire
	ext     string // the further repertoires, one byte each, without repetition
	unknown bool   // a term was not understood
}

// Reason says why a term of (0008,0005) was not followed.
type Reason uint8

const (
	// Unknown is a term that is not defined and resembles none that is.
	Unknown Reason = iota + 1
	// NotCombinable is a further value beside ISO_IR 192, GB18030 or GBK, or
	// one of these as a further value (PS3.3 Table C.12-5).
	NotCombinable
)

// String returns a short English description.
func (r Reason) String() string {
	switch r {
	case Unknown:
		return "unknown character set"
	case NotCombinable:
		return "character set allows no code extensions"
	}
	return "no problem"
}

// Problem is a term of (0008,0005) that Parse could not follow.
type Problem struct {
	Term   string // as found, printable ASCII, at most 32 bytes
	Reason Reason
}

// Parse reads the values of (0008,0005). It never fails: misspelt terms
// ("ISO-IR 100", "UTF-8", a single "ISO 2022 IR 100") are read as what they
// mean, without a problem; terms that mean nothing are left out and reported,
// and text beyond the remaining repertoires is decoded as [Guess] does.
func Parse(values []string) (Set, []Problem) {
	var s Set
	var problems []Problem
	report := func(term string, reason Reason) {
		if len(problems) < maxProblems {
			problems = append(problems, Problem{printable(term), reason})
		}
	}
	terms := strings.Split(strings.Join(values, `\`), `\`)
	for i, term := range terms {
		term = strings.Trim(term, " \t\x00")
		if term == "" {
			continue
		}
		r, ok := lookup(term)
		switch {
		case !ok:
			s.unknown = true
			report(term, Unknown)
		case i == 0:
			s.first = r
		case s.declares(r):
		case r.standsAlone() || s.first.standsAlone():
			report(term, NotCombinable)
		default:
			s.ext += string([]byte{byte(r)})
		}
	}
	return s, problems
}

// printable cuts a term from a file to what may be shown.
func printable(term string) string {
	b := []byte(term[:min(len(term), 32)])
	for i, c := range b {
		if c < 0x20 || c > 0x7E {
			b[i] = '?'
		}
	}
	return string(b)
}

// declares reports whether text may use r. ISO-IR 6 may always be used.
func (s Set) declares(r repertoire) bool {
	if r == iso14 {
		r = iso13
	}
	return r == iso6 || r == s.first || strings.IndexByte(s.ext, byte(r)) >= 0
}

// initial returns what G0 and G1 hold at the beginning of a value and after
// every delimiter (PS3.5 §6.1.2.5.1).
func (s Set) initial() (g0, g1 repertoire) {
	switch {
	case s.first == iso13:
		return iso14, iso13
	case s.first.inG0Pairs():
		return iso6, iso6 // in practice such text starts as ASCII, too
	}
	return iso6, s.first
}

// Terms returns the canonical values of (0008,0005), nil for the default
// repertoire. Unknown terms are not among them. An empty first value stands for
// the default repertoire with code extensions.
func (s Set) Terms() []string {
	if s.first == iso6 && s.ext == "" {
		return nil
	}
	terms := []string{s.first.term(s.ext != "")}
	for _, r := range []byte(s.ext) {
		terms = append(terms, repertoire(r).term(true))
	}
	return terms
}

// IsUTF8 reports ISO_IR 192.
func (s Set) IsUTF8() bool { return s.first == iso192 }

// IsDefault reports that nothing but the default repertoire was declared: no
// other set, no code extension, and no term that was not understood.
func (s Set) IsDefault() bool { return s == Set{} }
