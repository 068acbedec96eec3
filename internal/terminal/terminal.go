// Package terminal is what a person sees and answers at a terminal: questions, a
// list to choose from, bars that show how far an import is, problems in plain
// words, a QR code. It knows nothing of how an import is done; whoever runs the
// stages hands its methods to them as hooks.
//
// Everything goes to the error output, so that the standard output stays free for
// results. Where no person sits at the terminal, nothing is asked and no bar is
// shown. All text from outside passes through [Clean].
package terminal

import (
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"lotse/internal/importer"
	"lotse/internal/phrase"
)

// Terminal speaks with one person. It is safe for concurrent use; prompts wait for
// each other, and no bar is drawn over one.
type Terminal struct {
	in          *os.File
	phrases     *phrase.Phrases
	interactive bool

	prompting sync.Mutex // held during a prompt
	lines     lines

	mu     sync.Mutex // guards what follows, and all writing
	err    io.Writer
	bar    bar
	asking bool          // a prompt is on the screen: no bar is
	stop   chan struct{} // ends the ticker, nil when there is none
	now    func() time.Time
}

// New returns a terminal that reads from in and writes to err, in the language of
// phrases. It is for one import: call Done before anything else is printed.
func New(in *os.File, err io.Writer, phrases *phrase.Phrases) *Terminal {
	out, isFile := err.(*os.File)
	return &Terminal{
		in:          in,
		phrases:     phrases,
		interactive: in != nil && isFile && term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd())),
		lines:       lines{in: in},
		err:         err,
		bar:         bar{ended: map[importer.Phase]bool{}},
		now:         time.Now,
	}
}

// Interactive reports whether a person can be asked: both the input and the error
// output are terminals.
func (t *Terminal) Interactive() bool { return t.interactive }

// Write writes to the error output without disturbing a bar: for logs. The text is
// written as it is.
func (t *Terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hide()
	n, err := t.err.Write(p)
	t.draw()
	return n, err
}

// Done takes the bar away and says what the phase came to. What is still reported
// of any phase so far is not shown; a phase that begins afterwards is.
func (t *Terminal) Done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endPhase()
	if t.stop != nil {
		close(t.stop)
		t.stop = nil
	}
}

// print writes text of ours, and foreign text that has been cleaned.
func (t *Terminal) print(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hide()
	_, _ = io.WriteString(t.err, text)
}

// width is the number of columns, 80 where that is not to be known.
func (t *Terminal) width() int {
	if f, ok := t.err.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

func (t *Terminal) say(key string, args map[string]any) string { return t.phrases.Say(key, args) }
