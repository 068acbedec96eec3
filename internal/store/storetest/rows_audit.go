package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/store"
)

// fillChain gives a tenant a row in every table of the audit trail: two events, of
// which the first is linked.
func fillChain(tx *store.Tx) error {
	_, err := tx.TakeLease("chain", "a", time.Hour)
	if err != nil {
		return err
	}
	if _, err := tx.LinkEvents(10); err != nil {
		return err
	}
	last, err := tx.LastLink()
	_, once := tx.AuditOnce("seen", store.Event{ID: "event-2", Import: "another", Actor: "lotse", Session: "session", Event: "access.import", At: noon(time.Hour)})
	return errors.Join(err, once, tx.InsertHead(&store.Head{Seq: last.Seq, Hash: last.Hash, Signed: 1, Public: "AAAA", Signature: "BBBB"}),
		tx.SetAuditCursor("siem", 1), tx.MeterImport(&store.Import{ID: "import", Created: noon(0), Instances: 3, Bytes: 100}))
}

func testFindEvents(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	write(t, tenant, func(tx *store.Tx) error {
		for i, e := range []store.Event{{Event: "import.created", Import: "a", Actor: "x"}, {Event: "import.fetched", Import: "a", Actor: "lotse"},
			{Event: "imports", Actor: "x"}, {Event: "import", Import: "b", Actor: "x"}, {Event: "token.created", Actor: "y"}} {
			e.ID, e.At = fmt.Sprint(i), noon(time.Duration(i/2)*time.Hour)
			if err := tx.Audit(e); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range []struct {
		filter store.EventFilter
		want   string
	}{
		{store.EventFilter{}, "43210"}, {store.EventFilter{Limit: 2}, "43"}, {store.EventFilter{Before: store.EventPlace{At: noon(time.Hour), ID: "3"}}, "210"},
		{store.EventFilter{From: noon(time.Hour)}, "432"}, {store.EventFilter{Until: noon(time.Hour)}, "10"}, {store.EventFilter{Actor: "x"}, "320"},
		{store.EventFilter{Import: "a"}, "10"}, {store.EventFilter{Event: "import"}, "310"}, {store.EventFilter{Event: "import.created"}, "0"},
		{store.EventFilter{Event: "import", Actor: "x", Import: "b", From: noon(0), Until: noon(9 * time.Hour)}, "3"}, {store.EventFilter{Actor: "z"}, ""},
	} {
		if c.filter.Limit == 0 {
			c.filter.Limit = 100
		}
		got := ""
		for _, e := range get(t, tenant, func(tx *store.Tx) ([]store.Event, error) { return tx.FindEvents(c.filter) }) {
			got += e.ID
		}
		same(t, fmt.Sprintf("%+v", c.filter), got, c.want)
	}
}

// sealer says where everybody comes from, and seals by turning bytes around.
type sealer struct {
	fail     atomic.Bool
	prepared atomic.Int64
}

func (s *sealer) Prepare(context.Context, string, time.Time) { s.prepared.Add(1) }

type whence struct{}

func (s *sealer) Whence(ctx context.Context) (string, map[string]any) {
	if from, ok := ctx.Value(whence{}).(string); ok {
		return "session", map[string]any{"address": from}
	}
	return "", nil
}

func (s *sealer) Seal(_, _ string, plain []byte) (string, []byte, error) {
	if s.fail.Load() {
		return "", nil, errors.New("no key")
	}
	out := make([]byte, len(plain))
	for i, b := range plain {
		out[i] = ^b
	}
	return "period", out, nil
}

// testSealedEvents: what is personal comes to the database sealed, or nothing does.
func testSealedEvents(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	named := store.Event{ID: "named", Actor: "x", Event: "y", Personal: map[string]any{"name": "n"}}
	if err := tenant.Write(t.Context(), func(tx *store.Tx) error { return tx.Audit(named) }); err == nil {
		t.Error("something personal was written with nothing to seal it")
	}
	s := &sealer{}
	db := h.open(t)
	db.SealEvents(s)
	tenant = db.Tenant(tenant.ID())
	ctx := context.WithValue(t.Context(), whence{}, "here")
	must(t, tenant.Write(ctx, func(tx *store.Tx) error {
		return errors.Join(tx.Audit(named), tx.Audit(store.Event{ID: "other", Actor: "x", Event: "y", Session: "own", Personal: map[string]any{"address": "there"}}))
	}))
	must(t, tenant.Write(t.Context(), func(tx *store.Tx) error { return tx.Audit(store.Event{ID: "plain", Actor: "x", Event: "y"}) }))
	got := map[string]string{}
	for _, e := range get(t, tenant, func(tx *store.Tx) ([]store.Event, error) { return tx.FindEvents(store.EventFilter{Limit: 9}) }) {
		for i := range e.Sealed {
			e.Sealed[i] = ^e.Sealed[i]
		}
		got[e.ID] = fmt.Sprintf("%s %s %s %v", e.Session, e.Period, e.Sealed, e.Sealed == nil)
	}
	same(t, "events", got, map[string]string{"named": `session period {"address":"here","name":"n"} false`,
		"other": `own period {"address":"there"} false`, "plain": "   true"})
	if s.prepared.Load() < 2 {
		t.Error("the sealer was not prepared")
	}
	s.fail.Store(true)
	err := tenant.Write(ctx, func(tx *store.Tx) error {
		return errors.Join(tx.SetSetting("x", "y"), tx.Audit(store.Event{ID: "never", Actor: "x", Event: "y"}))
	})
	if err == nil {
		t.Error("an event was written that could not be sealed")
	}
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.Setting("x"); return err })
}

func testEventsOnce(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	seen := func() bool {
		b := get(t, tenant, func(tx *store.Tx) (bool, error) { return tx.Audited("key") })
		return b
	}
	if seen() {
		t.Error("seen before anything was")
	}
	var wrote atomic.Int64
	same(t, "at once", atOnce(t, h, tenant.ID(), racers, func(_ int, node *store.Tenant) error {
		var now bool
		err := node.Write(t.Context(), func(tx *store.Tx) (err error) {
			now, err = tx.AuditOnce("key", store.Event{Import: "once", Actor: "x", Event: "access"})
			return err
		})
		if err == nil && now {
			wrote.Add(1)
		}
		return err
	}), map[string]int{"": racers})
	if events := get(t, tenant, func(tx *store.Tx) ([]store.Event, error) { return tx.Events("once") }); len(events) != 1 || wrote.Load() != 1 || !seen() {
		t.Errorf("%d events, %d wrote them", len(events), wrote.Load())
	}
	h.clock.advance(48 * time.Hour)
	if _, err := h.db.System().DropViews(t.Context(), noon(0).AddDate(1000, 0, 0)); err != nil || seen() {
		t.Errorf("not forgotten: %v", err)
	}
}

// chain reads a whole chain.
type chain struct {
	heads    []store.Head
	links    []store.Link
	unlinked []store.Unlinked
}

func (c *chain) Link(l store.Link, h *store.Head) error {
	c.links = append(c.links, l)
	if h != nil {
		c.heads = append(c.heads, *h)
	}
	return nil
}

func (c *chain) Stray(h store.Head) error        { c.heads = append(c.heads, h); return nil }
func (c *chain) Unlinked(u store.Unlinked) error { c.unlinked = append(c.unlinked, u); return nil }

func readChain(t *testing.T, db *store.DB, tenant string) *chain {
	t.Helper()
	var c chain
	now, err := db.System().ReadChain(t.Context(), tenant, &c)
	if err != nil || now.IsZero() {
		t.Fatal(err)
	}
	return &c
}

// whole says that links follow each other and have the hashes they must have.
func (c *chain) whole(t *testing.T, tenant string, n int) {
	t.Helper()
	if len(c.links) != n {
		t.Fatalf("%d links instead of %d", len(c.links), n)
	}
	previous := ""
	for i, l := range c.links {
		if l.Seq != int64(i+1) || l.Hash != l.Digest(tenant, previous) || l.Event.Gone {
			t.Errorf("link %d: %+v", i, l)
		}
		previous = l.Hash
	}
}

func link(t *testing.T, tenant *store.Tenant, node string, limit int) (n int, err error) {
	t.Helper()
	err = tenant.Write(t.Context(), func(tx *store.Tx) (err error) {
		if _, err = tx.TakeLease("linker", node, time.Minute); err == nil {
			n, err = tx.LinkEvents(limit)
		}
		return err
	})
	return n, err
}

func testChain(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	add := func(n int) {
		for range n {
			write(t, tenant, func(tx *store.Tx) error { return tx.Audit(store.Event{Actor: "lotse", Event: "x"}) })
		}
	}
	toLink := func() bool {
		all, err := h.other.System().TenantsToLink(t.Context())
		must(t, err)
		for _, one := range all {
			if one == tenant.ID() {
				return true
			}
		}
		return false
	}
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.LastLink(); return err })
	if toLink() {
		t.Error("there is something to link before there is")
	}
	add(3)
	h.clock.advance(time.Minute)
	if waits, err := h.db.System().OldestUnlinked(t.Context()); err != nil || waits < time.Minute {
		t.Errorf("the oldest event waits for %v, %v", waits, err)
	}
	if c := readChain(t, h.db, tenant.ID()); len(c.unlinked) != 3 || !c.unlinked[0].Pending || !toLink() {
		t.Errorf("%+v", c)
	}
	for _, want := range []int{2, 1, 0} {
		if n, err := link(t, tenant, "a", 2); n != want || err != nil {
			t.Errorf("%d were linked instead of %d: %v", n, want, err)
		}
	}
	add(250) // more than one statement inserts
	if n, err := link(t, tenant, "a", 1000); n != 250 || err != nil || toLink() {
		t.Errorf("%d were linked: %v", n, err)
	}
	c := readChain(t, h.other, tenant.ID())
	c.whole(t, tenant.ID(), 253)
	last := c.links[252]
	write(t, tenant, func(tx *store.Tx) error {
		head := &store.Head{Tenant: tenant.ID(), Seq: last.Seq, Hash: last.Hash, Signed: 5, Public: "p", Signature: "s"}
		if err := tx.InsertHead(head); err != nil {
			return err
		}
		if err := tx.InsertHead(head); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a head twice: %v", err)
		}
		got, err := tx.LastHead()
		same(t, "last head", got, *head)
		return err
	})
	same(t, "heads", readChain(t, h.db, tenant.ID()).heads, get(t, tenant, func(tx *store.Tx) ([]store.Head, error) { return tx.Heads(0, 5) }))
	if page := get(t, tenant, func(tx *store.Tx) ([]store.Link, error) { return tx.Links(250, 2) }); len(page) != 2 || page[0].Seq != 251 || page[1].Event.Event != "x" {
		t.Errorf("a page of links: %+v", page)
	}
	write(t, tenant, func(tx *store.Tx) error { return errors.Join(tx.SetAuditCursor("r", 7), tx.SetAuditCursor("r", 5)) })
	if n := get(t, tenant, func(tx *store.Tx) (int64, error) { return tx.AuditCursor("r") }); n != 7 {
		t.Errorf("the cursor went back to %d", n)
	}
}

