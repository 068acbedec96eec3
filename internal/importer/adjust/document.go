package adjust

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"lotse/dicom"
	"lotse/dicom/uid"
	"lotse/internal/importer"
)

// SOP classes of objects made of documents (PS3.4 §B.5).
const (
	EncapsulatedPDF  = "1.2.840.10008.5.1.4.1.1.104.1"
	SecondaryCapture = "1.2.840.10008.5.1.4.1.1.7"
)

// firstSeries is what the Series Numbers of documents start after, so that they
// come behind the images.
const firstSeries = 9000

// Made is a DICOM object made of a document. Its bytes come from the document as
// they are read, the same every time.
type Made struct {
	SOPClass, SOPInstance string
	Study, Series         string
	TransferSyntax        string
	Size                  int64  // bytes of the whole file
	Digest                string // SHA-256 of the document, hexadecimal

	header, trailer []byte
	length          int64 // of what is between them
	open            func() (io.ReadCloser, error)
}

// Open returns the object as a Part 10 file: preamble, file meta information and
// data set. Reading fails with io.ErrUnexpectedEOF when the document has become
// shorter, and with an error when it has become longer.
func (m *Made) Open() (io.ReadCloser, error) {
	value, err := m.open()
	if err != nil {
		return nil, err
	}
	return &made{Reader: io.MultiReader(bytes.NewReader(m.header),
		&exactly{r: value, left: m.length}, bytes.NewReader(m.trailer)), Closer: value}, nil
}

// WriteTo writes what Open returns.
func (m *Made) WriteTo(w io.Writer) (int64, error) {
	r, err := m.Open()
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, r)
	return n, errors.Join(err, r.Close())
}

type made struct {
	io.Reader
	io.Closer
}

// exactly reads a source that must have the length it was said to have.
type exactly struct {
	r    io.Reader
	left int64
}

var errLonger = errors.New("the document is longer than it was")

