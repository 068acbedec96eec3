package app

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"lotse/internal/importer"
	"lotse/internal/queue"
	"lotse/internal/sealed/blob"
	"lotse/internal/store"
)

// Kinds of jobs. The subject of the first three is an import, that of the others a
// delivery.
const (
	jobFetch   = "fetch"
	jobInspect = "inspect"
	jobPurge   = "purge"
	jobDeliver = "deliver"
	jobConfirm = "confirm"
)

var zeroTime time.Time

// Concurrency is how many jobs of each kind a node runs at once.
func Concurrency(fetch, inspect, deliver, other int) map[string]int {
	return map[string]int{jobFetch: fetch, jobInspect: inspect, jobDeliver: deliver, jobConfirm: other, jobPurge: other}
}

// Register gives the workers of a node the gateway's work. Each kind has as many
// workers as it can use at the same time on one node.
func (g *Gateway) Register(w *queue.Workers) {
	w.Handle(jobFetch, g.patient(g.fetchJob))
	w.Handle(jobInspect, g.patient(g.inspectJob))
	w.Handle(jobDeliver, g.patient(g.deliverJob))
	w.Handle(jobConfirm, g.patient(g.confirmJob))
	w.Handle(jobPurge, g.purgeJob) // never gives up
	for _, kind := range []string{jobFetch, jobInspect, jobDeliver, jobConfirm} {
		w.After(kind, g.failed)
	}
	every := func(name string, interval time.Duration, f func(context.Context) error) {
		w.Every(name, interval, func(ctx context.Context, _ *queue.Run) error { return f(ctx) })
	}
	every("retention", time.Minute, g.retention)
	every("close-received", min(5*time.Second, max(g.opts.Quiet/2, time.Second)), g.closeReceived)
	every("receipts", time.Hour, g.endReceipts)
	every("end-idle", 10*time.Minute, g.endIdle)
	every("audit-retention", time.Hour, g.auditRetention)
	every("warn", 10*time.Minute, g.warn)
	every("collect", time.Hour, g.collect)
	every("daily-check", 24*time.Hour, g.dailyCheck)
}

// patient lets the queue try again what failed for reasons of our own (the
// database, the blob store, a mistake in the code), but not for ever: then the
// import says so and waits for a person.
func (g *Gateway) patient(h queue.Handler) queue.Handler {
	return func(ctx context.Context, run *queue.Run) error {
		err := h(ctx, run)
		if err == nil || context.Cause(ctx) != nil || g.age(run.Job) < g.opts.Persistence {
			return err
		}
		return queue.Permanent(err)
	}
}

// failed says on the import of a job why that waits for its next attempt, or fails the
// import of one that failed for good, in the transaction in which the job does.
func (g *Gateway) failed(tx *store.Tx, o queue.Outcome) error {
	if o.State != store.JobFailed && o.State != store.JobWaiting {
		return nil
	}
	s, err := g.scope(tx.Context(), Who{Tenant: o.Job.Tenant, Actor: machine})
	if err != nil {
		return err
	}
	p := &importer.Problem{Code: importer.ProblemInternal}
	if errors.Is(o.Err, blob.ErrFull) || errors.Is(o.Err, store.ErrFull) {
		p.Code = importer.ProblemDiskFull
	}
	if o.State == store.JobWaiting {
		return s.waits(tx, o, p)
	}
	if o.Job.Kind == jobFetch || o.Job.Kind == jobInspect {
		im, err := tx.LockImport(o.Job.Subject)
		if err != nil || im.State != importer.Fetching && im.State != importer.Inspecting {
			return err
		}
		return s.fail(tx, im, p)
	}
	im, err := s.lockImportOf(tx, o.Job.Subject)
	if err != nil {
		return err
	}
	d, err := tx.LockDelivery(o.Job.Subject)
	if err != nil || d.State.Ended() {
		return err
	}
	d.Problem = p.Code
	if err := s.moveDelivery(tx, d, importer.DeliveryFellShort, map[string]any{"problem": p.Code}); err != nil {
		return err
	}
	return s.settleImport(tx, im)
}

// waits says why a job of an import waits for its next attempt, and until when.
func (s *scope) waits(tx *store.Tx, o queue.Outcome, p *importer.Problem) error {
	again := tx.Now().Add(o.After)
	if o.Job.Kind == jobFetch || o.Job.Kind == jobInspect {
		im, err := tx.LockImport(o.Job.Subject)
		if err != nil || im.State != importer.Fetching && im.State != importer.Inspecting {
			return err
		}
		im.Problem, im.ProblemHost, im.RetryAt = p.Code, "", again
		return tx.SaveImport(im)
	}
	if _, err := s.lockImportOf(tx, o.Job.Subject); err != nil {
		return err
	}
	d, err := tx.LockDelivery(o.Job.Subject)
	if err != nil || d.State.Ended() {
		return err
	}
	d.Problem, d.RetryAt = p.Code, again
	return tx.SaveDelivery(d)
}

