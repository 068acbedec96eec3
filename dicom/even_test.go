package dicom

import (
	"bytes"
	"testing"
)

// Values of odd length are made even on request, small and large ones, and nothing
// else changes.
func TestRewriteEven(t *testing.T) {
	element := func(group, number byte, vr string, value string) []byte {
		b := []byte{group, 0, number, 0, vr[0], vr[1]}
		if vr == "OB" {
			b = append(b, 0, 0, byte(len(value)), byte(len(value)>>8), 0, 0)
		} else {
			b = append(b, byte(len(value)), 0)
		}
		return append(b, value...)
	}
	pixels := string(bytes.Repeat([]byte{7}, 301))
	var in, want []byte
	in = append(in, element(0x08, 0x18, "UI", "1.2.3")...)
	in = append(in, element(0x08, 0x60, "CS", "CT")...)
	in = append(in, element(0x10, 0x20, "LO", "abc")...)
	want = append(want, element(0x08, 0x18, "UI", "1.2.3\x00")...)
	want = append(want, element(0x08, 0x60, "CS", "CT")...)
	want = append(want, element(0x10, 0x20, "LO", "abc ")...)
	tail := func(v string) []byte {
		b := element(0, 0x10, "OB", v)
		b[0], b[1] = 0xE0, 0x7F
		return b
	}
	in, want = append(in, tail(pixels)...), append(want, tail(pixels+"\x00")...)
	for _, even := range []bool{true, false} {
		r, err := NewReader(bytes.NewReader(in), int64(len(in)), ReadOptions{Syntax: ExplicitVRLittleEndian, Threshold: 100})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		sum, err := r.Rewrite(&out, Rewrite{Even: even})
		if err != nil {
			t.Fatal(err)
		}
		expected := in
		if even {
			expected = want
		}
		if !bytes.Equal(out.Bytes(), expected) || sum.PixelBytes != 301 || sum.Written != int64(len(expected)) {
			t.Errorf("even %v: %d bytes, %d of pixels, %d said\n%x\n%x", even, out.Len(), sum.PixelBytes, sum.Written, out.Bytes()[:60], expected[:60])
		}
	}
}
