package terminal

import (
	"time"

	"lotse/internal/importer"
)

// Speed is measured over the last samples: long enough to be steady, short enough
// to follow.
const (
	sampleEvery = 500 * time.Millisecond
	sampleCount = 20
)

type sample struct {
	at    time.Time
	done  int64
	files int
}

// meter measures the speed of one phase.
type meter struct {
	state   importer.Progress
	samples []sample
}

func (m *meter) take(p importer.Progress, now time.Time) {
	if n := len(m.samples); n > 0 && (p.Done < m.state.Done || p.Files < m.state.Files || !m.state.WaitUntil.IsZero()) {
		m.samples = m.samples[:0] // begun anew, or after a wait: the old speed says nothing
	}
	m.state = p
	if n := len(m.samples); n > 0 && now.Sub(m.samples[n-1].at) < sampleEvery {
		return
	}
	if len(m.samples) == sampleCount {
		m.samples = append(m.samples[:0], m.samples[1:]...)
	}
	m.samples = append(m.samples, sample{now, p.Done, p.Files})
}

// speed returns bytes and files per second; zero while not known.
func (m *meter) speed(now time.Time) (bytes, files float64) {
	if len(m.samples) == 0 {
		return 0, 0
	}
	first := m.samples[0]
	seconds := now.Sub(first.at).Seconds()
	if seconds < 1 {
		return 0, 0
	}
	return float64(m.state.Done-first.done) / seconds, float64(m.state.Files-first.files) / seconds
}

// share is how much of the phase is done, from 0 to 1, and whether that is known.
func (m *meter) share() (float64, bool) {
	switch p := m.state; {
	case p.Total > 0:
		return bounded(float64(p.Done) / float64(p.Total)), true
	case p.FilesTotal > 0:
		return bounded(float64(p.Files) / float64(p.FilesTotal)), true
	}
	return 0, false
}

// left is the time the rest takes at the present speed.
func (m *meter) left(now time.Time) (time.Duration, bool) {
	bytes, files := m.speed(now)
	rest, speed := float64(m.state.Total-m.state.Done), bytes
	if m.state.Total <= 0 {
		rest, speed = float64(m.state.FilesTotal-m.state.Files), files
	}
	if rest <= 0 || speed <= 0 || rest/speed > (100*time.Hour).Seconds() {
		return 0, false
	}
	return time.Duration(rest / speed * float64(time.Second)), true
}

// waiting is how long a peer is still waited for.
func (m *meter) waiting(now time.Time) (time.Duration, bool) {
	left := m.state.WaitUntil.Sub(now)
	return left, !m.state.WaitUntil.IsZero() && left > 0
}

func bounded(share float64) float64 { return min(max(share, 0), 1) }
