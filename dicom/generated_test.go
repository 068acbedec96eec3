package dicom

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// image is a small image with values of many kinds.
func image() []byte {
	pixels := make([]byte, 32*32*2)
	for i := range pixels {
		pixels[i] = byte(i * 7)
	}
	code := join(ex(0x00080100, "SH", "121322"), ex(0x00080102, "SH", "DCM "), ex(0x00080104, "LO", "Source image"))
	return join(meta(ExplicitVRLittleEndian),
		ex(SpecificCharacterSet, "CS", "ISO_IR 100"), ex(0x00080008, "CS", "ORIGINAL\\\\AXIAL "),
		ex(SOPClassUID, "UI", "1.2.840.10008.5.1.4.1.1.7\x00"), ex(SOPInstanceUID, "UI", "1.2.3.4\x00"), ex(0x00080020, "DA", "20240101"),
		ex(0x00081140, "SQ", join(item(ex(0x00081150, "UI", "1.2.3\x00"), ex(0x0040A170, "SQ", item(code))), openItem(endItem))),
		ex(0x00100010, "PN", "M\xFCller^J\xF6rg^^Dr.=="), ex(0x00101010, "AS", "042Y"), ex(0x00104000, "LT", "one\\two\r\nthree"),
		ex(0x00180050, "DS", "+1.50\\ 02\\.5e1"), ex(0x00189073, "FD", join(make([]byte, 6), []byte{0xF8, 0x3F})),
		ex(0x0020000D, "UI", "1.2.3.5\x00"), ex(0x0020000E, "UI", "1.2.3.6\x00"), ex(0x00200013, "IS", "-007\\x"), ex(0x00209165, "AT", join(u16(le, 0x20), u16(le, 0x9056))),
		ex(0x00280002, "US", u16(le, 1)), ex(0x00280004, "CS", "MONOCHROME2 "), ex(0x00280010, "US", u16(le, 32)), ex(0x00280011, "US", u16(le, 32)),
		ex(0x00280100, "US", u16(le, 16)), ex(0x00280101, "US", u16(le, 16)), ex(0x00280102, "US", u16(le, 15)), ex(0x00280103, "US", u16(le, 1)),
		ex(0x00280106, "SS", u16(le, 0x8000)), ex(0x00281052, "DS", "0 "), ex(0x00281053, "DS", "1 "),
		ex(PixelData, "OW", pixels))
}

// TestEverySyntaxAgreesWithDCMTK writes one image in every transfer syntax that
// the tools at hand can write.
func TestEverySyntaxAgreesWithDCMTK(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.dcm")
	if err := os.WriteFile(in, image(), 0o600); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for name, command := range map[string][]string{
		"te": {"dcmconv", "+te"}, "tb": {"dcmconv", "+tb"}, "ti": {"dcmconv", "+ti"}, "td": {"dcmconv", "+td"}, "open": {"dcmconv", "+te", "-e"},
		"defined": {"dcmconv", "+ti", "+e"}, "groups": {"dcmconv", "+te", "+g"}, "padded": {"dcmconv", "+te", "+p", "128", "256"}, "bare": {"dcmconv", "+ti", "-F"},
		"bareBE": {"dcmconv", "+tb", "-F"}, "rle": {"dcmcrle"}, "jpeg": {"dcmcjpeg", "+e1"}, "jls": {"dcmcjpls"}, "fragments": {"dcmcjpeg", "+e1", "+fs", "1"},
		"j2k": {"gdcmconv", "--j2k"}, "gdcmjls": {"gdcmconv", "--jpegls"}, "gdcmjpeg": {"gdcmconv", "--jpeg"}, "gdcmrle": {"gdcmconv", "--rle"},
	} {
		need(t, command[0])
		out := filepath.Join(dir, name+".dcm")
		if _, complaint := run(command[0], append(command[1:], in, out)...); complaint != "" {
			t.Logf("%s: %s", name, complaint)
		}
		if _, err := os.Stat(out); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		paths = append(paths, out)
	}
	agreeWithDCMTK(t, paths)
	agreeWithPydicom(t, paths, pydicomQuirk)
}

