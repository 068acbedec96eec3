package torture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lotse/test/torture/gateway"
)

// ledger is what was found out about all imports together.
type ledger struct {
	w          *world
	imports    []gateway.Import
	expected   map[string]int // how often an instance was due at the archive, by UID
	allowed    map[string]int // how often it may have come more, by what is known of starts
	starts     int            // of deliveries, beyond the first of each
	afterEnd   int            // of these, after a kill
	afterOut   int            // … after the archive was away, full or broke off
	afterLease int            // … after a node that lives was too slow to keep its lease
	afterFull  int            // … after a worker had no room to write
	events     int
}

// check compares everything at the end.
func (w *world) check(ctx context.Context) {
	l := &ledger{w: w, expected: map[string]int{}, allowed: map[string]int{}}
	var err error
	if l.imports, err = w.api.Imports(ctx, ""); err != nil {
		w.fault("list: %v", err)
		return
	}
	known := map[string]bool{}
	for _, short := range l.imports {
		known[short.ID] = true
		if err := l.checkImport(ctx, short.ID); err != nil {
			w.fault("import %s (%s, %s): %v", short.ID, short.Kind, short.State, err)
		}
	}
	for _, im := range l.imports {
		if im.Kind != "dicom" && w.ofID[im.ID] == nil {
			w.fault("the import %s (%s, %s) was made and nobody was told of it", im.ID, im.Kind, im.State)
		}
	}
	for id, k := range w.ofID {
		if !known[id] {
			w.fault("the import %s was acknowledged (%s) and is gone", id, k.way)
		}
	}
	l.checkArchive()
}

func (l *ledger) checkImport(ctx context.Context, id string) error {
	im, err := l.w.api.Import(ctx, id)
	if err != nil {
		return err
	}
	trail, err := l.w.api.Audit(ctx, id)
	if err != nil {
		return err
	}
	l.events += len(trail)
	if brokeOff(im, trail) {
		return nil
	}
	if im.State != "delivered" {
		return fmt.Errorf("it ended as %s (problem %+v, retry at %v), its way: %s", im.State, im.Problem, im.RetryAt, way(trail))
	}
	if err := checkTrail(im, trail); err != nil {
		return fmt.Errorf("%w; its way: %s", err, way(trail))
	}
	if k := l.w.ofID[id]; k != nil && im.Received.Instances != int64(len(k.exam.Objects)) {
		return fmt.Errorf("%d instances of %d were found in it", im.Received.Instances, len(k.exam.Objects))
	}
	for i := range im.Deliveries {
		if err := l.checkDelivery(ctx, im, &im.Deliveries[i], trail); err != nil {
			return fmt.Errorf("delivery %s: %w; its way: %s", im.Deliveries[i].ID, err, way(trail))
		}
	}
	return nil
}

// brokeOff tells of a received import whose only object broke off, as when its node was
// killed in the middle: nobody was told that it had come, and the sender came again later
// than the import waited for it.
func brokeOff(im *gateway.Import, trail []gateway.Event) bool {
	return im.Kind == "dicom" && im.State == "cancelled" && im.Received.Parts == 0 &&
		slices.ContainsFunc(trail, func(e gateway.Event) bool { return e.Text("reason") == "empty" })
}

// way is an audit trail in short.
func way(trail []gateway.Event) string {
	s := ""
	for _, e := range trail {
		s += fmt.Sprintf("\n\t%s %s %s → %s", e.At.Format("15:04:05.000"), e.Event, e.Text("from"), e.Text("to"))
	}
	return s
}

// checkTrail follows the states of an import and of its deliveries through the audit
// trail: every change has its event, and there is no event without a change.
func checkTrail(im *gateway.Import, trail []gateway.Event) error {
	states := map[string]string{}
	for _, e := range trail {
		what := e.Text("delivery")
		from, to := e.Text("from"), e.Text("to")
		if to == "" {
			continue // tells of something else, such as an access
		}
		if was, begun := states[what]; begun && from != was || !begun && from != "" {
			return fmt.Errorf("%s goes from %q, but %q was the last state known", e.Event, from, was)
		}
		states[what] = to
	}
	if states[""] != im.State {
		return fmt.Errorf("the trail ends with %q", states[""])
	}
	for _, d := range im.Deliveries {
		if states[d.ID] != d.State {
			return fmt.Errorf("the trail of delivery %s ends with %q, not %q", d.ID, states[d.ID], d.State)
		}
	}
	return nil
}

