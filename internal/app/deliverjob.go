package app

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"lotse/dicom"
	"lotse/internal/importer"
	"lotse/internal/importer/deliver"
	"lotse/internal/importer/receipt"
	"lotse/internal/queue"
	"lotse/internal/store"
)

// deliverJob sends what a decision chose to one destination, from where it stands:
// objects with an outcome are not sent again.
func (g *Gateway) deliverJob(ctx context.Context, run *queue.Run) error {
	s, err := g.work(ctx, run)
	if err != nil {
		return err
	}
	d, err := s.startDelivery(ctx, run)
	if d == nil || err != nil {
		return err
	}
	if d.State == importer.DeliverySent { // another worker was lost before its receipt
		return s.deliverySent(ctx, run, d.ID)
	}
	w, err := s.openWork(ctx, run.Fence, d.Import)
	if err != nil {
		return s.deliveryStopped(ctx, run, d, err)
	}
	defer w.Close()
	ship, err := s.loadShipment(ctx, run, d, w)
	if err != nil {
		return err
	}
	to, err := g.destinationOf(d.Config)
	if err != nil {
		return err
	}
	if err := g.permittedConfig(d.Config); err != nil {
		return ship.stopped(ctx, refusedProblem(err))
	}
	err = ship.send(ctx, to)
	if err == nil && w.exam.Len() == 0 {
		err = &importer.Problem{Code: importer.ProblemNothing}
	}
	if failed := w.pkg.Err(); failed != nil {
		err = failed // the store failed while reading; see shipment.report
	}
	return ship.stopped(ctx, err)
}

// startDelivery takes a delivery up; nil when there is nothing to do any more.
func (s *scope) startDelivery(ctx context.Context, run *queue.Run) (*store.Delivery, error) {
	var d *store.Delivery
	err := s.t.Write(ctx, func(tx *store.Tx) (err error) {
		if err := run.Fence(tx); err != nil {
			return err
		}
		if d, err = tx.LockDelivery(run.Job.Subject); err != nil {
			return err
		}
		busy, err := s.stillSending(tx, d)
		if err != nil {
			return err
		}
		if busy { // an older decision's worker has not let go yet
			d = nil
			return run.Later(tx, recallPause, "sending")
		}
		switch d.State {
		case importer.DeliveryQueued:
			d.Starts++
			d.Problem, d.RetryAt = "", zeroTime
			return s.moveDelivery(tx, d, importer.DeliveryStarted, map[string]any{"start": d.Starts})
		case importer.DeliverySending: // another worker was lost in the middle
			d.Starts++
			d.Problem, d.RetryAt = "", zeroTime
			if err := tx.SaveDelivery(d); err != nil {
				return err
			}
			return s.audit(tx, d.Import, "delivery.resumed", d.State, d.State, map[string]any{"delivery": d.ID, "start": d.Starts})
		case importer.DeliverySent:
			return nil
		}
		d = nil
		return run.Complete(tx)
	})
	return d, err
}

// shipment is one delivery being sent.
type shipment struct {
	s        *scope
	run      *queue.Run
	delivery *store.Delivery
	work     *work
	settled  map[int]importer.Fate
	todo     []int // positions in exam without an outcome
	batch    *batch
	away     error // the last reason to try again later
}

