package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"lotse/internal/audit"
	"lotse/internal/csvsafe"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// AuditEvent is an entry of the audit trail with what is personal in it.
type AuditEvent struct {
	TrailEvent
	Session  string         `json:"session,omitempty" doc:"Id of the person's session."`
	Import   string         `json:"import,omitempty"`
	Personal map[string]any `json:"personal,omitempty" doc:"Where from, and what is personal in it: address, agent, patients with their studies, reason."`
	Sealed   string         `json:"sealed,omitempty" enum:"erased,unreadable" doc:"Why what is personal is not shown: its period was erased; or the keyring does not open it."`
}

// AuditPage is one page of events.
type AuditPage struct {
	Events []AuditEvent
	Next   *store.EventPlace // nil: that was the last one
}

// AuditEvents finds events, newest first, for somebody who may read them. That they
// were read is an event of its own, once a session.
func (g *Gateway) AuditEvents(ctx context.Context, who Who, f store.EventFilter) (*AuditPage, error) {
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, err
	}
	if err := s.viewed(ctx, view{event: viewTrail}); err != nil {
		return nil, err
	}
	return s.auditEvents(ctx, f)
}

func (s *scope) auditEvents(ctx context.Context, f store.EventFilter) (*AuditPage, error) {
	limit := f.Limit
	f.Limit++
	var list []store.Event
	err := s.t.Read(ctx, func(tx *store.Tx) (err error) {
		list, err = tx.FindEvents(f)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := &AuditPage{Events: []AuditEvent{}}
	if len(list) > limit {
		list = list[:limit]
		page.Next = &store.EventPlace{At: list[limit-1].At, ID: list[limit-1].ID}
	}
	for _, e := range list {
		v, err := s.auditEvent(ctx, e)
		if err != nil {
			return nil, err
		}
		page.Events = append(page.Events, v)
	}
	return page, nil
}

// auditEvent opens what is personal in an event, while that can be done.
func (s *scope) auditEvent(ctx context.Context, e store.Event) (AuditEvent, error) {
	v := AuditEvent{TrailEvent: trailEvent(e), Session: e.Session, Import: e.Import}
	var err error
	v.Personal, err = audit.Open(ctx, s.v, e.ID, e.Period, e.Sealed)
	switch {
	case errors.Is(err, sealed.ErrErased):
		v.Sealed = "erased"
	case errors.Is(err, sealed.ErrNoKey), errors.Is(err, sealed.ErrDamaged):
		v.Sealed = "unreadable"
	case err != nil:
		return v, fmt.Errorf("open an event: %w", err)
	}
	return v, nil
}

// exportPage is how many events an export has in memory at once.
const exportPage = 200

// ExportAuditEvents writes events as comma-separated values, newest first. Every export
// is an event. The first page is read before anything is written: an error after that
// is one of [ErrBroken].
func (g *Gateway) ExportAuditEvents(ctx context.Context, who Who, f store.EventFilter, w io.Writer) error {
	s, err := g.scope(ctx, who)
	if err != nil {
		return err
	}
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		return tx.Audit(store.Event{Actor: who.Actor, Session: who.Session, Event: "audit.exported", Import: f.Import, Detail: map[string]any{
			"from": optional(f.From), "until": optional(f.Until), "actor": f.Actor, "event": f.Event}})
	})
	if err != nil {
		return err
	}
	f.Limit = exportPage
	page, err := s.auditEvents(ctx, f)
	if err != nil {
		return err
	}
	out := csvsafe.NewWriter(w)
	err = out.Write("at", "id", "actor", "session", "event", "import", "detail", "personal", "sealed")
	for err == nil {
		for _, e := range page.Events {
			err = errors.Join(err, writeAuditEvent(out, e))
		}
		if err = errors.Join(err, out.Flush()); err != nil || page.Next == nil {
			break
		}
		f.Before = *page.Next
		page, err = s.auditEvents(ctx, f)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return nil
}

// ErrBroken: what was being written broke off in the middle.
var ErrBroken = errors.New("the answer broke off")

func writeAuditEvent(out *csvsafe.Writer, e AuditEvent) error {
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return err
	}
	personal := []byte{}
	if e.Personal != nil {
		if personal, err = json.Marshal(e.Personal); err != nil {
			return err
		}
	}
	return out.Write(e.At.Format(time.RFC3339Nano), e.ID, e.Actor, e.Session, e.Event, e.Import, string(detail), string(personal), e.Sealed)
}

