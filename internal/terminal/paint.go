package terminal

import (
	"bytes"

	"github.com/schollz/progressbar/v3"
)

// gauge is one line with a bar of width columns, filled to share (0 to 1), and text.
// The bar is made anew each time, so that nothing draws by itself.
func gauge(text string, share float64, width int) string {
	const steps = 1000
	var canvas bytes.Buffer
	p := progressbar.NewOptions64(steps, append(plainBar(&canvas, text),
		progressbar.OptionSetWidth(width),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}))...)
	// A full bar would be the end of it, and whoever reports says when it ends.
	_ = p.Set(min(int(share*steps), steps-1))
	canvas.Reset()
	_ = p.RenderBlank()
	return canvas.String()
}

// spinner is one line for work of unknown extent.
func spinner(text string, frame int) string {
	frames := []string{"|", "/", "-", `\`}
	var canvas bytes.Buffer
	p := progressbar.NewOptions64(-1, append(plainBar(&canvas, text),
		progressbar.OptionSpinnerCustom([]string{frames[frame%len(frames)]}),
		progressbar.OptionSetSpinnerChangeInterval(0))...) // otherwise it draws in a goroutine of its own
	_ = p.RenderBlank()
	return canvas.String()
}

func plainBar(canvas *bytes.Buffer, text string) []progressbar.Option {
	return []progressbar.Option{
		progressbar.OptionSetWriter(canvas),
		progressbar.OptionSetDescription(text),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionUseANSICodes(true),
	}
}
