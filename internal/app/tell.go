package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lotse/internal/audit"
	"lotse/internal/importer"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// AuditReceiver is told of all audit events: an audit record repository.
type AuditReceiver struct {
	Name string // what it is remembered by: another name is told everything anew
	// Tell tells of events in their order, and of signed heads of the chain. When it
	// returns nil the receiver has them; after an error they are told again.
	Tell func(ctx context.Context, told []Told, heads []store.Head) error
}

// Told is an audit event as a receiver is told of it.
type Told struct {
	Event    AuditEvent
	Seq      int64
	Kind     string        // of its import
	Patients []SeenPatient // of its import, as far as they can be read
	// Delivery and Destination are the ids of the delivery it is about.
	Delivery, Destination string
}

const (
	leaseTeller = "audit-receiver"
	tellEvery   = time.Second
	tellBatch   = 100
	// tellTime bounds one batch, and tellLease how long after a node was lost another one
	// goes on: longer, so that two never tell at once.
	tellTime  = 15 * time.Second
	tellLease = 20 * time.Second
	// tellPause is the longest pause while the receiver is away.
	tellPause = 30 * time.Second
)

// TellReceiver tells the receiver what happened, from where it was told last, until ctx
// ends. What it was told of is remembered as a number in the chain, so nothing is lost
// however long it is away; the order is that of the chain.
func (g *Gateway) TellReceiver(ctx context.Context) {
	if g.opts.Receiver == nil {
		return
	}
	pause, away := tellEvery, false
	for {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), chainEnd)
			defer cancel()
			if !away { // what is left is told when a node runs again
				_ = g.tellAll(last)
			}
			g.letGo(last, leaseTeller)
			return
		}
		err := g.tellAll(ctx)
		switch {
		case ctx.Err() != nil: // that is no failure of the receiver
			continue
		case err == nil && away:
			g.log.Info("the receiver of the audit trail takes events again")
		case err != nil && !away:
			g.log.Error("the receiver of the audit trail does not take events: they are kept for it", "error", err)
		}
		away = err != nil
		if pause = tellEvery; away {
			pause = min(2*max(pause, tellEvery), tellPause)
		}
	}
}

// tellAll tells of everything that is linked, of all tenants.
func (g *Gateway) tellAll(ctx context.Context) error {
	tenants, err := g.db.System().LivingTenants(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		for n := tellBatch; n == tellBatch; {
			if n, err = g.tell(ctx, tenant); err != nil {
				return err
			}
		}
	}
	return nil
}

// tell tells of some events of a tenant: none where another node does it.
func (g *Gateway) tell(ctx context.Context, tenant string) (int, error) {
	s, err := g.scope(ctx, Who{Tenant: tenant, Actor: machine})
	if err != nil {
		return 0, err
	}
	links, heads, err := s.untold(ctx)
	if err != nil || len(links)+len(heads) == 0 {
		return 0, err
	}
	lease, err := s.tellerLease(ctx)
	if errors.Is(err, store.ErrLeaseLost) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if links, heads, err = s.untold(ctx); err != nil { // what another node told meanwhile is told
		return 0, err
	}
	var batch []Told
	for _, l := range links {
		told, err := s.told(ctx, l)
		if err != nil {
			return 0, err
		}
		batch = append(batch, told)
	}
	if len(batch)+len(heads) == 0 {
		return 0, nil
	}
	bounded, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	if err := g.opts.Receiver.Tell(bounded, batch, heads); err != nil {
		return 0, fmt.Errorf("tell of audit events: %w", err)
	}
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		if err := tx.HoldLease(lease, tellLease); err != nil {
			return err
		}
		if n := len(heads); n > 0 {
			if err := tx.SetAuditCursor(g.opts.Receiver.heads(), heads[n-1].Seq); err != nil {
				return err
			}
		}
		if len(batch) == 0 {
			return nil
		}
		return tx.SetAuditCursor(g.opts.Receiver.Name, batch[len(batch)-1].Seq)
	})
	return max(len(batch), len(heads)), err
}

// heads is what is remembered of the heads that a receiver was told.
func (r *AuditReceiver) heads() string { return r.Name + " heads" }

// untold are the next links and heads that the receiver was not told of.
func (s *scope) untold(ctx context.Context) (links []store.Link, heads []store.Head, err error) {
	err = s.t.Read(ctx, func(tx *store.Tx) error {
		after, err := tx.AuditCursor(s.opts.Receiver.Name)
		if err != nil {
			return err
		}
		if links, err = tx.Links(after, tellBatch); err != nil {
			return err
		}
		if after, err = tx.AuditCursor(s.opts.Receiver.heads()); err != nil {
			return err
		}
		heads, err = tx.Heads(after, tellBatch)
		return err
	})
	return links, heads, err
}

func (s *scope) tellerLease(ctx context.Context) (store.Lease, error) {
	var lease store.Lease
	err := s.t.Write(ctx, func(tx *store.Tx) (err error) {
		lease, err = tx.TakeLease(leaseTeller, s.name, tellLease)
		return err
	})
	return lease, err
}

// told is what can be told of the event of a link.
func (s *scope) told(ctx context.Context, l store.Link) (Told, error) {
	row := l.Event
	e := store.Event{ID: row.ID, Import: row.Import, Actor: row.Actor, Session: row.Session, Event: row.Event, At: time.UnixMicro(row.At).UTC(),
		Period: row.Period, Sealed: row.Sealed}
	if err := json.Unmarshal([]byte(row.Detail), &e.Detail); err != nil && !row.Gone {
		s.log.Error("the detail of an audit event cannot be read", "event", row.ID) // verifying names it
	}
	v, err := s.auditEvent(ctx, e)
	if err != nil {
		return Told{}, err
	}
	told := Told{Event: v, Seq: l.Seq}
	if e.Import == "" {
		return told, nil
	}
	told.Patients, err = patientsOf(v.Personal)
	if err != nil {
		return Told{}, err
	}
	return told, s.addImport(ctx, &told)
}

// patientsOf are the patients that what is personal of an event names.
func patientsOf(personal map[string]any) ([]SeenPatient, error) {
	if personal[personalPatients] == nil {
		return nil, nil
	}
	text, err := json.Marshal(personal[personalPatients])
	if err != nil {
		return nil, err
	}
	var all []SeenPatient
	if json.Unmarshal(text, &all) != nil { // nobody wrote that here
		return nil, nil
	}
	return all, nil
}

// addImport adds what the rows of the import and the event of its inspection tell.
func (s *scope) addImport(ctx context.Context, told *Told) error {
	var inspected []store.Event
	err := s.t.Read(ctx, func(tx *store.Tx) error {
		im, err := tx.Import(told.Event.Import)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil {
			told.Kind = im.Kind
		}
		if told.Delivery, _ = told.Event.Detail["delivery"].(string); told.Delivery != "" {
			d, err := tx.Delivery(told.Delivery)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if err == nil {
				told.Destination = d.Destination
			}
		}
		inspected, err = tx.FindEvents(store.EventFilter{Import: told.Event.Import, Event: "import." + string(importer.EventInspected), Limit: 1})
		return err
	})
	if err != nil || told.Patients != nil || len(inspected) == 0 {
		return err
	}
	e := inspected[0]
	personal, err := audit.Open(ctx, s.v, e.ID, e.Period, e.Sealed)
	if errors.Is(err, sealed.ErrErased) || errors.Is(err, sealed.ErrNoKey) || errors.Is(err, sealed.ErrDamaged) {
		return nil
	}
	if err == nil {
		told.Patients, err = patientsOf(personal)
	}
	return err
}
