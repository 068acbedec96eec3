package charset

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// extended is the state of decoding one value in the 8-bit environment of
// ISO 2022 (PS3.5 §6.1.2.5): G0 is in the lower half, G1 in the upper.
type extended struct {
	set      Set
	kind     Kind
	g0, g1   repertoire
	out      strings.Builder
	chars    multibyte
	bad      bool // something was not valid
	declared bool // what was not valid could be read in a declared set
}

// decodeExtended decodes one value in any set that does not stand alone.
func (s Set) decodeExtended(kind Kind, b []byte) (string, bool) {
	d := extended{set: s, kind: kind}
	d.reset()
	d.out.Grow(len(b) + len(b)/2)
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == esc:
			i += d.escape(b[i:])
		case c >= utf8.RuneSelf:
			n := upperRun(b[i:])
			d.upper(b[i : i+n])
			i += n
		case d.g0.inG0Pairs() && pairAt(b[i:]):
			d.write(d.chars.rune(d.g0, b[i], b[i+1]))
			i += 2
		default:
			d.lower(c)
			i++
		}
	}
	if d.bad && !d.declared && bytes.IndexByte(b, esc) < 0 && utf8.Valid(b) {
		return string(b), false
	}
	return d.out.String(), !d.bad
}

func (d *extended) reset() { d.g0, d.g1 = d.set.initial() }

// write appends a decoded character and notes one that is not valid.
func (d *extended) write(r rune, valid bool) {
	d.out.WriteRune(r)
	d.bad = d.bad || !valid
}

// escape follows the escape sequence at the start of b and returns its length.
func (d *extended) escape(b []byte) int {
	r, n := designation(b)
	if n == 0 {
		d.write(utf8.RuneError, false)
		return 1
	}
	if r.toG0() {
		d.g0 = r
	} else {
		d.g1 = r
	}
	d.bad = d.bad || !d.set.declares(r)
	return n
}

// lower decodes one byte below 0x80 that is not part of a pair.
func (d *extended) lower(c byte) {
	if resets(d.kind, c) {
		d.bad = d.bad || graphic(c) && d.g0.inG0Pairs() // G0 had to be left before it
		d.reset()
		d.out.WriteByte(c)
		return
	}
	if d.g0 == iso14 {
		d.out.WriteRune(romaji(c))
		return
	}
	d.bad = d.bad || d.g0.inG0Pairs() && graphic(c) // half a pair
	d.out.WriteByte(c)
}

// resets reports a delimiter, at which the initial sets are in force again.
func resets(kind Kind, c byte) bool {
	switch c {
	case '\r', '\n', '\f', '\t':
		return true
	case '\\':
		return kind != Text
	case '^', '=':
		return kind == PersonName
	}
	return false
}

// upper decodes a run of bytes from 0x80 on.
func (d *extended) upper(run []byte) {
	switch {
	case d.g1 == iso6:
		d.undesignated(run)
	case d.g1.inG1Pairs():
		d.upperPairs(run)
	default:
		for _, c := range run {
			r := upperRune(d.g1, c)
			d.bad = d.bad || r == utf8.RuneError
			if r == utf8.RuneError && d.g1 == iso100 {
				r = rune(c)
			}
			d.out.WriteRune(r)
		}
	}
}

func (d *extended) upperPairs(run []byte) {
	for len(run) > 0 {
		if !pairOfG1(run) {
			d.write(utf8.RuneError, false)
			run = run[1:]
			continue
		}
		d.write(d.chars.rune(d.g1, run[0], run[1]))
		run = run[2:]
	}
}

// undesignated decodes bytes for which no set was designated. Writers of Korean
// and Chinese forget to repeat the escape sequence after a delimiter, so the
// declared sets of pairs come first.
func (d *extended) undesignated(run []byte) {
	d.bad = true
	for _, e := range []byte(d.set.ext) {
		r := repertoire(e)
		if !r.inG1Pairs() || !d.allPairs(r, run) {
			continue
		}
		d.declared = true
		for ; len(run) > 0; run = run[2:] {
			d.write(d.chars.rune(r, run[0], run[1]))
		}
		return
	}
	d.out.WriteString(latin1(run))
}

// allPairs reports whether all of run is text in a set of pairs.
func (d *extended) allPairs(r repertoire, run []byte) bool {
	for ; len(run) > 0; run = run[2:] {
		if !pairOfG1(run) {
			return false
		}
		if _, ok := d.chars.rune(r, run[0], run[1]); !ok {
			return false
		}
	}
	return true
}

// upperRun is the number of bytes from 0x80 on at the start of b.
func upperRun(b []byte) int {
	for i, c := range b {
		if c < utf8.RuneSelf {
			return i
		}
	}
	return len(b)
}

func graphic(c byte) bool { return c > ' ' && c < 0x7F }

// pairAt reports two bytes of a 94×94 set in G0 at the start of b.
func pairAt(b []byte) bool { return len(b) >= 2 && graphic(b[0]) && graphic(b[1]) }

// pairOfG1 reports two bytes of a 94×94 set in G1 at the start of b.
func pairOfG1(b []byte) bool {
	return len(b) >= 2 && b[0] > 0xA0 && b[0] < 0xFF && b[1] > 0xA0 && b[1] < 0xFF
}
