package terminal

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"lotse/internal/importer"
	"lotse/internal/phrase"
)

// clock is a time that only the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newClock() *clock { return &clock{at: time.Date(2026, 1, 31, 14, 5, 9, 0, time.Local)} }

func TestProgress(t *testing.T) {
	p, c := sitDown(t), newClock()
	tm := p.terminal("en")
	tm.now = c.now
	for i := range 11 {
		tm.Progress(importer.Progress{Phase: importer.PhaseFetch, Done: int64(i) * 10_000_000, Total: 200_000_000, Files: i, FilesTotal: 20})
		c.pass(time.Second)
	}
	p.sees("Fetching the exam\r\n")
	p.sees("50% ")
	p.sees("10 of 20 files, 100 MB of 200 MB, 10 MB/s, 10 s left")
	tm.Progress(importer.Progress{Phase: importer.PhaseInspect, Done: 0, Total: -1, Files: 7, FilesTotal: -1})
	p.sees("\r\x1b[2K  10 of 20 files, 100 MB of 200 MB\r\n") // the bar is replaced by its sum
	p.sees("Looking through the files\r\n")
	p.sees("7 files")
	tm.Done()
	p.sees("\r\x1b[2K  7 files\r\n")
}

func TestNothingIsShownAfterTheEnd(t *testing.T) {
	p, c := sitDown(t), newClock()
	tm := p.terminal("en")
	tm.now = c.now
	fetch := importer.Progress{Phase: importer.PhaseFetch, Done: 5, Total: 10, Files: 1, FilesTotal: 2}
	tm.Progress(fetch)
	p.sees("1 of 2 files")
	tm.Done()
	p.sees("\x1b[2K  1 of 2 files, 5 B of 10 B\r\n")
	before := p.screen()
	c.pass(time.Hour)
	tm.Progress(fetch) // late
	tm.Done()
	tm.Done()
	if _, err := tm.Write([]byte("END\n")); err != nil {
		t.Fatal(err)
	}
	p.sees("END\r\n")
	if got := strings.TrimPrefix(p.screen(), before); got != "END\r\n" {
		t.Errorf("after the end: %q", got)
	}
	if tm.stop != nil {
		t.Error("the ticker goes on")
	}
	// A phase that has not been yet is shown again: a report comes between them.
	tm.Progress(importer.Progress{Phase: importer.PhaseDeliver, Done: 1, Total: 4, Files: 1, FilesTotal: 4})
	p.sees("Delivering to the destination\r\n")
	p.sees("25% ")
	tm.Done()
}

func TestWaitingCountsDown(t *testing.T) {
	p := sitDown(t)
	tm := p.terminal("de")
	until := time.Now().Add(70 * time.Second)
	tm.Progress(importer.Progress{Phase: importer.PhaseFetch, Total: -1, FilesTotal: -1, WaitUntil: until})
	defer tm.Done()
	p.sees("Das Portal bereitet die Untersuchung vor, weiter um " + until.Format("15:04:05") + " Uhr (1:")
	p.sees(" Uhr (1:0") // by itself, once a second
}

func TestPromptsAndLogsHaveTheScreenForThemselves(t *testing.T) {
	p, c := sitDown(t), newClock()
	tm := p.terminal("en")
	tm.now = c.now
	state := importer.Progress{Phase: importer.PhaseFetch, Done: 5, Total: 10, Files: 1, FilesTotal: 2}
	tm.Progress(state)
	p.sees("1 of 2 files")
	if _, err := tm.Write([]byte("a log line\n")); err != nil {
		t.Fatal(err)
	}
	p.sees("\r\x1b[2Ka log line\r\n")
	p.sees("1 of 2 files")
	answers := ask(t, tm, colour)
	p.sees("\r\x1b[2Kportal.example asks:\r\n")
	p.sees("Answer: ")
	before := p.screen()
	for range 10 {
		c.pass(time.Second)
		state.Done++
		tm.Progress(state)
	}
	if got := p.screen(); got != before {
		t.Errorf("over the prompt: %q", strings.TrimPrefix(got, before))
	}
	p.types("blue\n")
	if _, err := answers(); err != nil {
		t.Fatal(err)
	}
	p.sees("1 of 2 files") // the bar is back
	tm.Done()
}