func (x *exactly) Read(p []byte) (int, error) {
	if x.left == 0 {
		var one [1]byte
		if n, _ := io.ReadFull(x.r, one[:]); n > 0 {
			return 0, errLonger
		}
		return 0, io.EOF
	}
	if int64(len(p)) > x.left {
		p = p[:x.left]
	}
	n, err := x.r.Read(p)
	x.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
		if x.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// Convert makes a DICOM object of a document: Encapsulated PDF Storage of a PDF,
// Secondary Capture of a JPEG or PNG picture. study is the data set of an instance
// of the study the document came with, as it was received; nil puts the document
// into a new study of the decided patient. seq, from 1, numbers the documents of
// one import: each becomes a series of its own, 9000+seq. size is the length that
// the source claims, -1 when unknown; open may be called any number of times, and
// the document is read to its end once before Convert returns.
//
// A document that cannot become an object is an *importer.OpenError with the
// reason; other errors are those of the decision or of open.
func Convert(doc importer.Document, open func() (io.ReadCloser, error), size int64,
	d *importer.Decision, study *dicom.Dataset, seq int) (*Made, error) {
	p, err := NewPlanner(d)
	if err != nil {
		return nil, err
	}
	c := &conversion{p: p, doc: doc, open: open, seq: seq}
	if err := c.read(size); err != nil {
		return nil, err
	}
	if err := c.common(study); err != nil {
		return nil, err
	}
	switch doc.Type {
	case "application/pdf":
		return c.pdf()
	case "image/jpeg":
		return c.jpeg()
	case "image/png":
		return c.png()
	}
	return nil, unfit("there is no DICOM object for media type %q", doc.Type)
}

func unfit(format string, args ...any) error {
	return &importer.OpenError{Reason: importer.ReasonDocumentUnfit, Err: fmt.Errorf(format, args...)}
}

// read goes through the document once for its length and digest: lengths from
// outside are claims, and documents that differ must not get the same UIDs.
func (c *conversion) read(claimed int64) error {
	r, err := c.open()
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	if claimed >= 0 && n < claimed {
		return &importer.OpenError{Reason: importer.ReasonTruncated, Err: io.ErrUnexpectedEOF}
	}
	c.size, c.digest = n, hex.EncodeToString(h.Sum(nil))
	return nil
}

// conversion makes one object.
type conversion struct {
	p    *Planner
	doc  importer.Document
	open func() (io.ReadCloser, error)
	seq  int

	size   int64
	digest string

	study, series, instance string
	ds                      *dicom.Dataset // what comes before the streamed value
}

// common sets what all made objects have: the patient and study of the decision,
// the new series, the equipment.
func (c *conversion) common(study *dicom.Dataset) error {
	ds, err := c.p.patientAndStudy(study)
	if err != nil {
		return err
	}
	c.ds = ds
	d := c.p.decision
	date, clock := d.At.Format("20060102"), d.At.Format("150405")
	if c.study = ds.String(tagStudyUID); c.study == "" {
		c.study = c.derive("study", strconv.FormatInt(d.At.UnixMicro(), 10), ds.String(tagPatientID),
			ds.String(tagPatientIDIssuer), ds.String(tagPatientName), ds.String(tagBirthDate), d.Institution)
		c.set(tagStudyUID, c.study)
		c.set(0x00080020, date)
		c.set(0x00080030, clock)
	}
	number := strconv.Itoa(c.seq)
	c.series = c.derive("series", c.study, c.digest, number)
	c.instance = c.derive("instance", c.study, c.digest, number)
	c.set(dicom.SOPInstanceUID, c.instance)
	c.set(tagSeriesUID, c.series)
	c.set(0x00200011, strconv.Itoa(firstSeries+c.seq)) // Series Number
	c.set(0x00200013, "1")                             // Instance Number
	c.set(0x00080021, date)                            // Series Date and Time
	c.set(0x00080031, clock)
	c.set(0x00080023, date) // Content Date and Time
	c.set(0x00080033, clock)
	c.set(0x00080064, "WSD") // Conversion Type: workstation
	c.set(0x00280301, "YES") // Burned In Annotation: nobody looked
	for _, e := range c.p.house.equipment {
		if e.Tag != tagContributed {
			ds.Put(e)
		}
	}
	if title := line(c.doc.Title, 64); title != "" {
		c.set(0x0008103E, title) // Series Description
	}
	ds.Put(dicom.NewSequence(tagEquipment, c.p.house.contribution()))
	return nil
}

// derive makes a UID from what tells the document and its place from all others,
// so that the same document of the same import gets the same UIDs again.
func (c *conversion) derive(parts ...string) string {
	return uid.Derive(c.p.decision.UIDKey, "lotse document\x00"+strings.Join(parts, "\x00"))
}

// set puts an attribute of characters, whose tag is a constant.
func (c *conversion) set(t dicom.Tag, value string) { c.ds.Put(text(t, value)) }

func (c *conversion) numbers(t dicom.Tag, value int) {
	c.ds.Put(dicom.NewNumbers(t, dicom.US, float64(value)))
}

// finish encodes everything around the streamed value: header is its element
// header and what precedes the bytes of the document, behind what follows them.
func (c *conversion) finish(class, syntax string, header, behind []byte, length int64, open func() (io.ReadCloser, error)) (*Made, error) {
	c.set(dicom.SOPClassUID, class)
	if !textOnlyASCII(c.ds) {
		c.set(tagCharset, utf8Term)
	}
	encoded, err := c.ds.Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		return nil, fmt.Errorf("encode the header of a document: %w", err)
	}
	m := &Made{SOPClass: class, SOPInstance: c.instance, Study: c.study, Series: c.series,
		TransferSyntax: syntax, Digest: c.digest, trailer: behind, length: length, open: open}
	m.header = append(dicom.FileMeta(class, c.instance, syntax), encoded...)
	m.header = append(m.header, header...)
	m.Size = int64(len(m.header)) + length + int64(len(behind))
	return m, nil
}

// line makes a file name fit for a single line of text: no control characters, no
// backslashes, at most n characters.
func line(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\\':
			return '/'
		case unicode.IsControl(r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if runes := []rune(s); len(runes) > n {
		s = string(runes[:n])
	}
	return strings.TrimSpace(s)
}
