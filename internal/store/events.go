package store

import (
	"encoding/json"
	"fmt"
	"time"
)

// Event is an entry of the audit trail. Rows are added and never changed or
// deleted: the database itself refuses that.
type Event struct {
	ID     string
	Import string         // empty when it is about none
	Actor  string         // an id, never a name
	Event  string         // what happened, a code
	At     time.Time      // by the database's clock
	Detail map[string]any // codes, states, ids and numbers, nothing personal
}

// Audit adds an event, with a new ID and the transaction's time where they are
// empty. It commits with the change it tells of.
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
	_, err = tx.exec("INSERT INTO audit_events (tenant_id, id, at, import_id, actor, event, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		e.ID, micros(e.At), e.Import, e.Actor, e.Event, string(detail))
	return err
}

// Events lists the events of an import in their order. Numbers in Detail are
// float64.
func (tx *Tx) Events(importID string) ([]Event, error) {
	var all []Event
	err := tx.rows("SELECT id, at, import_id, actor, event, detail FROM audit_events WHERE tenant_id = $1 AND import_id = $2 ORDER BY at, id",
		[]any{importID}, func(scan scanner) error {
			var e Event
			var detail []byte
			if err := scan(&e.ID, stamp{&e.At}, &e.Import, &e.Actor, &e.Event, &detail); err != nil {
				return err
			}
			if err := json.Unmarshal(detail, &e.Detail); err != nil {
				return &Error{Doing: "read the detail of an event"}
			}
			all = append(all, e)
			return nil
		})
	if err != nil {
		return nil, err
	}
	return all, nil
}
