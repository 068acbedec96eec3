package adjust

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"lotse/dicom"
	"lotse/internal/importer"
)

// scene is a picture whose corners differ, so that turning it shows.
func scene(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{R: uint8(255 * x / w), G: uint8(255 * y / h), B: 40, A: 255}
			if x < w/4 && y < h/4 {
				c = color.NRGBA{R: 255, G: 255, B: 255, A: 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

func encodeJPEG(t *testing.T, img image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodePNG(t *testing.T, img image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withSegment puts a marker segment behind the start of a JPEG.
func withSegment(b []byte, marker byte, body []byte) []byte {
	out := append([]byte{}, b[:2]...)
	out = append(out, 0xFF, marker)
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
	return append(append(out, body...), b[2:]...)
}

func exif(orientation uint16) []byte {
	b := []byte("Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01")
	b = binary.BigEndian.AppendUint16(b, orientation)
	return append(b, 0, 0, 0, 0, 0, 0)
}

// decodedBy returns the pixels DCMTK sees.
func decodedBy(t *testing.T, b []byte) image.Image {
	t.Helper()
	if _, err := exec.LookPath("dcmj2pnm"); err != nil {
		t.Skip("dcmj2pnm (dcmtk) is not installed")
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "out.png")
	if text, err := exec.Command("dcmj2pnm", "+on", temporary(t, dir, b), out).CombinedOutput(); err != nil {
		t.Fatal(err, string(text))
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// alike compares pictures within the loss of a decoder.
func alike(t *testing.T, got, want image.Image, tolerance int) {
	t.Helper()
	if got.Bounds().Size() != want.Bounds().Size() {
		t.Fatalf("%v, want %v", got.Bounds(), want.Bounds())
	}
	worst := 0
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			r, g, b, _ := got.At(x, y).RGBA()
			r2, g2, b2, _ := want.At(x, y).RGBA()
			for _, d := range []int{int(r>>8) - int(r2>>8), int(g>>8) - int(g2>>8), int(b>>8) - int(b2>>8)} {
				worst = max(worst, d, -d)
			}
		}
	}
	if worst > tolerance {
		t.Errorf("a sample is off by %d", worst)
	}
}

func TestBaselineJPEGIsWrapped(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 33, 21))
	for i := range grey.Pix {
		grey.Pix[i] = byte(i)
	}
	for name, c := range map[string]struct {
		jpeg        []byte
		photometric string
	}{"colour": {encodeJPEG(t, scene(40, 24)), "YBR_FULL_422"}, "grey": {encodeJPEG(t, grey), "MONOCHROME2"},
		"upright": {withSegment(encodeJPEG(t, scene(40, 24)), 0xE1, exif(1)), "YBR_FULL_422"}} {
		t.Run(name, func(t *testing.T) {
			for _, b := range [][]byte{c.jpeg, append(slices.Clone(c.jpeg), 0)} {
				m, out := convert(t, "image/jpeg", b, unscheduled(), study(t))
				ds := scan(t, out)
				if m.TransferSyntax != dicom.JPEGBaseline8Bit || ds.String(0x00280004) != c.photometric || ds.String(0x00282110) != "01" {
					t.Error(m.TransferSyntax, ds.String(0x00280004), ds.String(0x00282110))
				}
				if !bytes.Contains(out, b) {
					t.Error("the JPEG is not in the object as it was")
				}
				want, err := jpeg.Decode(bytes.NewReader(b))
				if err != nil {
					t.Fatal(err)
				}
				alike(t, decodedBy(t, out), want, 24) // decoders upsample chroma differently
			}
		})
	}
}

// TestTurnedJPEG: each EXIF orientation comes out upright.
func TestTurnedJPEG(t *testing.T) {
	upright := scene(48, 32)
	for o := 2; o <= 8; o++ {
		stored := image.NewNRGBA(image.Rect(0, 0, 48, 32))
		if o >= 5 {
			stored = image.NewNRGBA(image.Rect(0, 0, 32, 48))
		}
		w, h := 48, 32
		for y := range h {
			for x := range w {
				// Where the camera put the upright pixel (x, y): EXIF 2.3, tag 0112.
				sx, sy := [9][2]int{2: {w - 1 - x, y}, 3: {w - 1 - x, h - 1 - y}, 4: {x, h - 1 - y}, 5: {y, x},
					6: {y, w - 1 - x}, 7: {h - 1 - y, w - 1 - x}, 8: {h - 1 - y, x}}[o][0],
					[9][2]int{2: {w - 1 - x, y}, 3: {w - 1 - x, h - 1 - y}, 4: {x, h - 1 - y}, 5: {y, x},
						6: {y, w - 1 - x}, 7: {h - 1 - y, w - 1 - x}, 8: {h - 1 - y, x}}[o][1]
				stored.Set(sx, sy, upright.At(x, y))
			}
		}
		t.Run(fmt.Sprint(o), func(t *testing.T) {
			m, out := convert(t, "image/jpeg", withSegment(encodeJPEG(t, stored), 0xE1, exif(uint16(o))), unscheduled(), nil)
			if m.TransferSyntax != dicom.ExplicitVRLittleEndian || scan(t, out).String(0x00282110) != "01" {
				t.Error("decoded pictures are uncompressed, once lossy")
			}
			alike(t, decodedBy(t, out), upright, 90) // chroma of the hard edge
			sameCorner(t, decodedBy(t, out))
		})
	}
}

// sameCorner: the white corner of scene is where it was.
func sameCorner(t *testing.T, img image.Image) {
	r, g, b, _ := img.At(2, 2).RGBA()
	if r>>8 < 240 || g>>8 < 240 || b>>8 < 240 {
		t.Error("the white corner is elsewhere")
	}
}

func TestPNGKinds(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 17, 9))
	deep := image.NewGray16(image.Rect(0, 0, 17, 9))
	clear := image.NewNRGBA(image.Rect(0, 0, 17, 9))
	deepColour := image.NewNRGBA64(image.Rect(0, 0, 17, 9))
	palette := image.NewPaletted(image.Rect(0, 0, 17, 9), color.Palette{color.Black, color.NRGBA{R: 200, A: 255}, color.NRGBA{G: 9, A: 128}})
	white := image.NewNRGBA(image.Rect(0, 0, 17, 9))
	onWhite := image.NewNRGBA(image.Rect(0, 0, 17, 9))
	for y := range 9 {
		for x := range 17 {
			grey.SetGray(x, y, color.Gray{Y: uint8(15 * x)})
			deep.SetGray16(x, y, color.Gray16{Y: uint16(3000 * x)})
			clear.SetNRGBA(x, y, color.NRGBA{R: 255, A: uint8(15 * x)})
			onWhite.SetNRGBA(x, y, color.NRGBA{R: 255, G: 255 - uint8(15*x), B: 255 - uint8(15*x), A: 255})
			deepColour.SetNRGBA64(x, y, color.NRGBA64{R: uint16(3000 * x), G: 0x8000, A: 0xFFFF})
			palette.SetColorIndex(x, y, uint8(x%3))
			c := []color.NRGBA{{A: 255}, {R: 200, A: 255}, {R: 127, G: 131, B: 127, A: 255}}[x%3]
			white.SetNRGBA(x, y, c)
		}
	}
	for name, c := range map[string]struct {
		img, want   image.Image
		photometric string
		bits        int
	}{"grey": {grey, grey, "MONOCHROME2", 8}, "16-bit grey": {deep, nil, "MONOCHROME2", 16},
		"transparent": {clear, onWhite, "RGB", 8}, "16-bit colour": {deepColour, deepColour, "RGB", 8},
		"palette": {palette, white, "RGB", 8}, "colour": {scene(17, 9), scene(17, 9), "RGB", 8}} {
		t.Run(name, func(t *testing.T) {
			m, out := convert(t, "image/png", encodePNG(t, c.img), unscheduled(), study(t))
			ds := scan(t, out)
			bits, _ := ds.Int(0x00280100)
			if m.TransferSyntax != dicom.ExplicitVRLittleEndian || ds.String(0x00280004) != c.photometric || bits != c.bits {
				t.Error(m.TransferSyntax, ds.String(0x00280004), bits)
			}
			if c.want != nil {
				alike(t, decodedBy(t, out), c.want, 2)
				return
			}
			if !bytes.Contains(out, []byte{0, 0, 3000 & 0xFF, 3000 >> 8, 6000 & 0xFF, 6000 >> 8}) {
				t.Error("the samples are not in Little Endian as they were")
			}
		})
	}
}

// TestPictureOfPoppler: progressive and CMYK JPEGs of another encoder.
func TestPictureOfPoppler(t *testing.T) {
	if _, err := exec.LookPath("pdftoppm"); err != nil {
		t.Skip("pdftoppm (poppler-utils) is not installed")
	}
	for name, options := range map[string][]string{"progressive": {"-jpeg", "-jpegopt", "progressive=y"}, "CMYK": {"-jpegcmyk"}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			pdf := filepath.Join(dir, "in.pdf")
			if err := os.WriteFile(pdf, testPDF(), 0o600); err != nil {
				t.Fatal(err)
			}
			args := append(options, "-r", "72", "-singlefile", pdf, filepath.Join(dir, "page"))
			if text, err := exec.Command("pdftoppm", args...).CombinedOutput(); err != nil {
				t.Skip("pdftoppm cannot do this: ", string(text))
			}
			b, err := os.ReadFile(filepath.Join(dir, "page.jpg"))
			if err != nil {
				t.Fatal(err)
			}
			h, err := readJPEGHeader(bytes.NewReader(b))
			if err != nil || h.wrappable() {
				t.Fatal(err, &h)
			}
			_, out := convert(t, "image/jpeg", b, unscheduled(), nil)
			img := decodedBy(t, out)
			r, g, bl, _ := img.At(40, 55).RGBA()
			if img.Bounds().Dx() != 120 || r>>8 < 200 || g>>8 > 70 || bl>>8 > 70 {
				t.Errorf("the red rectangle is not where it should be: %v %d %d %d", img.Bounds(), r>>8, g>>8, bl>>8)
			}
		})
	}
}