// testChainOfLateCommits: an event whose transaction began before, and committed after
// others were linked, is linked all the same.
func testChainOfLateCommits(t *testing.T, h house) {
	if h.db.Engine() == store.SQLite {
		t.Skip("SQLite has one writer: nothing commits out of order")
	}
	tenant := Tenant(t, h.db)
	begun, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- h.other.Tenant(tenant.ID()).Write(t.Context(), func(tx *store.Tx) error {
			err := tx.Audit(store.Event{ID: "0-late", Actor: "lotse", Event: "x"})
			close(begun)
			<-goOn
			return err
		})
	}()
	<-begun
	write(t, tenant, func(tx *store.Tx) error { return tx.Audit(store.Event{Actor: "lotse", Event: "y"}) })
	n, err := link(t, tenant, "a", 10)
	close(goOn)
	must(t, errors.Join(err, <-done))
	if n != 1 {
		t.Errorf("%d events were linked while one was not committed", n)
	}
	if n, err := link(t, tenant, "a", 10); n != 1 || err != nil {
		t.Errorf("the late one: %d, %v", n, err)
	}
	c := readChain(t, h.db, tenant.ID())
	c.whole(t, tenant.ID(), 2)
	same(t, "the last", c.links[1].Event.ID, "0-late")
}

// testRaceOfLinkers: two linkers at once, with and without a lease, link everything
// once.
func testRaceOfLinkers(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	const events = 60
	write(t, tenant, func(tx *store.Tx) error {
		for range events {
			if err := tx.Audit(store.Event{Actor: "lotse", Event: "x"}); err != nil {
				return err
			}
		}
		return nil
	})
	for what, leased := range map[string]bool{"leased": true, "not": false} {
		outcomes := atOnce(t, h, tenant.ID(), racers, func(i int, node *store.Tenant) error {
			return node.Write(t.Context(), func(tx *store.Tx) error {
				if leased {
					if _, err := tx.TakeLease("linker", fmt.Sprint(i%2), time.Minute); err != nil {
						return err
					}
				}
				_, err := tx.LinkEvents(3)
				return err
			})
		})
		for text, n := range outcomes {
			if text != "" && text != store.ErrLeaseLost.Error() && !strings.Contains(text, store.ErrConflict.Error()) {
				t.Errorf("%s: %d times %s", what, n, text)
			}
		}
		if outcomes[""] == 0 {
			t.Errorf("%s: nobody linked", what)
		}
	}
	for n := 1; n > 0; {
		write(t, tenant, func(tx *store.Tx) (err error) { n, err = tx.LinkEvents(7); return err })
	}
	readChain(t, h.db, tenant.ID()).whole(t, tenant.ID(), events)
}

