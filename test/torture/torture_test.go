package torture

import (
	"context"
	"flag"
	"sync"
	"testing"
	"time"

	"lotse/test/torture/gateway"
)

var (
	kills   = flag.Int("kills", 0, "kills for each engine; 0: the short form, 15")
	seed    = flag.Uint64("seed", 0, "of the pseudo-random choices; 0: by the time")
	first   = flag.Int("first", 1, "the first durable step to die at")
	engines = flag.String("engine", "sqlite,postgres", "sqlite: one node with a disk; postgres: two nodes with a bucket")
)

// TestKill kills the nodes of a gateway while exams go through it.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	eachEngine(t, func(t *testing.T, engine string) {
		t.Logf("seed %d", chosen())
		p := pace{kills: *kills, most: 8 * time.Second}
		if *kills == 0 {
			p = pace{kills: 15, most: 4 * time.Second}
		}
		newWorld(t, engine, chosen(), nil).run(p)
	})
}

// chosen is the seed of this process.
var chosen = sync.OnceValue(func() uint64 {
	if *seed != 0 {
		return *seed
	}
	return 1 + uint64(time.Now().UnixNano())%1_000_000
})

// run lets exams come in by all ways while nodes are killed, then lets everything
// end and compares.
func (w *world) run(p pace) {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	go w.watch(ctx, cancel)
	var feeding, deciding sync.WaitGroup
	for range 2 {
		for _, way := range []string{byLink, byUpload, byDICOM} {
			feeding.Go(func() { w.feed(ctx, way) })
		}
	}
	working, stop := context.WithCancel(ctx)
	deciding.Go(func() { w.clerk(working) })
	deciding.Go(func() { w.moods(working) })
	w.torment(ctx, p)
	w.draining.Store(true)
	w.drain(ctx)
	feeding.Wait()
	w.drain(ctx)
	stop()
	deciding.Wait()
	if ctx.Err() != nil {
		w.fault("nothing went on for %v", standstill)
		ctx = w.t.Context()
	}
	w.check(ctx)
	for _, n := range w.nodes {
		n.Stop()
	}
	for _, f := range w.faults {
		w.t.Error(f)
	}
}

// standstill is how long nothing new may come of all the work before it counts as
// stuck. How long the whole takes is the machine's affair.
const standstill = 4 * time.Minute

// watch ends everything when it stands still.
func (w *world) watch(ctx context.Context, stop context.CancelFunc) {
	type mark struct {
		kills, instances int
		exams            uint64
	}
	var last mark
	since := time.Now()
	for gateway.Wait(ctx, time.Second) {
		w.mu.Lock()
		now := mark{kills: len(w.kills), exams: w.exams.Load(), instances: w.archive.Instances()}
		w.mu.Unlock()
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > standstill {
			stop()
			return
		}
	}
}

// moods let the archive be full or break off now and then, and be away for a while.
func (w *world) moods(ctx context.Context) {
	rng := w.random(3)
	for gateway.Wait(ctx, time.Duration(rng.Int64N(int64(6*time.Second)))) && !w.draining.Load() {
		switch rng.IntN(3) {
		case 0:
			w.archive.Full(1 + rng.IntN(3))
		case 1:
			w.archive.Abort(1)
		case 2:
			w.archive.Away()
			gateway.Wait(ctx, time.Duration(rng.Int64N(int64(2*time.Second))))
			if err := w.archive.Back(ctx); err != nil {
				w.fault("%v", err)
			}
		}
	}
}
