package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/audit"
	"lotse/internal/auth/access"
	"lotse/internal/importer"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/file"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
	"lotse/test/peer"
)

// trailHouse is a gateway on a database of either engine, without workers.
type trailHouse struct {
	*Gateway
	*testing.T
	place storetest.Place
	dir   string
	keys  *brittleKeys
	heads []store.Head
	mu    sync.Mutex
}

// brittleKeys is a keyring that can be made to fail, and counts how often it is asked.
type brittleKeys struct {
	keyring.Store
	broken atomic.Bool
	asked  atomic.Int64
}

func (k *brittleKeys) Get(ctx context.Context, tenant, id string) ([]byte, error) {
	k.asked.Add(1)
	if k.broken.Load() {
		return nil, errors.New("the keyring is away")
	}
	return k.Store.Get(ctx, tenant, id)
}

func newTrailHouse(t *testing.T, p storetest.Place, change ...func(*store.Config)) *trailHouse {
	t.Helper()
	h := &trailHouse{T: t, place: p, dir: t.TempDir()}
	keys, err := file.Open(filepath.Join(h.dir, "keyring"), nil)
	must(t, err)
	h.keys = &brittleKeys{Store: keys}
	h.Gateway = h.node(change...)
	must(t, h.vault.CreateTenant(t.Context(), "main"))
	must(t, h.db.System().CreateTenant(t.Context(), "main", "main"))
	return h
}

// node opens one more gateway on the same.
func (h *trailHouse) node(change ...func(*store.Config)) *Gateway {
	h.Helper()
	blobs, err := disk.Open(filepath.Join(h.dir, "blobs"))
	must(h.T, err)
	master, err := keyring.CreateMasterFile(filepath.Join(h.dir, "master.key"))
	must(h.T, err)
	vault := sealed.New(blobs, keyring.New(h.keys, master), sealed.Options{})
	return NewGateway(h.place.Migrated(h.T, change...), vault, blobs, newTestLog(h.T), GatewayOptions{Version: "test", ExportHead: func(head store.Head) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.heads = append(h.heads, head)
		return nil
	}})
}

// person is a context on behalf of somebody, and who that is.
func person(ctx context.Context, session string) (context.Context, Who) {
	ctx = access.WithActor(ctx, access.Actor{ID: "user:1", Tenant: "main", Kind: access.User, Session: session, Remote: netip.MustParseAddr("192.0.2.7"), Agent: "Browser/1"})
	return ctx, Who{Tenant: "main", Actor: "user:1", Session: session}
}

func (h *trailHouse) events(f store.EventFilter) []store.Event {
	h.Helper()
	if f.Limit == 0 {
		f.Limit = 1000
	}
	var all []store.Event
	must(h.T, h.db.Tenant("main").Read(h.Context(), func(tx *store.Tx) (err error) {
		all, err = tx.FindEvents(f)
		return err
	}))
	return all
}

func (h *trailHouse) verify() *audit.Report {
	h.Helper()
	r, err := VerifyChain(h.Context(), h.db, h.vault, "main", func(f func(store.Head) error) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, head := range h.heads {
			if err := f(head); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	must(h.T, err)
	return r
}

// TestChainIsKept: while it runs, events are linked within a second or so; when it ends
// everything is linked and signed, and the head is exported.
func TestChainIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		h := newTrailHouse(t, p)
		must(t, h.Announce(t.Context(), NodeStarted))
		ctx, stop := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for _, node := range []*Gateway{h.Gateway, h.node()} { // two nodes
			work.Go(func() { node.KeepChain(ctx) })
		}
		pctx, who := person(t.Context(), "s1")
		for i := range 20 {
			_, err := h.ChangeSettings(pctx, who, -1, NewSettings{})
			must(t, err)
			_ = i
		}
		peer.Await(t, testPatience, "events to be linked", func() bool { return h.verify().Links >= 21 })
		must(t, h.Announce(t.Context(), NodeStopped))
		stop()
		work.Wait()
		r := h.verify()
		if r.Wrong != 0 || r.Unlinked != 0 || r.Links != 22 || r.Signed != 22 || !r.Pinned || r.Exported == 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestLinkerIsLost: wherever a linker breaks off, another one goes on, and the chain is
// whole.
func TestLinkerIsLost(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		var left atomic.Int64 // steps of write transactions until one fails; 0: none does
		var kind atomic.Int64
		faults := func(c *store.Config) {
			c.Faults = func(p store.Point) error {
				if p.Write && left.Load() > 0 && left.Add(-1) == 0 {
					return store.Fault(store.Kind(kind.Load()))
				}
				return nil
			}
		}
		h := newTrailHouse(t, p, faults)
		clock := &storetest.Clock{}
		second := h.node(clock.Config)
		failed := 0
		for step := int64(1); step < 40; step++ {
			must(t, h.Announce(t.Context(), "x"))
			kind.Store(int64([]store.Kind{store.Permanent, store.Full, store.Unknown}[step%3]))
			left.Store(step)
			err := errors.Join(h.linkAll(t.Context()), h.signAll(t.Context()))
			left.Store(0)
			if err != nil {
				failed++
			}
			clock.Pass(2 * linkLease) // the other node sees a lease whose time is over
			must(t, second.linkAll(t.Context()))
			if step%4 == 0 {
				must(t, second.signAll(t.Context()))
			}
		}
		must(t, errors.Join(second.linkAll(t.Context()), second.signAll(t.Context())))
		if r := h.verify(); r.Wrong != 0 || r.Unlinked != 0 || r.Links != 39 || r.Signed != 39 {
			t.Errorf("%+v", r)
		}
		if failed < 8 {
			t.Errorf("only %d attempts failed", failed)
		}
	})
}

