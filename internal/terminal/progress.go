package terminal

import (
	"io"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"lotse/internal/importer"
)

const (
	drawEvery  = 100 * time.Millisecond
	leastLines = 10 * time.Second
)

// bar is the progress of an import on the screen.
type bar struct {
	meter  *meter                  // of the phase under way, nil when there is none
	ended  map[importer.Phase]bool // what is reported of them is late
	drawn  time.Time               // zero when the phase has not been shown yet
	shown  bool                    // the bar is on the screen
	frame  int
	every  time.Duration // between plain lines, 0 for none
	logged time.Time     // when the last plain line was printed
}

// PlainProgress makes Progress print a line every so often, at least ten seconds
// apart, where nobody sits at the terminal; without it nothing is printed there.
func (t *Terminal) PlainProgress(every time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bar.every = max(every, leastLines)
}

// Progress shows how far a phase is. It may be called as often as one likes, from
// any goroutine. A phase ends when the next one begins, or with Done; what is
// reported of it afterwards is not shown.
func (t *Terminal) Progress(p importer.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := &t.bar
	if b.ended[p.Phase] || !t.interactive && b.every == 0 {
		return
	}
	now := t.now()
	if b.meter == nil || b.meter.state.Phase != p.Phase {
		t.endPhase()
		b.meter, b.drawn = &meter{}, time.Time{}
		t.tick()
	}
	b.meter.take(p, now)
	switch {
	case !t.interactive:
		t.printPlain(now)
	case now.Sub(b.drawn) >= drawEvery:
		t.draw()
	}
}

// tick redraws every second, for the countdown and where nothing is reported.
// t.mu is held.
func (t *Terminal) tick() {
	if !t.interactive || t.stop != nil {
		return
	}
	stop := make(chan struct{})
	t.stop = stop
	go func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				t.mu.Lock()
				if t.stop == stop {
					t.draw()
				}
				t.mu.Unlock()
			}
		}
	}()
}

// draw draws the bar, unless a prompt has the screen. t.mu is held.
func (t *Terminal) draw() {
	b := &t.bar
	if b.meter == nil || t.asking || !t.interactive {
		return
	}
	text := ""
	if b.drawn.IsZero() {
		text = t.title(b.meter.state.Phase) + "\n"
	}
	b.drawn, b.shown = t.now(), true
	b.frame++
	_, _ = io.WriteString(t.err, text+t.paint(b.meter, b.drawn, b.frame))
}

// hide takes the bar off the screen. t.mu is held.
func (t *Terminal) hide() {
	if t.bar.shown {
		t.bar.shown = false
		_, _ = io.WriteString(t.err, "\r\x1b[2K")
	}
}

// endPhase prints what the phase under way came to, in place of its bar. t.mu is
// held.
func (t *Terminal) endPhase() {
	b := &t.bar
	t.hide()
	if b.meter == nil {
		return
	}
	if !b.drawn.IsZero() && !t.asking {
		if parts := t.amounts(b.meter); len(parts) > 0 {
			_, _ = io.WriteString(t.err, "  "+strings.Join(parts, ", ")+"\n")
		}
	}
	b.ended[b.meter.state.Phase] = true
	b.meter = nil
}

// printPlain prints a line for a log. t.mu is held.
func (t *Terminal) printPlain(now time.Time) {
	b, m := &t.bar, t.bar.meter
	if b.logged.IsZero() { // what is done in ten seconds needs no line
		b.logged = now
	}
	if now.Sub(b.logged) < b.every {
		return
	}
	b.logged = now
	parts := t.amounts(m)
	if left, yes := m.waiting(now); yes {
		parts = []string{t.wait(m, left)}
	}
	_, _ = io.WriteString(t.err, t.title(m.state.Phase)+": "+strings.Join(parts, ", ")+"\n")
}

func (t *Terminal) title(phase importer.Phase) string { return t.say("phase."+string(phase), nil) }

// amounts are files and bytes of a phase.
func (t *Terminal) amounts(m *meter) []string {
	var parts []string
	p := m.state
	switch {
	case p.FilesTotal > 0:
		parts = append(parts, t.say("terminal.files-of", map[string]any{"Done": p.Files, "Total": p.FilesTotal}))
	case p.Files > 0:
		parts = append(parts, t.say("count.files", map[string]any{"Count": p.Files}))
	}
	switch {
	case p.Total > 0:
		done, total := t.phrases.Bytes(p.Done), t.phrases.Bytes(p.Total)
		parts = append(parts, t.say("terminal.bytes-of", map[string]any{"Done": done, "Total": total}))
	case p.Done > 0:
		parts = append(parts, t.phrases.Bytes(p.Done))
	}
	return parts
}

func (t *Terminal) wait(m *meter, left time.Duration) string {
	key := "terminal.waiting.fetch"
	if m.state.Phase == importer.PhaseDeliver {
		key = "terminal.waiting.deliver"
	}
	clock := t.phrases.Clock(m.state.WaitUntil.Local())
	return t.say(key, map[string]any{"Clock": clock, "Left": t.phrases.Countdown(left)})
}

// paint is the line of the bar, no wider than the terminal.
func (t *Terminal) paint(m *meter, now time.Time, frame int) string {
	width := t.width()
	if left, yes := m.waiting(now); yes {
		return spinner(shorten(t.wait(m, left), width-4), frame)
	}
	parts := t.amounts(m)
	if bytes, _ := m.speed(now); bytes >= 1 {
		parts = append(parts, t.phrases.Bytes(int64(bytes))+"/s")
	}
	if left, yes := m.left(now); yes {
		parts = append(parts, t.say("terminal.left", map[string]any{"Time": t.phrases.Span(left)}))
	}
	share, known := m.share()
	if !known {
		return spinner(shorten(strings.Join(parts, ", "), width-4), frame)
	}
	const percent, leastBar, mostBar = 11, 8, 30
	text := strings.Join(parts, ", ")
	for len(parts) > 1 && uniseg.StringWidth(text) > width-percent-leastBar {
		parts = parts[1:] // the time left matters most
		text = strings.Join(parts, ", ")
	}
	room := width - percent - uniseg.StringWidth(text)
	return gauge(text, share, min(max(room, leastBar), mostBar))
}
