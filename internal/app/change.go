package app

import (
	"context"
	"errors"

	"lotse/internal/importer"
	"lotse/internal/store"
)

// read returns an import as it stands.
func (s *scope) read(ctx context.Context, id string) (*store.Import, error) {
	var im *store.Import
	err := s.t.Read(ctx, func(tx *store.Tx) (err error) {
		im, err = tx.Import(id)
		return err
	})
	return im, err
}

// lock takes an import for a change; version is the one its caller saw, or 0.
func (s *scope) lock(tx *store.Tx, id string, version int64) (*store.Import, error) {
	im, err := tx.LockImport(id)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != im.Version {
		return nil, ErrChanged
	}
	return im, nil
}

// change is a use case that locks an import, changes it and hands on.
func (g *Gateway) change(ctx context.Context, who Who, id string, version int64, f func(*scope, *store.Tx, *store.Import) error) error {
	s, err := g.scope(ctx, who)
	if err != nil {
		return err
	}
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		im, err := s.lock(tx, id, version)
		if err != nil {
			return err
		}
		return f(s, tx, im)
	})
	return err
}

// Cancel stops an import where it stands; what runs for it is told to stop.
func (g *Gateway) Cancel(ctx context.Context, who Who, id string, version int64) error {
	return g.change(ctx, who, id, version, func(s *scope, tx *store.Tx, im *store.Import) error {
		forgetFetch(im)
		im.RetryAt, im.Quiet = zeroTime, zeroTime
		if err := s.purgeSoon(tx, im); err != nil {
			return err
		}
		if err := s.move(tx, im, importer.EventCancelled, nil); err != nil {
			return err
		}
		return errors.Join(s.stopDeliveries(tx, im), s.cancelJobs(tx, im))
	})
}

// Reject says that nobody wants the exam.
func (g *Gateway) Reject(ctx context.Context, who Who, id string, version int64, reason string) error {
	if reason == "" {
		return &InvalidError{"reason", "missing"}
	}
	s, err := g.scope(ctx, who)
	if err != nil {
		return err
	}
	if _, err := s.read(ctx, id); err != nil {
		return err
	}
	column, err := s.seal(ctx, id, sealedDecision, decided{Reason: reason, By: who.Actor, Decision: importer.Decision{At: s.opts.Now().UTC()}})
	if err != nil {
		return err
	}
	return g.change(ctx, who, id, version, func(s *scope, tx *store.Tx, im *store.Import) error {
		forgetFetch(im)
		im.Decision = column
		if err := s.purgeSoon(tx, im); err != nil {
			return err
		}
		return s.moveNaming(tx, im, importer.EventRejected, nil, map[string]any{"reason": reason})
	})
}

// Recall takes a decision back. What was sent by then stays at the destination;
// the outcomes of the delivery say what that is.
func (g *Gateway) Recall(ctx context.Context, who Who, id string, version int64) error {
	return g.change(ctx, who, id, version, func(s *scope, tx *store.Tx, im *store.Import) error {
		if im.Decision == nil { // what failed before has nothing to be reviewed
			return &importer.ImpossibleError{State: string(im.State), Event: "recall"}
		}
		im.Problem, im.ProblemHost, im.RetryAt, im.Decision = "", "", zeroTime, nil
		if err := s.dropDeliveries(tx, im, arrivedOrCancelled); err != nil {
			return err
		}
		if err := s.cancelJobs(tx, im); err != nil {
			return err
		}
		return s.move(tx, im, importer.EventRecalled, nil)
	})
}

// Retry goes on with an import that failed, or at once with one that waits for its
// next try.
func (g *Gateway) Retry(ctx context.Context, who Who, id string, version int64) error {
	return g.change(ctx, who, id, version, func(s *scope, tx *store.Tx, im *store.Import) error {
		im.RetryAt = zeroTime
		if im.State != importer.Broken {
			if _, err := im.State.Next(importer.EventFailed); err != nil {
				return err
			}
			if err := tx.SaveImport(im); err != nil {
				return err
			}
			return s.hurry(tx, im)
		}
		im.Problem, im.ProblemHost = "", ""
		switch {
		case im.Decision != nil:
			if err := s.move(tx, im, importer.EventRedeliver, nil); err != nil {
				return err
			}
			return s.redeliver(tx, im)
		case halfFetched(im):
			return &importer.ImpossibleError{State: string(im.State), Event: "retry"}
		case im.Secrets != nil && im.Kind == KindLink:
			return errors.Join(s.move(tx, im, importer.EventRefetch, nil), s.enqueue(tx, jobFetch, im))
		default:
			return errors.Join(s.move(tx, im, importer.EventReinspect, nil), s.enqueue(tx, jobInspect, im))
		}
	})
}

// Delete erases an import now instead of when its time has come.
func (g *Gateway) Delete(ctx context.Context, who Who, id string, version int64) error {
	return g.change(ctx, who, id, version, func(s *scope, tx *store.Tx, im *store.Import) error {
		if im.State == importer.Purged {
			return nil
		}
		if im.State == importer.Delivering {
			return &importer.ImpossibleError{State: string(im.State), Event: "delete"}
		}
		im.Purge, im.Quiet = tx.Now(), zeroTime
		if err := tx.SaveImport(im); err != nil {
			return err
		}
		if err := s.audit(tx, im.ID, "import.deletion-asked", im.State, im.State, nil); err != nil {
			return err
		}
		return errors.Join(s.cancelJobs(tx, im), s.enqueue(tx, jobPurge, im))
	})
}