// TestWhereFrom: an event on behalf of a person has the session in the clear, and address
// and client sealed, under a key that the keyring gave once.
func TestWhereFrom(t *testing.T) {
	h := newTrailHouse(t, storetest.SQLite(t))
	ctx, who := person(t.Context(), "s1")
	_, err := h.ChangeSettings(ctx, who, -1, NewSettings{})
	must(t, err)
	asked := h.keys.asked.Load()
	for range 10 {
		_, err := h.ChangeSettings(ctx, who, -1, NewSettings{})
		must(t, err)
	}
	if n := h.keys.asked.Load() - asked; n != 0 {
		t.Errorf("the keyring was asked %d times more", n)
	}
	v, err := h.vault.Tenant(ctx, "main")
	must(t, err)
	for _, e := range h.events(store.EventFilter{}) {
		personal, err := audit.Open(ctx, v, e.ID, e.Period, e.Sealed)
		if err != nil || fmt.Sprint(personal) != "map[address:192.0.2.7 agent:Browser/1]" || e.Session != "s1" || !strings.HasPrefix(e.Period, "audit-2") {
			t.Errorf("%+v: %v, %v", e, personal, err)
		}
		if _, err := audit.Open(ctx, v, "another", e.Period, e.Sealed); !errors.Is(err, sealed.ErrDamaged) {
			t.Errorf("it opens as another event's: %v", err)
		}
	}
	must(t, h.Announce(t.Context(), "x")) // on behalf of nobody
	if e := h.events(store.EventFilter{Event: "x"}); len(e) != 1 || e[0].Sealed != nil || e[0].Period != "" || e[0].Session != "" {
		t.Errorf("%+v", e)
	}
}

// TestNothingUnaudited: where the key of the period is not to be had, nothing happens
// that would be personal in the trail, and all else does.
func TestNothingUnaudited(t *testing.T) {
	h := newTrailHouse(t, storetest.SQLite(t))
	h.keys.broken.Store(true)
	ctx, who := person(t.Context(), "s1")
	if _, err := h.ChangeSettings(ctx, who, -1, NewSettings{}); err == nil {
		t.Error("a change without an event")
	}
	must(t, h.Announce(t.Context(), "x"))
	if s, err := h.Settings(ctx, who); err != nil || s.Version != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	h.keys.broken.Store(false)
	peer.Await(t, testPatience, "the keyring to be asked again", func() bool {
		_, err := h.ChangeSettings(ctx, who, -1, NewSettings{})
		return err == nil
	})
	h.keys.broken.Store(true) // the key is at hand now
	if _, err := h.ChangeSettings(ctx, who, -1, NewSettings{}); err != nil {
		t.Error(err)
	}
}

