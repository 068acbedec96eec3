package inflate

import (
	"bytes"
	stdlib "compress/flate"
	"errors"
	"io"
	"strings"
	"testing"
)

// number is n bits of v, the lowest first.
func number(v, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteByte('0' + byte(v>>i&1))
	}
	return b.String()
}

// assemble packs bits into bytes; spaces are for people.
func assemble(bits ...string) []byte {
	all := strings.ReplaceAll(strings.Join(bits, ""), " ", "")
	out := make([]byte, (len(all)+7)/8)
	for i, bit := range all {
		out[i/8] |= byte(bit-'0') << (i % 8)
	}
	return out
}

const (
	final        = "1"
	fixedBlock   = "10"
	dynamicBlock = "01"
	fixedEnd     = "0000000"
	fixedA       = "10010001"
)

// dynamicHeader is that of a block with codes of these lengths; each is written with 4 bits.
func dynamicHeader(litlen, dist map[int]int, litlens, dists int) string {
	s := dynamicBlock + number(litlens-257, 5) + number(dists-1, 5) + number(19-4, 4)
	for _, symbol := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} {
		if symbol > 15 {
			s += number(0, 3)
		} else {
			s += number(4, 3)
		}
	}
	length := func(n int) string { // the code of n is n, the highest bit first
		code := []byte(number(n, 4))
		code[0], code[1], code[2], code[3] = code[3], code[2], code[1], code[0]
		return string(code)
	}
	for i := range litlens {
		s += length(litlen[i])
	}
	for i := range dists {
		s += length(dist[i])
	}
	return s
}

// codeOfOneBit is dynamic with a and the end.
func codeOfOneBit(dist map[int]int) string {
	return final + dynamicHeader(map[int]int{'a': 1, 256: 1}, dist, 257, 1)
}

// aAndMatch is dynamic with a: 0, end: 10, length 3: 11.
func aAndMatch(dist map[int]int, dists int) string {
	return final + dynamicHeader(map[int]int{'a': 1, 256: 2, 257: 2}, dist, 258, dists)
}

