package inspect

import (
	"context"
	"errors"
	"strings"

	"lotse/dicom"
	"lotse/internal/importer"
)

// worker looks at one file at a time and keeps its buffers between files.
type worker struct {
	ctx     context.Context
	pkg     importer.Package
	read    dicom.ReadOptions
	reader  dicom.Reader
	sniffer *sniffer
	buf     [headLen]byte
	known   [knownLen]byte
}

// seen is what looking at one file came to.
type seen struct {
	reason importer.ReasonCode // why it is left out, "" when that is not known yet
	detail string
	// refused: the package itself does not open it.
	refused bool

	object    *object    // a DICOM instance
	directory *directory // a DICOMDIR
	program   bool       // the preamble of a DICOM object is a program
	class     class      // of what is no DICOM object
	media     string
	tiny      bool // a picture that shows no exam
	encrypted bool // a PDF
	cutOff    bool // a PDF without its end
}

func leftOut(reason importer.ReasonCode, detail string) seen {
	return seen{reason: reason, detail: detail}
}

// look judges file i.
func (w *worker) look(i int) seen {
	f := w.pkg.File(i)
	if f.Refused != "" {
		return seen{reason: f.Refused, refused: true}
	}
	c, err := open(w.ctx, w.pkg, i, w.buf[:], w.known[:])
	if err != nil {
		return leftOut(reasonOf(err), "cannot be opened")
	}
	defer c.close()
	s := w.judge(c, f.Path)
	if c.err != nil {
		return leftOut(reasonOf(c.err), "cannot be read to the place where that is needed")
	}
	return s
}

// judge decides what the content is: DICOM before all else, as a preamble may look
// like anything.
func (w *worker) judge(c *content, path string) seen {
	named := isPart10(c.head)
	if !named {
		if class, media, ok := w.sniffer.magic(c.head); ok {
			return document(c, class, media, path)
		}
	}
	if s, ok := w.dicom(c, named); ok {
		return s
	}
	if class, media, ok := lateMagic(c.head); ok {
		return document(c, class, media, path)
	}
	class, media := text(c.head, strings.ToLower(base(path)))
	return seen{class: class, media: media}
}

// isPart10 reports the prefix of PS3.10 §7.1, after the preamble or in its place,
// or file meta information without either.
func isPart10(head []byte) bool {
	return len(head) >= 132 && string(head[128:132]) == "DICM" ||
		len(head) >= 4 && string(head[:4]) == "DICM" ||
		len(head) >= 8 && string(head[:8]) == "\x02\x00\x00\x00UL\x04\x00"
}

// dicom reads the content as a DICOM object; ok is false where it is none. named
// says that it claims to be one.
func (w *worker) dicom(c *content, named bool) (s seen, ok bool) {
	src, err := c.start()
	if err != nil {
		return seen{}, true // c.err says why
	}
	r := &w.reader
	if err := r.Reset(src, c.size, w.read); err != nil {
		return failed(err), named
	}
	named = named || r.Meta() != nil && r.Meta().Has(dicom.TransferSyntaxUID)
	head, complete, err := r.Head()
	if err != nil {
		return failed(err), named
	}
	if isDirectory(r.Meta(), head) {
		return seen{directory: readDirectory(r)}, true
	}
	named = named || identified(head)
	onePass := complete
	ds := head
	text := &textCheck{}
	if !complete {
		ds, err = r.Scan(text.visit)
		if err != nil {
			return failed(err), named || identified(head)
		}
		onePass = nothingBehind(ds)
	}
	if r.Truncated() {
		return brokenOff(c, r.Cut()), named || identified(ds)
	}
	if !named && !identified(ds) {
		return seen{}, false
	}
	whole := !complete
	if complete && c.pos >= c.size {
		// Whether pixel data follow does not show; all is in the buffer anyway.
		if ds, err = r.Scan(nil); err != nil {
			return failed(err), true
		}
		whole = true
	}
	return w.instance(ds, whole, onePass, text), true
}

// identified reports that a data set names a SOP class, an instance or a study.
func identified(ds *dicom.Dataset) bool {
	return ds.Has(dicom.SOPClassUID) || ds.Has(dicom.SOPInstanceUID) || ds.Has(studyInstanceUID)
}

// nothingBehind reports that all that an edit could concern is small and comes
// before the pixel data.
func nothingBehind(ds *dicom.Dataset) bool {
	pixels := false
	for e := range ds.All() {
		switch {
		case e.Tag.IsPixelData():
			pixels = true
		case e.Tag == dicom.DataSetTrailingPadding:
		case pixels, e.Large():
			return false
		}
	}
	return true
}

// brokenOff tells an object that ends too early from one that makes no sense from
// some place on, with more behind it. Where all of a file is in the buffer, that
// does not show.
func brokenOff(c *content, cut int64) seen {
	if c.size >= 0 && c.pos < c.size {
		return leftOut(importer.ReasonDamaged, "no data set "+at(cut))
	}
	return leftOut(importer.ReasonTruncated, at(cut))
}

// failed turns an error of the reader into a reason. The source's own errors are
// with the content.
func failed(err error) seen {
	reason := importer.ReasonDamaged
	switch {
	case errors.Is(err, dicom.ErrTruncated):
		reason = importer.ReasonTruncated
	case errors.Is(err, dicom.ErrLimit):
		reason = importer.ReasonTooLarge
	}
	return leftOut(reason, technical(err))
}

// maxDetail bounds what is said to technicians, in bytes.
const maxDetail = 200

// technical is the text of an error of the reader, whose paths may be long.
func technical(err error) string {
	s := strings.TrimPrefix(err.Error(), "dicom: ")
	if len(s) > maxDetail {
		return s[:maxDetail/2] + " … " + s[len(s)-maxDetail/2:]
	}
	return s
}

// base returns the last element of a path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// folder returns all but the last element of a path, "" where there is one only.
func folder(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return ""
}
