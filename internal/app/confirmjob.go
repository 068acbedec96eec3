package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"lotse/dicom/uid"
	"lotse/dimse"
	"lotse/dimse/commitment"
	"lotse/internal/importer"
	"lotse/internal/importer/deliver"
	"lotse/internal/importer/receipt"
	"lotse/internal/queue"
	"lotse/internal/receive"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

const (
	lotSize       = 5000            // objects of one transaction
	lotAttempts   = 3               // transactions for one lot before it counts as not confirmed
	confirmPause  = 2 * time.Second // between looks at whether reports came elsewhere
	proofStatuses = "statuses"      // C-STORE responses, or files that were synced
	proofCommit   = "commitment"    // the archive committed itself (PS3.4 Annex J)
)

// States of a commitment's transaction.
const (
	commitOpen      = "open"
	commitCommitted = "committed" // the report has no failures
	commitFailed    = "failed"    // the report has failures
	commitExpired   = "expired"   // no report came
)

// report is a report of an archive as it is kept, sealed.
type report struct {
	Committed []string
	Failed    map[string]string // why, in words for technicians
}

// confirmJob asks a destination to commit itself to what it took, in lots, and waits
// for its reports, which come to any node.
func (g *Gateway) confirmJob(ctx context.Context, run *queue.Run) error {
	s, err := g.work(ctx, run)
	if err != nil {
		return err
	}
	d, err := s.delivery(ctx, run.Job.Subject)
	if err != nil {
		return err
	}
	if d.State != importer.DeliverySent && d.State != importer.DeliveryVerifying {
		return nil
	}
	if d.Failed > 0 { // another worker was lost before the receipt of what was denied
		return s.settle(ctx, run, d.ID, importer.DeliveryFellShort, importer.ProblemUnconfirmed, "")
	}
	lots, err := s.lots(ctx, d)
	if err != nil {
		return err
	}
	if err := s.judge(ctx, d, lots); err != nil {
		return err
	}
	missing := map[string]string{}
	for i := range lots {
		maps.Copy(missing, lots[i].missing)
	}
	switch {
	case len(missing) > 0:
		if err := s.deny(ctx, run, d, missing); err != nil {
			return err
		}
		return s.settle(ctx, run, d.ID, importer.DeliveryFellShort, importer.ProblemUnconfirmed, "")
	case !slices.ContainsFunc(lots, func(l lot) bool { return !l.confirmed }):
		return s.settle(ctx, run, d.ID, importer.DeliveryConfirmed, "", proofCommit)
	case slices.ContainsFunc(lots, lot.hopeless):
		return s.settle(ctx, run, d.ID, importer.DeliveryFellShort, importer.ProblemUnconfirmed, "")
	}
	for i := range lots {
		if l := &lots[i]; !l.open && !l.confirmed {
			if err := s.askFor(ctx, run, d, l); err != nil {
				return s.confirmStopped(ctx, run, d, err)
			}
		}
	}
	return s.lookAgain(ctx, run, d.ID)
}

// lot is the objects of one transaction.
type lot struct {
	first     int // number in the order of the receipt
	refs      []commitment.Reference
	attempts  int
	open      bool
	confirmed bool
	missing   map[string]string // SOP Instance UIDs that the archive does not keep, with its reasons
}

// hopeless reports a lot that was asked about often enough.
func (l lot) hopeless() bool { return l.attempts >= lotAttempts && !l.open && !l.confirmed }

func (s *scope) delivery(ctx context.Context, id string) (*store.Delivery, error) {
	var d *store.Delivery
	err := s.t.Read(ctx, func(tx *store.Tx) (err error) {
		d, err = tx.Delivery(id)
		return err
	})
	return d, err
}

// lots cuts what a destination took into transactions, always alike.
func (s *scope) lots(ctx context.Context, d *store.Delivery) ([]lot, error) {
	var out []lot
	n := 0
	err := s.lines(ctx, d, func(it receipt.Item) error {
		if it.Fate != importer.Delivered && it.Fate != importer.Warned {
			return nil
		}
		if n%lotSize == 0 {
			out = append(out, lot{first: n})
		}
		l := &out[len(out)-1]
		l.refs = append(l.refs, commitment.Reference{SOPClass: it.SOPClass, SOPInstance: it.SOPInstance})
		n++
		return nil
	})
	return out, err
}

// lines calls f with every outcome of a delivery, by item.
func (s *scope) lines(ctx context.Context, d *store.Delivery, f func(receipt.Item) error) error {
	return s.t.Read(ctx, func(tx *store.Tx) error {
		return tx.Outcomes(d.ID, func(o store.Outcome) error {
			var it receipt.Item
			if err := s.open(ctx, d.Import, sealedLine, o.Line, &it); err != nil {
				return err
			}
			return f(it)
		})
	})
}

