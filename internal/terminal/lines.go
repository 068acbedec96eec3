package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"lotse/internal/importer"
)

// maxLine is how many bytes of a line are kept.
const maxLine = 4096

var errLong = errors.New("line too long")

// lines reads lines that a person types. The terminal stays in its usual mode, so
// that it edits the line itself. A read cannot be called off: one that a cancelled
// prompt leaves behind may take what is typed next, so that no prompt follows it.
// x/term's ReadPassword is not used: it turns the echo off too late for fast hands,
// and leaves it off when it is abandoned.
type lines struct {
	in    *os.File
	ended bool
}

type line struct {
	text string
	err  error
}

// next shows label and returns a line without its end, not shown while it is typed
// when secret. The end of input and of ctx are a *importer.Problem: cancelled.
func (l *lines) next(ctx context.Context, label func(), secret bool) (string, error) {
	if l.ended {
		return "", cancelled(context.Canceled)
	}
	if err := ctx.Err(); err != nil {
		return "", cancelled(err)
	}
	if secret {
		restore, err := silence(int(l.in.Fd()))
		if err != nil {
			return "", fmt.Errorf("hide what is typed: %w", err)
		}
		defer restore()
	}
	label()
	got := make(chan line, 1)
	go func() {
		text, err := readLine(l.in)
		got <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		l.ended = true
		return "", cancelled(ctx.Err())
	case read := <-got:
		if read.err != nil && !errors.Is(read.err, errLong) {
			l.ended = true
			return "", cancelled(read.err)
		}
		return read.text, read.err
	}
}

// readLine reads byte by byte: what is typed ahead belongs to the next prompt.
func readLine(in io.Reader) (string, error) {
	var text []byte
	var long error
	for one := make([]byte, 1); ; {
		n, err := in.Read(one)
		switch {
		case n == 1 && one[0] == '\n':
			return string(text), long
		case n == 1 && len(text) >= maxLine:
			long = errLong
		case n == 1 && one[0] != '\r':
			text = append(text, one[0])
		}
		if err != nil {
			return "", err
		}
	}
}

// cancelled is what a prompt returns that a person ended.
func cancelled(err error) error {
	return &importer.Problem{Code: importer.ProblemCancelled, Err: err}
}
