package app

import (
	"context"
	"errors"
	"time"

	"lotse/internal/importer"
	"lotse/internal/importer/source"
	"lotse/internal/personal"
	"lotse/internal/queue"
	"lotse/internal/store"
)

// fetchPatience is how long a worker waits for a portal that asks for time; what
// takes longer comes back later.
const fetchPatience = 20 * time.Second

// fetchJob follows an import's link and keeps what is behind it.
func (g *Gateway) fetchJob(ctx context.Context, run *queue.Run) error {
	s, im, err := g.workOn(ctx, run, importer.Fetching)
	if im == nil || err != nil {
		return err
	}
	ctx, done := untilStopping(ctx, run)
	defer done()
	req, err := s.fetchRequest(ctx, im)
	if err != nil {
		return err
	}
	hooks := source.Hooks{Choose: chooseLater, Progress: func(p importer.Progress) { run.Progress(progressView(p)) }}
	err = source.Fetch(ctx, req, hooks, &keeper{s: s, run: run, id: im.ID})
	return s.fetchEnded(ctx, run, im.ID, err)
}

// fetchRequest is what the source stage is asked for.
func (s *scope) fetchRequest(ctx context.Context, im *store.Import) (source.Request, error) {
	var asked request
	var known secrets
	if err := errors.Join(s.open(ctx, im.ID, sealedRequest, im.Request, &asked), s.open(ctx, im.ID, sealedSecrets, im.Secrets, &known)); err != nil {
		return source.Request{}, err
	}
	portals, err := s.knownPortals(ctx)
	if err != nil {
		return source.Request{}, err
	}
	a := known.Known
	return source.Request{Sources: []string{known.Link.Reveal()}, Answers: personal.RevealMap(a.ByID), BirthDate: a.BirthDate.Reveal(),
		StudyDate: a.StudyDate.Reveal(), Password: a.Password.Reveal(),
		Select: asked.Select, AllowHosts: append(portals, a.AllowHosts...), Careful: true, InsecureHTTP: s.opts.InsecureHTTP, Languages: s.opts.Languages,
		Patience: fetchPatience, UserAgent: "lotse/" + s.opts.Version, Transport: s.opts.Transport(), Later: true}, nil
}

// chooseLater takes everything that belongs to one exam, and leaves the choice among
// several to a person.
func chooseLater(_ context.Context, listed []importer.Listed) ([]int, error) {
	exams := map[string]bool{}
	all := make([]int, len(listed))
	for i, l := range listed {
		all[i] = i
		if l.StudyUID != "" {
			exams[l.StudyUID] = true
		}
	}
	if len(exams) > 1 {
		return nil, &importer.Problem{Code: importer.ProblemChoice, Listed: listed}
	}
	return all, nil
}

// fetchEnded says how an import goes on after its fetch ended with err.
func (s *scope) fetchEnded(ctx context.Context, run *queue.Run, id string, err error) error {
	if err == nil {
		return s.finish(ctx, run, id, s.fetched)
	}
	return s.stageStopped(ctx, run, id, err)
}

// stageStopped says how an import goes on after a stage ended with an error: with a
// question, later by itself, or not without a person.
func (s *scope) stageStopped(ctx context.Context, run *queue.Run, id string, err error) error {
	if ended := context.Cause(ctx); ended != nil {
		return ended
	}
	var p *importer.Problem
	if !errors.As(err, &p) || p.Code == importer.ProblemInternal || p.Code == importer.ProblemCancelled {
		return err // ours, the database's or the blob store's: the queue tries again
	}
	switch {
	case p.Asks():
		return s.ask(ctx, run, id, p)
	case p.Temporary() && s.age(run.Job) < s.opts.Persistence:
		return s.later(ctx, run, id, p)
	}
	return s.finish(ctx, run, id, func(tx *store.Tx, im *store.Import) error { return s.fail(tx, im, p) })
}

// ask puts a question to a person.
func (s *scope) ask(ctx context.Context, run *queue.Run, id string, p *importer.Problem) error {
	q := Question{Code: string(p.Code), Host: p.Host, Questions: p.Questions, Choice: p.Listed}
	if err := s.showHost(ctx, &q); err != nil {
		return err
	}
	column, err := s.seal(ctx, id, sealedQuestion, q)
	if err != nil {
		return err
	}
	return s.finish(ctx, run, id, func(tx *store.Tx, im *store.Import) error {
		im.Question, im.RetryAt = column, zeroTime
		im.Problem, im.ProblemHost = p.Code, p.Host
		return s.move(tx, im, importer.EventAsked, map[string]any{"problem": p.Code})
	})
}

// later notes why an import waits and lets its job run again.
func (s *scope) later(ctx context.Context, run *queue.Run, id string, p *importer.Problem) error {
	wait := max(p.After, backoff(run.Job.Attempt))
	return s.t.Write(ctx, func(tx *store.Tx) error {
		if err := run.Fence(tx); err != nil {
			return err
		}
		im, err := tx.LockImport(id)
		if err != nil {
			return err
		}
		im.Problem, im.ProblemHost, im.RetryAt = p.Code, p.Host, tx.Now().Add(wait)
		if err := tx.SaveImport(im); err != nil {
			return err
		}
		return run.Retry(tx, wait, string(p.Code))
	})
}

// fail ends an import until a person tries again.
func (s *scope) fail(tx *store.Tx, im *store.Import, p *importer.Problem) error {
	if im.State == importer.Fetching && !p.Temporary() && p.Code != importer.ProblemInternal {
		forgetFetch(im) // trying again is of no use: the fetch has ended
	}
	im.Problem, im.ProblemHost, im.RetryAt = p.Code, p.Host, zeroTime
	return s.move(tx, im, importer.EventFailed, map[string]any{"problem": p.Code})
}

// finish commits the end of a job together with what it means for its import.
func (s *scope) finish(ctx context.Context, run *queue.Run, id string, f func(*store.Tx, *store.Import) error) error {
	return s.t.Write(ctx, func(tx *store.Tx) error {
		if err := run.Fence(tx); err != nil {
			return err
		}
		im, err := tx.LockImport(id)
		if err != nil {
			return err
		}
		if err := f(tx, im); err != nil {
			return err
		}
		return run.Complete(tx)
	})
}

func progressView(p importer.Progress) Progress {
	return Progress{Phase: p.Phase, Done: p.Done, Total: p.Total, Files: p.Files, FilesTotal: p.FilesTotal, WaitUntil: optional(p.WaitUntil)}
}
