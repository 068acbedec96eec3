package deliver

import (
	"context"
	"errors"
	"time"

	"lotse/dicom"
	"lotse/dimse"
	"lotse/internal/importer"
)

// session delivers objects over one association, opened again when it is lost.
//
//	open ──► send ──► all acknowledged ──► release
//	 ▲        │ lost, or an object turned out damaged
//	 └────────┘ with the objects not yet acknowledged
type session struct {
	node     *Node
	objects  Objects
	contexts []dimse.PresentationContext
	workers  int
	report   Report

	pending []int       // not yet reported, in order
	sent    map[int]int // how often an object was on the wire
	fails   int         // openings in a row without an object getting through
	waits   int         // A7xx in a row
}

// maxSends is how often one object may lose its association before it is given up
// for the sake of the others.
const maxSends = 3

func (s *session) run(ctx context.Context) error {
	s.sent = map[int]int{}
	for len(s.pending) > 0 {
		if err := ctx.Err(); err != nil {
			return s.giveUp(FailureCancelled, context.Cause(ctx))
		}
		a, err := dimse.Dial(ctx, s.node.addr.HostPort, s.node.cfg, s.contexts)
		if err == nil {
			s.node.reached.Store(true)
			err = s.send(ctx, a)
		}
		var stop *stopError
		switch {
		case errors.As(err, &stop):
			return stop.err
		case err == nil:
			continue
		case ctx.Err() != nil:
			return s.giveUp(FailureCancelled, context.Cause(ctx))
		}
		s.fails++
		if !dimse.Temporary(err) || s.fails > s.patience() {
			s.node.reached.Store(false)
			return s.giveUp(FailureOffline, s.node.problem(err))
		}
		if err := s.node.opts.Wait(ctx, backoff(s.fails)); err != nil {
			return s.giveUp(FailureCancelled, err)
		}
	}
	return nil
}

// patience is how often to try again to open an association.
func (s *session) patience() int {
	if !s.node.reached.Load() {
		return 1
	}
	return s.node.opts.Reopen
}

// backoff is 1 s, 2 s, 4 s … at most 30 s.
func backoff(n int) time.Duration { return min(time.Second<<min(n-1, 5), 30*time.Second) }

// stopError ends the delivery: a result could not be recorded.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }
func (e *stopError) Unwrap() error { return e.err }

// giveUp reports all that is pending as failed and returns why.
func (s *session) giveUp(code FailureCode, why error) error {
	for _, i := range s.pending {
		r := Result{Index: i, Object: s.objects.Object(i), Fate: importer.Failed, Status: -1, Reason: code, Err: why, Sent: s.sent[i]}
		if err := s.report(r); err != nil {
			return err
		}
	}
	s.pending = nil
	return why
}

// done reports the first pending object.
func (s *session) done(r Result) error {
	r.Index, r.Object, r.Sent = s.pending[0], s.objects.Object(s.pending[0]), s.sent[s.pending[0]]
	delete(s.sent, s.pending[0])
	s.pending = s.pending[1:]
	if err := s.report(r); err != nil {
		return &stopError{err}
	}
	return nil
}

// send goes through the pending objects on an open association. It returns nil
// when there is nothing left to do on this association, and ends it either way.
func (s *session) send(ctx context.Context, a *dimse.Association) error {
	jobs, err := s.jobs(a)
	if err != nil || len(jobs) == 0 {
		return errors.Join(err, a.Release(ctx))
	}
	p := startPipeline(ctx, s.objects, jobs, s.workers, s.node.chunks)
	defer p.stop()
	for st := range p.streams {
		again, err := s.store(ctx, a, st)
		if err != nil {
			a.Abort()
			return s.afterLoss(err)
		}
		st.recycle()
		if again {
			return a.Release(ctx)
		}
	}
	if ctx.Err() != nil {
		a.Abort()
		return context.Cause(ctx)
	}
	if err := a.Release(ctx); err != nil {
		return nil // everything was acknowledged before
	}
	return nil
}