// judge compares the reports with the lots: what a report leaves out is not kept.
func (s *scope) judge(ctx context.Context, d *store.Delivery, lots []lot) error {
	var rows []store.Commitment
	err := s.t.Write(ctx, func(tx *store.Tx) (err error) {
		if rows, err = tx.CommitmentsOf(d.ID); err != nil {
			return err
		}
		for i := range rows {
			if c := &rows[i]; c.State == commitOpen && tx.Now().Sub(c.Opened) > s.opts.CommitPatience {
				c.State = commitExpired
				if err := tx.SaveCommitment(c); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range lots {
		for _, c := range rows {
			if c.FirstItem != lots[i].first || c.Opened.Before(d.Settled) { // of an attempt before a person tried again
				continue
			}
			if err := s.judgeLot(ctx, d, &lots[i], c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scope) judgeLot(ctx context.Context, d *store.Delivery, l *lot, c store.Commitment) error {
	l.attempts++
	switch c.State {
	case commitOpen:
		l.open = true
	case commitCommitted, commitFailed:
		var r report
		if err := s.open(ctx, d.Import, sealedReport, c.Report, &r); err != nil {
			return err
		}
		kept := make(map[string]bool, len(r.Committed))
		for _, u := range r.Committed {
			kept[u] = true
		}
		l.missing = map[string]string{}
		for _, ref := range l.refs {
			if !kept[ref.SOPInstance] {
				l.missing[ref.SOPInstance] = cmp.Or(r.Failed[ref.SOPInstance], "not in the report")
			}
		}
		l.confirmed = len(l.missing) == 0
	}
	return nil
}

// deny notes what the archive does not keep though it took it: the receipt says so,
// and a person who tries again sends it again.
func (s *scope) deny(ctx context.Context, run *queue.Run, d *store.Delivery, missing map[string]string) error {
	var list []receipt.Item
	var bytes int64
	err := s.lines(ctx, d, func(it receipt.Item) error {
		why, ok := missing[it.SOPInstance]
		if ok && (it.Fate == importer.Delivered || it.Fate == importer.Warned) {
			bytes += it.Bytes
			it.Fate, it.Reason, it.Detail = importer.Failed, string(deliver.FailureRefused), "storage commitment: "+why
			list = append(list, it)
		}
		return nil
	})
	if err != nil {
		return err
	}
	rows, err := s.outcomes(ctx, d.Import, list)
	if err != nil {
		return err
	}
	return s.t.Write(ctx, func(tx *store.Tx) error {
		if err := run.Fence(tx); err != nil {
			return err
		}
		d, err := tx.LockDelivery(d.ID)
		if err != nil {
			return err
		}
		denied := int64(len(list))
		warned := max(denied-d.Delivered, 0)
		d.Delivered, d.Warned, d.Failed, d.Bytes = d.Delivered-denied+warned, d.Warned-warned, d.Failed+denied, d.Bytes-bytes
		return errors.Join(tx.SaveDelivery(d), tx.SaveOutcomes(d.ID, rows))
	})
}

// askFor opens a transaction for a lot: its row first, so that a report finds it.
func (s *scope) askFor(ctx context.Context, run *queue.Run, d *store.Delivery, l *lot) error {
	to, err := s.nodeOf(d.Config)
	if err != nil {
		return err
	}
	transaction := uid.New()
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		if err := run.Fence(tx); err != nil {
			return err
		}
		d, err := tx.LockDelivery(d.ID)
		if err != nil {
			return err
		}
		if d.State == importer.DeliverySent {
			if err := s.moveDelivery(tx, d, importer.DeliveryAsked, nil); err != nil {
				return err
			}
		}
		return tx.InsertCommitment(&store.Commitment{UID: transaction, Import: d.Import, Delivery: d.ID, FirstItem: l.first,
			State: commitOpen, Opened: tx.Now()})
	})
	if err != nil {
		return err
	}
	err = to.AskCommitment(ctx, commitment.Request{TransactionUID: transaction, Referenced: l.refs}, s.opts.CommitWait, hearing(transaction, s.reported))
	if err == nil {
		return nil
	}
	// It was not asked: that is no attempt, and there is no report to wait for.
	return errors.Join(err, s.t.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		if err := run.Fence(tx); err != nil {
			return err
		}
		return tx.DropCommitment(transaction)
	}))
}

// hearing lets an association prove only who reports about the transaction that it
// was opened for.
func hearing(transaction string, h commitment.ReportHandler) commitment.ReportHandler {
	return func(ctx context.Context, from commitment.Party, r commitment.Report) dimse.Status {
		from.SameAssociation = r.TransactionUID == transaction
		return h(ctx, from, r)
	}
}

// lookAgain lets the job run again soon.
func (s *scope) lookAgain(ctx context.Context, run *queue.Run, id string) error {
	return s.t.Write(ctx, func(tx *store.Tx) error {
		if err := run.Fence(tx); err != nil {
			return err
		}
		return run.Later(tx, confirmPause, "report")
	})
}

// confirmStopped says how confirming goes on after asking failed.
func (s *scope) confirmStopped(ctx context.Context, run *queue.Run, d *store.Delivery, err error) error {
	if ended := context.Cause(ctx); ended != nil {
		return ended
	}
	var p *importer.Problem
	if !errors.As(err, &p) {
		return err
	}
	if !p.Temporary() || s.age(run.Job) > s.opts.Persistence {
		return s.settle(ctx, run, d.ID, importer.DeliveryFellShort, p.Code, "")
	}
	return s.t.Write(ctx, func(tx *store.Tx) error {
		if err := run.Fence(tx); err != nil {
			return err
		}
		d, err := tx.LockDelivery(d.ID)
		if err != nil {
			return err
		}
		wait := backoff(run.Job.Attempt)
		d.Problem, d.RetryAt = p.Code, tx.Now().Add(wait)
		if err := tx.SaveDelivery(d); err != nil {
			return err
		}
		return run.Retry(tx, wait, string(p.Code))
	})
}

// Report takes what an archive reports on an association of its own, on whichever
// node. It counts only for an open transaction and from the peer that was asked.
func (g *Gateway) Report(ctx context.Context, from receive.Reporter, r commitment.Report) error {
	err := g.takeReport(ctx, from.Party, r)
	if errors.Is(err, store.ErrNotFound) {
		return receive.ErrUnknownTransaction
	}
	return err
}

// reported is Report for the association that asked.
func (g *Gateway) reported(ctx context.Context, from commitment.Party, r commitment.Report) dimse.Status {
	err := g.takeReport(ctx, from, r)
	switch {
	case err == nil:
		return dimse.Success
	case errors.Is(err, store.ErrNotFound):
		g.log.Warn("a report of storage commitment belongs to no open transaction", "peer", from.AETitle)
		return dimse.InvalidArgument
	default:
		g.log.Error("a report of storage commitment cannot be kept", "peer", from.AETitle, "error", err)
		return dimse.ProcessingFailure
	}
}

func (g *Gateway) takeReport(ctx context.Context, from commitment.Party, r commitment.Report) error {
	tenant, err := g.db.System().FindCommitment(ctx, r.TransactionUID)
	if err != nil {
		return err
	}
	s, err := g.scope(ctx, Who{Tenant: tenant, Actor: machine})
	if err != nil {
		return err
	}
	var d *store.Delivery
	err = s.t.Read(ctx, func(tx *store.Tx) error {
		c, err := tx.Commitment(r.TransactionUID)
		if err != nil {
			return err
		}
		d, err = tx.Delivery(c.Delivery)
		return err
	})
	if err != nil {
		return err
	}
	if err := authentic(ctx, d.Config, from); err != nil {
		return err
	}
	kept := report{Failed: map[string]string{}}
	for _, ref := range r.Committed {
		kept.Committed = append(kept.Committed, ref.SOPInstance)
	}
	for _, f := range r.Failed {
		kept.Failed[f.SOPInstance] = f.Reason.String()
	}
	column, err := s.seal(ctx, d.Import, sealedReport, kept)
	if errors.Is(err, sealed.ErrErased) { // nobody waits for it any more
		return store.ErrNotFound
	}
	if err != nil {
		return err
	}
	return s.t.Write(ctx, func(tx *store.Tx) error {
		c, err := tx.LockCommitment(r.TransactionUID)
		if err != nil {
			return err
		}
		if c.State != commitOpen {
			return store.ErrNotFound
		}
		c.State, c.Answered, c.Report = commitCommitted, tx.Now(), column
		if len(r.Failed) > 0 {
			c.State = commitFailed
		}
		if err := tx.SaveCommitment(c); err != nil {
			return err
		}
		return s.audit(tx, d.Import, "delivery.report", "", "", map[string]any{"delivery": d.ID,
			"committed": len(r.Committed), "failed": len(r.Failed)})
	})
}

// authentic makes sure that a report comes from the destination that was asked: on
// the association that asked, or from an address of its host under its AE title.
func authentic(ctx context.Context, config []byte, from commitment.Party) error {
	if from.SameAssociation {
		return nil
	}
	a, err := addressOf(config)
	if err != nil {
		return err
	}
	if from.AETitle != a.Called {
		return fmt.Errorf("%w: another AE title", store.ErrNotFound)
	}
	host, _, err := net.SplitHostPort(a.HostPort)
	if err != nil {
		return err
	}
	peer, _, err := net.SplitHostPort(from.Addr.String())
	if err != nil {
		return err
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return fmt.Errorf("find the destination's address: %w", err)
	}
	for _, one := range addresses {
		if net.ParseIP(one).Equal(net.ParseIP(peer)) {
			return nil
		}
	}
	return fmt.Errorf("%w: another address", store.ErrNotFound)
}