// checkDelivery compares a delivery with its receipt and explains why it started
// more than once.
func (l *ledger) checkDelivery(ctx context.Context, im *gateway.Import, d *gateway.Delivery, trail []gateway.Event) error {
	if d.State != "verified" || d.Failed != 0 || d.Delivered+d.Warned != d.Objects {
		return fmt.Errorf("%+v", *d)
	}
	r, err := l.w.api.ReceiptOf(ctx, im.ID, d.ID)
	if err != nil {
		return err
	}
	extra := int(d.Starts - 1)
	delivered := int64(0)
	for _, it := range r.Items {
		if it.Open.Fate != "delivered" && it.Open.Fate != "delivered-with-warning" {
			continue
		}
		delivered++
		uid := it.Values.Object.Value.SOPInstance
		l.expected[uid]++
		l.allowed[uid] += extra + max(it.Open.Sent-1, 0)
	}
	if delivered != d.Objects {
		return fmt.Errorf("the receipt has %d of %d objects", delivered, d.Objects)
	}
	l.starts += extra
	return l.explain(d, trail)
}

// explain finds the reason of each start of a delivery but the first.
func (l *ledger) explain(d *gateway.Delivery, trail []gateway.Event) error {
	starts, late := 0, 0
	var before time.Time
	for _, e := range trail {
		if e.Text("delivery") != d.ID {
			continue
		}
		switch e.Event {
		case "delivery.resumed":
			switch {
			case l.w.killedBetween(before, e.At):
				l.afterEnd++
			case l.w.leasesLost(d.ID) > late:
				late++
				l.afterLease++
			case l.w.brim: // a worker that could not write gave up, and the next one went on
				l.afterFull++
			default:
				return fmt.Errorf("it was resumed at %s although no node was killed or paused since %s, nor lost its lease", e.At.Format(time.TimeOnly), before.Format(time.TimeOnly))
			}
			starts, before = starts+1, e.At
		case "delivery.started":
			starts, before = starts+1, e.At
		case "delivery.interrupted":
			l.afterOut++
		}
	}
	if int64(starts) != d.Starts {
		return fmt.Errorf("%d starts have an event, %d are counted", starts, d.Starts)
	}
	return nil
}

func (w *world) killedBetween(from, to time.Time) bool {
	for _, k := range slices.Concat(w.kills, w.pauses) {
		if k.at.After(from.Add(-time.Second)) && k.at.Before(to.Add(time.Second)) {
			return true
		}
	}
	return false
}

// leasesLost is how often a node says that it lost the lease of a job about subject
// while it worked: on a machine that is too slow this happens without a kill.
func (w *world) leasesLost(subject string) int {
	lost := 0
	for _, n := range w.nodes {
		for line := range strings.Lines(n.Tail(1 << 40)) {
			if strings.Contains(line, `msg="a run `) && strings.Contains(line, " lease") && strings.Contains(line, "subject="+subject) {
				lost++
			}
		}
	}
	return lost
}

// checkArchive compares what the archive saw with what was brought.
func (l *ledger) checkArchive() {
	seen := l.w.archive.Seen()
	objects, again := 0, 0
	for _, k := range l.w.tasks {
		for _, o := range k.exam.Objects {
			objects++
			s, ok := seen[o.UID]
			switch {
			case !ok && k.acked[o.UID]:
				l.w.fault("%s: an object whose C-STORE was acknowledged never arrived: %s", k.way, o.UID)
			case !ok:
				l.w.fault("%s: an object never arrived: %s of import %s", k.way, o.UID, k.id)
			case len(s.Times) != 1:
				l.w.fault("%s: %s arrived with %d contents", k.way, o.UID, len(s.Times))
			case !k.adjusts() && s.Times[o.Digest] != s.Count():
				l.w.fault("%s: %s arrived with another content", k.way, o.UID)
			case k.adjusts() && s.Times[o.Digest] != 0:
				l.w.fault("%s: %s arrived as it came, although something was decided", k.way, o.UID)
			}
			allowed := l.allowed[o.UID] + s.Unanswered
			if ok && (s.Count() < l.expected[o.UID] || s.Count() > l.expected[o.UID]+allowed) {
				l.w.fault("%s: %s arrived %d times; receipts say %d, and starts, attempts and answers that were withheld explain up to %d more",
					k.way, o.UID, s.Count(), l.expected[o.UID], allowed)
			}
			again += max(s.Count()-l.expected[o.UID], 0)
			delete(seen, o.UID)
		}
	}
	if len(seen) > 0 {
		l.w.fault("%d objects arrived that nobody sent", len(seen))
	}
	refused, aborted := l.w.archive.Faults()
	l.w.t.Logf("%d kills, %d pauses; %d exams, %d imports, %d objects; %d events; %d upload offsets compared; the portal cut %d downloads and put off %d requests; "+
		"the archive refused %d objects and broke off %d times; deliveries started again %d times: %d after a kill or a pause, %d after the archive, %d after a lost lease, %d after a full disk; "+
		"%d objects were sent again; %d requests were repeated; %d imports were hurried",
		len(l.w.kills), len(l.w.pauses), len(l.w.tasks), len(l.imports), objects, l.events, l.w.proven.Load(), l.w.portal.cuts, l.w.portal.waits,
		refused, aborted, l.starts, l.afterEnd, l.afterOut, l.afterLease, l.afterFull, again, l.w.api.Tries.Load(), l.w.retries.Load())
}
