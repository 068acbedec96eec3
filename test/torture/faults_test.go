package torture

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"lotse/internal/app"
	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/blobtest"
	"lotse/internal/store"
	"lotse/test/peer"
	"lotse/test/torture/gateway"
)

// once fails the nth call of those it is asked about, once it is armed.
type once struct {
	mu    sync.Mutex
	armed bool
	calls int
	nth   int
	err   error
	where string
}

func (o *once) arm() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.armed = true
}

func (o *once) call(where string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.armed {
		return nil
	}
	if o.calls++; o.calls != o.nth {
		return nil
	}
	o.where = where
	return o.err
}

// failed says where it failed, or nothing.
func (o *once) failed() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.where
}

// stride says which steps are tried: in the full form each, in the short one each so
// many, from one that the seed chooses.
func stride(t *testing.T, short int) (begin, every int) {
	t.Helper()
	if *kills > 0 {
		return *first, 1
	}
	name := fnv.New64()
	_, _ = name.Write([]byte(t.Name()))
	begin = 1 + rand.New(rand.NewPCG(chosen(), name.Sum64())).IntN(short)
	t.Logf("seed %d: one of %d, from number %d on", chosen(), short, begin)
	return begin, short
}

// TestDatabaseFailsOnce lets each transaction of an import fail in turn: before it
// begins, before it commits, and after that, with the answer lost.
func TestDatabaseFailsOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	for _, c := range []struct {
		stage store.Stage
		kind  store.Kind
	}{{store.StageBegin, store.Unavailable}, {store.StageCommit, store.Full}, {store.StageCommitted, store.Unknown}} {
		eachFailure(t, string(c.stage), func(t *testing.T, h *house, n int) (ended bool) {
			o := &once{nth: n, err: store.Fault(c.kind)}
			h.faults = func(p store.Point) error {
				if !p.Write || p.Stage != c.stage {
					return nil
				}
				return o.call(string(p.Stage))
			}
			deliverDespite(t, h, o)
			return o.failed() == ""
		})
	}
}

// eachFailure lets one thing after the other fail in a house of its own, on each kind of
// storage, until none is left that could.
func eachFailure(t *testing.T, name string, fails func(t *testing.T, h *house, nth int) (ended bool)) {
	t.Run(name, func(t *testing.T) {
		eachEngine(t, func(t *testing.T, engine string) {
			t.Parallel()
			template := newHouseAt(t, newPlace(t, engine))
			begin, stride := stride(t, map[string]int{"sqlite": 5, "postgres": 12}[engine])
			oneByOne(t, begin, stride, func(t *testing.T, n int) (ended bool) { return fails(t, template.copy(t), n) })
		})
	})
}

// oneByOne runs a test for one step after the other, until it has ended.
func oneByOne(t *testing.T, begin, stride int, test func(t *testing.T, step int) (ended bool)) {
	t.Helper()
	for n, ended := begin, false; !ended; n += stride {
		ended = true // also where -run leaves it out
		if !t.Run(strconv.Itoa(n), func(t *testing.T) { ended = test(t, n) }) {
			t.Fatalf("-kills 1 -first %d begins there", n)
		}
	}
}

// TestBlobsFailOnce lets each call of the blob store of an import fail in turn.
func TestBlobsFailOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	for name, err := range map[string]error{"passing": blobtest.ErrInjected, "full": fmt.Errorf("injected: %w", blob.ErrFull)} {
		eachFailure(t, name, func(t *testing.T, h *house, n int) (ended bool) {
			var faulty *blobtest.Faulty
			h.wrap = func(s blob.Store) blob.Store {
				faulty = blobtest.NewFaulty(s)
				faulty.Fail(blobtest.Any, n, err)
				return faulty
			}
			deliverDespite(t, h, &once{})
			return faulty.Calls(blobtest.Any) < n
		})
	}
}

// deliverDespite takes a small import to its end in one process, in which something
// fails once; a person who is told of an error tries again.
func deliverDespite(t *testing.T, h *house, o *once) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	j := &journey{house: h, exam: smallExam(t), lives: 2, tolerant: true} // what was not noted is sent again
	p := h.open(newMortal(0))
	defer p.close()
	if err := j.bringIn(ctx, p, nil); err != nil {
		t.Fatal(err)
	}
	o.arm()
	p.work(false)
	if done, err := j.follow(ctx, p); !done {
		t.Error(err)
		return
	}
	j.compare(t, p)
}

