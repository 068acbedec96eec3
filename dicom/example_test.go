package dicom_test

import (
	"bytes"
	"fmt"
	"os"

	"lotse/dicom"
)

// A patient ID is changed while the object is copied; everything else keeps its
// bytes.
func Example() {
	d := dicom.New()
	for tag, value := range map[dicom.Tag]string{0x00100010: "Doe^Jane", 0x00100020: "OLD"} {
		if _, err := d.SetString(tag, value); err != nil {
			fmt.Println(err)
		}
	}
	source, err := d.Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		fmt.Println(err)
	}
	options := dicom.ReadOptions{Syntax: dicom.ExplicitVRLittleEndian}
	r, err := dicom.NewReader(bytes.NewReader(source), int64(len(source)), options)
	if err != nil {
		fmt.Println(err)
	}
	edit, err := dicom.PutText(0x00100020, "NEW")
	if err != nil {
		fmt.Println(err)
	}
	var copied bytes.Buffer
	if _, err := r.Rewrite(&copied, dicom.Rewrite{Edits: []dicom.Edit{edit}}); err != nil {
		fmt.Println(err)
	}
	if err := r.Reset(&copied, int64(copied.Len()), options); err != nil {
		fmt.Println(err)
	}
	if err := dicom.Print(os.Stdout, r, dicom.PrintOptions{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// (0010,0010) PN [Doe^Jane]  # PatientName
	// (0010,0020) LO [NEW]  # PatientID
}