// TestPeriodErased: after its time what is personal cannot be read any more, and the
// chain is whole.
func TestPeriodErased(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		clock := &storetest.Clock{}
		h := newTrailHouse(t, p, clock.Config)
		h.opts.RetentionAudit = 40 * 24 * time.Hour
		ctx, who := person(t.Context(), "s1")
		change := func() {
			_, err := h.ChangeSettings(ctx, who, -1, NewSettings{})
			must(t, err)
		}
		opens := func(want ...error) {
			t.Helper()
			v, err := h.vault.Tenant(ctx, "main")
			must(t, err)
			all := h.events(store.EventFilter{Event: "settings.changed"})
			for i, e := range all {
				if _, err := audit.Open(ctx, v, e.ID, e.Period, e.Sealed); !errors.Is(err, want[i]) || len(all) != len(want) {
					t.Errorf("event %d of %d in %s: %v instead of %v", i, len(all), e.Period, err, want[i])
				}
			}
		}
		change()
		must(t, errors.Join(h.retention(ctx), h.auditRetention(ctx)))
		opens(nil)
		clock.Pass(75 * 24 * time.Hour) // more than a month and 40 days
		must(t, h.Announce(ctx, "x"))   // tells the time
		change()
		if n, err := h.OverduePeriods(ctx); n != 1 || err != nil {
			t.Errorf("%d periods are overdue, %v", n, err)
		}
		must(t, errors.Join(h.auditRetention(ctx), h.retention(ctx), h.auditRetention(ctx)))
		opens(nil, nil) // the clock jumped: erasing is paused, whoever notices it first
		if why, err := h.ClockPaused(ctx); why == "" || err != nil {
			t.Errorf("erasing goes on: %v", err)
		}
		must(t, h.ConfirmClock(ctx, who))
		must(t, h.auditRetention(ctx))
		opens(nil, sealed.ErrErased)
		if n, err := h.OverduePeriods(ctx); n != 0 || err != nil {
			t.Errorf("%d periods are overdue, %v", n, err)
		}
		if told := h.events(store.EventFilter{Event: "audit.period-erased"}); len(told) != 1 {
			t.Errorf("%+v", told)
		}
		must(t, errors.Join(h.linkAll(ctx), h.signAll(ctx)))
		if r := h.verify(); r.Wrong != 0 || r.Unlinked != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestSeenOnce: looking at a study is one event for a person and session, however often
// and on however many nodes at once, and says which studies were seen.
func TestSeenOnce(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	s := reviewed(t, w)
	h := &trailHouse{T: t, Gateway: w.Gateway}
	seen := func(event, actor string) []store.Event {
		return h.events(store.EventFilter{Import: s.ID, Event: event, Actor: actor})
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			ctx, who := person(context.WithoutCancel(t.Context()), "s1")
			_, err := w.Snapshot(ctx, who, s.ID)
			_, other := w.Inspection(ctx, who, s.ID)
			if err := errors.Join(err, other); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	ctx, who := person(t.Context(), "s2")
	_, err := w.Snapshot(ctx, who, s.ID)
	must(t, err)
	events := seen(viewImport, "user:1")
	if len(events) != 2 || len(seen(viewInspection, "user:1")) != 1 {
		t.Fatalf("%+v", events)
	}
	v, err := w.vault.Tenant(ctx, "main")
	must(t, err)
	personal, err := audit.Open(ctx, v, events[0].ID, events[0].Period, events[0].Sealed)
	must(t, err)
	if patients, _ := personal["patients"].([]any); len(patients) == 0 || !strings.Contains(fmt.Sprint(patients[0]), s.Patients[0].Studies[0].UID) {
		t.Errorf("%+v", personal)
	}
	if machine := seen("access", "lotse"); len(machine) != 0 {
		t.Errorf("%+v", machine)
	}
	if test := seen(viewImport, w.who.Actor); len(test) != 1 { // a machine: once a day
		t.Errorf("%+v", test)
	}
}

// TestEachStudySeen: an import of several studies is one event for each of them, also
// when it is looked at again.
func TestEachStudySeen(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	id, err := w.Create(t.Context(), w.who, NewImport{Kind: KindUpload})
	must(t, err)
	for seed := range uint64(3) {
		for name, raw := range madeSlices(t, seed+1, 1) {
			w.upload(id, fmt.Sprintf("%d-%s", seed, name), raw)
		}
	}
	must(t, w.Complete(t.Context(), w.who, id, 0))
	w.until(id, importer.Review)
	h := &trailHouse{T: t, Gateway: w.Gateway}
	ctx, who := person(t.Context(), "s1")
	want := map[string]bool{}
	for range 2 {
		s, err := w.Snapshot(ctx, who, id)
		must(t, err)
		for _, p := range s.Patients {
			for _, study := range p.Studies {
				want[study.UID] = true
			}
		}
	}
	v, err := w.vault.Tenant(ctx, "main")
	must(t, err)
	events := h.events(store.EventFilter{Import: id, Event: viewImport, Actor: "user:1"})
	if len(want) != 3 || len(events) != 3 {
		t.Fatalf("%d studies, %d events", len(want), len(events))
	}
	for _, e := range events {
		personal, err := audit.Open(ctx, v, e.ID, e.Period, e.Sealed)
		must(t, err)
		for study := range want {
			if strings.Contains(fmt.Sprint(personal["patients"]), study) {
				delete(want, study)
			}
		}
	}
	if len(want) != 0 {
		t.Errorf("nothing tells of %v", want)
	}
}

// TestUsageOutlivesImports: what an import brought is counted once and stays when it is
// erased.
func TestUsageOutlivesImports(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	s := reviewed(t, w)
	must(t, w.Delete(t.Context(), w.who, s.ID, 0))
	w.until(s.ID, importer.Purged)
	var usage []store.Usage
	must(t, w.db.Tenant("main").Read(t.Context(), func(tx *store.Tx) (err error) {
		usage, err = tx.Usage("2000-01", "3000-01")
		return err
	}))
	if len(usage) != 1 || usage[0].Imports != 1 || usage[0].Instances != s.Received.Instances || usage[0].Bytes != s.Received.Bytes || usage[0].Bytes == 0 || usage[0].Instances == 0 {
		t.Errorf("%+v for %+v", usage, s.Received)
	}
}
