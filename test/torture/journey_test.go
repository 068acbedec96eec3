package torture

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"lotse/internal/app"
	"lotse/internal/importer"
	"lotse/internal/store"
	"lotse/test/torture/gateway"
)

// journey is an exam on its way through processes that die.
type journey struct {
	*house
	exam     *gateway.Exam
	way      string // byLink when empty
	lives    int
	tolerant bool // a person tries again what failed

	link   string          // by link, once there is one
	offset int64           // by upload: what was acknowledged
	taken  map[string]bool // by C-STORE: what was acknowledged
	jumped time.Time
}

// uploadLease is how long the writer of an upload is waited for; that of jobs is
// shorter here.
const uploadLease = 15 * time.Second

// patience bounds one journey.
const patience = time.Minute

// run lets processes live one after the other until the import is delivered. The
// first is m, the others live.
func (j *journey) run(t *testing.T, m *mortal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		j.lives++
		p := j.open(m)
		p.work(j.way == byDICOM) // received imports are closed by periodic work
		done, err := j.follow(ctx, p)
		died := p.m.dead()
		if done { // it is looked at, which is noted, and no step of the import any more
			died = !p.m.spare()
		}
		if done && !died {
			j.compare(t, p)
		}
		p.close()
		switch {
		case done && !died:
			return
		case !died:
			t.Errorf("life %d: %v", j.lives, err)
			return
		}
		j.clock.jump(uploadLease + time.Second)
		m = newMortal(0)
	}
}

// follow does what a person does: asks for the import, decides, and waits for the
// end. It is done when every import has been delivered. After the death of the
// process the error does not count.
func (j *journey) follow(ctx context.Context, p *process) (done bool, err error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err = j.look(ctx, p)
		var stuck *stuckError
		if done || p.m.dead() || err != nil && (!j.tolerant || errors.As(err, &stuck)) {
			return done, err
		}
		select {
		case <-tick.C:
		case <-p.m.death:
			return false, errDead
		case <-ctx.Done():
			return false, fmt.Errorf("not delivered within %v: %w, %s", patience, err, p.standing(context.WithoutCancel(ctx)))
		}
	}
}

// stuckError is an import that does not go on although nobody's answer is missing.
type stuckError struct{ standing string }

func (e *stuckError) Error() string { return "it does not go on: " + e.standing }

// standing tells where the imports of a process stand.
func (p *process) standing(ctx context.Context) string {
	text := ""
	page, err := p.gateway.List(ctx, who(), store.ImportFilter{})
	if err != nil {
		return err.Error()
	}
	for _, im := range page.Imports {
		text += fmt.Sprintf("\n%s %s %+v retry at %v", im.ID, im.State, im.Problem, im.RetryAt)
		err := p.db.Tenant(tenant).Read(ctx, func(tx *store.Tx) error {
			subjects := []string{im.ID}
			deliveries, err := tx.DeliveriesOf(im.ID)
			for _, d := range deliveries {
				subjects = append(subjects, d.ID)
				text += fmt.Sprintf("\n  delivery %s %s %s retry at %v", d.ID, d.State, d.Problem, d.RetryAt)
			}
			for _, subject := range subjects {
				jobs, err := tx.Jobs(subject)
				if err != nil {
					return err
				}
				for _, job := range jobs {
					text += fmt.Sprintf("\n  job %+v", job)
				}
			}
			text += fmt.Sprintf("\n  now %v", tx.Now())
			return err
		})
		if err != nil {
			return text + err.Error()
		}
	}
	return text
}

// look does what is to be done now.
func (j *journey) look(ctx context.Context, p *process) (done bool, err error) {
	page, err := p.gateway.List(ctx, who(), store.ImportFilter{})
	if err == nil {
		err = j.bringIn(ctx, p, page.Imports)
	}
	if err == nil { // what came in just now may be another import
		page, err = p.gateway.List(ctx, who(), store.ImportFilter{})
	}
	if err != nil {
		return false, err
	}
	done = len(page.Imports) > 0
	for _, im := range page.Imports {
		done = done && (im.State == importer.Arrived || j.empty(im))
		switch im.State {
		case importer.Review:
			err = p.gateway.Decide(ctx, who(), im.ID, im.Version, app.NewDecision{Patient: j.local(), Destinations: []string{j.to}})
		case importer.Waiting, importer.Broken:
			err = &stuckError{p.standing(ctx)}
		}
		if err != nil {
			return false, err
		}
	}
	return done, nil
}

// empty reports an import that was begun for an object whose sender went: it ends by
// itself.
func (j *journey) empty(im *app.Snapshot) bool {
	return j.way == byDICOM && im.State == importer.Cancelled && im.Received.Bytes == 0
}

// local is what is decided. What comes by C-STORE may come twice, when its
// acknowledgement was lost, and be decided twice: it stays as it is.
func (j *journey) local() importer.LocalPatient {
	if j.way == byDICOM {
		return importer.LocalPatient{}
	}
	id := "LOCAL-1"
	return importer.LocalPatient{ID: &id}
}

// compareObjects looks at what came out.
func (j *journey) compareObjects(t *testing.T) {
	t.Helper()
	seen := j.archive.Seen()
	for _, o := range j.exam.Objects {
		s := seen[o.UID]
		if len(s.Times) != 1 || s.Count() > j.lives || j.way == byDICOM && s.Times[o.Digest] == 0 {
			t.Errorf("%s arrived %d times with %d contents in %d lives", o.UID, s.Count(), len(s.Times), j.lives)
		}
	}
}

// compare looks at what came out, and at what the audit trail says of it.
func (j *journey) compare(t *testing.T, p *process) {
	t.Helper()
	j.compareObjects(t)
	page, err := p.gateway.List(t.Context(), who(), store.ImportFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Imports) != 1 && j.way != byDICOM {
		t.Errorf("there are %d imports", len(page.Imports))
	}
	for _, im := range page.Imports {
		p.checkTrail(t, im.ID)
	}
}

// checkTrail follows the states through the audit trail.
func (p *process) checkTrail(t *testing.T, id string) {
	t.Helper()
	s, err := p.gateway.Snapshot(t.Context(), who(), id)
	if err != nil { // the one failure came now
		s, err = p.gateway.Snapshot(t.Context(), who(), id)
	}
	if err != nil {
		t.Fatal(err)
	}
	im := &gateway.Import{ID: s.ID, State: string(s.State)}
	for _, d := range s.Delivery {
		im.Deliveries = append(im.Deliveries, gateway.Delivery{ID: d.ID, State: string(d.State)})
	}
	var trail []gateway.Event
	err = p.db.Tenant(tenant).Read(t.Context(), func(tx *store.Tx) error {
		events, err := tx.Events(id)
		trail = nil
		for _, e := range events {
			trail = append(trail, gateway.Event{At: e.At, Actor: e.Actor, Event: e.Event, Detail: e.Detail})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkTrail(im, trail); err != nil {
		t.Errorf("%v; its way: %s", err, way(trail))
	}
}
