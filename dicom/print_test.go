package dicom

import (
	"bytes"
	"strings"
	"testing"
)

func TestPrint(t *testing.T) {
	file := join(meta(ExplicitVRLittleEndian), ex(SpecificCharacterSet, "CS", "ISO_IR 192"), ex(0x00081140, "SQ", item(ex(0x00081155, "UI", "1.2\x00"))),
		ex(0x00090010, "LO", "ACME\x1b[31m "), ex(0x00091001, "FL", []byte{0, 0, 0xC0, 0x3F}), ex(0x00100010, "PN", "Müller^\x07"), ex(0x00101010, "AS", ""),
		ex(0x00104000, "LT", strings.Repeat("long ", 100)), ex(0x00110001, "ZZ", "abcd"), openEx(PixelData, "OB", item(), item("abcd"), endSequence))
	const want = `(0002,0000) UL 28  # FileMetaInformationGroupLength
(0002,0010) UI [1.2.840.10008.1.2.1]  # TransferSyntaxUID
(0008,0005) CS [ISO_IR 192]  # SpecificCharacterSet
(0008,1140) SQ  # ReferencedImageSequence
  item 1
    (0008,1155) UI [1.2]  # ReferencedSOPInstanceUID
(0009,0010) LO [ACME␛[31m]  # private creator
(0009,1001) FL 1.5  # private, ACME␛[31m
(0010,0010) PN [Müller^␇]  # PatientName
(0010,1010) AS (empty)  # PatientAge
(0010,4000) LT [long long long long…]  # PatientComments
(0011,0001) ZZ 61 62 63 64  # private
(7FE0,0010) OB (2 fragments, 4 bytes)  # PixelData
`
	for cut, end := range map[int]string{0: "", 4: "-- the file ends here, in the middle of an element\n"} {
		r, err := newReader(file[:len(file)-cut], ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := Print(&b, r, PrintOptions{Width: 19, Meta: true}); err != nil {
			t.Fatal(err)
		}
		if b.String() != want+end {
			t.Errorf("%s\nwant\n%s", b.String(), want+end)
		}
	}
}
