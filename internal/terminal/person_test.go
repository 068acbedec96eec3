package terminal

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"lotse/internal/importer"
	"lotse/internal/phrase"
)

var update = flag.Bool("update", false, "write the golden files")

// patience is how long a test waits for what a terminal should show.
const patience = 20 * time.Second

// person sits at a pseudo terminal: sees what is shown and types.
type person struct {
	t   *testing.T
	pty *os.File // the person's end
	tty *os.File // the program's end

	mu   sync.Mutex
	seen bytes.Buffer
	more chan struct{} // something was shown
	read int           // how much of seen has been expected already
}

func sitDown(t *testing.T) *person {
	t.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo terminal to be had here: %v", err)
	}
	if err := pty.Setsize(ptmx, &pty.Winsize{Rows: 40, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	p := watch(t, ptmx)
	p.tty = tty
	t.Cleanup(func() { _ = tty.Close() })
	return p
}

// watch reads what is shown at ptmx.
func watch(t *testing.T, ptmx *os.File) *person {
	p := &person{t: t, pty: ptmx, more: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 4096); ; {
			n, err := ptmx.Read(buf)
			p.mu.Lock()
			p.seen.Write(buf[:n])
			p.mu.Unlock()
			select {
			case p.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = ptmx.Close()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("the pseudo terminal is still held")
		}
	})
	return p
}

// sees waits until text is shown, after what was expected before.
func (p *person) sees(text string) {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		p.mu.Lock()
		i := bytes.Index(p.seen.Bytes()[p.read:], []byte(text))
		if i >= 0 {
			p.read += i + len(text)
		}
		all := p.seen.String()
		p.mu.Unlock()
		if i >= 0 {
			return
		}
		select {
		case <-p.more:
		case <-timeout:
			p.t.Fatalf("did not see %q in\n%q", text, all)
		}
	}
}

// screen is all that was shown so far.
func (p *person) screen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

func (p *person) types(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.pty, text); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) terminal(lang string) *Terminal {
	return New(p.tty, p.tty, phrase.For(lang))
}

// during runs what a program does while the person answers.
func during[T any](t *testing.T, program func() (T, error)) (wait func() (T, error)) {
	t.Helper()
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := program()
		done <- result{value, err}
	}()
	return func() (T, error) {
		t.Helper()
		select {
		case r := <-done:
			return r.value, r.err
		case <-time.After(patience):
			t.Fatal("the prompt does not end")
			panic("unreachable")
		}
	}
}

func wantCancelled(t *testing.T, err error) {
	t.Helper()
	var problem *importer.Problem
	if !errors.As(err, &problem) || problem.Code != importer.ProblemCancelled {
		t.Errorf("got %v, want a problem: cancelled", err)
	}
}

// golden compares got with a file of testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update accepts it):\n%s", path, diff)
	}
}

func resize(t *testing.T, p *person, columns uint16) {
	t.Helper()
	if err := pty.Setsize(p.pty, &pty.Winsize{Rows: 40, Cols: columns}); err != nil {
		t.Fatal(err)
	}
}