func testHeldLeases(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	take := func(node string) (l store.Lease, err error) {
		err = tenant.Write(t.Context(), func(tx *store.Tx) error {
			l, err = tx.TakeLease("work", node, time.Minute)
			return err
		})
		return l, err
	}
	hold := func(l store.Lease, want error) {
		t.Helper()
		if err := tenant.Write(t.Context(), func(tx *store.Tx) error { return tx.HoldLease(l, time.Minute) }); !errors.Is(err, want) {
			t.Errorf("%+v: %v instead of %v", l, err, want)
		}
	}
	a, err := take("a")
	must(t, err)
	if _, err := take("b"); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("b takes what a holds: %v", err)
	}
	h.clock.advance(45 * time.Second)
	hold(a, nil)
	h.clock.advance(45 * time.Second)
	hold(a, nil)
	if again, err := take("a"); err != nil || again != a {
		t.Errorf("%+v, %v", again, err)
	}
	h.clock.advance(2 * time.Minute)
	hold(a, store.ErrLeaseLost) // its time is over, though nobody took it
	b, err := take("b")
	must(t, err)
	if b.Token <= a.Token {
		t.Errorf("token %d after %d", b.Token, a.Token)
	}
	hold(a, store.ErrLeaseLost)
	write(t, tenant, func(tx *store.Tx) error { return tx.ReleaseLease(a) }) // changes nothing
	hold(b, nil)
	write(t, tenant, func(tx *store.Tx) error { return tx.ReleaseLease(b) })
	if _, err := take("c"); err != nil {
		t.Error(err)
	}
	h.clock.advance(-48 * time.Hour)
	if _, err := take("d"); err != nil {
		t.Errorf("after the clock went back: %v", err)
	}
	h.clock.advance(48 * time.Hour)
}

