package terminal

import (
	"fmt"
	"image"
	"image/color"
	"io"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quietZone is the light margin around a QR code, in modules (ISO/IEC 18004 §6.3.8).
const quietZone = 4

// Black on white from the fixed part of the palette: themes change the basic
// colours and never these.
const (
	blackOnWhite = "\x1b[38;5;16;48;5;231m"
	ownColours   = "\x1b[0m"
)

// QR draws text as a QR code with half blocks, two modules per character one above
// the other, black on white whatever the terminal's colours are. It fails when text
// is too long for a code.
func QR(w io.Writer, text string) error {
	// L, the weakest error correction, makes the smallest code: a screen is not dirty.
	code, err := qr.Encode(text, qr.L, qr.Auto)
	if err != nil { // it quotes the text, which is a secret
		return fmt.Errorf("make a QR code: %d bytes do not fit into one", len(text))
	}
	if _, err := io.WriteString(w, halfBlocks(code)); err != nil {
		return fmt.Errorf("print a QR code: %w", err)
	}
	return nil
}

// halfBlocks draws an image of one pixel per module, with its quiet zone.
func halfBlocks(code image.Image) string {
	bounds := code.Bounds()
	dark := func(x, y int) bool {
		p := image.Pt(bounds.Min.X+x, bounds.Min.Y+y)
		return p.In(bounds) && color.GrayModel.Convert(code.At(p.X, p.Y)).(color.Gray).Y < 0x80
	}
	blocks := map[[2]bool]string{
		{false, false}: " ", {true, false}: "▀", {false, true}: "▄", {true, true}: "█",
	}
	var b strings.Builder
	for y := -quietZone; y < bounds.Dy()+quietZone; y += 2 {
		b.WriteString(blackOnWhite)
		for x := -quietZone; x < bounds.Dx()+quietZone; x++ {
			b.WriteString(blocks[[2]bool{dark(x, y), dark(x, y+1)}])
		}
		b.WriteString(ownColours + "\n")
	}
	return b.String()
}