func (s *scope) loadShipment(ctx context.Context, run *queue.Run, d *store.Delivery, w *work) (*shipment, error) {
	ship := &shipment{s: s, run: run, delivery: d, work: w}
	err := s.t.Read(ctx, func(tx *store.Tx) (err error) {
		ship.settled, err = tx.OutcomeFates(d.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range w.exam.Len() {
		if _, ok := ship.settled[int(w.exam.Object(i).Item)]; !ok {
			ship.todo = append(ship.todo, i)
		}
	}
	return ship, nil
}

// rest is the objects of a shipment without an outcome.
type rest struct {
	exam *exam
	todo []int
}

// Len is how many are left.
func (r *rest) Len() int { return len(r.todo) }

// Object describes object i of those left.
func (r *rest) Object(i int) deliver.Object { return r.exam.Object(r.todo[i]) }

// Render writes object i of those left.
func (r *rest) Render(ctx context.Context, i int, rd *dicom.Reader, w io.Writer, form deliver.Form) (deliver.Rendered, error) {
	return r.exam.Render(ctx, r.todo[i], rd, w, form)
}

// send sends what is left and keeps every outcome. The error is nil when every
// object has its outcome.
func (sh *shipment) send(ctx context.Context, to deliver.Destination) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	sh.batch = newBatch(ctx, stop, sh.keep)
	err := sh.aside()
	if err == nil && len(sh.todo) > 0 {
		err = to.Deliver(ctx, &rest{sh.work.exam, sh.todo}, sh.report)
	}
	if kept := sh.batch.close(); kept != nil {
		return kept
	}
	if err == nil {
		err = sh.away
	}
	return err
}

// aside enters what is not delivered, with the reason.
func (sh *shipment) aside() error {
	for _, it := range sh.work.asides() {
		if _, ok := sh.settled[it.Item]; ok {
			continue
		}
		if err := sh.batch.add(it); err != nil {
			return err
		}
	}
	return nil
}

// report takes the result of one object. What may still arrive has no outcome yet.
func (sh *shipment) report(r deliver.Result) error {
	if r.Fate == importer.Failed && sh.work.pkg.Err() != nil {
		return sh.work.pkg.Err() // our own store, not the object
	}
	if r.Fate == importer.Failed && passing(r.Reason) {
		sh.away = &importer.Problem{Code: importer.ProblemDestination, Err: r.Err}
		return nil
	}
	return sh.batch.add(lineOf(r, sh.work.pkg.File(int(r.Object.Item))))
}

// passing reports failures that say nothing about the object.
func passing(code deliver.FailureCode) bool {
	switch code {
	case deliver.FailureLost, deliver.FailureResources, deliver.FailureOffline, deliver.FailureCancelled:
		return true
	}
	return false
}

// keep commits a batch of outcomes, fenced.
func (sh *shipment) keep(ctx context.Context, lines []receipt.Item) error {
	rows, err := sh.s.outcomes(ctx, sh.delivery.Import, lines)
	if err != nil {
		return err
	}
	return sh.s.t.Write(ctx, func(tx *store.Tx) error {
		if err := sh.run.Fence(tx); err != nil {
			return err
		}
		d, err := tx.LockDelivery(sh.delivery.ID)
		if err != nil {
			return err
		}
		if d.State != importer.DeliverySending {
			return &importer.ImpossibleError{State: string(d.State), Event: "outcome"}
		}
		d.Objects = int64(sh.work.exam.Len())
		for _, it := range lines {
			count(d, it)
		}
		if err := tx.SaveDelivery(d); err != nil {
			return err
		}
		return tx.SaveOutcomes(d.ID, rows)
	})
}

// outcomes are the rows for lines of a receipt.
func (s *scope) outcomes(ctx context.Context, id string, lines []receipt.Item) ([]store.Outcome, error) {
	rows := make([]store.Outcome, len(lines))
	for i, it := range lines {
		line, err := s.seal(ctx, id, sealedLine, it)
		if err != nil {
			return nil, err
		}
		rows[i] = store.Outcome{Item: it.Item, Fate: it.Fate, Sent: it.Sent, Line: line}
	}
	return rows, nil
}

func count(d *store.Delivery, it receipt.Item) {
	switch it.Fate {
	case importer.Delivered:
		d.Delivered++
		d.Bytes += it.Bytes
	case importer.Warned:
		d.Warned++
		d.Bytes += it.Bytes
	case importer.Failed:
		d.Failed++
	}
}

// hopeless reports a problem of a delivery that only a person can help.
func (s *scope) hopeless(run *queue.Run, p *importer.Problem) bool {
	return !p.Temporary() || s.age(run.Job) > s.opts.Persistence
}

// stopped is deliveryStopped for a shipment: when it is given up, what was not sent
// gets its outcome, too, so that the receipt names every item.
func (sh *shipment) stopped(ctx context.Context, err error) error {
	var p *importer.Problem
	if context.Cause(ctx) == nil && errors.As(err, &p) && sh.s.hopeless(sh.run, p) {
		if err := sh.giveUp(ctx, p); err != nil {
			return err
		}
	}
	return sh.s.deliveryStopped(ctx, sh.run, sh.delivery, err)
}

func (sh *shipment) giveUp(ctx context.Context, p *importer.Problem) error {
	left, err := sh.s.loadShipment(ctx, sh.run, sh.delivery, sh.work)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(left.todo, batchSize) {
		lines := make([]receipt.Item, len(some))
		for n, i := range some {
			o := sh.work.exam.Object(i)
			lines[n] = lineOf(deliver.Result{Object: o, Fate: importer.Failed, Status: -1, Reason: deliver.FailureOffline, Err: p},
				sh.work.pkg.File(int(o.Item)))
		}
		if err := sh.keep(ctx, lines); err != nil {
			return err
		}
	}
	return nil
}

// deliveryStopped says how a delivery goes on after sending ended with err.
func (s *scope) deliveryStopped(ctx context.Context, run *queue.Run, d *store.Delivery, err error) error {
	if err == nil {
		return s.deliverySent(ctx, run, d.ID)
	}
	if ended := context.Cause(ctx); ended != nil {
		return ended
	}
	var p *importer.Problem
	if !errors.As(err, &p) {
		return err // the queue tries again
	}
	if s.hopeless(run, p) {
		return s.deliveryFellShort(ctx, run, d.ID, p)
	}
	wait := backoff(run.Job.Attempt)
	return s.deliveryInterrupted(ctx, run, d.ID, p, wait)
}

// deliveryInterrupted puts a delivery back until its destination may be there again.
func (s *scope) deliveryInterrupted(ctx context.Context, run *queue.Run, id string, p *importer.Problem, wait time.Duration) error {
	return s.t.Write(ctx, func(tx *store.Tx) error {
		if err := run.Fence(tx); err != nil {
			return err
		}
		d, err := tx.LockDelivery(id)
		if err != nil {
			return err
		}
		d.Problem, d.RetryAt = p.Code, tx.Now().Add(wait)
		if err := s.moveDelivery(tx, d, importer.DeliveryInterrupted, map[string]any{"problem": p.Code}); err != nil {
			return err
		}
		return run.Retry(tx, wait, string(p.Code))
	})
}
