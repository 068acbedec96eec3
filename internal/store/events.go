package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// Event is an entry of the audit trail. Rows are added and never changed or
// deleted: the database itself refuses that.
type Event struct {
	ID      string
	Import  string         // empty when it is about none
	Actor   string         // an id, never a name
	Session string         // of a person; empty: that of the transaction's context
	Event   string         // what happened, a code
	At      time.Time      // by the database's clock
	Detail  map[string]any // codes, states, ids and numbers, nothing personal

	// Personal is what is sealed as it is written: names, addresses, values before
	// and after, reasons. Where from is added by itself. Reading gives Sealed.
	Personal map[string]any
	Period   string // whose key sealed it; empty when nothing is
	Sealed   []byte
}

// Audit adds an event, with a new ID and the transaction's time where they are
// empty. It commits with the change it tells of, and is linked soon after. What the
// context says of where the actor comes from is sealed with it.
func (tx *Tx) Audit(e Event) error {
	if e.ID == "" {
		e.ID = NewID()
	}
	if e.At.IsZero() {
		e.At = tx.now
	}
	if e.Detail == nil {
		e.Detail = map[string]any{}
	}
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return fmt.Errorf("write the detail of an event: %w", err)
	}
	if err := tx.sealEvent(&e); err != nil {
		return err
	}
	_, err = tx.exec("INSERT INTO audit_events (tenant_id, id, at, import_id, actor, session, event, detail, period, personal) "+
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		e.ID, micros(e.At), e.Import, e.Actor, e.Session, e.Event, string(detail), e.Period, e.Sealed)
	if err != nil {
		return err
	}
	_, err = tx.exec("INSERT INTO audit_pending (tenant_id, event_id) VALUES ($1, $2)", e.ID)
	return err
}

// sealEvent adds where from and seals what is personal. What cannot be sealed is not
// written, and nothing that it would tell of happens.
func (tx *Tx) sealEvent(e *Event) error {
	e.Period, e.Sealed = "", nil
	personal := maps.Clone(e.Personal)
	sealer := tx.db.sealer()
	if sealer != nil {
		session, from := sealer.Whence(tx.ctx)
		if e.Session == "" {
			e.Session = session
		}
		for k, v := range from {
			if personal == nil {
				personal = map[string]any{}
			}
			if _, said := personal[k]; !said {
				personal[k] = v
			}
		}
	}
	if len(personal) == 0 {
		return nil
	}
	if sealer == nil {
		return errors.New("write an event: nothing is there to seal what is personal in it")
	}
	plain, err := json.Marshal(personal)
	if err != nil {
		return errors.New("write what is personal in an event: it is no JSON")
	}
	e.Period, e.Sealed, err = sealer.Seal(tx.tenant, e.ID, plain)
	if err != nil {
		return fmt.Errorf("seal an event: %w", err)
	}
	return nil
}

// AuditOnce is [Tx.Audit] unless that was done under the key before; it reports
// whether it was done now.
func (tx *Tx) AuditOnce(key string, e Event) (bool, error) {
	n, err := tx.exec("INSERT INTO audit_views (tenant_id, key, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", key, micros(tx.now))
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.Audit(e)
}

// Audited reports whether an event was written under the key.
func (tx *Tx) Audited(key string) (bool, error) {
	var at time.Time
	err := tx.row("SELECT at FROM audit_views WHERE tenant_id = $1 AND key = $2", []any{key}, stamp{&at})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

const selectEvents = "SELECT id, at, import_id, actor, session, event, detail, period, personal FROM audit_events "

func scanEvent(scan scanner) (Event, error) {
	var e Event
	var detail []byte
	if err := scan(&e.ID, stamp{&e.At}, &e.Import, &e.Actor, &e.Session, &e.Event, &detail, &e.Period, &e.Sealed); err != nil {
		return e, err
	}
	if err := json.Unmarshal(detail, &e.Detail); err != nil {
		return e, &Error{Doing: "read the detail of an event"}
	}
	return e, nil
}

// Events lists the events of an import in their order. Numbers in Detail are
// float64.
func (tx *Tx) Events(importID string) ([]Event, error) {
	var all []Event
	err := tx.rows(selectEvents+"WHERE tenant_id = $1 AND import_id = $2 ORDER BY at, id",
		[]any{importID}, func(scan scanner) error {
			e, err := scanEvent(scan)
			all = append(all, e)
			return err
		})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// EventPlace is where an event is in the order of their times.
type EventPlace struct {
	At time.Time
	ID string
}

// EventFilter chooses events. Empty fields choose all.
type EventFilter struct {
	From, Until          time.Time // until is not included
	Actor, Import, Event string    // Event also stands for those that go on with a dot
	Before               EventPlace
	Limit                int // at least 1
}

// FindEvents lists events, newest first: those of imports that can be reached, and those
// of no import.
func (tx *Tx) FindEvents(f EventFilter) ([]Event, error) {
	query, args := f.where(tx.sites)
	var all []Event
	err := tx.rows(selectEvents+query, args, func(scan scanner) error {
		e, err := scanEvent(scan)
		all = append(all, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// where ends the statement; its arguments begin at $2.
func (f EventFilter) where(sites []string) (string, []any) {
	var b strings.Builder
	var args []any
	mark := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args)+1)
	}
	b.WriteString("WHERE tenant_id = $1")
	if !f.From.IsZero() {
		b.WriteString(" AND at >= " + mark(micros(f.From)))
	}
	if !f.Until.IsZero() {
		b.WriteString(" AND at < " + mark(micros(f.Until)))
	}
	if f.Actor != "" {
		b.WriteString(" AND actor = " + mark(f.Actor))
	}
	if f.Import != "" {
		b.WriteString(" AND import_id = " + mark(f.Import))
	}
	if f.Event != "" { // '/' follows '.'
		b.WriteString(" AND (event = " + mark(f.Event) + " OR event >= " + mark(f.Event+".") + " AND event < " + mark(f.Event+"/") + ")")
	}
	if len(sites) > 0 {
		b.WriteString(" AND (COALESCE(import_id, '') = '' OR import_id IN (SELECT id FROM imports WHERE tenant_id = $1 AND site_id IN (''")
		for _, site := range sites {
			b.WriteString(", " + mark(site))
		}
		b.WriteString(")))")
	}
	if f.Before.ID != "" {
		b.WriteString(" AND (at < " + mark(micros(f.Before.At)) + " OR at = " + mark(micros(f.Before.At)) + " AND id < " + mark(f.Before.ID) + ")")
	}
	b.WriteString(" ORDER BY at DESC, id DESC LIMIT " + mark(max(f.Limit, 1)))
	return b.String(), args
}