func testUsage(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	november, december := time.Date(2025, 11, 30, 23, 59, 59, 0, time.UTC), time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC)
	write(t, tenant, func(tx *store.Tx) error {
		for range 2 { // a second time adds nothing
			for _, im := range []store.Import{{ID: "a", Created: november, Site: "s", Instances: 2, Bytes: 10}, {ID: "b", Created: december},
				{ID: "b", Created: december, Instances: 5, Bytes: 7}, {ID: "b", Created: december, Instances: 4, Bytes: 8}, {ID: "c", Created: december, Bytes: 1}} {
				if err := tx.MeterImport(&im); err != nil {
					return err
				}
			}
		}
		for i, e := range []store.Event{{Actor: "p", Session: "1"}, {Actor: "p", Session: "2"}, {Actor: "q", Session: "3"}, {Actor: "token"}} {
			e.Event, e.At = "x", december.Add(time.Duration(i)*time.Hour)
			if err := tx.Audit(e); err != nil {
				return err
			}
		}
		return nil
	})
	usage := func(from, to string) []store.Usage {
		return get(t, tenant, func(tx *store.Tx) ([]store.Usage, error) { return tx.Usage(from, to) })
	}
	all := []store.Usage{{Month: "2025-11", Site: "s", Imports: 1, Instances: 2, Bytes: 10}, {Month: "2025-12", Imports: 2, Instances: 5, Bytes: 9}}
	same(t, "all", usage("2025-11", "2025-12"), all)
	same(t, "december", usage("2025-12", "2026-12"), all[1:])
	persons := func(from, until time.Time) int64 {
		return get(t, tenant, func(tx *store.Tx) (int64, error) { return tx.ActivePersons(from, until) })
	}
	same(t, "persons", []int64{persons(december, december.AddDate(0, 1, 0)), persons(november, december), persons(december, december.Add(2*time.Hour))}, []int64{2, 0, 1})
}
