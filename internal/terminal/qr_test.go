package terminal

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
)

// matrix reads half blocks back; true is dark.
func matrix(t *testing.T, drawn string) [][]bool {
	t.Helper()
	var rows [][]bool
	for _, line := range strings.Split(strings.TrimSuffix(drawn, "\n"), "\n") {
		blocks, ok := strings.CutPrefix(line, blackOnWhite)
		blocks, also := strings.CutSuffix(blocks, ownColours)
		if !ok || !also {
			t.Fatalf("the line %q does not set its colours", line)
		}
		var upper, lower []bool
		for _, r := range blocks {
			if !strings.ContainsRune(" ▀▄█", r) {
				t.Fatalf("%q is no half block", r)
			}
			upper = append(upper, r == '▀' || r == '█')
			lower = append(lower, r == '▄' || r == '█')
		}
		rows = append(rows, upper, lower)
	}
	return rows
}

// photo is what a camera sees of the matrix on the screen.
func photo(rows [][]bool) image.Image {
	const scale = 6
	img := image.NewGray(image.Rect(0, 0, len(rows[0])*scale, len(rows)*scale))
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			if !rows[y/scale][x/scale] {
				img.SetGray(x, y, color.Gray{Y: 0xff})
			}
		}
	}
	return img
}

func TestQR(t *testing.T) {
	zbarimg, err := exec.LookPath("zbarimg")
	if err != nil {
		t.Skip("zbarimg (package zbar-tools) is not installed")
	}
	for _, text := range []string{
		"https://portal.example/dlx/v1/token/ABC-S1Z-98A",
		"https://portal.example/view?token=" + strings.Repeat("aB3-_", 60),
		"12345",
	} {
		var out bytes.Buffer
		if err := QR(&out, text); err != nil {
			t.Fatal(err)
		}
		rows := matrix(t, out.String())
		wantSameModules(t, rows, text)

		path := filepath.Join(t.TempDir(), "code.png")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, photo(rows)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		read, err := exec.Command(zbarimg, "--quiet", "--raw", path).Output()
		if err != nil || strings.TrimSuffix(string(read), "\n") != text {
			t.Errorf("zbarimg reads %q, %v, want %q", read, err, text)
		}
	}
}

// wantSameModules compares the drawing with the code, and looks for the quiet zone.
func wantSameModules(t *testing.T, rows [][]bool, text string) {
	t.Helper()
	code, err := qr.Encode(text, qr.L, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	size := code.Bounds().Dx()
	if got, want := len(rows[0]), size+2*quietZone; got != want || len(rows) < want {
		t.Fatalf("the drawing is %d × %d, want %d", got, len(rows), want)
	}
	for y, row := range rows {
		for x, dark := range row {
			p := image.Pt(x-quietZone, y-quietZone)
			want := false
			if p.In(code.Bounds()) {
				r, _, _, _ := code.At(p.X, p.Y).RGBA()
				want = r == 0
			}
			if dark != want {
				t.Fatalf("module %v is dark: %v, want %v", p, dark, want)
			}
		}
	}
}

func TestTooLongForQR(t *testing.T) {
	var out bytes.Buffer
	err := QR(&out, strings.Repeat("secret", 2000))
	if err == nil || out.Len() > 0 {
		t.Fatalf("got %v and %d bytes", err, out.Len())
	}
	if strings.Contains(err.Error(), "secret") {
		t.Error("the error quotes the link")
	}
}
