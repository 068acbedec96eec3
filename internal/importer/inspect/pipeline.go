package inspect

import (
	"context"
	"sync"
)

// ahead is how many files per worker may be looked at before an earlier one is
// done: it bounds what waits to be taken.
const ahead = 16

// inOrder runs work for 0 ≤ i < n on workers goroutines and hands the results to
// take in the order of i, from the calling goroutine. make makes what a worker
// keeps between files. It returns when all goroutines have ended; results may be
// missing when ctx has ended.
func inOrder[W, T any](ctx context.Context, workers, n int, newWorker func() W, work func(w W, i int) T, take func(i int, t T)) {
	type job struct {
		i   int
		out chan T
	}
	var wg sync.WaitGroup
	jobs := make(chan job, workers) // one waits for each, so that no worker does
	order := make(chan chan T, workers*ahead)
	for range min(workers, n) {
		wg.Go(func() {
			w := newWorker()
			for j := range jobs {
				j.out <- work(w, j.i)
			}
		})
	}
	wg.Go(func() {
		defer close(order)
		defer close(jobs)
		for i := range n {
			out := make(chan T, 1)
			select {
			case order <- out:
			case <-ctx.Done():
				return
			}
			jobs <- job{i, out}
		}
	})
	i := 0
	for out := range order {
		take(i, <-out)
		i++
	}
	wg.Wait()
}