func TestPhotometric(t *testing.T) {
	of := func(adobe int, ids string, factors ...byte) string {
		h := jpegHeader{adobe: adobe}
		for i, f := range factors {
			h.components = append(h.components, jpegComponent{id: ids[i], h: f >> 4, v: f & 15})
		}
		return h.photometric()
	}
	for want, got := range map[string][]string{
		"YBR_FULL":     {of(-1, "\x01\x02\x03", 0x11, 0x11, 0x11), of(1, "RGB", 0x11, 0x11, 0x11), of(1, "\x01\x02\x03", 0x22, 0x22, 0x22)},
		"YBR_FULL_422": {of(-1, "\x01\x02\x03", 0x21, 0x11, 0x11), of(1, "\x01\x02\x03", 0x22, 0x11, 0x11)},
		"RGB":          {of(0, "\x01\x02\x03", 0x11, 0x11, 0x11), of(-1, "RGB", 0x11, 0x11, 0x11)},
		"MONOCHROME2":  {of(-1, "\x01", 0x22)},
	} {
		for i, g := range got {
			if g != want {
				t.Errorf("%s, case %d: %s", want, i, g)
			}
		}
	}
}

func TestUnfitDocuments(t *testing.T) {
	huge := encodePNG(t, image.NewGray(image.Rect(0, 0, 4, 4)))
	binary.BigEndian.PutUint32(huge[16:], 60000)
	binary.BigEndian.PutUint32(huge[20:], 60000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	wide := encodePNG(t, image.NewGray(image.Rect(0, 0, 65536, 1)))
	full := encodeJPEG(t, scene(40, 24))
	big := withSegment(full, 0xE1, exif(6))
	at := bytes.Index(big, []byte{0xFF, 0xC0})
	binary.BigEndian.PutUint16(big[at+5:], 60000)
	binary.BigEndian.PutUint16(big[at+7:], 60000)
	for name, c := range map[string]struct {
		kind string
		b    []byte
	}{"no PDF": {"application/pdf", []byte("<html>")}, "empty PDF": {"application/pdf", nil},
		"other type": {"text/html", []byte("<html>")}, "no PNG": {"image/png", testPDF()}, "cut PNG": {"image/png", huge[:60]},
		"pixel bomb": {"image/png", huge}, "too wide": {"image/png", wide}, "no JPEG": {"image/jpeg", testPDF()},
		"JPEG without scan": {"image/jpeg", full[:30]}, "JPEG bomb": {"image/jpeg", big},
		"cut turned JPEG": {"image/jpeg", withSegment(full[:len(full)/2], 0xE1, exif(3))}} {
		t.Run(name, func(t *testing.T) {
			_, err := Convert(importer.Document{Type: c.kind}, opener(c.b), int64(len(c.b)), unscheduled(), nil, 1)
			var open *importer.OpenError
			if !errors.As(err, &open) || open.Reason != importer.ReasonDocumentUnfit {
				t.Error(err)
			}
		})
	}
}

// FuzzJPEGHeader: no bytes make the header's reader fail other than by an error.
func FuzzJPEGHeader(f *testing.F) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(withSegment(b.Bytes(), 0xE1, exif(6)))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readJPEGHeader(bytes.NewReader(data))
		if err == nil && (h.width < 1 || h.height < 1 || h.orientation < 1 || h.orientation > 8 || h.wrappable() && h.photometric() == "") {
			t.Error(&h)
		}
	})
}
