package dicom

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// slice512 is like a CT slice: some 100 elements, and 512×512 pixels of 16 bits.
func slice512() []byte {
	set := join(ex(SpecificCharacterSet, "CS", "ISO_IR 100"), ex(SOPClassUID, "UI", "1.2.840.10008.5.1.4.1.1.2\x00"), ex(SOPInstanceUID, "UI", "1.2.3.4.5.6.7.8.9\x00"))
	for i := range 30 {
		set = join(set, ex(0x00080020+Tag(i), "DA", "20240101"))
	}
	set = join(set, ex(0x00081140, "SQ", join(item(ex(0x00081150, "UI", "1.2.3\x00"), ex(0x00081155, "UI", "1.2.3.4\x00")), item(ex(0x00081155, "UI", "1.2.3.5\x00")))))
	set = join(set, ex(0x00100010, "PN", "Doe^Jane"), ex(0x00100020, "LO", "1234567 "), ex(0x00100030, "DA", "19700101"))
	for i := range 60 {
		set = join(set, ex(0x00180010+Tag(i), "LO", padded(fmt.Sprintf("value %d", i), ' ')))
	}
	return join(meta(ExplicitVRLittleEndian), set, ex(0x00280010, "US", u16(le, 512)), ex(0x00280011, "US", u16(le, 512)), ex(PixelData, "OW", make([]byte, 512*512*2)))
}

func benchmark(b *testing.B, work func(r *Reader) error) {
	data := slice512()
	src := bytes.NewReader(data)
	r := &Reader{}
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		src.Reset(data)
		if err := r.Reset(src, int64(len(data)), ReadOptions{}); err != nil {
			b.Fatal(err)
		}
		if err := work(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHead(b *testing.B) {
	benchmark(b, func(r *Reader) error { _, _, err := r.Head(); return err })
}

// BenchmarkRewrite is what a delivery does with each object.
func BenchmarkRewrite(b *testing.B) {
	var edits []Edit
	for t, v := range map[Tag]string{0x00100010: "Roe^Richard", 0x00100020: "7654321", 0x00100030: "19700202", 0x00080050: "A1", 0x00080020: "20240102"} {
		e, err := PutText(t, v)
		if err != nil {
			b.Fatal(err)
		}
		edits = append(edits, e)
	}
	for name, rw := range map[string]Rewrite{"copy": {File: true}, "edit": {File: true, Edits: edits}, "implicit": {File: true, Edits: edits, Syntax: ImplicitVRLittleEndian}} {
		b.Run(name, func(b *testing.B) {
			benchmark(b, func(r *Reader) error {
				if _, _, err := r.Head(); err != nil {
					return err
				}
				_, err := r.Rewrite(io.Discard, rw)
				return err
			})
		})
	}
}

func BenchmarkWriteJSON(b *testing.B) {
	benchmark(b, func(r *Reader) error { return WriteJSON(io.Discard, r) })
}
