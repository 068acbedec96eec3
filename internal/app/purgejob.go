package app

import (
	"context"
	"errors"

	"lotse/internal/importer"
	"lotse/internal/queue"
	"lotse/internal/sealed/blob"
	"lotse/internal/store"
)

// purgeJob erases an import: first its key, after which nothing of it can be read
// anywhere; then its bytes and its sealed columns. It can be repeated at any point.
func (g *Gateway) purgeJob(ctx context.Context, run *queue.Run) error {
	s, err := g.work(ctx, run)
	if err != nil {
		return err
	}
	id := run.Job.Subject
	due, err := s.purgeDue(ctx, run, id)
	if err != nil || !due {
		return err
	}
	if err := s.v.DestroyImport(ctx, id); err != nil {
		return err
	}
	if err := s.deleteBlobs(ctx, id); err != nil {
		return err
	}
	return s.finish(ctx, run, id, func(tx *store.Tx, im *store.Import) error {
		if err := errors.Join(s.stopAll(tx, im), tx.PurgeImport(id)); err != nil { // what began meanwhile
			return err
		}
		im.Request, im.Secrets, im.Question, im.Fetched, im.Decision = nil, nil, nil, nil, nil
		im.Purged, im.Quiet, im.RetryAt = tx.Now(), zeroTime, zeroTime
		return s.move(tx, im, importer.EventPurged, map[string]any{"bytes": im.Bytes, "parts": im.Parts, "undelivered": !delivered(im)})
	})
}

func delivered(im *store.Import) bool { return im.State == importer.Arrived }

// purgeDue looks once more whether the time has really come, stops what still runs
// for the import and ends the job when there is nothing to do.
func (s *scope) purgeDue(ctx context.Context, run *queue.Run, id string) (bool, error) {
	due := false
	err := s.t.Write(ctx, func(tx *store.Tx) error {
		if err := run.Fence(tx); err != nil {
			return err
		}
		im, err := tx.LockImport(id)
		if err != nil {
			return err
		}
		due = im.State != importer.Purged && !tx.Now().Before(im.Purge)
		if !due {
			return run.Complete(tx)
		}
		if err := s.stopAll(tx, im); err != nil || im.Quiet.IsZero() {
			return err
		}
		im.Quiet = zeroTime // what is received from now on is not erased with it
		return tx.SaveImport(im)
	})
	return due, err
}

// stopAll ends what is done for an import.
func (s *scope) stopAll(tx *store.Tx, im *store.Import) error {
	return errors.Join(s.stopDeliveries(tx, im), s.cancelJobs(tx, im))
}

// deleteBlobs removes all segments of an import, also those that no row names.
func (s *scope) deleteBlobs(ctx context.Context, id string) error {
	var keys []string
	err := s.blobs.List(ctx, s.v.Prefix(id), func(b blob.Info) error {
		keys = append(keys, b.Key)
		if len(keys) < 1000 {
			return nil
		}
		err := s.blobs.Delete(ctx, keys...)
		keys = keys[:0]
		return err
	})
	if err != nil {
		return err
	}
	return s.blobs.Delete(ctx, keys...)
}
