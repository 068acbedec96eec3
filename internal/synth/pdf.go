package synth

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

// sheet is one A4 page of text and lines. Coordinates are in points (1/72 inch)
// from the upper left corner.
type sheet struct {
	ops   bytes.Buffer
	title string
}

const (
	sheetWidth  = 595
	sheetHeight = 842
)

// text sets a line with its base at y; bold or not, size in points.
func (s *sheet) text(x, y, size float64, bold bool, line string) {
	font := "F1"
	if bold {
		font = "F2"
	}
	fmt.Fprintf(&s.ops, "BT /%s %g Tf %g %g Td (%s) Tj ET\n", font, size, x, sheetHeight-y, literal(line))
}

// color sets the colour of what follows, parts from 0 to 1.
func (s *sheet) color(r, g, b float64) {
	fmt.Fprintf(&s.ops, "%g %g %g rg %g %g %g RG\n", r, g, b, r, g, b)
}

func (s *sheet) box(x, y, w, h float64) {
	fmt.Fprintf(&s.ops, "%g %g %g %g re f\n", x, sheetHeight-y-h, w, h)
}

// literal writes text as a string object in WinAnsiEncoding (ISO 32000-1 §7.3.4.2).
func literal(text string) string {
	encoded, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		encoded = "?"
	}
	return strings.NewReplacer("\\", "\\\\", "(", "\\(", ")", "\\)").Replace(encoded)
}

// pdf writes the page as a file of its own, in fonts every reader has.
func (s *sheet) pdf() []byte {
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R /Lang (de) >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R "+
			"/Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>", sheetWidth, sheetHeight),
		fmt.Sprintf("<< /Length %d >>\nstream\n%sendstream", s.ops.Len(), s.ops.String()),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
		fmt.Sprintf("<< /Title (%s) /Producer (Lotse) >>", literal(s.title)),
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n%\xE2\xE3\xCF\xD3\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, len(objects), table)
	return b.Bytes()
}
