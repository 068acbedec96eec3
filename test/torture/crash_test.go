package torture

import (
	"sync/atomic"
	"testing"

	"lotse/internal/synth"
	"lotse/test/torture/gateway"
)

// TestCrashBetweenSteps lets a process die between every two durable steps of a small
// import, and with its memory all that was not synced. The next process over the same
// folder has to bring the import to its end.
func TestCrashBetweenSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	for way, short := range map[string]int{byLink: 4, byUpload: 8, byDICOM: 8} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			template := newHouse(t)
			begin, stride := stride(short)
			for last := begin; ; last += stride {
				m := newMortal(last)
				j := &journey{house: template.copy(t), exam: smallExam(t), way: way}
				j.run(t, m)
				if t.Failed() {
					t.Fatalf("died at step %d, before: %s; -kills 1 -first %d begins there", last, m.names[last-1], last)
				}
				if j.lives == 1 { // it came to its end before
					t.Logf("%d durable steps, each %dth from the %dth", m.steps, stride, begin)
					if m.steps < 40 {
						t.Errorf("%d durable steps are too few to be true", m.steps)
					}
					return
				}
			}
		})
	}
}

// exams counts small exams: each is another.
var exams atomic.Uint64

// smallExam has three objects; portals hand it out as a ZIP or one by one.
func smallExam(t *testing.T) *gateway.Exam {
	t.Helper()
	e, err := gateway.NewExam(synth.CTOptions{Seed: exams.Add(1), Slices: 3, Series: 1, Rows: 16, Columns: 16})
	if err != nil {
		t.Fatal(err)
	}
	return e
}
