package synth

import (
	"bytes"
	"compress/flate"
	"fmt"

	"lotse/dicom"
)

// SliceOptions describe one CT image for a test. Zero values mean the default in
// brackets.
type SliceOptions struct {
	Seed    uint64
	Number  int    // place in its series, from 0; objects of one seed are one study
	Rows    int    // (16)
	Columns int    // (16)
	Syntax  string // UID of an uncompressed or deflated transfer syntax (Explicit VR Little Endian)
	Charset string // Specific Character Set, values parted by backslashes (ISO_IR 100)
	// Elements are put last, so they replace what is there; Without are taken out
	// after them. The file meta information follows what is left of the UIDs.
	Elements []dicom.Element
	Without  []dicom.Tag
}

// Slice returns a CT image as a Part 10 file with all that the standard asks for,
// except for what o changes about it. Text must fit the character set.
func Slice(o SliceOptions) ([]byte, error) {
	if o.Syntax == "" {
		o.Syntax = dicom.ExplicitVRLittleEndian
	}
	if o.Charset == "" {
		o.Charset = "ISO_IR 100"
	}
	c, err := CTOptions{Slices: 1, Series: 1, Rows: max(o.Rows, 0), Columns: max(o.Columns, 0), Seed: o.Seed}.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Rows == 0 {
		c.Rows = 16
	}
	if o.Columns == 0 {
		c.Columns = 16
	}
	e := ctExam(c)
	e.charset = o.Charset
	s := &e.study.series[0]
	b := &builder{d: dicom.New()}
	e.common(b, s, o.Number)
	s.build(b, o.Number)
	for _, element := range o.Elements {
		b.d.Put(element)
	}
	for _, tag := range o.Without {
		b.d.Remove(tag)
	}
	if b.err != nil {
		return nil, b.err
	}
	body, err := encode(b.d, o.Syntax)
	if err != nil {
		return nil, err
	}
	meta := dicom.FileMeta(b.d.String(dicom.SOPClassUID), b.d.String(dicom.SOPInstanceUID), o.Syntax)
	return append(meta, body...), nil
}

// encode encodes d, also deflated (PS3.5 §A.5).
func encode(d *dicom.Dataset, syntax string) ([]byte, error) {
	if s, known := dicom.SyntaxOf(syntax); !known || s.Encapsulated {
		return nil, fmt.Errorf("synth: no slices in transfer syntax %s", syntax)
	}
	if syntax != dicom.DeflatedExplicitVRLittleEndian {
		return d.Encode(syntax)
	}
	plain, err := d.Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("synth: deflate: %w", err)
	}
	if b.Len()%2 == 1 {
		b.WriteByte(0)
	}
	return b.Bytes(), nil
}