// TestEveryCharsetAgreesWithDCMTK has letters of the upper half in each of the
// single-byte sets, and some text in the others.
func TestEveryCharsetAgreesWithDCMTK(t *testing.T) {
	texts := map[string]string{"ISO_IR 192": "Łódź^山田=山田^太郎", "GB18030": "Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB", "GBK": "Wang=\xCD\xF5^\xD0\xA1\xB6\xAB",
		"\\ISO 2022 IR 149": "Hong^Gildong=\x1b$)C\xFB\xF3^\x1b$)C\xD1\xCE\xD4\xD7", "ISO 2022 IR 100\\ISO 2022 IR 126": "A\xFC^\x1b-F\xC4\xE9"}
	for n, bounds := range map[int][2]byte{100: {0xA1, 0xFF}, 101: {0xA1, 0xFF}, 109: {0xE7, 0xEF}, 110: {0xA1, 0xFF}, 144: {0xA1, 0xFF}, 127: {0xC1, 0xDA},
		126: {0xC1, 0xD1}, 138: {0xE0, 0xFA}, 148: {0xA1, 0xFF}, 166: {0xA1, 0xDA}, 13: {0xA1, 0xDF}} {
		var text []byte
		for c := int(bounds[0]); c <= int(bounds[1]); c++ {
			text = append(text, byte(c))
		}
		texts[fmt.Sprintf("ISO_IR %d", n)] = string(text)
	}
	dir := t.TempDir()
	var paths []string
	for term, text := range texts {
		path := filepath.Join(dir, strings.NewReplacer("\\", "+", " ", "_").Replace(term)+".dcm")
		data := join(meta(ExplicitVRLittleEndian), ex(SpecificCharacterSet, "CS", padded(term, ' ')), ex(0x00100010, "PN", padded(text, ' ')),
			ex(0x00104000, "LT", padded(text, ' ')))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	agreeWithDCMTK(t, paths)
}

// TestNumbersAgreeWithDCMTK tries what may stand in DS and IS, and binary numbers
// at their bounds.
func TestNumbersAgreeWithDCMTK(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	write := func(data []byte) {
		path := filepath.Join(dir, fmt.Sprintf("%03d.dcm", len(paths)))
		if err := os.WriteFile(path, join(meta(ExplicitVRLittleEndian), data), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	for _, n := range []string{"+5", ".5", "007", "1e5", "-.5", "abc", "1.5 ", " 1.5", "1\\\\3", "NaN", "1,5", "0x10", "--5", "-0", "5\\", "\\\\", "12 13", "1.50",
		"1e-3", "0012.5", "-007", "1e", "00", "+.5e+05", "99999999999999999999", "-", ".", "2147483647", "2147483648", "-2147483648", "-2147483649", "00000000000001",
		"1.23456789012345", "1.234567890123456", "1_0"} {
		write(join(ex(0x00180050, "DS", padded(n, ' ')), ex(0x00200013, "IS", padded(n, ' '))))
	}
	bounds := []uint64{0, 1, 1<<53 - 1, 1 << 53, 1<<63 - 1, 1 << 63, 1<<64 - 1, 0xFFDFFFFFFFFFFFFF, 0x3FB999999999999A, 0x7FDFFFFFFFFFFFFF, 0x3DCCCCCD3F800000}
	var b bytes.Buffer
	for _, n := range bounds {
		_ = binary.Write(&b, le, n)
	}
	for i, vr := range []string{"US", "SS", "UL", "SL", "UV", "SV", "FD", "FL", "AT", "OV", "OD", "OL", "OF", "OW"} {
		value := b.Bytes()
		if vr == "FL" || vr == "FD" {
			value = value[48:] // without what is not finite
			value = append(value[:0:0], value[16:40]...)
		}
		write(ex(0x00091001+Tag(i), vr, value))
	}
	agreeWithDCMTK(t, paths)
}
