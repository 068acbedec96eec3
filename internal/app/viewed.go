package app

import (
	"context"
	"strings"
	"time"

	"lotse/internal/store"
)

// What is seen, as the audit trail calls it.
const (
	viewImport     = "access.import"     // where it stands, with names
	viewInspection = "access.inspection" // everything that was found
	viewReceipt    = "access.receipt"    // a whole receipt
	viewTrail      = "audit.read"        // events of the audit trail
	viewHeads      = "audit.heads-read"
	viewUsage      = "usage.read"
)

// viewsFor is how long it is remembered that something was seen: no import lives longer,
// and no session lasts longer without being told apart by its day.
const viewsFor = MaxRetention + 24*time.Hour

// view is something that somebody sees.
type view struct {
	event    string
	id       string // of the import; empty: none
	delivery string // of a receipt
	patients []SeenPatient
}

// SeenPatient is a foreign patient in an audit event, sealed.
type SeenPatient struct {
	ID      string   `json:"id"`
	Studies []string `json:"studies"` // UIDs
}

// viewOf is seeing patients of an import.
func viewOf(event, id string, patients []PatientView) view {
	v := view{event: event, id: id}
	for _, p := range patients {
		seen := SeenPatient{ID: p.ID, Studies: []string{}}
		for _, st := range p.Studies {
			seen.Studies = append(seen.Studies, st.UID)
		}
		v.patients = append(v.patients, seen)
	}
	return v
}

// about is what of patients an event has, sealed.
func (v view) about() map[string]any {
	if len(v.patients) == 0 {
		return nil
	}
	return map[string]any{personalPatients: v.patients}
}

// personalPatients names the patients in what is personal of an event.
const personalPatients = "patients"

// viewed notes that somebody sees something, durably and before it is shown: once for a
// person, the session (of a machine: the day) and the studies that are seen. This is
// the only place that does so. It costs a read when it was noted before.
func (s *scope) viewed(ctx context.Context, v view) error {
	if s.who.Actor == machine {
		return nil
	}
	visit := s.who.Session
	if visit == "" {
		visit = s.opts.Now().UTC().Format(time.DateOnly)
	}
	what := []string{s.who.Actor, visit, v.event, v.id, v.delivery}
	for _, p := range v.patients {
		what = append(what, p.Studies...)
	}
	key, err := s.v.MAC(ctx, "viewed", strings.Join(what, "\n"))
	if err != nil {
		return err
	}
	seen := false
	err = s.t.Read(ctx, func(tx *store.Tx) (err error) {
		seen, err = tx.Audited(key)
		return err
	})
	if err != nil || seen {
		return err
	}
	e := store.Event{Import: v.id, Actor: s.who.Actor, Session: s.who.Session, Event: v.event, Personal: v.about()}
	if v.delivery != "" {
		e.Detail = map[string]any{"delivery": v.delivery}
	}
	return s.t.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.AuditOnce(key, e)
		return err
	})
}
