package torture

import (
	"sync/atomic"
	"testing"

	"lotse/internal/synth"
	"lotse/test/torture/gateway"
)

// TestCrashBetweenSteps lets a process die between every two durable steps of a small
// import, and with its memory all that was not synced. The next process has to bring
// the import to its end.
func TestCrashBetweenSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	eachEngine(t, func(t *testing.T, engine string) {
		for way, short := range map[string]int{byLink: 4, byUpload: 8, byDICOM: 8} {
			if engine == "postgres" {
				short *= 3 // it takes longer, and has more steps
			}
			t.Run(way, func(t *testing.T) {
				t.Parallel()
				template := newHouseAt(t, newPlace(t, engine))
				template.lease = uploadLease // nobody but the dead keeps one
				begin, stride := stride(t, short)
				oneByOne(t, begin, stride, func(t *testing.T, last int) (ended bool) { return diesAt(t, template, way, last) })
			})
		}
	})
}

// diesAt takes an import through a process that dies before a step, and those after it.
// It reports whether the import came to its end before.
func diesAt(t *testing.T, template *house, way string, step int) (ended bool) {
	m := newMortal(step)
	j := &journey{house: template.copy(t), exam: smallExam(t), way: way}
	j.run(t, m)
	switch {
	case t.Failed():
		t.Fatalf("died at step %d, before: %s", step, m.names[min(step, len(m.names))-1])
	case j.lives == 1:
		t.Logf("%d durable steps", m.steps)
		if m.steps < 40 {
			t.Errorf("%d durable steps are too few to be true", m.steps)
		}
	}
	return j.lives == 1
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