// jobs reports what the peer accepts no context for and returns the rest with the
// syntax to send it in.
func (s *session) jobs(a *dimse.Association) ([]job, error) {
	keep := make([]int, 0, len(s.pending))
	jobs := make([]job, 0, len(s.pending))
	all := s.pending
	for _, i := range all {
		form, err := formFor(a, s.objects.Object(i))
		if err == nil {
			keep = append(keep, i)
			jobs = append(jobs, job{index: i, form: form})
			continue
		}
		s.pending = []int{i}
		if err := s.done(Result{Fate: importer.Failed, Status: -1, Reason: FailureContext, Err: err}); err != nil {
			return nil, err
		}
	}
	s.pending = keep
	return jobs, nil
}

// formFor finds the syntax to send o in: its own, else Implicit VR Little Endian
// where that is a matter of headers only.
func formFor(a *dimse.Association, o Object) (Form, error) {
	_, err := a.Find(o.SOPClass, o.TransferSyntax)
	if err == nil || o.TransferSyntax != dicom.ExplicitVRLittleEndian {
		return Form{}, err
	}
	if _, other := a.Find(o.SOPClass, dicom.ImplicitVRLittleEndian); other != nil {
		return Form{}, err
	}
	return Form{TransferSyntax: dicom.ImplicitVRLittleEndian}, nil
}

// store sends one object. again asks for a new association after a pause.
func (s *session) store(ctx context.Context, a *dimse.Association, st *stream) (again bool, err error) {
	o := s.objects.Object(st.index)
	syntax := o.TransferSyntax
	if st.form.TransferSyntax != "" {
		syntax = st.form.TransferSyntax
	}
	s.sent[st.index]++
	resp, err := a.Store(ctx, dimse.StoreRequest{SOPClass: o.SOPClass, SOPInstance: o.SOPInstance,
		TransferSyntax: syntax, Data: st})
	if err != nil {
		return false, err
	}
	s.fails = 0
	r := Result{Status: int(resp.Status), Comment: resp.ErrorComment, Syntax: syntax, Rendered: st.result}
	switch {
	case resp.Status == dimse.Success:
		r.Fate = importer.Delivered
	case resp.Status.Stored():
		r.Fate = importer.Warned
	case resp.Status.Retryable():
		return s.outOfResources(ctx, r)
	default:
		r.Fate, r.Reason = importer.Failed, FailureRefused
	}
	if s.waits > 0 {
		s.node.exhausted.Store(false)
	}
	s.waits = 0
	return false, s.done(r)
}

// outOfResources pauses before the object is sent again; after too many pauses in
// a row the object has failed.
func (s *session) outOfResources(ctx context.Context, r Result) (again bool, err error) {
	limit := s.node.opts.Resources
	if s.node.exhausted.Load() {
		limit = 1
	}
	s.waits++
	if s.waits > limit {
		s.waits = 0
		s.node.exhausted.Store(true)
		r.Fate, r.Reason = importer.Failed, FailureResources
		return false, s.done(r)
	}
	if err := s.node.opts.Wait(ctx, backoff(s.waits)); err != nil {
		return false, err
	}
	return true, nil
}

// afterLoss decides about the object that was on the wire when the association
// ended: a damaged source is its own fault, and one that ends every association
// is given up.
func (s *session) afterLoss(err error) error {
	var stop *stopError
	if errors.As(err, &stop) || len(s.pending) == 0 {
		return err
	}
	var source *dimse.SourceError
	switch i := s.pending[0]; {
	case errors.As(err, &source):
		if errors.Is(err, errStopped) || errors.Is(err, context.Canceled) {
			return err
		}
		s.fails = 0
		return s.done(Result{Fate: importer.Failed, Status: -1, Reason: FailureSource, Err: source.Err})
	case s.sent[i] >= maxSends:
		s.fails = 0
		return s.done(Result{Fate: importer.Failed, Status: -1, Reason: FailureLost, Err: err})
	}
	return err
}