// TestStreams are made by hand, most of them wrong; the standard library judges as we do.
func TestStreams(t *testing.T) {
	metaLengths := func(lengths ...int) string { // of the symbols 16, 17, 18, 0
		s := final + dynamicBlock + number(0, 5) + number(0, 5) + number(0, 4)
		for _, l := range lengths {
			s += number(l, 3)
		}
		return s
	}
	deepest := map[int]int{256: 15, 'p': 15}
	for i := range 14 {
		deepest['a'+i] = i + 1
	}
	for name, c := range map[string]struct {
		stream string
		want   string
		ok     bool
	}{
		"nothing":                       {"", "", false},
		"stored":                        {final + "00 00000" + number(2, 16) + number(2^0xffff, 16) + number('h', 8) + number('i', 8), "hi", true},
		"stored, empty, then fixed":     {"000 00000" + number(0, 16) + number(0xffff, 16) + final + fixedBlock + fixedA + fixedEnd, "a", true},
		"stored, empty, then no final":  {"000 00000" + number(0, 16) + number(0xffff, 16), "", false},
		"stored, length wrong":          {final + "00 00000" + number(2, 16) + number(3, 16) + number('h', 8) + number('i', 8), "", false},
		"stored, fewer bytes":           {final + "00 00000" + number(9, 16) + number(9^0xffff, 16) + number('h', 8), "h", false},
		"reserved kind":                 {final + "11", "", false},
		"fixed, bytes behind":           {final + fixedBlock + fixedA + fixedEnd + strings.Repeat("1", 60), "a", true},
		"fixed, symbol 286":             {final + fixedBlock + fixedA + "11000110" + strings.Repeat("0", 60), "a", false},
		"fixed, a run":                  {final + fixedBlock + fixedA + "0000001 00000" + fixedEnd, "aaaa", true},
		"fixed, distance 30":            {final + fixedBlock + fixedA + "0000001 11110" + fixedEnd, "a", false},
		"fixed, before the beginning":   {final + fixedBlock + fixedA + "0000001 00001" + fixedEnd, "a", false},
		"too many literals":             {final + dynamicBlock + number(30, 5) + number(0, 5) + strings.Repeat("0", 80), "", false},
		"too many distances":            {final + dynamicBlock + number(0, 5) + number(30, 5) + strings.Repeat("0", 80), "", false},
		"code lengths' code empty":      {metaLengths(0, 0, 0, 0) + strings.Repeat("0", 80), "", false},
		"code lengths' code incomplete": {metaLengths(0, 0, 2, 2) + strings.Repeat("0", 80), "", false},
		"code lengths' code too full":   {metaLengths(0, 1, 1, 1) + strings.Repeat("0", 80), "", false},
		"code lengths' code of one bit": {metaLengths(0, 0, 1, 0) + "0 1111111 0 0000000 1", "", false},
		"repeats nothing":               {metaLengths(1, 0, 0, 1) + "1 00" + strings.Repeat("0", 80), "", false},
		"repeats too much":              {metaLengths(0, 0, 1, 1) + "1 1111111 1 1111111 1 1111111" + strings.Repeat("0", 80), "", false},
		"literals, no code":             {final + dynamicHeader(nil, map[int]int{0: 1}, 257, 1) + strings.Repeat("0", 80), "", false},
		"literals, an end only":         {final + dynamicHeader(map[int]int{256: 1}, nil, 257, 1) + "0", "", true},
		"literals, the other bit":       {final + dynamicHeader(map[int]int{256: 1}, nil, 257, 1) + "1", "", false},
		"literals, a literal only":      {final + dynamicHeader(map[int]int{'a': 1}, nil, 257, 1) + "000 1", "aaa", false},
		"literals, one code of 2 bits":  {final + dynamicHeader(map[int]int{256: 2}, nil, 257, 1) + "00", "", false},
		"literals, incomplete":          {final + dynamicHeader(map[int]int{'a': 1, 256: 3}, nil, 257, 1) + "0100", "", false},
		"literals, too full":            {final + dynamicHeader(map[int]int{'a': 1, 'b': 1, 256: 2}, nil, 257, 1) + "01", "", false},
		"literals of all lengths":       {final + dynamicHeader(deepest, nil, 257, 1) + "0 10 110" + strings.Repeat("1", 13) + "0" + strings.Repeat("1", 14) + "0" + strings.Repeat("1", 15), "abcnp", true},
		"distances, none and no match":  {codeOfOneBit(nil) + "0001", "aaa", true},
		"distances, none but a match":   {aAndMatch(nil, 1) + "0 11 0 10", "a", false},
		"distances, one":                {aAndMatch(map[int]int{0: 1}, 1) + "0 11 0 10", "aaaa", true},
		"distances, one, the other bit": {aAndMatch(map[int]int{0: 1}, 1) + "0 11 1 10", "a", false},
		"distances, one of 2 bits":      {aAndMatch(map[int]int{0: 2}, 1) + "0 11 00 10", "", false},
		"distances, incomplete":         {aAndMatch(map[int]int{0: 1, 1: 2}, 2) + "0 11 0 10", "", false},
		"distances, too full":           {aAndMatch(map[int]int{0: 1, 1: 1, 2: 1}, 3) + "0 11 0 10", "", false},
	} {
		_, theirs := io.ReadAll(stdlib.NewReader(bytes.NewReader(assemble(c.stream))))
		// With more input behind it the fast decoder takes its turn, too.
		for _, behind := range []string{"", strings.Repeat("0", 400)} {
			if behind != "" && errors.Is(theirs, io.ErrUnexpectedEOF) {
				continue // that would be another stream
			}
			b := assemble(c.stream, behind)
			want, theirs := io.ReadAll(stdlib.NewReader(bytes.NewReader(b)))
			got, err := io.ReadAll(New(bytes.NewReader(b)))
			if !bytes.Equal(got, want) || kind(err) != kind(theirs) {
				t.Errorf("%s: %q, %v; the standard library: %q, %v", name, got, err, want, theirs)
			}
			if string(got) != c.want || (err == nil) != c.ok {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
}

// TestLongestCodes has matches of 48 bits behind literals of each length of code, so that they
// begin wherever they can in what the fast decoder takes at once.
func TestLongestCodes(t *testing.T) {
	plain := contents()["noise"][:history:history]
	litlen, dist := map[int]int{256: 15, 284: 15}, map[int]int{28: 15, 29: 15}
	for i := range 14 {
		litlen['a'+i], dist[i] = i+1, i+1
	}
	var s strings.Builder
	s.WriteString(final + dynamicHeader(litlen, dist, 285, 30))
	literal := func(i int) { // the code of the letter i
		s.WriteString(strings.Repeat("1", i) + "0")
		plain = append(plain, 'a'+byte(i))
	}
	for first := range 14 {
		for second := range 14 {
			for third := range 14 {
				literal(first)
				literal(second)
				literal(third)
				length, distance := 227+(first+second)%31, 24577+(first*1000+second*100+third)%8192
				s.WriteString(strings.Repeat("1", 15) + number(length-227, 5))
				s.WriteString(strings.Repeat("1", 15) + number(distance-24577, 13))
				for range length {
					plain = append(plain, plain[len(plain)-distance])
				}
			}
		}
	}
	s.WriteString(strings.Repeat("1", 14) + "0")
	stream := append([]byte{0, 0, 0x80, 0xff, 0x7f}, plain[:history]...)
	got, err := io.ReadAll(New(bytes.NewReader(append(stream, assemble(s.String())...))))
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%d bytes of %d, %v", len(got), len(plain), err)
	}
}

// TestLengthsAndDistances makes matches of many lengths at many distances.
func TestLengthsAndDistances(t *testing.T) {
	noise := contents()["noise"][:40_000]
	z := New(nil)
	for distance := 1; distance <= history; distance = distance*5/4 + 1 {
		for length := 3; length <= maxLength; length += 1 + length/20 {
			plain := append(bytes.Clone(noise[:distance]), make([]byte, length)...)
			for i := range length {
				plain[distance+i] = plain[i]
			}
			match(t, z, plain, distance, length)
		}
	}
}

// match wants plain from a stored block and a fixed one that has only a match.
func match(t *testing.T, z *Reader, plain []byte, distance, length int) {
	t.Helper()
	stored := append([]byte{0, byte(distance), byte(distance >> 8), ^byte(distance), ^byte(distance >> 8)}, plain[:distance]...)
	for _, behind := range []int{0, 32} {
		last := assemble(final, fixedBlock, fixedLength(length), fixedDistance(distance), fixedEnd, strings.Repeat("0", behind*8))
		z.Reset(io.MultiReader(bytes.NewReader(stored), bytes.NewReader(last)))
		got, err := io.ReadAll(z)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("length %d, distance %d: %d bytes, %v", length, distance, len(got), err)
		}
	}
}

// fixedLength is a length as RFC 1951 §3.2.5 and §3.2.6 write it.
func fixedLength(length int) string {
	symbol, base, extra := 285, maxLength, 0
	for s, b := 257, 3; length < maxLength && s < 285; s++ {
		e := max(0, (s-261)/4)
		if b <= length {
			symbol, base, extra = s, b, e
		}
		b += 1 << e
	}
	if symbol < 280 {
		return reversed(symbol-256, 7) + number(length-base, extra)
	}
	return reversed(symbol-280+0b11000000, 8) + number(length-base, extra)
}

func fixedDistance(distance int) string {
	symbol, base, extra := 0, 1, 0
	for s, b := 0, 1; s < 30; s++ {
		e := max(0, s/2-1)
		if b <= distance {
			symbol, base, extra = s, b, e
		}
		b += 1 << e
	}
	return reversed(symbol, 5) + number(distance-base, extra)
}

// reversed is n bits of v, the highest first, as codes are written.
func reversed(v, n int) string {
	b := []byte(number(v, n))
	for i := range n / 2 {
		b[i], b[n-1-i] = b[n-1-i], b[i]
	}
	return string(b)
}
