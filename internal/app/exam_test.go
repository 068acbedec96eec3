package app

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/queue"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/keyring/file"
	"lotse/internal/store"
	"lotse/internal/synth"
	"lotse/test/peer"
	"lotse/test/recorder"
)

// trouble lets the database fail where a test says, once.
type trouble struct {
	mu    sync.Mutex
	when  func(store.Point) error
	fired int
}

func (f *trouble) at(p store.Point) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.when == nil {
		return nil
	}
	err := f.when(p)
	if err != nil {
		f.fired++
		f.when = nil
	}
	return err
}

func (f *trouble) arm(when func(store.Point) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.when = when
}

// disarm ends the trouble and tells whether there was any.
func (f *trouble) disarm() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.when = nil
	return f.fired > 0
}

// atSQL fails the next statement that contains a text.
func atSQL(text string) func(store.Point) error {
	return func(p store.Point) error {
		if p.Stage == store.StageStatement && p.Write && strings.Contains(p.SQL, text) {
			return store.Fault(store.Permanent)
		}
		return nil
	}
}

// answerLost loses the answer to the COMMIT of the next transaction that had a
// statement with a text.
func answerLost(text string) func(store.Point) error {
	seen := false
	return func(p store.Point) error {
		switch {
		case p.Stage == store.StageStatement && p.Write && strings.Contains(p.SQL, text):
			seen = true
		case p.Stage == store.StageCommitted && p.Write && seen:
			return store.Fault(store.Unknown)
		}
		return nil
	}
}

// troubledWorld is a world whose database fails on demand.
func troubledWorld(t *testing.T, clock *shift, vary func(*GatewayOptions)) (*world, *trouble) {
	t.Helper()
	return troubledWorldOn(t, store.SQLite, clock, vary)
}

// troubledWorldOn is troubledWorld on either engine.
func troubledWorldOn(t *testing.T, engine store.Engine, clock *shift, vary func(*GatewayOptions)) (*world, *trouble) {
	t.Helper()
	dir := t.TempDir()
	f := &trouble{}
	config := store.Config{Engine: engine, Path: filepath.Join(dir, "lotse.db"), Faults: f.at}
	if engine == store.PostgreSQL {
		config.DSN = peer.Postgres(t).DSN
	}
	if clock != nil {
		config.Shift = clock.get
	}
	blobs, err := disk.Open(filepath.Join(dir, "blobs"))
	must(t, err)
	keys, err := file.Open(filepath.Join(dir, "keyring"), nil)
	must(t, err)
	return openWorld(t, dir, config, blobs, keys, vary), f
}

// idle is a world without workers: the test does their work step by step.
func idle(t *testing.T, clock *shift, vary func(*GatewayOptions)) *world {
	t.Helper()
	w := newWorld(t, t.TempDir(), clock, vary)
	w.close()
	return w
}

// claim takes the next job of a kind as a worker would, which then does nothing.
func (w *world) claim(kind string) *held {
	w.t.Helper()
	workers := queue.New(w.db.System(), queue.Options{Node: "held " + store.NewID(), Log: slog.New(slog.DiscardHandler)})
	h := &held{runs: make(chan *queue.Run, 1), go_: make(chan func(context.Context, *queue.Run) error, 1), ended: make(chan error, 1)}
	workers.Handle(kind, func(ctx context.Context, run *queue.Run) error {
		h.runs <- run
		select {
		case f := <-h.go_:
			return f(ctx, run)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	h.stop = stop
	go func() { h.ended <- workers.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		<-h.ended
	})
	select {
	case h.run = <-h.runs:
	case <-time.After(testPatience):
		w.t.Fatalf("no job of kind %s", kind)
	}
	return h
}

// held is a job that a test holds as its worker.
type held struct {
	run   *queue.Run
	runs  chan *queue.Run
	go_   chan func(context.Context, *queue.Run) error
	ended chan error
	stop  context.CancelFunc
}

// row reads an import's row.
func (w *world) row(id string) *store.Import {
	w.t.Helper()
	var im *store.Import
	must(w.t, w.db.Tenant("main").Read(w.t.Context(), func(tx *store.Tx) (err error) {
		im, err = tx.Import(id)
		return err
	}))
	return im
}

// madeSlices are DICOM files of one study by name.
func madeSlices(t *testing.T, study uint64, n int) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for i := range n {
		raw, err := synth.Slice(synth.SliceOptions{Seed: study, Number: i})
		must(t, err)
		out[string(rune('a'+i))+".dcm"] = raw
	}
	return out
}

// recording is an archive that remembers.
func recording(t *testing.T) (*recorder.Recorder, string) {
	t.Helper()
	r, err := recorder.StartRecorder("RECORDER")
	must(t, err)
	t.Cleanup(r.Close)
	return r, "dicom://RECORDER@" + r.Addr
}

// destinationAt adds a destination.
func (w *world) destinationAt(address, verify string) string {
	w.t.Helper()
	d, err := w.AddDestination(w.t.Context(), w.who, NewDestination{Name: "to " + store.NewID(), Address: address, Verify: verify})
	must(w.t, err)
	return d.ID
}

// small is an import of a few slices in review.
func (w *world) small(n int) *Snapshot {
	w.t.Helper()
	id, err := w.Create(w.t.Context(), w.who, NewImport{Kind: KindUpload, Files: n, Priority: PriorityPerson})
	must(w.t, err)
	for name, raw := range madeSlices(w.t, 1, n) {
		w.upload(id, name, raw)
	}
	return w.until(id, importer.Review)
}

// claimOther is claim for a job that is not another's.
func (w *world) claimOther(kind string, _ *held) *held { return w.claim(kind) }

// do has the held worker do its work and returns what came of it.
func (h *held) do(f queue.Handler) error {
	result := make(chan error, 1)
	h.go_ <- func(ctx context.Context, run *queue.Run) error {
		err := f(ctx, run)
		result <- err
		return err
	}
	err := <-result
	h.stop() // it takes nothing more
	return err
}

func hostPort(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
