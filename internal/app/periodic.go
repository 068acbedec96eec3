package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lotse/internal/importer"
	"lotse/internal/store"
)

// batchOfTick is how many imports one tick of a periodic job takes at most.
const batchOfTick = 200

// retention queues the purge of imports whose time has come. A clock that jumped
// pauses it: erasing cannot be taken back.
func (g *Gateway) retention(ctx context.Context) error {
	switch err := g.clock.judge(ctx, g); {
	case errors.Is(err, errClock):
		return nil // it is said in the log, on the metrics and to the administrator
	case err != nil:
		return err
	}
	now, err := g.databaseTime(ctx)
	if err != nil {
		return err
	}
	due, err := g.db.System().DueToPurge(ctx, now, batchOfTick)
	if err != nil {
		return err
	}
	return g.each(ctx, due, func(s *scope, tx *store.Tx, im *store.Import) error {
		return s.enqueue(tx, jobPurge, im)
	})
}

// each runs f on imports of any tenant, each in a transaction of its own; one that
// fails does not stop the others.
func (g *Gateway) each(ctx context.Context, refs []store.Ref, f func(*scope, *store.Tx, *store.Import) error) error {
	var first error
	for _, ref := range refs {
		err := g.change(ctx, Who{Tenant: ref.Tenant, Actor: machine}, ref.ID, 0, f)
		if err != nil {
			g.log.Error("a periodic step failed", "import", ref.ID, "error", err)
			if first == nil {
				first = err
			}
		}
	}
	return first
}

// closeReceived closes imports that nothing came for any more.
func (g *Gateway) closeReceived(ctx context.Context) error {
	now, err := g.databaseTime(ctx)
	if err != nil {
		return err
	}
	due, err := g.db.System().DueToClose(ctx, KindDICOM, now, batchOfTick)
	if err != nil {
		return err
	}
	return g.each(ctx, due, func(s *scope, tx *store.Tx, im *store.Import) error {
		if im.Quiet.IsZero() || tx.Now().Before(im.Quiet) {
			return nil // an object came meanwhile
		}
		im.Quiet = zeroTime
		if im.FirstByte.IsZero() { // its only object broke off
			if err := s.purgeSoon(tx, im); err != nil {
				return err
			}
			return s.move(tx, im, importer.EventCancelled, map[string]any{"reason": "empty"})
		}
		return s.fetched(tx, im)
	})
}

// uploadIdle is how long an upload may bring no byte before its import is cancelled.
const uploadIdle = 24 * time.Hour

// endIdle cancels imports whose files do not come any more. A clock that jumped makes
// nobody idle.
func (g *Gateway) endIdle(ctx context.Context) error {
	now, err := g.databaseTime(ctx)
	if err != nil {
		return err
	}
	if steady, err := g.steady(ctx, now); err != nil || !steady {
		return err
	}
	due, err := g.db.System().DueToClose(ctx, KindUpload, now, batchOfTick)
	if err != nil {
		return err
	}
	return g.each(ctx, due, func(s *scope, tx *store.Tx, im *store.Import) error {
		if im.Quiet.IsZero() || tx.Now().Before(im.Quiet) {
			return nil // a byte came meanwhile
		}
		im.Quiet = zeroTime
		if im.State != importer.Fetching {
			return tx.SaveImport(im)
		}
		im.Problem, im.ProblemHost = importer.ProblemIdle, ""
		if err := s.purgeSoon(tx, im); err != nil {
			return err
		}
		return s.move(tx, im, importer.EventCancelled, map[string]any{"reason": "idle"})
	})
}

// Warning says that an import ends although it was not delivered.
type Warning struct {
	Tenant, Import string
	State          importer.State
	Expires        time.Time
}

// warn tells of undelivered imports 72 and 24 hours before their end.
func (g *Gateway) warn(ctx context.Context) error {
	now, err := g.databaseTime(ctx)
	if err != nil {
		return err
	}
	for level, before := range map[int]time.Duration{1: 72 * time.Hour, 2: 24 * time.Hour} {
		due, err := g.db.System().DueToWarn(ctx, now, level, before, batchOfTick)
		if err != nil {
			return err
		}
		for _, ref := range due {
			if err := g.warnOf(ctx, ref, level); err != nil {
				g.log.Error("a warning was not sent", "import", ref.ID, "error", err)
			}
		}
	}
	return nil
}

// warnOf notes the warning before it is sent: rather none twice than none at all is
// wrong here, so the note is taken back when sending fails.
func (g *Gateway) warnOf(ctx context.Context, ref store.Ref, level int) error {
	var w Warning
	note := func(to int, event string) error {
		return g.change(ctx, Who{Tenant: ref.Tenant, Actor: machine}, ref.ID, 0, func(s *scope, tx *store.Tx, im *store.Import) error {
			im.Warned = to
			w = Warning{Tenant: ref.Tenant, Import: im.ID, State: im.State, Expires: im.Expires}
			if err := tx.SaveImport(im); err != nil {
				return err
			}
			return s.audit(tx, im.ID, event, im.State, im.State, map[string]any{"level": to})
		})
	}
	if err := note(level, "import.warned"); err != nil || g.opts.Warn == nil {
		return err
	}
	if err := g.opts.Warn(ctx, w); err != nil {
		return fmt.Errorf("%w (noted: %w)", err, note(level-1, "import.warning-failed"))
	}
	return nil
}

// collect removes what a crash left behind: blobs without a row, keys without an
// import, answers kept for idempotency, jobs that have ended.
func (g *Gateway) collect(ctx context.Context) error {
	now, err := g.databaseTime(ctx)
	if err != nil {
		return err
	}
	if _, err := g.db.System().DropIdempotent(ctx, now.Add(-24*time.Hour)); err != nil {
		return err
	}
	if _, err := g.db.System().DropViews(ctx, now.Add(-viewsFor)); err != nil {
		return err
	}
	if _, err := g.db.System().PruneJobs(ctx, 7*24*time.Hour, 10_000); err != nil {
		return err
	}
	switch steady, err := g.steady(ctx, now); {
	case err != nil:
		return err
	case !steady:
		g.log.Info("the clock may have jumped, or no node ran: segments and keys without a row are not collected this time")
		return nil
	}
	return g.eachTenant(ctx, func(s *scope) error {
		return errors.Join(s.collectSegments(ctx, now), s.collectKeys(ctx, now))
	})
}

// dailyCheck proves that nothing is older than it may be.
func (g *Gateway) dailyCheck(ctx context.Context) error {
	n, err := g.Overdue(ctx)
	if err == nil && n > 0 {
		g.log.Error("imports are older than they may be", "count", n)
	}
	if err != nil {
		return err
	}
	n, err = g.OverduePeriods(ctx)
	if err == nil && n > 0 {
		g.log.Error("what is personal in the audit trail is older than it may be", "periods", n)
	}
	return err
}

// Overdue counts imports that are older than they may be, by more than an hour.
func (g *Gateway) Overdue(ctx context.Context) (int64, error) {
	now, err := g.databaseTime(ctx)
	if err != nil {
		return 0, err
	}
	return g.db.System().Overdue(ctx, now.Add(-time.Hour))
}

// databaseTime is the time that all nodes agree on.
func (g *Gateway) databaseTime(ctx context.Context) (time.Time, error) {
	var now time.Time
	err := g.db.System().Read(ctx, func(tx *store.Tx) error {
		now = tx.Now()
		return nil
	})
	return now, err
}
