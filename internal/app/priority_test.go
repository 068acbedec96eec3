package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"lotse/dlx/dlxtest"
	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/internal/queue"
	"lotse/internal/store"
)

// frontDesk is a portal whose links tell who came with them; it remembers in which order
// they were followed.
type frontDesk struct {
	url string

	mu       sync.Mutex
	followed []string
}

// openDesk starts a portal with the demonstration exam behind every link.
func openDesk(t *testing.T) *frontDesk {
	t.Helper()
	d, p := &frontDesk{}, dlxtest.New(madeUp(t).ZIP)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who := r.URL.Query().Get("who"); who != "" {
			d.mu.Lock()
			d.followed = append(d.followed, who)
			d.mu.Unlock()
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	d.url = server.URL + "/view?token=" + p.LinkToken
	return d
}

// order is who came to the portal so far; who came again in a row is named once.
func (d *frontDesk) order() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Compact(slices.Clone(d.followed))
}

// queueUp begins an import that waits for a worker.
func (w *world) queueUp(d *frontDesk, who string, priority int) (id string) {
	w.t.Helper()
	id, err := w.Create(w.t.Context(), w.who, NewImport{Kind: KindLink, Link: personal.New(d.url + "&who=" + who), Priority: priority, Known: Answers{BirthDate: personal.New(scriptedBirthDate)}})
	must(w.t, err)
	return id
}

// oneByOne lets a worker work on one import after the other, until the test ends.
func (w *world) oneByOne() {
	workers := queue.New(w.db.System(), queue.Options{Node: "one by one", Log: slog.New(slog.DiscardHandler), Concurrency: Concurrency(1, 1, 1, 1)})
	w.Register(workers)
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- workers.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Errorf("workers: %v", err)
		}
	})
}

// TestPersonGoesBeforeTheNight: in the morning, when part of the night's batch is still
// queued, those who wait at the counter are served first, in the order they came.
func TestPersonGoesBeforeTheNight(t *testing.T) {
	t.Parallel()
	clock := &shift{}
	w := idle(t, clock, nil)
	d := openDesk(t)
	var ids []string
	for n := range 3 {
		ids = append(ids, w.queueUp(d, fmt.Sprintf("night-%d", n), PriorityBatch))
		clock.add(time.Minute)
	}
	clock.add(10 * time.Hour)
	for n := range 2 {
		ids = append(ids, w.queueUp(d, fmt.Sprintf("person-%d", n), PriorityPerson))
		clock.add(time.Second)
	}
	w.oneByOne()
	for _, id := range ids {
		w.until(id, importer.Review)
	}
	if got, want := d.order(), []string{"person-0", "person-1", "night-0", "night-1", "night-2"}; !slices.Equal(got, want) {
		t.Errorf("they were served as %q, not as %q", got, want)
	}
}

// TestNightIsNotStarved: with more people than one worker can serve, what waits since
// the evening has its turn all the same, once it has waited longer than a person's
// priority is worth, and not before.
func TestNightIsNotStarved(t *testing.T) {
	t.Parallel()
	clock := &shift{}
	w := idle(t, clock, nil)
	d := openDesk(t)
	night := w.queueUp(d, "night", PriorityBatch)
	w.queueUp(d, "person", PriorityPerson)
	w.queueUp(d, "person", PriorityPerson)
	served := 0
	for waited := time.Duration(0); ; waited += time.Hour {
		const lease = 1000 * time.Hour // whom it served it does not serve again
		jobs, _, err := w.db.System().Claim(t.Context(), "node", lease, []store.Want{{Kind: jobFetch, Limit: 1}})
		must(t, err)
		if len(jobs) != 1 {
			t.Fatalf("%d jobs after %v", len(jobs), waited)
		}
		if jobs[0].Subject == night {
			if headStart := PriorityPerson * time.Minute; waited <= headStart || waited > headStart+3*time.Hour {
				t.Errorf("the night's import had its turn after %v; a person's head start is %v", waited, headStart)
			}
			t.Logf("after %v and %d people", waited, served)
			return
		}
		if served++; served > 1000 {
			t.Fatal("it never has its turn")
		}
		clock.add(time.Hour)
		w.queueUp(d, "person", PriorityPerson)
	}
}
