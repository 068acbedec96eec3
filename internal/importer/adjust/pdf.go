package adjust

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"lotse/dicom"
	"lotse/internal/importer"
)

// pdf makes an Encapsulated PDF object (PS3.3 §A.45.1).
func (c *conversion) pdf() (*Made, error) {
	if err := c.looksLikePDF(); err != nil {
		return nil, err
	}
	if c.size > math.MaxUint32-1 {
		return nil, &importer.OpenError{Reason: importer.ReasonTooLarge, Err: errors.New("a PDF of 4 GiB or more")}
	}
	c.set(0x00080060, "DOC")
	c.set(0x0008002A, "")                           // Acquisition DateTime
	c.ds.Put(dicom.NewSequence(0x0040A043))         // Concept Name Code Sequence
	c.set(0x00420010, line(c.doc.Title, 1024))      // Document Title
	behind := dicom.New()                           // what follows the document
	behind.Put(text(0x00420012, "application/pdf")) // MIME Type
	behind.Put(dicom.NewNumbers(0x00420015, dicom.UL, float64(c.size)))
	tail, err := behind.Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		return nil, err
	}
	odd := c.size & 1
	header := []byte{0x42, 0, 0x11, 0, 'O', 'B', 0, 0}
	header = binary.LittleEndian.AppendUint32(header, uint32(c.size+odd))
	tail = append(make([]byte, odd), tail...)
	return c.finish(EncapsulatedPDF, dicom.ExplicitVRLittleEndian, header, tail, c.size, c.open)
}

// looksLikePDF: readers accept the signature within the first 1,024 bytes.
func (c *conversion) looksLikePDF() error {
	r, err := c.open()
	if err != nil {
		return err
	}
	start := make([]byte, 1024)
	n, err := io.ReadFull(r, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.Join(err, r.Close())
	}
	if !bytes.Contains(start[:n], []byte("%PDF-")) {
		err = unfit("no PDF signature")
	} else {
		err = nil
	}
	return errors.Join(err, r.Close())
}