// Complete says that all files of an upload are there.
func (g *Gateway) Complete(ctx context.Context, who Who, id string, version int64) error {
	return g.change(ctx, who, id, version, func(s *scope, tx *store.Tx, im *store.Import) error {
		if im.Kind != KindUpload || im.State != importer.Fetching {
			return &importer.ImpossibleError{State: string(im.State), Event: "complete"}
		}
		uploads, err := tx.UploadsOf(im.ID)
		if err != nil {
			return err
		}
		for _, u := range uploads {
			if !u.Complete {
				return &InvalidError{"uploads", "unfinished"}
			}
		}
		if len(uploads) == 0 {
			return &InvalidError{"uploads", "missing"}
		}
		return s.fetched(tx, im)
	})
}

// Extend lets more be uploaded to an import that waits for review, however many
// files it was announced with: it goes on with Complete.
func (g *Gateway) Extend(ctx context.Context, who Who, id string, version int64) error {
	return g.change(ctx, who, id, version, func(s *scope, tx *store.Tx, im *store.Import) error {
		if err := s.announce(tx, im, 0); err != nil {
			return err
		}
		im.Kind, im.Decision = KindUpload, nil
		return s.move(tx, im, importer.EventExtended, nil)
	})
}

// announce notes how many files an import will have.
func (s *scope) announce(tx *store.Tx, im *store.Import, files int) error {
	var asked request
	err := s.open(tx.Context(), im.ID, sealedRequest, im.Request, &asked)
	if err != nil {
		return err
	}
	asked.Files = files
	im.Request, err = s.seal(tx.Context(), im.ID, sealedRequest, asked)
	return err
}

// forgetFetch erases what only the fetch needs: the link, answers, the session with
// the portal, and what was asked.
func forgetFetch(im *store.Import) { im.Secrets, im.Question, im.Fetched = nil, nil, nil }

// halfFetched reports an import whose fetch ended for good before everything had
// come: what came is not the exam, and nothing says what is missing.
func halfFetched(im *store.Import) bool {
	return im.Kind == KindLink && im.Secrets == nil && im.Fetched == nil
}

// fetched ends the coming in: secrets go, the inspection follows.
func (s *scope) fetched(tx *store.Tx, im *store.Import) error {
	im.Secrets, im.Question, im.RetryAt, im.Quiet = nil, nil, zeroTime, zeroTime
	im.Problem, im.ProblemHost = "", ""
	if err := s.move(tx, im, importer.EventFetched, map[string]any{"parts": im.Parts, "bytes": im.Bytes}); err != nil {
		return err
	}
	return s.enqueue(tx, jobInspect, im)
}

// purgeSoon lets an import that nobody wants end before its time.
func (s *scope) purgeSoon(tx *store.Tx, im *store.Import) error {
	limits, err := s.keeping(tx)
	if err != nil {
		return err
	}
	if soon := tx.Now().Add(limits.graceRejected); soon.Before(im.Purge) {
		im.Purge = soon
	}
	return nil
}

// stopDeliveries ends all deliveries that have not ended.
func (s *scope) stopDeliveries(tx *store.Tx, im *store.Import) error {
	return s.dropDeliveries(tx, im, importer.DeliveryState.Ended)
}

// dropDeliveries ends all deliveries but those in states that stay.
func (s *scope) dropDeliveries(tx *store.Tx, im *store.Import, stays func(importer.DeliveryState) bool) error {
	list, err := tx.DeliveriesOf(im.ID)
	if err != nil {
		return err
	}
	for i := range list {
		d := &list[i]
		if stays(d.State) {
			continue
		}
		if err := s.moveDelivery(tx, d, importer.DeliveryStopped, nil); err != nil {
			return err
		}
	}
	return nil
}

// arrivedOrCancelled are the deliveries that a recalled decision leaves as they are:
// what fell short is not of the next one.
func arrivedOrCancelled(d importer.DeliveryState) bool {
	return d == importer.DeliveryVerified || d == importer.DeliveryCancelled
}

// redeliver starts again what fell short; what arrived is not sent again.
func (s *scope) redeliver(tx *store.Tx, im *store.Import) error {
	list, err := tx.DeliveriesOf(im.ID)
	if err != nil {
		return err
	}
	for i := range list {
		d := &list[i]
		if d.State != importer.DeliveryIncomplete {
			continue
		}
		d.Problem, d.RetryAt, d.Failed = "", zeroTime, 0
		if err := tx.DropOutcomes(d.ID, importer.Failed); err != nil {
			return err
		}
		if err := s.moveDelivery(tx, d, importer.DeliveryRetried, nil); err != nil {
			return err
		}
		if err := s.enqueueDelivery(tx, im, d); err != nil {
			return err
		}
	}
	return nil
}
