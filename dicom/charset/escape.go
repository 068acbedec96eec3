package charset

const esc = 0x1B

// designation reads the escape sequence at the start of b: which repertoire it
// designates and its length in bytes, 0 when it is none that DICOM defines
// (PS3.3 Tables C.12-3 and C.12-4). Which of G0 and G1 it goes to follows from
// the repertoire.
func designation(b []byte) (r repertoire, n int) {
	if len(b) < 3 || b[0] != esc {
		return iso6, 0
	}
	switch b[1] {
	case '(':
		switch b[2] {
		case 'B':
			return iso6, 3
		case 'J':
			return iso14, 3
		}
	case ')':
		if b[2] == 'I' {
			return iso13, 3
		}
	case '-':
		return designation96(b[2])
	case '$':
		return designationPairs(b)
	}
	return iso6, 0
}

// designation96 reads the final byte of the 96-character sets, all in G1.
func designation96(final byte) (repertoire, int) {
	switch final {
	case 'A':
		return iso100, 3
	case 'B':
		return iso101, 3
	case 'C':
		return iso109, 3
	case 'D':
		return iso110, 3
	case 'F':
		return iso126, 3
	case 'G':
		return iso127, 3
	case 'H':
		return iso138, 3
	case 'L':
		return iso144, 3
	case 'M':
		return iso148, 3
	case 'T':
		return iso166, 3
	case 'b':
		return iso203, 3
	}
	return iso6, 0
}

// designationPairs reads the sequences of the 94×94 sets.
func designationPairs(b []byte) (repertoire, int) {
	if b[2] == 'B' {
		return iso87, 3
	}
	if len(b) < 4 {
		return iso6, 0
	}
	switch string(b[2:4]) {
	case "(D":
		return iso159, 4
	case ")C":
		return iso149, 4
	case ")A":
		return iso58, 4
	}
	return iso6, 0
}

// toG0 reports that r is designated to G0 (0x21–0x7E), otherwise to G1.
func (r repertoire) toG0() bool { return r == iso6 || r == iso14 || r.inG0Pairs() }
