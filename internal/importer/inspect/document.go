package inspect

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"strings"

	"lotse/internal/importer"
)

const (
	tinySide    = 128      // pixels: a picture that is smaller on one side is an ornament
	pictureHead = 4 << 20  // bytes in which the size of a picture must be found
	pdfTail     = 16 << 10 // bytes at the end of a PDF that are looked at
	maxTitle    = 64       // characters of a title
)

// document judges a file that carries the signature of something else than DICOM.
func document(c *content, cl class, media, path string) seen {
	s := seen{class: cl, media: media}
	switch cl {
	case classEmpty:
		return leftOut(importer.ReasonEmpty, "")
	case classPDF:
		inspectPDF(c, &s)
	case classJPEG:
		inspectPicture(c, &s, jpeg.DecodeConfig)
	case classPNG:
		inspectPicture(c, &s, png.DecodeConfig)
	case classOLE:
		s.class, s.media = ole(strings.ToLower(base(path)))
	}
	return s
}

// inspectPicture reads the size of a picture. One whose header cannot be read could
// not be turned into an object either.
func inspectPicture(c *content, s *seen, decode func(io.Reader) (image.Config, error)) {
	src, err := c.start()
	if err != nil {
		return
	}
	config, err := decode(io.LimitReader(src, pictureHead))
	if err != nil || config.Width <= 0 || config.Height <= 0 {
		s.class = classImage
		s.detail = s.media + ": its header cannot be read"
		return
	}
	s.tiny = min(config.Width, config.Height) < tinySide
}

// inspectPDF looks for the marks of encryption and of the end.
func inspectPDF(c *content, s *seen) {
	s.encrypted = bytes.Contains(c.head, []byte("/Encrypt"))
	tail := c.tail(pdfTail)
	if tail == nil {
		return
	}
	s.encrypted = s.encrypted || bytes.Contains(tail, []byte("/Encrypt"))
	s.cutOff = !bytes.Contains(tail, []byte("%%EOF"))
}

// title makes a document's title from its name.
func title(path string) string {
	name := base(path)
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	name = strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, name)
	runes := []rune(strings.TrimSpace(name))
	return string(runes[:min(len(runes), maxTitle)])
}

// isControl reports characters that no title has.
func isControl(r rune) bool { return r < 0x20 || r >= 0x7F && r < 0xA0 }
