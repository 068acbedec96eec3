package picture

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const link = "https://portal.example/view?token=ABC-S1Z-98A"

const pixels = 50e6

// code makes a QR code with qrencode.
func code(t testing.TB, text string, args ...string) image.Image {
	t.Helper()
	if _, err := exec.LookPath("qrencode"); err != nil {
		t.Skip("qrencode is not installed")
	}
	path := filepath.Join(t.TempDir(), "qr.png")
	if out, err := exec.Command("qrencode", append(args, "-o", path, text)...).CombinedOutput(); err != nil {
		t.Fatalf("qrencode: %v %s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func asPNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJPEG(t testing.TB, img image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func paper(w, h int, c color.Color) *image.RGBA {
	page := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(page, page.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
	return page
}

// pasted puts an image on a page, at a point.
func pasted(page *image.RGBA, img image.Image, x, y int) *image.RGBA {
	draw.Draw(page, img.Bounds().Add(image.Pt(x, y)), img, img.Bounds().Min, draw.Over)
	return page
}

func mapped(img image.Image, at func(x, y int) (int, int), c func(color.Color) color.Color) image.Image {
	b := img.Bounds()
	out := paper(b.Dx(), b.Dy(), color.White)
	for y := range b.Dy() {
		for x := range b.Dx() {
			sx, sy := at(x, y)
			if image.Pt(sx, sy).In(b) {
				out.Set(x, y, c(img.At(sx, sy)))
			}
		}
	}
	return out
}

func same(c color.Color) color.Color { return c }

func inverted(c color.Color) color.Color {
	return color.Gray{255 - color.GrayModel.Convert(c).(color.Gray).Y}
}

func rotated(img image.Image, degrees float64) image.Image {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	m := float64(img.Bounds().Dx()) / 2
	return mapped(img, func(x, y int) (int, int) {
		dx, dy := float64(x)-m, float64(y)-m
		return int(math.Round(dx*cos + dy*sin + m)), int(math.Round(dy*cos - dx*sin + m))
	}, same)
}

func straight(x, y int) (int, int) { return x, y }

func isLink(text string) bool { return strings.HasPrefix(text, "https://") }

func TestFind(t *testing.T) {
	plain := code(t, link)
	large := code(t, link, "-s", "12")
	centred := pasted(paper(700, 700, color.White), code(t, link, "-s", "8"), 190, 190)
	letter := pasted(paper(1654, 2339, color.White), code(t, link, "-s", "4"), 1300, 200) // A4 at 200 dpi
	for y := 600; y < 2200; y += 60 {                                                     // with lines of text
		for x := 200; x < 1450; x += 23 {
			draw.Draw(letter, image.Rect(x, y, x+9+x%7, y+30), image.Black, image.Point{}, draw.Src)
		}
	}
	edge := large.Bounds().Dx() - 1
	pictures := map[string][]byte{
		"as printed":       asPNG(t, plain),
		"one pixel":        asPNG(t, code(t, link, "-s", "1")),
		"no quiet zone":    asPNG(t, code(t, link, "-s", "1", "-m", "0")),
		"huge":             asPNG(t, code(t, link, "-s", "60")),
		"robust":           asPNG(t, code(t, link, "-l", "H")),
		"jpeg":             asJPEG(t, plain, 40),
		"letter":           asPNG(t, letter),
		"letter, jpeg":     asJPEG(t, letter, 60),
		"upside down":      asPNG(t, rotated(large, 180)),
		"turned right":     asPNG(t, rotated(large, 90)),
		"turned 20":        asPNG(t, rotated(centred, 20)),
		"turned 45":        asPNG(t, rotated(centred, 45)),
		"turned 70":        asPNG(t, rotated(centred, 70)),
		"mirrored":         asPNG(t, mapped(large, func(x, y int) (int, int) { return edge - x, y }, same)),
		"inverted":         asPNG(t, mapped(large, straight, inverted)),
		"grey on grey":     asPNG(t, mapped(large, straight, func(c color.Color) color.Color { return color.Gray{100 + color.GrayModel.Convert(c).(color.Gray).Y/4} })),
		"on transparency":  asPNG(t, transparent(large)),
		"beside others":    asPNG(t, pasted(pasted(paper(900, 400, color.White), code(t, "WIFI:S:x;;", "-s", "6"), 20, 20), code(t, link, "-s", "6"), 500, 20)),
		"sixteen bits":     asPNG(t, sixteen(large)),
		"photograph 12 MP": asJPEG(t, pasted(paper(4000, 3000, color.Gray{180}), code(t, link, "-s", "14"), 1200, 900), 70),
	}
	for name, picture := range pictures {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			found, err := Find(context.Background(), bytes.NewReader(picture), pixels, isLink)
			if err != nil || len(found) != 1 || found[0] != link {
				t.Errorf("found %q, %v", found, err)
			}
			t.Logf("%v", time.Since(begin).Round(time.Millisecond))
		})
	}
}

func transparent(img image.Image) image.Image {
	out := image.NewNRGBA(img.Bounds())
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			if color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y < 128 {
				out.Set(x, y, color.Black)
			}
		}
	}
	return out
}

func sixteen(img image.Image) image.Image {
	out := image.NewRGBA64(img.Bounds())
	draw.Draw(out, out.Bounds(), img, image.Point{}, draw.Src)
	return out
}

func TestFindNothing(t *testing.T) {
	two := pasted(pasted(paper(900, 400, color.White), code(t, link, "-s", "6"), 20, 20), code(t, link+"2", "-s", "6"), 500, 20)
	found, err := Find(context.Background(), bytes.NewReader(asPNG(t, two)), pixels, isLink)
	if err != nil || len(found) != 2 {
		t.Errorf("two codes: %q, %v", found, err)
	}
	begin := time.Now()
	_, err = Find(context.Background(), bytes.NewReader(asPNG(t, code(t, "javascript:alert(1)"))), pixels, isLink)
	if !errors.Is(err, ErrNone) {
		t.Errorf("no link: %v", err)
	}
	if _, err := Find(context.Background(), bytes.NewReader(asPNG(t, paper(1500, 1000, color.White))), pixels, isLink); !errors.Is(err, ErrNone) {
		t.Errorf("white: %v", err)
	}
	t.Logf("nothing found in %v", time.Since(begin).Round(time.Millisecond))
	picture := asPNG(t, paper(300, 200, color.White))
	if _, err := Find(context.Background(), bytes.NewReader(picture), 300*200-1, isLink); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	for _, b := range [][]byte{nil, []byte("\x89PNG\r\n\x1a\n"), picture[:len(picture)/2], []byte("%PDF-")} {
		if _, err := Find(context.Background(), bytes.NewReader(b), pixels, isLink); !errors.Is(err, ErrFormat) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Find(ctx, bytes.NewReader(picture), pixels, isLink); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
