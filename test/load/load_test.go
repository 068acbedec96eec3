package main

import (
	"testing"
	"time"
)

// TestLoad is the small form.
func TestLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	r, err := run(t.Context(), options{imports: 10, one: 2, slices: 40, rows: 128, folder: t.TempDir(), time: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", r)
	if err := r.judge(); err != nil {
		t.Error(err)
	}
}

func TestJudge(t *testing.T) {
	good := report{o: options{imports: 2, one: 1}, delivered: 3, peak: 100 << 20, health: health{asked: 10, slowest: time.Millisecond}}
	if err := good.judge(); err != nil {
		t.Errorf("a good run: %v", err)
	}
	for name, spoil := range map[string]func(*report){
		"lost":      func(r *report) { r.delivered-- },
		"again":     func(r *report) { r.again++ },
		"memory":    func(r *report) { r.peak = maxMemory },
		"health":    func(r *report) { r.health.bad++ },
		"unwatched": func(r *report) { r.health.asked = 0 },
	} {
		r := good
		spoil(&r)
		if r.judge() == nil {
			t.Errorf("%s: nothing is wrong with it", name)
		}
	}
}
