package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/store"
	"lotse/internal/store/storetest"
	"lotse/test/peer"
)

// moody takes events, and does not now and then: before or after it took them.
type moody struct {
	mu    sync.Mutex
	calls int
	told  []Told
	heads []store.Head
}

func (m *moody) tell(_ context.Context, told []Told, heads []store.Head) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	switch m.calls % 4 {
	case 1:
		return errors.New("away")
	case 2: // half came, and nobody heard of it
		m.told = append(m.told, told[:(len(told)+1)/2]...)
		return errors.New("broken")
	}
	m.told = append(m.told, told...)
	m.heads = append(m.heads, heads...)
	return nil
}

// order says what was told first, each event once; told again means from where it broke
// off or earlier, never later.
func (m *moody) order(t *testing.T) (first []Told) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.told {
		switch next := int64(len(first)) + 1; {
		case one.Seq > next:
			t.Errorf("number %d was told before %d", one.Seq, next)
		case one.Seq == next:
			first = append(first, one)
		}
	}
	return first
}

// TestReceiverIsTold: whatever the receiver and the nodes do, every event is told at least
// once, in the order of the chain.
func TestReceiverIsTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		h := newTrailHouse(t, p)
		m := &moody{}
		receiver := &AuditReceiver{Name: "moody", Tell: m.tell}
		h.opts.Receiver = receiver
		second := h.node()
		second.opts.Receiver = receiver
		ctx, who := person(t.Context(), "s1")
		const events = 250
		for range events {
			_, err := h.ChangeSettings(ctx, who, -1, NewSettings{})
			must(t, err)
		}
		must(t, h.linkAll(ctx))
		var all sync.WaitGroup
		for _, node := range []*Gateway{h.Gateway, second} {
			all.Go(func() {
				for range 20 {
					_ = node.tellAll(ctx)
				}
			})
		}
		all.Wait()
		first := m.order(t)
		if len(first) != events {
			t.Fatalf("%d events were told", len(first))
		}
		must(t, h.signAll(ctx)) // long after its links were told
		for range 4 {           // one of them holds the lease
			_, _ = h.tellAll(ctx), second.tellAll(ctx)
		}
		if len(m.heads) != 1 || m.heads[0].Seq != events {
			t.Errorf("heads: %+v", m.heads)
		}
		if e := first[7].Event; e.Event != "settings.changed" || e.Personal["address"] != "192.0.2.7" || e.Session != "s1" || e.Actor != "user:1" {
			t.Errorf("%+v", e)
		}
		must(t, h.db.Tenant("main").Read(ctx, func(tx *store.Tx) error {
			if n, err := tx.AuditCursor("moody"); n != events || err != nil {
				t.Errorf("the cursor is at %d, %v", n, err)
			}
			return nil
		}))
	})
}

// TestReceiverWaitsForLease: a node does not tell while another one may still be telling,
// and its late word does not move the cursor.
func TestReceiverWaitsForLease(t *testing.T) {
	clock := &storetest.Clock{}
	h := newTrailHouse(t, storetest.SQLite(t), clock.Config)
	must(t, h.Announce(t.Context(), "x"))
	must(t, h.linkAll(t.Context()))
	second := h.node(clock.Config)
	told := 0
	second.opts.Receiver = &AuditReceiver{Name: "r", Tell: func(context.Context, []Told, []store.Head) error { told++; return nil }}
	h.opts.Receiver = &AuditReceiver{Name: "r", Tell: func(context.Context, []Told, []store.Head) error {
		must(t, second.tellAll(t.Context()))
		if told != 0 {
			t.Error("two tell at once")
		}
		clock.Pass(2 * tellLease)
		must(t, second.tellAll(t.Context()))
		return nil
	}}
	if err := h.tellAll(t.Context()); !errors.Is(err, store.ErrLeaseLost) || told != 1 {
		t.Errorf("%v, told %d times", err, told)
	}
}

// TestReceiverHearsOfStudies: an event about an import has the studies that were found in
// it, also when it has nothing personal of its own, and the whole thing runs by itself.
func TestReceiverHearsOfStudies(t *testing.T) {
	var mu sync.Mutex
	told := map[string]Told{}
	w := newWorld(t, t.TempDir(), nil, func(o *GatewayOptions) {
		o.Receiver = &AuditReceiver{Name: "r", Tell: func(_ context.Context, all []Told, _ []store.Head) error {
			mu.Lock()
			defer mu.Unlock()
			for _, one := range all {
				told[one.Event.Event] = one
			}
			return nil
		}}
	})
	s := reviewed(t, w)
	must(t, w.Delete(t.Context(), w.who, s.ID, 0))
	w.until(s.ID, "purged")
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { w.KeepChain(ctx) })
	work.Go(func() { w.TellReceiver(ctx) })
	heard := func(event string) (Told, bool) {
		mu.Lock()
		defer mu.Unlock()
		one, ok := told[event]
		return one, ok
	}
	peer.Await(t, testPatience, "the deletion to be told", func() bool { _, ok := heard("import.purged"); return ok })
	stop()
	work.Wait()
	for _, event := range []string{"import.inspected", "import.purged", "import.deletion-asked"} {
		one, _ := heard(event)
		if len(one.Patients) != len(s.Patients) || !strings.Contains(fmt.Sprint(one.Patients), s.Patients[0].Studies[0].UID) || one.Kind != KindUpload {
			t.Errorf("%s: %+v", event, one)
		}
	}
	if time.Since(told["import.purged"].Event.At) > time.Hour {
		t.Errorf("%+v", told["import.purged"])
	}
}
