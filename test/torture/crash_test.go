package torture

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/app"
	"lotse/internal/importer"
	"lotse/internal/store"
	"lotse/internal/synth"
	"lotse/test/torture/gateway"
)

// TestCrashBetweenSteps lets a process die between every two durable steps of a
// small import by link, and with its memory all that was not synced. The next
// process over the same folder has to bring the import to its end.
func TestCrashBetweenSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	template := newHouse(t)
	steps := 0
	for last := *first; ; last++ {
		m := newMortal(last)
		j := &journey{house: template.copy(t), exam: smallExam(t)}
		j.run(t, m)
		if j.lives == 1 && !t.Failed() { // it came to its end before
			steps = m.steps
			break
		}
		if t.Failed() {
			t.Fatalf("died at step %d, before: %s", last, m.names[last-1])
		}
	}
	t.Logf("%d durable steps", steps)
	if steps < 40 {
		t.Errorf("%d durable steps are too few to be true", steps)
	}
}

// exams counts small exams: each is another.
var exams atomic.Uint64

// smallExam has three objects; portals hand it out as a ZIP or one by one.
func smallExam(t *testing.T) *gateway.Exam {
	t.Helper()
	e, err := gateway.NewExam(synth.CTOptions{Seed: exams.Add(1), Slices: 3, Series: 1, Rows: 16, Columns: 16})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// journey is one import by link through processes that die.
type journey struct {
	*house
	exam     *gateway.Exam
	lives    int
	tolerant bool // a person tries again what failed
}

// patience bounds one journey.
const patience = time.Minute

// run lets processes live one after the other until the import is delivered. The
// first is m, the others live.
func (j *journey) run(t *testing.T, m *mortal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	link := j.portal.add(j.exam)
	for {
		j.lives++
		p := j.open(m)
		p.work(false)
		done, err := j.follow(ctx, p, link)
		died := p.m.dead()
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
		j.clock.jump(leaseTime + time.Second)
		m = newMortal(0)
	}
}

// follow does what a person does: asks for the import, decides, and waits for the
// end. It is done when every import has been delivered. After the death of the
// process the error does not count.
func (j *journey) follow(ctx context.Context, p *process, link string) (done bool, err error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err = j.look(ctx, p, link)
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

func (j *journey) look(ctx context.Context, p *process, link string) (done bool, err error) {
	g := p.gateway
	page, err := g.List(ctx, who(), store.ImportFilter{})
	if err != nil {
		return false, err
	}
	if len(page.Imports) == 0 {
		_, err := g.Create(ctx, who(), app.NewImport{Kind: app.KindLink, Link: link, Known: app.Answers{BirthDate: gateway.BirthDate}})
		return false, err
	}
	done = true
	for _, im := range page.Imports {
		done = done && im.State == importer.Arrived
		switch im.State {
		case importer.Review:
			local := "LOCAL-1"
			err = g.Decide(ctx, who(), im.ID, im.Version, app.NewDecision{Patient: importer.LocalPatient{ID: &local}, Destinations: []string{j.to}})
		case importer.Waiting, importer.Broken:
			err = &stuckError{p.standing(ctx)}
		}
		if err != nil {
			return false, err
		}
	}
	return done, nil
}

// compareObjects looks at what came out.
func (j *journey) compareObjects(t *testing.T) {
	t.Helper()
	seen := j.archive.Seen()
	for _, o := range j.exam.Objects {
		s := seen[o.UID]
		if len(s.Times) != 1 || s.Count() > j.lives {
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
	if len(page.Imports) != 1 {
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
