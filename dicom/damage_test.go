package dicom

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// Builders of files that are not as they should be.

var le, be = binary.ByteOrder(binary.LittleEndian), binary.ByteOrder(binary.BigEndian)

func u16(o binary.ByteOrder, n int) []byte { b := make([]byte, 2); o.PutUint16(b, uint16(n)); return b }
func u32(o binary.ByteOrder, n int) []byte { b := make([]byte, 4); o.PutUint32(b, uint32(n)); return b }

func join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func tagBytes(o binary.ByteOrder, t Tag) []byte {
	return append(u16(o, int(t.Group())), u16(o, int(t.Element()))...)
}

// explicitElement is an element in Explicit VR; length -1 is the true one.
func explicitElement(o binary.ByteOrder, t Tag, vr string, value any, length int) []byte {
	v := join(value)
	if length < 0 {
		length = len(v)
	}
	long := strings.Contains("OB OW OF OD OL OV SQ UN UT UC UR SV UV", vr)
	if long {
		return join(tagBytes(o, t), vr, []byte{0, 0}, u32(o, length), v)
	}
	return join(tagBytes(o, t), vr, u16(o, length), v)
}

func ex(t Tag, vr string, value any) []byte   { return explicitElement(le, t, vr, value, -1) }
func exBE(t Tag, vr string, value any) []byte { return explicitElement(be, t, vr, value, -1) }
func im(t Tag, value any) []byte              { v := join(value); return join(tagBytes(le, t), u32(le, len(v)), v) }
func imBE(t Tag, value any) []byte {
	v := join(value)
	return join(tagBytes(be, t), u32(be, len(v)), v)
}

const open = 0xFFFFFFFF // undefined length

func openEx(t Tag, vr string, parts ...any) []byte {
	return explicitElement(le, t, vr, join(parts...), open)
}
func openIm(t Tag, parts ...any) []byte { return join(tagBytes(le, t), u32(le, open), join(parts...)) }
func item(parts ...any) []byte {
	v := join(parts...)
	return join(tagBytes(le, itemTag), u32(le, len(v)), v)
}
func openItem(parts ...any) []byte { return join(tagBytes(le, itemTag), u32(le, open), join(parts...)) }

var (
	endItem     = join(tagBytes(le, itemDelimitation), u32(le, 0))
	endSequence = join(tagBytes(le, sequenceDelimitation), u32(le, 0))
)

func meta(syntax string) []byte {
	uid := ex(TransferSyntaxUID, "UI", padded(syntax, 0))
	return join(make([]byte, 128), "DICM", ex(0x00020000, "UL", u32(le, len(uid))), uid)
}

func padded(s string, with byte) string {
	if len(s)%2 == 1 {
		s += string(with)
	}
	return s
}