// at takes a house to an import in a state and returns the process that works on it.
func (h *house) at(t *testing.T, j *journey, state importer.State) (p *process, id string) {
	t.Helper()
	p = h.open(newMortal(0))
	t.Cleanup(p.close)
	id, err := p.gateway.Create(t.Context(), who(), app.NewImport{Kind: app.KindLink, Link: personal.New(h.portal.add(j.exam)), Known: app.Answers{BirthDate: personal.New(gateway.BirthDate)}})
	if err != nil {
		t.Fatal(err)
	}
	p.work(true)
	p.until(t, id, "it is "+string(state), func(s *app.Snapshot) bool { return s.State == state })
	return p, id
}

// until waits until an import is as it should be.
func (p *process) until(t *testing.T, id, what string, ok func(*app.Snapshot) bool) *app.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		s, err := p.gateway.Snapshot(ctx, who(), id)
		if err == nil && ok(s) {
			return s
		}
		if !gateway.Wait(ctx, 10*time.Millisecond) {
			t.Fatalf("not within %v: %s; %v, %s", patience, what, err, p.standing(context.WithoutCancel(ctx)))
		}
	}
}

func (p *process) decide(t *testing.T, id string) {
	t.Helper()
	var err error
	for range 10 { // something else may change the import meanwhile
		if err = p.gateway.Decide(t.Context(), who(), id, 0, app.NewDecision{Destinations: []string{p.h.to}}); !errors.Is(err, app.ErrChanged) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestArchiveAwayForAnHour: the import says that the archive is down and when it is
// tried again; it is delivered when the archive is back.
func TestArchiveAwayForAnHour(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	j := &journey{house: h, exam: smallExam(t), lives: 1}
	p, id := h.at(t, j, importer.Review)
	h.archive.Away()
	p.decide(t, id)
	begun, attempts := h.clock.now(), 0
	var last time.Time
	for h.clock.now().Sub(begun) < time.Hour {
		s := p.until(t, id, "it says that the archive is down", func(s *app.Snapshot) bool {
			d := s.Delivery[0]
			return d.RetryAt != nil && d.RetryAt.After(last) && d.Problem == string(importer.ProblemDestination)
		})
		if s.State != importer.Delivering {
			t.Fatalf("it is %s", s.State)
		}
		attempts++
		last = *s.Delivery[0].RetryAt
		h.clock.jump(last.Sub(h.clock.now()) + time.Millisecond)
	}
	if attempts < 10 || attempts > 60 {
		t.Errorf("%d attempts in an hour", attempts)
	}
	if err := h.archive.Back(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.clock.jump(5 * time.Minute)
	p.until(t, id, "it is delivered", func(s *app.Snapshot) bool { return s.State == importer.Arrived })
	j.compare(t, p)
	t.Logf("%d attempts", attempts)
}

// TestPortalAwayForAnHour: a portal that says for an hour that it is not ready yet.
func TestPortalAwayForAnHour(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.portal.change(func() { h.portal.later, h.portal.wait = 100, 10*time.Minute })
	j := &journey{house: h, exam: smallExam(t), lives: 1}
	p, id := h.at(t, j, importer.Fetching)
	begun := h.clock.now()
	var last time.Time
	for h.clock.now().Sub(begun) < time.Hour {
		s := p.until(t, id, "it says that the portal is not ready", func(s *app.Snapshot) bool { return waits(s, importer.ProblemPatience, last) })
		last = *s.RetryAt
		if wait := last.Sub(h.clock.now()); wait < 9*time.Minute || wait > 11*time.Minute {
			t.Fatalf("the portal said ten minutes, it waits for %v", wait)
		}
		h.clock.jump(last.Sub(h.clock.now()) + time.Millisecond)
	}
	h.portal.change(func() { h.portal.later = 0 })
	h.clock.jump(10 * time.Minute)
	j.finish(t, p, id)
}

// waits reports an import that says why it waits, and until when, after a time.
func waits(s *app.Snapshot, code importer.ProblemCode, after time.Time) bool {
	return s.Problem != nil && s.Problem.Code == string(code) && s.RetryAt != nil && s.RetryAt.After(after)
}

// finish takes an import from its fetch to its end.
func (j *journey) finish(t *testing.T, p *process, id string) {
	t.Helper()
	p.until(t, id, "it is in review", func(s *app.Snapshot) bool { return s.State == importer.Review && s.Problem == nil && s.RetryAt == nil })
	p.decide(t, id)
	p.until(t, id, "it is delivered", func(s *app.Snapshot) bool { return s.State == importer.Arrived })
	j.compare(t, p)
}

// TestPortalDown: a portal that breaks off every connection; the import says so.
func TestPortalDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.portal.change(func() { h.portal.down = true })
	j := &journey{house: h, exam: smallExam(t), lives: 1}
	p, id := h.at(t, j, importer.Fetching)
	s := p.until(t, id, "it says that the portal is down", func(s *app.Snapshot) bool { return waits(s, importer.ProblemPortalDown, time.Time{}) })
	if s.Problem.Host == "" {
		t.Error("it does not say which portal")
	}
	h.portal.change(func() { h.portal.down = false })
	h.clock.jump(5 * time.Minute)
	j.finish(t, p, id)
}

// TestPortalCutsConnections: most downloads break off before their half.
func TestPortalCutsConnections(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.portal.change(func() { h.portal.cut, h.portal.scrap = 90, 3000 })
	j := &journey{house: h, exam: smallExam(t), lives: 1}
	p, id := h.at(t, j, importer.Fetching)
	j.finish(t, p, id)
	if h.portal.cuts < 3 {
		t.Errorf("%d downloads were cut off", h.portal.cuts)
	}
}

// TestDiskFull: nothing can be written for a while, neither segments nor rows.
func TestDiskFull(t *testing.T) {
	for name, where := range map[string]struct{ blobs, rows bool }{"blobs": {blobs: true}, "database": {rows: true}, "both": {true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			var full sync.Map // false: whether it is; absent before the first byte came
			isFull := func() bool { is, ok := full.Load(false); return ok && is.(bool) }
			if where.blobs {
				h.wrap = func(s blob.Store) blob.Store { return &brimful{s, isFull} }
			}
			if where.rows {
				h.faults = func(p store.Point) error {
					if p.Write && p.Stage == store.StageCommit && isFull() {
						return store.Fault(store.Full)
					}
					return nil
				}
			}
			j := &journey{house: h, exam: smallExam(t), lives: 1}
			h.portal.change(func() { h.portal.onBytes = func() { full.LoadOrStore(false, true) } })
			p, id := h.at(t, j, importer.Fetching)
			if where.rows { // nothing can be said where nothing can be written
				peer.Await(t, patience, "the disk is full", isFull)
				gateway.Wait(t.Context(), time.Second)
			} else {
				p.until(t, id, "it says that the disk is full", func(s *app.Snapshot) bool { return waits(s, importer.ProblemDiskFull, time.Time{}) })
			}
			full.Store(false, false)
			h.clock.jump(5 * time.Minute)
			j.finish(t, p, id)
		})
	}
}

// brimful is a blob store without space while it is full.
type brimful struct {
	blob.Store
	full func() bool
}

// Create is of [blob.Store].
func (b *brimful) Create(ctx context.Context, key string) (blob.Writer, error) {
	if b.full() {
		return nil, &blob.Error{Op: "creating", Retry: true, Err: blob.ErrFull}
	}
	return b.Store.Create(ctx, key)
}

// TestClockJumps: nothing is erased because a clock jumped, and imports go on.
func TestClockJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward": 30 * 24 * time.Hour, "backward": -30 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.vary = func(o *app.GatewayOptions) { o.Now = time.Now } // it is the database's clock that jumps
			j := &journey{house: h, exam: smallExam(t), lives: 1}
			p, id := h.at(t, j, importer.Review)
			p.awaitTick(t)
			h.clock.jump(by)
			peer.Await(t, patience, "erasing is paused", func() bool {
				why, err := p.gateway.ClockPaused(t.Context())
				return err == nil && why == name
			})
			p.decide(t, id)
			p.until(t, id, "it is delivered", func(s *app.Snapshot) bool { return s.State == importer.Arrived })
			j.compareObjects(t) // the trail is in the order of the clock
		})
	}
}

// awaitTick waits until the clock has been looked at.
func (p *process) awaitTick(t *testing.T) {
	t.Helper()
	peer.Await(t, patience, "the clock is looked at", func() bool {
		tick, err := p.db.System().Installation(t.Context(), "clock.tick")
		return err == nil && tick != ""
	})
}
