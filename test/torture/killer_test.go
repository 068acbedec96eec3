package torture

import (
	"context"
	"math/rand/v2"
	"time"

	"lotse/test/torture/gateway"
)

// pace is how often nodes are killed.
type pace struct {
	kills int
	most  time.Duration // the longest that all nodes run between two kills
}

// torment kills nodes until there were enough kills.
func (w *world) torment(ctx context.Context, p pace) {
	rng := w.random(2)
	for n := 0; n < p.kills && ctx.Err() == nil; {
		w.await(ctx, rng, p.most)
		if rng.IntN(20) == 0 {
			w.pause(ctx, rng, rng.IntN(len(w.nodes)))
			continue
		}
		victims := []int{rng.IntN(len(w.nodes))}
		if len(w.nodes) > 1 && rng.IntN(6) == 0 {
			victims = []int{0, 1}
		}
		for _, v := range victims {
			w.kill(v)
			n++
		}
		if rng.IntN(4) == 0 && !gateway.Wait(ctx, rand.N(time.Second)) {
			return
		}
		for _, v := range victims {
			n += w.revive(ctx, rng, v)
		}
		if n%10 < 2 {
			w.t.Logf("%d kills, %d exams, %d instances in the archive", n, w.exams.Load(), w.archive.Instances())
		}
	}
}

// await lets the nodes work for a while: until some bytes or objects have passed, or
// for a time.
func (w *world) await(ctx context.Context, rng *rand.Rand, most time.Duration) {
	t := &trigger{fire: make(chan struct{})}
	t.left.Store(1 + rng.Int64N(200))
	if rng.IntN(2) == 0 {
		t.left.Store(1 << 40)
	}
	w.trigger.Store(t)
	defer w.trigger.Store(nil)
	timer := time.NewTimer(time.Duration(rng.Int64N(int64(most))))
	defer timer.Stop()
	select {
	case <-t.fire: // and a little later, lest it be always the same moment
		gateway.Wait(ctx, time.Duration(rng.Int64N(int64(30*time.Millisecond))))
	case <-timer.C:
	case <-ctx.Done():
	}
}

// leases is when another node, or the same, may take what a node held that does nothing.
const leases = 15 * time.Second

// pause lets a node stand still until after its leases have ended: others take its jobs,
// and then it goes on in the middle of what it did, and has to find out.
func (w *world) pause(ctx context.Context, rng *rand.Rand, node int) {
	w.mu.Lock()
	w.pauses = append(w.pauses, kill{time.Now(), node})
	w.mu.Unlock()
	if err := w.nodes[node].Pause(); err != nil {
		w.fault("pause node %d: %v", node, err)
	}
	gateway.Wait(ctx, leases+time.Duration(rng.Int64N(int64(leases/3))))
	if err := w.nodes[node].Resume(); err != nil {
		w.fault("let node %d go on: %v", node, err)
	}
}

func (w *world) kill(node int) {
	w.nodes[node].Kill()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kills = append(w.kills, kill{time.Now(), node})
}

// revive starts a node again. Now and then it is killed while it starts; it returns
// how often.
func (w *world) revive(ctx context.Context, rng *rand.Rand, node int) (kills int) {
	n := w.nodes[node]
	for rng.IntN(8) == 0 {
		if err := n.Begin(); err != nil {
			w.fault("start node %d: %v", node, err)
			return kills
		}
		gateway.Wait(ctx, time.Duration(rng.Int64N(int64(300*time.Millisecond))))
		w.kill(node)
		kills++
	}
	if err := n.Start(ctx); err != nil && ctx.Err() == nil {
		w.fault("start node %d: %v", node, err)
	}
	return kills
}