func deflated(b []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, 9)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func zlibbed(b []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// three elements in each encoding, and their JSON.
var (
	threeEx   = join(ex(0x00080060, "CS", "CT"), ex(0x00100010, "PN", "Doe^Jane"), ex(0x00280010, "US", u16(le, 512)))
	threeIm   = join(im(0x00080060, "CT"), im(0x00100010, "Doe^Jane"), im(0x00280010, u16(le, 512)))
	threeBE   = join(exBE(0x00080060, "CS", "CT"), exBE(0x00100010, "PN", "Doe^Jane"), exBE(0x00280010, "US", u16(be, 512)))
	threeImBE = join(imBE(0x00080060, "CT"), imBE(0x00100010, "Doe^Jane"), imBE(0x00280010, u16(be, 512)))
)

const three = `"00080060":{"vr":"CS","Value":["CT"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"Doe^Jane"}]},"00280010":{"vr":"US","Value":[512]}`

// damaged are files that can be read in spite of what is wrong with them.
func damaged() []struct {
	name string
	file []byte
	want string // JSON without the outer braces
} {
	const (
		cs      = `"00080060":{"vr":"CS","Value":["CT"]}`
		patient = `"00100020":{"vr":"LO","Value":["ID"]}`
		sq      = `"00081140":{"vr":"SQ","Value":[{` + patient + `}]}`
		after   = `"00200010":{"vr":"SH","Value":["AFTR"]}`
	)
	explicitMeta, implicitMeta := meta(ExplicitVRLittleEndian), meta(ImplicitVRLittleEndian)
	id, idIm := ex(0x00100020, "LO", "ID"), im(0x00100020, "ID")
	tail, tailIm := ex(0x00200010, "SH", "AFTR"), im(0x00200010, "AFTR")
	long := fmt.Sprint(rand.New(rand.NewPCG(1, 2)).Perm(200))
	return []struct {
		name string
		file []byte
		want string
	}{
		{"no preamble", explicitMeta[128:], ""},
		{"no prefix", join(explicitMeta[132:], threeEx), three},
		{"zeros for a prefix", join(make([]byte, 132), explicitMeta[132:], threeEx), three},
		{"no prefix after the preamble", join(make([]byte, 128), explicitMeta[132:], threeEx), three},
		{"preamble and data set only", join(make([]byte, 128), "DICM", threeEx), three},
		{"no meta, explicit", threeEx, three},
		{"no meta, implicit", threeIm, three},
		{"no meta, big endian", threeBE, three},
		{"no meta, implicit big endian", threeImBE, three},
		{"no meta, one stray byte", join(" ", threeEx), three},
		{"no meta, one element", ex(0x00080060, "CS", "CT"), cs},
		{"ACR-NEMA", join(im(0x00080000, u32(le, 22)), im(0x00080001, u32(le, 999)), im(0x00080010, "ACR-NEMA 2.0"), threeIm),
			`"00080001":{"vr":"UL","Value":[999]},"00080010":{"vr":"SH","Value":["ACR-NEMA 2.0"]},` + three},
		{"command set before the data set", join(im(0, u32(le, 10)), im(0x00000002, "1."), threeIm), `"00000002":{"vr":"UI","Value":["1."]},` + three},
		{"meta length wrong", join(make([]byte, 128), "DICM", ex(0x00020000, "UL", u32(le, 5)), ex(TransferSyntaxUID, "UI", ImplicitVRLittleEndian+"\x00"), threeIm), three},
		{"meta implicit", join(make([]byte, 128), "DICM", im(TransferSyntaxUID, ImplicitVRLittleEndian+"\x00"), threeIm), three},
		{"meta big endian", join(make([]byte, 128), "DICM", exBE(TransferSyntaxUID, "UI", ExplicitVRBigEndian+"\x00"), threeBE), three},
		{"meta without syntax", join(make([]byte, 128), "DICM", ex(0x00020013, "SH", "NAME"), threeIm), three},
		{"meta with unknown syntax", join(meta("1.2.3.4"), threeEx), three},
		{"declared explicit, is implicit", join(explicitMeta, threeIm), three},
		{"declared implicit, is explicit", join(implicitMeta, threeEx), three},
		{"declared little, is big endian", join(explicitMeta, threeBE), three},
		{"declared big endian, is little", join(meta(ExplicitVRBigEndian), threeEx), three},
		{"declared deflated, is plain", join(meta(DeflatedExplicitVRLittleEndian), threeEx), three},
		{"deflated", join(meta(DeflatedExplicitVRLittleEndian), deflated(threeEx)), three},
		{"deflated with zlib header", join(meta(DeflatedExplicitVRLittleEndian), zlibbed(threeEx)), three},
		{"deflated, cut off", join(meta(DeflatedExplicitVRLittleEndian), deflated(join(threeEx, ex(0x00400001, "LO", long)))[:200]), three},
		{"deflated, corrupt", join(meta(DeflatedExplicitVRLittleEndian), deflated(threeEx)[:40], "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), cs + "*"},
		{"compressed syntax, is implicit", join(meta(JPEGBaseline8Bit), threeIm), three},
		{"explicit with implicit elements", join(explicitMeta, ex(0x00080060, "CS", "CT"), im(0x00100010, "Doe^Jane"), ex(0x00280010, "US", u16(le, 512))), three},
		{"implicit with explicit elements", join(implicitMeta, im(0x00080060, "CT"), ex(0x00100010, "PN", "Doe^Jane"), im(0x00280010, u16(le, 512))), three},
		{"GE private syntax", join(meta(GEPrivateImplicitBigEndian), threeIm), three},
		{"GE private syntax, big endian pixels", join(meta(GEPrivateImplicitBigEndian), threeIm, im(PixelData, "badc")), three + `,"7FE00010":{"vr":"OW","InlineBinary":"YWJjZA=="}`},
		{"UN with undefined length", join(explicitMeta, openEx(0x00081140, "UN", item(idIm), endSequence), tail), sq + "," + after},
		{"UN with explicit items", join(explicitMeta, openEx(0x00081140, "UN", item(id), endSequence), tail), sq + "," + after},
		{"private undefined length, implicit", join(implicitMeta, openIm(0x00091001, openItem(idIm, endItem), endSequence), tailIm),
			`"00091001":{"vr":"SQ","Value":[{` + patient + `}]},` + after},
		{"private SQ nested, implicit", join(implicitMeta, openIm(0x00091001, openItem(openIm(0x00091002, item(idIm), endSequence), endItem), endSequence), tailIm),
			`"00091001":{"vr":"SQ","Value":[{"00091002":{"vr":"SQ","Value":[{` + patient + `}]}}]},` + after},
		{"text with undefined length, implicit", join(implicitMeta, openIm(0x00100021, item(idIm), endSequence), tailIm), `"00100021":{"vr":"SQ","Value":[{` + patient + `}]},` + after},
		{"unknown VR, long form", join(explicitMeta, tagBytes(le, 0x00091001), "ZZ\x00\x00", u32(le, 4), "abcd", tail), `"00091001":{"vr":"UN","InlineBinary":"YWJjZA=="},` + after},
		{"unknown VR, short form", join(explicitMeta, tagBytes(le, 0x00091001), "ZZ", u16(le, 4), "abcd", tail), `"00091001":{"vr":"UN","InlineBinary":"YWJjZA=="},` + after},
		{"unknown VR, short form, empty", join(explicitMeta, tagBytes(le, 0x00091001), "ZZ", u16(le, 0), tail, ex(0x7FE00010, "OB", make([]byte, 6000000))[:12], make([]byte, 6000000)),
			`"00091001":{"vr":"UN"},` + after + `,"7FE00010":*`},
		{"VR of question marks", join(explicitMeta, tagBytes(le, 0x00100021), "??", u16(le, 4), "abcd", tail), `"00100021":{"vr":"UN","InlineBinary":"YWJjZA=="},` + after},
		{"VR of zeros", join(explicitMeta, tagBytes(le, 0x00100021), "\x00\x00", u16(le, 4), "abcd", tail), `"00100021":{"vr":"UN","InlineBinary":"YWJjZA=="},` + after},
		{"odd lengths", join(explicitMeta, ex(0x00100020, "LO", "ID1"), tail), `"00100020":{"vr":"LO","Value":["ID1"]},` + after},
		{"item delimiter missing", join(explicitMeta, openEx(0x00081140, "SQ", openItem(id), endSequence), tail), sq + "," + after},
		{"item delimiter missing, another item", join(explicitMeta, openEx(0x00081140, "SQ", openItem(id), openItem(id), endItem, endSequence), tail),
			`"00081140":{"vr":"SQ","Value":[{` + patient + `},{` + patient + `}]},` + after},
		{"sequence delimiter missing", join(explicitMeta, openEx(0x00081140, "SQ", openItem(id, endItem)), tail), sq + "," + after},
		{"both delimiters missing at the end", join(explicitMeta, ex(0x00080060, "CS", "CT"), openEx(0x00081140, "SQ", openItem(id))), cs + "," + sq},
		{"inner sequence delimiter missing", join(explicitMeta, openEx(0x00081140, "SQ", openItem(openEx(0x00081140, "SQ", item(id)), endItem), endSequence), tail),
			`"00081140":{"vr":"SQ","Value":[{` + sq + `}]},` + after},
		{"item delimiter missing in defined sequence", join(explicitMeta, ex(0x00081140, "SQ", openItem(id)), tail), sq + "," + after},
		{"delimiters in spite of defined length", join(explicitMeta, ex(0x00081140, "SQ", join(openItem(id, endItem), endSequence)), tail), sq + "," + after},
		{"stray item delimiter", join(explicitMeta, ex(0x00080060, "CS", "CT"), endItem, tail), cs + "," + after},
		{"stray sequence delimiter after defined length", join(explicitMeta, ex(0x00081140, "SQ", item(id)), endSequence, tail), sq + "," + after},
		{"sequence too short", join(explicitMeta, explicitElement(le, 0x00081140, "SQ", item(id), 12), tail), sq + "," + after},
		{"item longer than its sequence", join(explicitMeta, ex(0x00081140, "SQ", join(tagBytes(le, itemTag), u32(le, 10), id))), sq},
		{"element longer than its item", join(explicitMeta, ex(0x00081140, "SQ", join(tagBytes(le, itemTag), u32(le, 8), id)), tail), sq + "," + after},
		{"items in the other byte order", join(explicitMeta, openEx(0x00081140, "SQ", tagBytes(be, itemTag), u32(be, open), exBE(0x00100020, "LO", "ID"), tagBytes(be, itemDelimitation), u32(be, 0), tagBytes(be, sequenceDelimitation), u32(be, 0)), tail), sq + "," + after},
		{"items in the other byte order, end in the right one", join(explicitMeta, openEx(0x00081140, "SQ", tagBytes(be, itemTag), u32(be, 10), exBE(0x00100020, "LO", "ID"), endSequence), tail), sq + "," + after},
		{"empty item", join(explicitMeta, ex(0x00081140, "SQ", join(item(), item(id))), tail), `"00081140":{"vr":"SQ","Value":[{},{` + patient + `}]},` + after},
		{"empty sequences", join(explicitMeta, ex(0x00081140, "SQ", ""), openEx(0x00081150, "SQ", endSequence), tail), `"00081140":{"vr":"SQ"},"00081150":{"vr":"SQ"},` + after},
		{"sequence without items", join(explicitMeta, ex(0x00081140, "SQ", "abcd1234"), tail), `"00081140":{"vr":"UN","InlineBinary":"YWJjZDEyMzQ="},` + after},
		{"trailing zeros", join(explicitMeta, threeEx, make([]byte, 1000)), three},
		{"trailing FF", join(explicitMeta, threeEx, bytes.Repeat([]byte{0xFF}, 100)), three},
		{"trailing text", join(explicitMeta, threeEx, "\r\nThe end, and some more text."), three},
		{"trailing zeros, implicit", join(implicitMeta, threeIm, make([]byte, 1000)), three},
		{"trailing text, implicit", join(implicitMeta, threeIm, "\r\nThe end, and some more text."), three},
		{"one trailing byte", join(explicitMeta, threeEx, "\x00"), three},
		{"twice the same element", join(explicitMeta, ex(0x00100020, "LO", "ID"), ex(0x00100020, "LO", "XX")), patient},
		{"out of order", join(explicitMeta, tail, ex(0x00100020, "LO", "ID")), after + "," + patient},
		{"huge length", join(explicitMeta, ex(0x00080060, "CS", "CT"), explicitElement(le, 0x00091001, "OB", "abc", 0xFFFFFFF0)), cs},
		{"huge item", join(explicitMeta, openEx(0x00081140, "SQ", tagBytes(le, itemTag), u32(le, 0xFFFFFFF0), id)), sq},
		{"huge sequence", join(explicitMeta, explicitElement(le, 0x00081140, "SQ", item(id), 0xFFFFFFF0)), sq},
		{"cut off in a nested value", join(explicitMeta, openEx(0x00081140, "SQ", openItem(id, ex(0x00100030, "DA", "19700101")[:12]))), sq},
		{"fragments cut off", join(meta(JPEGBaseline8Bit), id, openEx(PixelData, "OB", item(), item("abcd"), item("efgh")[:10])),
			patient + `,"7FE00010":{"vr":"OB","InlineBinary":"/v8A4AAAAAD+/wDgBAAAAGFiY2Q="}`},
		{"fragments without end", join(meta(JPEGBaseline8Bit), id, openEx(PixelData, "OB", item(), item("abcd"))),
			patient + `,"7FE00010":{"vr":"OB","InlineBinary":"/v8A4AAAAAD+/wDgBAAAAGFiY2Q="}`},
		{"fragment of undefined length", join(meta(JPEGBaseline8Bit), id, openEx(PixelData, "OB", item(), openItem("abcd"))),
			patient + `,"7FE00010":{"vr":"OB","InlineBinary":"/v8A4AAAAAA="}`},
		{"pixel data cut off", join(explicitMeta, id, explicitElement(le, PixelData, "OW", "abcd", 100)), patient},
		{"big endian values", join(meta(ExplicitVRBigEndian), exBE(0x00091001, "AT", []byte{0, 0x10, 0, 0x20}), exBE(0x00091002, "FD", []byte{0x3F, 0xF8, 0, 0, 0, 0, 0, 0}),
			exBE(0x00091003, "OW", "abcd"), exBE(0x00091004, "SL", []byte{0xFF, 0xFF, 0xFF, 0xFE})),
			`"00091001":{"vr":"AT","Value":["00100020"]},"00091002":{"vr":"FD","Value":[1.5]},"00091003":{"vr":"OW","InlineBinary":"YmFkYw=="},"00091004":{"vr":"SL","Value":[-2]}`},
		{"not finite", join(explicitMeta, ex(0x00091001, "FL", []byte{0, 0, 0xC0, 0x7F, 0, 0, 0x80, 0x7F, 0, 0, 0x80, 0xFF})), `"00091001":{"vr":"FL","Value":["NaN","Infinity","-Infinity"]}`},
	}
}

func TestDamagedFilesAreRead(t *testing.T) {
	for _, test := range damaged() {
		t.Run(test.name, func(t *testing.T) {
			out, r, err := jsonOf(test.file, ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			want := "{" + test.want + "}"
			if start, cut := strings.CutSuffix(test.want, "*"); cut {
				want = "{" + start
				out = out[:min(len(out), len(want))]
			}
			if string(out) != want {
				t.Errorf("%s\nwant %s\nproblems %v", out, want, r.Problems())
			}
			streamed, _, err := jsonOfStream(test.file)
			guessed := strings.HasPrefix(test.name, "trailing text") || strings.HasSuffix(test.want, "*") // from the size
			if err != nil || !guessed && !r.Truncated() && string(streamed) != want {
				t.Errorf("as a stream of unknown size: %v\n%s", err, streamed)
			}
			if !strings.HasSuffix(test.want, "*") {
				inMemory(t, test.file, out)
			}
		})
	}
}

// inMemory checks that Scan keeps what WriteJSON shows.
func inMemory(t *testing.T, file, want []byte) {
	for _, threshold := range []int64{1, 1 << 40} {
		r, err := newReader(file, ReadOptions{Threshold: threshold})
		if err != nil {
			t.Fatal(err)
		}
		d, err := r.Scan(func(Path, *Dataset, *Element) {})
		if err != nil {
			t.Fatal(err)
		}
		if threshold == 1 || bytes.Contains(want, []byte("7FE00010")) {
			continue
		}
		var b bytes.Buffer
		if err := d.WriteJSON(&b); err != nil || b.String() != string(want) {
			t.Errorf("in memory: %v\n%s", err, b.Bytes())
		}
	}
}

// onlyReader hides everything but Read.
type onlyReader struct{ r *bytes.Reader }

func (o onlyReader) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 7)]) }

