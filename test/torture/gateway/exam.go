package gateway

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"

	"lotse/dicom"
	"lotse/internal/synth"
)

// BirthDate is that of every synthetic patient: the answer portals ask for.
const BirthDate = "19700228"

// Exam is a synthetic examination with what is to be found again of it.
type Exam struct {
	Seed    uint64
	ZIP     []byte // an IHE PDI medium
	Objects []Object
}

// Object is one DICOM object of an exam.
type Object struct {
	UID, Class, Syntax string
	Study              string
	File               []byte // Part 10
	Data               []byte // the data set in it
	Digest             [sha256.Size]byte
}

// NewExam makes the examination of the options.
func NewExam(o synth.CTOptions) (*Exam, error) {
	var b bytes.Buffer
	if err := synth.CT(&b, o); err != nil {
		return nil, err
	}
	e := &Exam{Seed: o.Seed, ZIP: b.Bytes()}
	files, err := zip.NewReader(bytes.NewReader(e.ZIP), int64(len(e.ZIP)))
	if err != nil {
		return nil, err
	}
	for _, f := range files.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(content[min(len(content), 128):], []byte("DICM")) || f.Name == "DICOMDIR" {
			continue
		}
		object, err := newObject(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		e.Objects = append(e.Objects, object)
	}
	return e, nil
}

const studyInstanceUID = dicom.Tag(0x0020000D)

// newObject reads what is needed of a Part 10 file.
func newObject(file []byte) (Object, error) {
	r, err := dicom.NewReader(bytes.NewReader(file), int64(len(file)), dicom.ReadOptions{})
	if err != nil {
		return Object{}, err
	}
	d, _, err := r.Head()
	if err != nil {
		return Object{}, err
	}
	o := Object{UID: d.String(dicom.SOPInstanceUID), Class: d.String(dicom.SOPClassUID), Study: d.String(studyInstanceUID), File: file,
		Syntax: dicom.ExplicitVRLittleEndian}
	meta := dicom.FileMeta(o.Class, o.UID, o.Syntax)
	if !bytes.HasPrefix(file, meta) {
		return Object{}, fmt.Errorf("the file meta information of %s is not the usual one", o.UID)
	}
	o.Data = file[len(meta):]
	o.Digest = sha256.Sum256(o.Data)
	return o, nil
}