// age is how long ago a job was made; its id tells.
func (g *Gateway) age(j store.Job) time.Duration {
	id, err := uuid.Parse(j.ID)
	if err != nil {
		return 0
	}
	sec, nsec := id.Time().UnixTime()
	return g.opts.Now().Sub(time.Unix(sec, nsec))
}

// Pauses between attempts at what another system keeps from succeeding.
const (
	firstPause = 2 * time.Second
	maxPause   = 5 * time.Minute
)

// backoff doubles with every attempt and is never quite the same.
func backoff(attempt int) time.Duration {
	pause := min(firstPause<<min(max(attempt-1, 0), 10), maxPause)
	return pause/2 + rand.N(pause/2) //nolint:gosec // spreads load; nobody gains by guessing it
}

// work is the scope of a job.
func (g *Gateway) work(ctx context.Context, run *queue.Run) (*scope, error) {
	return g.scope(ctx, Who{Tenant: run.Job.Tenant, Actor: machine})
}

// workOn is the scope of a job and its import, which must be in a state; nil when it
// is not any more: then the job is done.
func (g *Gateway) workOn(ctx context.Context, run *queue.Run, state importer.State) (*scope, *store.Import, error) {
	s, err := g.work(ctx, run)
	if err != nil {
		return nil, nil, err
	}
	im, err := s.read(ctx, run.Job.Subject)
	if errors.Is(err, store.ErrNotFound) || err == nil && im.State != state {
		return nil, nil, nil
	}
	return s, im, err
}

// enqueue puts a job about an import into the queue.
func (s *scope) enqueue(tx *store.Tx, kind string, im *store.Import) error {
	return put(tx, store.Job{Kind: kind, Subject: im.ID, Unique: kind + " " + im.ID, Priority: im.Priority})
}

func (s *scope) enqueueDelivery(tx *store.Tx, im *store.Import, d *store.Delivery) error {
	return put(tx, store.Job{Kind: jobDeliver, Subject: d.ID, Unique: jobDeliver + " " + d.ID, Priority: im.Priority})
}

// put enqueues; a job that is there already will do it.
func put(tx *store.Tx, j store.Job) error {
	_, _, err := tx.Enqueue(j)
	return err
}

// cancelJobs ends what waits for an import or its deliveries and tells what runs to
// stop; erasing goes on.
func (s *scope) cancelJobs(tx *store.Tx, im *store.Import) error {
	return s.eachJob(tx, im, func(j store.JobStatus) error {
		if j.Kind == jobPurge {
			return nil
		}
		_, err := tx.CancelJob(j.ID)
		return err
	})
}

// hurry lets what waits for its time run now.
func (s *scope) hurry(tx *store.Tx, im *store.Import) error {
	return s.eachJob(tx, im, func(j store.JobStatus) error { return tx.HurryJob(j.ID) })
}

// eachJob calls f with the unfinished jobs of an import and its deliveries.
func (s *scope) eachJob(tx *store.Tx, im *store.Import, f func(store.JobStatus) error) error {
	deliveries, err := tx.DeliveriesOf(im.ID)
	if err != nil {
		return err
	}
	for _, subject := range subjects(im.ID, deliveries) {
		jobs, err := tx.Jobs(subject)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if j.State != store.JobWaiting && j.State != store.JobRunning {
				continue
			}
			if err := f(j); err != nil {
				return err
			}
		}
	}
	return nil
}

// recallPause is how long a delivery waits for the worker of a recalled one.
const recallPause = time.Second

// stillSending reports whether a worker may still send for a delivery of the same
// import that was stopped: it ends only with the lease of its job. Whereto does not
// matter: two destinations may be one archive.
func (s *scope) stillSending(tx *store.Tx, d *store.Delivery) (bool, error) {
	busy := false
	list, err := tx.DeliveriesOf(d.Import)
	if err != nil {
		return false, err
	}
	for _, other := range list {
		if other.State != importer.DeliveryCancelled {
			continue
		}
		jobs, err := tx.Jobs(other.ID)
		if err != nil {
			return false, err
		}
		for _, j := range jobs {
			busy = busy || j.State == store.JobRunning && j.Lease.After(tx.Now())
		}
	}
	return busy, nil
}

// untilStopping is ctx that also ends when the node begins to stop, for steps that
// lose nothing by it.
func untilStopping(ctx context.Context, run *queue.Run) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-run.Stopping():
			cancel(queue.ErrStopping)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}
