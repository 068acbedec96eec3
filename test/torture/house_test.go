package torture

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"lotse/internal/app"
	"lotse/internal/queue"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/keyringtest"
	"lotse/internal/store"
	"lotse/test/recorder"
)

// house is an installation, in which one process lives after the other, with a portal
// and an archive outside.
type house struct {
	t       *testing.T
	place   place
	portal  *portal
	archive *recorder.Recorder
	to      string // id of the destination
	clock   *clock
	lease   time.Duration // of jobs

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

// newHouse makes an installation on one node with a tenant and a destination.
func newHouse(t *testing.T) *house {
	t.Helper()
	return newHouseAt(t, newPlace(t, "sqlite"))
}

// newHouseAt is newHouse for any place.
func newHouseAt(t *testing.T, at place) *house {
	t.Helper()
	h := &house{t: t, place: at, portal: newPortal(t, 1), clock: &clock{}, lease: shortLease}
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
	return &house{t: t, place: h.place.copy(t), portal: h.portal, archive: h.archive, to: h.to, clock: &clock{}, lease: h.lease}
}

// process is a gateway in a house, until it dies.
type process struct {
	h       *house
	m       *mortal
	at      *premises
	db      *store.DB
	gateway *app.Gateway
	intake  *app.Intake // once something was received
	stop    context.CancelFunc
	working sync.WaitGroup
}

// shortLease is the time of a job's lease where the answer to a claim may be lost in a
// process that lives on: that waits for its end. Who follows a dead process moves the
// clock beyond it, however long.
const shortLease = 3 * time.Second

// open puts a gateway together.
func (h *house) open(m *mortal) *process {
	h.t.Helper()
	ctx := h.t.Context()
	p := &process{h: h, m: m, at: h.place.open(h.t)}
	config := p.at.database
	config.Shift, config.Faults = h.clock.shift, p.fault
	var err error
	p.db, err = store.Open(ctx, config)
	must(h.t, err)
	_, err = p.db.Migrate(ctx)
	must(h.t, err)
	blobs := p.at.segments
	if h.wrap != nil {
		blobs = h.wrap(blobs)
	}
	vault := sealed.New(blobs, keyring.New(p.at.keys, keyringtest.Master(1)), sealed.Options{})
	tenants, err := p.db.System().Tenants(ctx)
	must(h.t, err)
	if len(tenants) == 0 {
		must(h.t, vault.CreateTenant(ctx, tenant))
		must(h.t, p.db.System().CreateTenant(ctx, tenant, tenant))
	}
	o := app.GatewayOptions{Version: "test", Transport: func() http.RoundTripper { return http.DefaultTransport }, InsecureHTTP: true,
		Portals: []string{"127.0.0.1", "localhost"}, Now: h.clock.now, Quiet: 50 * time.Millisecond}
	if h.vary != nil {
		h.vary(&o)
	}
	log := slog.New(slog.DiscardHandler)
	p.gateway = app.NewGateway(p.db, vault, blobs, log, o)
	p.at.belong(m)
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
	workers := queue.New(jobs, queue.Options{Node: store.NewID(), Log: slog.New(slog.DiscardHandler), Lease: p.h.lease, Busy: 2 * time.Millisecond,
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
	p.at.close()
}

// onlyJobs leaves out periodic work, so that every run has the same steps.
type onlyJobs struct{ *store.System }

// AddSchedule is of [queue.Store].
func (onlyJobs) AddSchedule(context.Context, string, time.Duration) error { return nil }

// Tick is of [queue.Store].
func (onlyJobs) Tick(context.Context, []string) (time.Duration, error) { return 0, nil }
