// Package picture finds QR codes in photographs, scans and screenshots: upright or
// turned, mirrored, dark on light or light on dark, small in a large page.
package picture

import (
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // a format that image.Decode knows
	_ "image/png"  // a format that image.Decode knows
	"io"
	"slices"

	"github.com/makiuchi-d/gozxing"
	multi "github.com/makiuchi-d/gozxing/multi/qrcode"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// Errors of Find, for errors.Is.
var (
	// ErrNone: no code, or none of those that are wanted.
	ErrNone = errors.New("picture: no QR code of the kind that is wanted")
	// ErrTooLarge: more pixels than permitted.
	ErrTooLarge = errors.New("picture: too large")
	// ErrFormat: neither PNG nor JPEG, or damaged.
	ErrFormat = errors.New("picture: cannot be decoded")
)

// Find returns the texts of the QR codes in a PNG or JPEG that wanted accepts,
// each once. maxPixels bounds width times height before anything is decoded; a
// pixel costs some three bytes of memory, at worst (a progressive JPEG) sixteen.
// What the texts say is hostile.
func Find(ctx context.Context, r io.ReadSeeker, maxPixels int, wanted func(text string) bool) ([]string, error) {
	page, err := load(r, maxPixels)
	if err != nil {
		return nil, err
	}
	for _, view := range page.views() {
		for _, way := range ways() {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("picture: %w", err)
			}
			var found []string
			for _, text := range read(view, way) {
				if wanted(text) && !slices.Contains(found, text) {
					found = append(found, text)
				}
			}
			if len(found) > 0 {
				return found, nil
			}
		}
	}
	return nil, ErrNone
}

func load(r io.ReadSeeker, maxPixels int) (page gray, err error) {
	config, _, err := image.DecodeConfig(r)
	if err != nil {
		return gray{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height {
		return gray{}, ErrTooLarge
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return gray{}, fmt.Errorf("picture: %w", err)
	}
	img, _, err := image.Decode(r)
	if err != nil {
		return gray{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return toGray(img), nil
}

// way is one attempt at a view.
type way struct {
	inverted bool
	binarize func(gozxing.LuminanceSource) gozxing.Binarizer
	several  bool // find all codes rather than the best one
}

// ways begins with what succeeds most often.
func ways() []way {
	var all []way
	for _, several := range []bool{true, false} {
		for _, inverted := range []bool{false, true} {
			for _, binarize := range []func(gozxing.LuminanceSource) gozxing.Binarizer{
				gozxing.NewHybridBinarizer, gozxing.NewGlobalHistgramBinarizer,
			} {
				all = append(all, way{inverted, binarize, several})
			}
		}
	}
	return all
}

// read returns the texts of all codes that one way finds. The module that decodes
// them was not written for hostile input; a panic in it finds nothing.
func read(view gray, w way) (texts []string) {
	defer func() {
		if recover() != nil {
			texts = nil
		}
	}()
	source, err := gozxing.NewPlanarYUVLuminanceSource(view.pix, view.width, view.height, 0, 0, view.width, view.height, false)
	if err != nil {
		return nil
	}
	if w.inverted {
		source = source.Invert()
	}
	bitmap, err := gozxing.NewBinaryBitmap(w.binarize(source))
	if err != nil {
		return nil
	}
	hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true}
	if !w.several {
		result, err := qrcode.NewQRCodeReader().Decode(bitmap, hints)
		if err != nil {
			return nil
		}
		return []string{result.GetText()}
	}
	results, err := multi.NewQRCodeMultiReader().DecodeMultiple(bitmap, hints)
	if err != nil {
		return nil
	}
	for _, result := range results {
		texts = append(texts, result.GetText())
	}
	return texts
}