func TestWithoutATerminalThereAreNoBars(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	tm := New(nil, &out, phrase.For("en"))
	tm.now = c.now
	state := importer.Progress{Phase: importer.PhaseDeliver, Total: 1000, FilesTotal: 100}
	run := func(seconds int) {
		for range seconds {
			c.pass(time.Second)
			state.Files++
			state.Done += 10
			tm.Progress(state)
		}
	}
	run(30)
	tm.Done()
	if out.Len() > 0 {
		t.Errorf("printed %q", &out)
	}

	tm = New(nil, &out, phrase.For("en"))
	tm.now = c.now
	tm.PlainProgress(time.Second) // more often than allowed
	run(31)
	state.WaitUntil = c.now().Add(5 * time.Minute)
	c.pass(20 * time.Second)
	tm.Progress(state)
	tm.Done()
	tm.Progress(state)
	want := "Delivering to the destination: 41 of 100 files, 410 B of 1.0 kB\n" +
		"Delivering to the destination: 51 of 100 files, 510 B of 1.0 kB\n" +
		"Delivering to the destination: 61 of 100 files, 610 B of 1.0 kB\n" +
		"Delivering to the destination: The destination asks for time, again at " + state.WaitUntil.Format("15:04:05") + " (4:40)\n"
	if got := out.String(); got != want {
		t.Errorf("printed\n%swant\n%s", got, want)
	}
}

// The line must never be wider than the terminal, or each drawing would leave one behind.
func TestBarsFitTheTerminal(t *testing.T) {
	start := newClock().at
	for _, lang := range []string{"en", "de"} {
		for _, columns := range []uint16{40, 80, 200} {
			p := sitDown(t)
			resize(t, p, columns)
			tm := p.terminal(lang)
			for _, last := range []importer.Progress{
				{Done: 123_456_789_000, Total: 234_567_890_000, Files: 123_456, FilesTotal: 234_567},
				{Done: 123_456_789_000, Total: -1, Files: 123_456, FilesTotal: -1},
				{Done: 0, Total: -1, Files: 0, FilesTotal: -1},
				{Done: 0, Total: 0, Files: 5, FilesTotal: 10},
				{Done: 99, Total: 10, Files: 11, FilesTotal: 10},
				{Done: 1, Total: 10, WaitUntil: start.Add(2 * time.Hour)},
			} {
				m := &meter{}
				m.take(importer.Progress{Phase: importer.PhaseFetch}, start)
				last.Phase = importer.PhaseFetch
				m.take(last, start.Add(time.Minute))
				line := tm.paint(m, start.Add(time.Minute), 1)
				text := strings.NewReplacer("\r", "", "\x1b[0K", "").Replace(line)
				if w := uniseg.StringWidth(text); w > int(columns) || strings.ContainsAny(text, "\x1b\n") {
					t.Errorf("%s, %d columns: %d wide: %q", lang, columns, w, text)
				}
			}
		}
	}
}

func TestSpeedForgetsWaitsAndNewBeginnings(t *testing.T) {
	c := newClock()
	m := &meter{}
	take := func(done int64, wait bool) {
		p := importer.Progress{Done: done, Total: 1000}
		if wait {
			p.WaitUntil = c.at.Add(time.Hour)
		}
		m.take(p, c.at)
	}
	take(0, false)
	c.pass(10 * time.Second)
	take(100, false)
	if speed, _ := m.speed(c.at); speed != 10 {
		t.Errorf("speed is %v, want 10", speed)
	}
	if left, ok := m.left(c.at); !ok || left != 90*time.Second {
		t.Errorf("%v, %v are left, want 90 s", left, ok)
	}
	take(100, true)
	c.pass(time.Hour)
	take(100, false)
	c.pass(2 * time.Second)
	take(200, false)
	if speed, _ := m.speed(c.at); speed != 50 {
		t.Errorf("speed after a wait is %v, want 50", speed)
	}
	take(0, false)
	if speed, _ := m.speed(c.at); speed != 0 {
		t.Errorf("speed at a new beginning is %v", speed)
	}
	if _, ok := m.left(c.at); ok {
		t.Error("the time left is known without a speed")
	}
}
