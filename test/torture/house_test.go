package torture

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lotse/internal/app"
	"lotse/internal/queue"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/durable/durabletest"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/file"
	"lotse/internal/sealed/keyring/keyringtest"
	"lotse/internal/store"
	"lotse/test/recorder"
)

// house is an installation in a folder, in which one process lives after the other,
// with a portal and an archive outside.
type house struct {
	t       *testing.T
	dir     string
	portal  *portal
	archive *recorder.Recorder
	to      string // id of the destination
	clock   *clock

	wrap   func(blob.Store) blob.Store // nil: as it is
	faults func(store.Point) error     // nil: none but death
	vary   func(*app.GatewayOptions)   // nil: as it is
}

// clock is a clock that jumps, for the database and for the nodes.
type clock struct {
	mu sync.Mutex
	by time.Duration
}

func (c *clock) shift() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by
}

func (c *clock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by += d
}

func (c *clock) now() time.Time { return time.Now().Add(c.shift()) }

const tenant = "main"

func who() app.Who { return app.Who{Tenant: tenant, Actor: "test"} }

// newHouse makes an installation with a tenant and a destination.
func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), portal: newPortal(t, 1), clock: &clock{}}
	var err error
	if h.archive, err = recorder.StartRecorder("ARCHIVE"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.archive.Close)
	p := h.open(newMortal(0))
	defer p.close()
	d, err := p.gateway.AddDestination(t.Context(), who(), app.NewDestination{Name: "archive", Address: "dicom://ARCHIVE@" + h.archive.Addr})
	if err != nil {
		t.Fatal(err)
	}
	h.to = d.ID
	return h
}

// copy makes another house with what is in this one.
func (h *house) copy(t *testing.T) *house {
	t.Helper()
	other := &house{t: t, dir: t.TempDir(), portal: h.portal, archive: h.archive, to: h.to, clock: &clock{}}
	if err := os.CopyFS(other.dir, os.DirFS(h.dir)); err != nil {
		t.Fatal(err)
	}
	return other
}

// process is a gateway over the folder of a house, until it dies.
type process struct {
	h       *house
	m       *mortal
	db      *store.DB
	gateway *app.Gateway
	intake  *app.Intake // once something was received
	stop    context.CancelFunc
	working sync.WaitGroup
}

// leaseTime is short: who follows a dead process moves the clock beyond it.
const leaseTime = 3 * time.Second

// open puts a gateway together. Its files forget what was not synced.
func (h *house) open(m *mortal) *process {
	h.t.Helper()
	ctx := h.t.Context()
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	p := &process{h: h, m: m}
	born := newMortal(0) // opening is not counted, and cannot fail
	forgetful := func(name string) *files {
		f, err := durabletest.Open(filepath.Join(h.dir, name))
		must(err)
		return &files{f, born}
	}
	segments, keys := forgetful("blobs"), forgetful("keyring")
	var err error
	p.db, err = store.Open(ctx, store.Config{Engine: store.SQLite, Path: filepath.Join(h.dir, "lotse.db"), Shift: h.clock.shift, Faults: p.fault})
	must(err)
	_, err = p.db.Migrate(ctx)
	must(err)
	stored, err := disk.New(segments)
	must(err)
	blobs := blob.Store(stored)
	if h.wrap != nil {
		blobs = h.wrap(blobs)
	}
	ring, err := file.New(keys, nil)
	must(err)
	vault := sealed.New(blobs, keyring.New(ring, keyringtest.Master(1)), sealed.Options{})
	tenants, err := p.db.System().Tenants(ctx)
	must(err)
	if len(tenants) == 0 {
		must(vault.CreateTenant(ctx, tenant))
		must(p.db.System().CreateTenant(ctx, tenant, tenant))
	}
	o := app.GatewayOptions{Version: "test", Transport: func() http.RoundTripper { return http.DefaultTransport }, InsecureHTTP: true,
		Portals: []string{"127.0.0.1", "localhost"}, ScratchDir: h.dir, Now: h.clock.now, Quiet: 50 * time.Millisecond}
	if h.vary != nil {
		h.vary(&o)
	}
	log := slog.New(slog.DiscardHandler)
	p.gateway = app.NewGateway(p.db, vault, blobs, log, o)
	segments.m, keys.m = m, m
	return p
}

// fault is for the database of a process.
func (p *process) fault(point store.Point) error {
	if p.gateway == nil { // it is still being opened
		return nil
	}
	if err := p.m.transaction(point); err != nil || p.h.faults == nil {
		return err
	}
	return p.h.faults(point)
}

// work lets the process work on jobs.
func (p *process) work(periodic bool) {
	var jobs queue.Store = p.db.System()
	if !periodic {
		jobs = onlyJobs{p.db.System()}
	}
	workers := queue.New(jobs, queue.Options{Node: store.NewID(), Log: slog.New(slog.DiscardHandler), Lease: leaseTime, Busy: 2 * time.Millisecond,
		Poll: 20 * time.Millisecond, Grace: 20 * time.Millisecond, RetryFirst: 20 * time.Millisecond, Concurrency: app.Concurrency(1, 1, 1, 1)})
	p.gateway.Register(workers)
	ctx, stop := context.WithCancel(context.WithoutCancel(p.h.t.Context()))
	p.stop = stop
	p.working.Go(func() {
		_ = workers.Run(ctx) // handlers of the dead may outlast it; they can do nothing
	})
}

// close ends the process, in order or after its death.
func (p *process) close() {
	if p.stop != nil {
		p.stop()
		p.working.Wait()
	}
	p.m.kill() // whatever of it still runs
	_ = p.db.Close()
}

// onlyJobs leaves out periodic work, so that every run has the same steps.
type onlyJobs struct{ *store.System }

// AddSchedule is of [queue.Store].
func (onlyJobs) AddSchedule(context.Context, string, time.Duration) error { return nil }

// Tick is of [queue.Store].
func (onlyJobs) Tick(context.Context, []string) (time.Duration, error) { return 0, nil }