func jsonOfStream(data []byte) ([]byte, *Reader, error) {
	r, err := NewReader(onlyReader{bytes.NewReader(data)}, -1, ReadOptions{})
	if err != nil {
		return nil, r, err
	}
	var b bytes.Buffer
	err = WriteJSON(&b, r)
	return b.Bytes(), r, err
}

func TestNotDICOM(t *testing.T) {
	random := make([]byte, 5000)
	for i, x := 0, uint32(1); i < len(random); i++ {
		x = x*1664525 + 1013904223
		random[i] = byte(x >> 24)
	}
	for name, data := range map[string][]byte{
		"empty": {}, "one byte": {8}, "zeros": make([]byte, 4096), "FF": bytes.Repeat([]byte{255}, 4096), "random": random,
		"text": []byte(strings.Repeat("Dear Sir or Madam, ", 100)), "HTML": []byte("<!DOCTYPE html><html><head><title>x</title>"),
		"PDF": []byte("%PDF-1.7\n%\xE2\xE3\xCF\xD3\n1 0 obj<</Type/Catalog>>endobj"), "JPEG": []byte("\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
		"ZIP": []byte("PK\x03\x04\x14\x00\x00\x00\x08\x00abcdefghijklmnop"), "PNG": []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01"),
		"icon": []byte("\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00\x01\x00\x20\x00\x68\x04\x00\x00\x16\x00\x00\x00"), "XML": []byte("<?xml version=\"1.0\"?><a/>"),
		"JSON": []byte(`{"a":1}`), "starts like meta": []byte("\x02\x00hello world, this is no meta information"),
	} {
		_, err := newReader(data, ReadOptions{})
		var p *ParseError
		if !errors.Is(err, ErrNotDICOM) || !errors.As(err, &p) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTruncatedAnywhere cuts files at every byte: everything complete is read.
func TestTruncatedAnywhere(t *testing.T) {
	nested := join(openEx(0x00081140, "SQ", openItem(ex(0x00100020, "LO", "ID"), openEx(0x00081150, "SQ", item(ex(0x00100021, "LO", "II")), endSequence), endItem), endSequence),
		ex(0x00101010, "AS", "042Y"), openEx(PixelData, "OB", item(), item("abcd"), endSequence))
	for name, file := range map[string][]byte{
		"explicit": join(meta(JPEGBaseline8Bit), nested), "implicit": join(meta(ImplicitVRLittleEndian), threeIm, openIm(0x00091001, item(im(0x00100020, "ID")), endSequence)),
		"big endian": join(meta(ExplicitVRBigEndian), threeBE), "no meta": threeEx, "deflated": join(meta(DeflatedExplicitVRLittleEndian), deflated(nested)),
	} {
		last := 0
		for n := range len(file) + 1 {
			out, r, err := jsonOf(file[:n], ReadOptions{})
			if err != nil {
				if !errors.Is(err, ErrNotDICOM) || n > 132 {
					t.Fatalf("%s, %d bytes: %v", name, n, err)
				}
				continue
			}
			set, err := parseJSONSet(out)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v: %s", name, n, err, out)
			}
			if len(set) < last {
				t.Fatalf("%s, %d bytes: %d elements, before %d", name, n, len(set), last)
			}
			last = len(set)
			for _, threshold := range []int64{1, 0} {
				if err := r.Reset(bytes.NewReader(file[:n]), int64(n), ReadOptions{Threshold: threshold}); err != nil {
					t.Fatal(err)
				}
				if _, err := r.Scan(nil); err != nil {
					t.Fatal(err)
				}
				truncated := r.Truncated()
				if err := r.Reset(bytes.NewReader(file[:n]), int64(n), ReadOptions{Threshold: threshold}); err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				_, err := r.Rewrite(&b, Rewrite{Edits: []Edit{{Path: At(0x00100040), Op: Delete}}})
				if (err != nil) != truncated || err != nil && !errors.Is(err, ErrTruncated) {
					t.Fatalf("%s, %d bytes: Scan finds it truncated: %v; Rewrite: %v", name, n, truncated, err)
				}
			}
		}
		if last == 0 {
			t.Errorf("%s: nothing was read", name)
		}
	}
}

// TestDeepNesting: up to the limit everything works, beyond it nothing overflows.
func TestDeepNesting(t *testing.T) {
	for _, depth := range []int{400, 100000} {
		file := meta(ExplicitVRLittleEndian)
		for range depth {
			file = append(file, openEx(0x00081140, "SQ", openItem())...)
		}
		for range depth {
			file = append(append(file, endItem...), endSequence...)
		}
		inner := At(0x00081140)
		for range depth - 1 {
			inner[len(inner)-1].Item = 0
			inner = append(inner, Step{Tag: 0x00081140, Item: -1})
		}
		ok := func(name string, err error) {
			if depth < 512 && err != nil || depth > 512 && !errors.Is(err, ErrLimit) {
				t.Errorf("%s of depth %d: %v", name, depth, err)
			}
		}
		for _, threshold := range []int64{1, 1 << 40} {
			out, r, err := jsonOf(file, ReadOptions{Threshold: threshold})
			ok("JSON", err)
			if err == nil && !bytes.Contains(out, []byte(strings.Repeat("}]}", depth))) {
				t.Errorf("not all is shown: %s", out)
			}
			reset := func() {
				if err := r.Reset(bytes.NewReader(file), int64(len(file)), ReadOptions{Threshold: threshold}); err != nil {
					t.Fatal(err)
				}
			}
			reset()
			ok("Print", Print(io.Discard, r, PrintOptions{}))
			reset()
			d, err := r.Scan(func(Path, *Dataset, *Element) {})
			ok("Scan", err)
			if threshold > 1 && err == nil {
				_, err := d.Apply(Edit{Path: inner, Op: Delete})
				ok("Apply", err)
				_, err = d.Encode(ImplicitVRLittleEndian)
				ok("Encode", err)
			}
			reset()
			_, err = r.Rewrite(io.Discard, Rewrite{Edits: []Edit{{Path: inner, Op: Delete}}, Syntax: ImplicitVRLittleEndian})
			ok("Rewrite", err)
		}
	}
}
