package torture

import (
	"context"
	"time"

	"lotse/test/torture/gateway"
)

// clerk decides about every import that waits for a decision, until ctx ends.
func (w *world) clerk(ctx context.Context) {
	for gateway.Wait(ctx, 200*time.Millisecond) {
		list, err := w.api.Imports(ctx, "state=review")
		if err != nil {
			if ctx.Err() == nil {
				w.fault("list: %v", err)
			}
			return
		}
		for i := range list {
			if err := w.decide(ctx, list[i].ID); err != nil && ctx.Err() == nil {
				w.fault("decide about %s: %v", list[i].ID, err)
				return
			}
		}
	}
}

func (w *world) decide(ctx context.Context, id string) error {
	im, err := w.api.Import(ctx, id)
	if err != nil || im.State != "review" {
		return err
	}
	w.mu.Lock()
	k := w.ofID[id]
	w.mu.Unlock()
	if k == nil && im.Kind != byDICOM {
		return nil // who asked for it has not heard of it yet
	}
	d := gateway.Decision{Destinations: []string{w.to}}
	if k != nil && k.adjusts() {
		d.Patient = &gateway.Patient{ID: "LOCAL-" + id[len(id)-8:], Name: "Lokal^Name"}
	}
	return w.api.Decide(ctx, im, d)
}

// unfinished lists the imports that have not ended.
func (w *world) unfinished(ctx context.Context) ([]gateway.Import, error) {
	return w.api.Imports(ctx, "state=fetching,waiting,inspecting,review,delivering,failed")
}

// drain waits until every import has ended. What waits for its next attempt because
// of earlier failures is hurried, as a person would who sees that.
func (w *world) drain(ctx context.Context) {
	quiet := time.Now()
	for last := -1; ; {
		list, err := w.unfinished(ctx)
		if err != nil || len(list) == 0 && !w.waiting() {
			return
		}
		if len(list) != last {
			last, quiet = len(list), time.Now()
		}
		if time.Since(quiet) > 8*time.Second {
			quiet = time.Now()
			for _, im := range list {
				if im.State != "failed" && im.State != "waiting" && im.State != "review" {
					w.retries.Add(1)
					_ = w.api.Act(ctx, im.ID, "retry") // not possible any more: then it has gone on
				}
			}
		}
		if !gateway.Wait(ctx, 200*time.Millisecond) {
			return
		}
	}
}

// waiting reports whether something is missing in the archive.
func (w *world) waiting() bool {
	w.mu.Lock()
	tasks := append([]*task(nil), w.tasks...)
	w.mu.Unlock()
	for _, k := range tasks {
		if !w.arrived(k) {
			return true
		}
	}
	return false
}
