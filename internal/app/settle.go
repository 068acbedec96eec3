package app

import (
	"context"
	"errors"

	"lotse/internal/importer"
	"lotse/internal/queue"
	"lotse/internal/store"
)

// deliverySent says that every object has its outcome, and what follows: the
// destination is asked to confirm, or its statuses are all the proof there is.
func (s *scope) deliverySent(ctx context.Context, run *queue.Run, id string) error {
	var d *store.Delivery
	verify := ""
	err := s.t.Write(ctx, func(tx *store.Tx) (err error) {
		if err := run.Fence(tx); err != nil {
			return err
		}
		im, err := s.lockImportOf(tx, id)
		if err != nil {
			return err
		}
		if d, err = tx.LockDelivery(id); err != nil {
			return err
		}
		if d.State == importer.DeliverySending {
			if err := s.moveDelivery(tx, d, importer.DeliveryAllSent, map[string]any{"delivered": d.Delivered, "warned": d.Warned, "failed": d.Failed}); err != nil {
				return err
			}
		}
		if verify, err = verifyOf(d.Config); err != nil || verify != proofCommit || d.Failed > 0 {
			return err
		}
		if err := put(tx, store.Job{Kind: jobConfirm, Subject: d.ID, Unique: jobConfirm + " " + d.ID, Priority: im.Priority}); err != nil {
			return err
		}
		return run.Complete(tx)
	})
	switch {
	case err != nil:
		return err
	case d.Failed > 0:
		return s.settle(ctx, run, id, importer.DeliveryFellShort, importer.ProblemSomeFailed, "")
	case verify == proofCommit:
		return nil
	}
	return s.settle(ctx, run, id, importer.DeliveryConfirmed, "", proofStatuses)
}

// deliveryFellShort ends a delivery that cannot go on by itself.
func (s *scope) deliveryFellShort(ctx context.Context, run *queue.Run, id string, p *importer.Problem) error {
	return s.settle(ctx, run, id, importer.DeliveryFellShort, p.Code, "")
}

// settle ends a delivery with its receipt, and the import with its last one.
func (s *scope) settle(ctx context.Context, run *queue.Run, id string, e importer.DeliveryEvent, problem importer.ProblemCode, proof string) error {
	d, err := s.delivery(ctx, id)
	if err != nil {
		return err
	}
	d.Problem, d.Proof = problem, proof
	open, err := s.makeReceipt(ctx, run.Fence, d)
	if err != nil {
		return err
	}
	return s.t.Write(ctx, func(tx *store.Tx) error {
		if err := run.Fence(tx); err != nil {
			return err
		}
		im, err := tx.LockImport(d.Import)
		if err != nil {
			return err
		}
		d, err := tx.LockDelivery(id)
		if err != nil {
			return err
		}
		d.Problem, d.Proof, d.RetryAt = problem, proof, zeroTime
		if err := s.moveDelivery(tx, d, e, map[string]any{"problem": problem, "proof": proof}); err != nil {
			return err
		}
		receipt := store.Receipt{Delivery: d.ID, Import: d.Import, Created: tx.Now(), Document: open}
		if err := tx.InsertReceipt(&receipt); err != nil {
			return err
		}
		return errors.Join(s.settleImport(tx, im), run.Complete(tx))
	})
}

// settleImport ends an import when its last delivery has ended.
func (s *scope) settleImport(tx *store.Tx, im *store.Import) error {
	list, err := tx.DeliveriesOf(im.ID)
	if err != nil {
		return err
	}
	short, weak := false, false
	for _, d := range list {
		switch {
		case d.State == importer.DeliveryCancelled:
			continue
		case !d.State.Ended():
			return nil
		case d.State == importer.DeliveryIncomplete:
			short = true
		case d.Proof != proofCommit:
			weak = true
		}
	}
	if short {
		return s.fail(tx, im, &importer.Problem{Code: importer.ProblemSomeFailed})
	}
	if !weak { // statuses alone prove too little to erase what was sent
		limits, err := s.keeping(tx)
		if err != nil {
			return err
		}
		if soon := tx.Now().Add(limits.grace); soon.Before(im.Purge) {
			im.Purge = soon
		}
	}
	im.Problem, im.ProblemHost, im.RetryAt = "", "", zeroTime
	return s.move(tx, im, importer.EventVerified, nil)
}

// lockImportOf locks the import of a delivery, which goes before the delivery.
func (s *scope) lockImportOf(tx *store.Tx, delivery string) (*store.Import, error) {
	d, err := tx.Delivery(delivery)
	if err != nil {
		return nil, err
	}
	return tx.LockImport(d.Import)
}
