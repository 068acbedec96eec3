package backup

import (
	"context"
	"errors"
	"strconv"
	"time"

	"lotse/internal/importer"
	"lotse/internal/store"
)

// actor is who acts in audit events of a restore.
const actor = "restore"

// settle voids what belonged to the old installation, and purges what the plan says,
// in one transaction with the audit events that tell of it.
func (x *restorer) settle(ctx context.Context) error {
	return x.in.DB.System().Settle(ctx, func(r *store.Restored) (err error) {
		if x.res.Voided, err = r.Void(); err != nil {
			return err
		}
		if x.o.ClockIsRight {
			if err := errors.Join(r.Remember(clockPaused, ""), r.Remember(clockTick, strconv.FormatInt(x.now.UnixMicro(), 10))); err != nil {
				return err
			}
		}
		if err := x.purgeAll(r); err != nil {
			return err
		}
		return x.tellAll(r)
	})
}

// purgeAll purges the imports that do not go on.
func (x *restorer) purgeAll(r *store.Restored) error {
	for _, o := range x.plan.order {
		what := x.plan.imports[o.String()]
		if what == live {
			continue
		}
		if err := r.Tenant(o.tenant, func(tx *store.Tx) error { return purge(tx, o.id, what) }); err != nil {
			return err
		}
	}
	return nil
}

// tellAll writes the audit events, and ends the tenants whose keys are gone.
func (x *restorer) tellAll(r *store.Restored) error {
	for _, tenant := range x.plan.tenants {
		if err := r.Tenant(tenant, x.tell); err != nil {
			return err
		}
		if x.plan.ended[tenant] {
			if err := r.DestroyTenant(tenant); err != nil {
				return err
			}
		}
	}
	return nil
}

// tell writes the audit event of the restore.
func (x *restorer) tell(tx *store.Tx) error {
	return tx.Audit(store.Event{Actor: actor, Event: "installation.restored", Detail: map[string]any{
		"backup_at": x.m.At.Format(time.RFC3339), "schema": x.m.Schema, "live": x.res.Live, "erased": x.res.Erased, "expired": x.res.Expired,
		"unreadable": x.res.Unreadable, "missing_segments": x.res.Missing, "tokens": x.res.Voided.Tokens, "sessions": x.res.Voided.Sessions, "jobs": x.res.Voided.Jobs,
		"uploads": x.res.Voided.Uploads, "commitments": x.res.Voided.Commitments,
	}})
}

// purge erases the rows of an import whose key is gone.
func purge(tx *store.Tx, id string, why fate) error {
	if _, err := tx.LockImport(id); err != nil {
		return err
	}
	if err := stopWork(tx, id); err != nil {
		return err
	}
	if err := tx.PurgeImport(id); err != nil {
		return err
	}
	im, err := tx.LockImport(id)
	if err != nil {
		return err
	}
	from := im.State
	if im.State, err = from.Next(importer.EventPurged); err != nil {
		return err
	}
	im.Purged, im.Quiet, im.RetryAt = tx.Now(), time.Time{}, time.Time{}
	if im.Ended.IsZero() {
		im.Ended = tx.Now()
	}
	if err := tx.SaveImport(im); err != nil {
		return err
	}
	return tx.Audit(store.Event{Import: id, Actor: actor, Event: "import." + string(importer.EventPurged), Detail: map[string]any{
		"from": from, "to": im.State, "reason": "restore: " + string(why), "bytes": im.Bytes, "parts": im.Parts, "undelivered": from != importer.Arrived}})
}

// stopWork ends the deliveries and jobs of an import.
func stopWork(tx *store.Tx, id string) error {
	deliveries, err := tx.DeliveriesOf(id)
	if err != nil {
		return err
	}
	if _, err := tx.CancelJobs(id); err != nil {
		return err
	}
	for i := range deliveries {
		d := &deliveries[i]
		if _, err := tx.CancelJobs(d.ID); err != nil {
			return err
		}
		if d.State == importer.DeliveryVerified || d.State == importer.DeliveryCancelled {
			continue
		}
		from := d.State
		if d.State, err = from.Next(importer.DeliveryStopped); err != nil {
			return err
		}
		d.Settled = tx.Now()
		if err := tx.SaveDelivery(d); err != nil {
			return err
		}
		if err := tx.Audit(store.Event{Import: id, Actor: actor, Event: "delivery." + string(importer.DeliveryStopped),
			Detail: map[string]any{"from": from, "to": d.State, "delivery": d.ID}}); err != nil {
			return err
		}
	}
	return nil
}