// AuditHeads lists signed heads of the chain, after a number.
func (g *Gateway) AuditHeads(ctx context.Context, who Who, after int64, limit int) (heads []store.Head, next int64, err error) {
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, 0, err
	}
	if err := s.viewed(ctx, view{event: viewHeads}); err != nil {
		return nil, 0, err
	}
	err = s.t.Read(ctx, func(tx *store.Tx) (err error) {
		heads, err = tx.Heads(after, limit+1)
		return err
	})
	if len(heads) > limit {
		heads = heads[:limit]
		next = heads[limit-1].Seq
	}
	return heads, next, err
}

// VerifyAudit verifies the tenant's chain and notes in it what that came to.
func (g *Gateway) VerifyAudit(ctx context.Context, who Who, progress func(links int64)) (*audit.Report, error) {
	r, err := VerifyChain(ctx, g.db, g.vault, who.Tenant, nil, progress)
	if err != nil {
		return nil, err
	}
	err = g.reach(who).Write(ctx, func(tx *store.Tx) error {
		return tx.Audit(store.Event{Actor: who.Actor, Session: who.Session, Event: "audit.verified", Detail: map[string]any{
			"links": r.Links, "signed": r.Signed, "wrong": r.Wrong}})
	})
	return r, err
}

// maxMonths bounds what one answer counts.
const maxMonths = 120

// UsageReport writes what the tenant used, month by month and site by site, without
// anything of patients, as comma-separated values. Both months are included, as in
// 2026-12; *InvalidError for what is none.
func (g *Gateway) UsageReport(ctx context.Context, who Who, from, to string, w io.Writer) error {
	months, err := monthsBetween(from, to)
	if err != nil {
		return err
	}
	s, err := g.scope(ctx, who)
	if err != nil {
		return err
	}
	if err := s.viewed(ctx, view{event: viewUsage}); err != nil {
		return err
	}
	out := csvsafe.NewWriter(w)
	if err := out.Write("tenant", "month", "site", "imports", "instances", "bytes", "active_users"); err != nil {
		return err
	}
	for _, month := range months {
		var usage []store.Usage
		var people int64
		err := s.t.Read(ctx, func(tx *store.Tx) (err error) {
			if usage, err = tx.Usage(store.Month(month), store.Month(month)); err != nil {
				return err
			}
			people, err = tx.ActivePersons(month, month.AddDate(0, 1, 0))
			return err
		})
		if err != nil {
			return err
		}
		if err := writeUsage(out, who.Tenant, store.Month(month), usage, people); err != nil {
			return err
		}
	}
	return out.Flush()
}

// writeUsage writes a line for the tenant as a whole, and one for each site that used
// anything.
func writeUsage(out *csvsafe.Writer, tenant, month string, usage []store.Usage, people int64) error {
	all := store.Usage{}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	for _, u := range usage {
		all.Imports += u.Imports
		all.Instances += u.Instances
		all.Bytes += u.Bytes
	}
	if err := out.Write(tenant, month, "", number(all.Imports), number(all.Instances), number(all.Bytes), number(people)); err != nil {
		return err
	}
	for _, u := range usage {
		if u.Site == "" {
			continue
		}
		if err := out.Write(tenant, month, u.Site, number(u.Imports), number(u.Instances), number(u.Bytes), ""); err != nil {
			return err
		}
	}
	return nil
}

// monthsBetween lists months, both ends included.
func monthsBetween(from, to string) ([]time.Time, error) {
	first, err := time.Parse("2006-01", from)
	if err != nil {
		return nil, &InvalidError{"from", "not-a-month"}
	}
	last, err := time.Parse("2006-01", to)
	if err != nil || last.Before(first) || last.After(first.AddDate(0, maxMonths-1, 0)) {
		return nil, &InvalidError{"to", "not-a-month"}
	}
	var all []time.Time
	for m := first; !m.After(last); m = m.AddDate(0, 1, 0) {
		all = append(all, m)
	}
	return all, nil
}
