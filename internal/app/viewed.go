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

// each is what is seen, study by study: one that joins later is seen for itself.
func (v view) each() []view {
	var all []view
	for _, p := range v.patients {
		for _, study := range p.Studies {
			one := v
			one.patients = []SeenPatient{{ID: p.ID, Studies: []string{study}}}
			all = append(all, one)
		}
	}
	if all == nil {
		return []view{v}
	}
	return all
}

// viewed notes that somebody sees something, durably and before it is shown: once for a
// person, the session (of a machine: the day) and each study that is seen. This is
// the only place that does so. It costs a read when it was noted before.
func (s *scope) viewed(ctx context.Context, v view) error {
	if s.who.Actor == machine {
		return nil
	}
	views := map[string]view{}
	var keys []string
	for _, one := range v.each() {
		key, err := s.viewKey(ctx, one)
		if err != nil {
			return err
		}
		views[key] = one
		keys = append(keys, key)
	}
	var unseen []string
	err := s.t.Read(ctx, func(tx *store.Tx) error {
		unseen = nil
		for _, key := range keys {
			seen, err := tx.Audited(key)
			if err != nil {
				return err
			}
			if !seen {
				unseen = append(unseen, key)
			}
		}
		return nil
	})
	if err != nil || len(unseen) == 0 {
		return err
	}
	return s.t.Write(ctx, func(tx *store.Tx) error {
		for _, key := range unseen {
			if _, err := tx.AuditOnce(key, s.viewEvent(views[key])); err != nil {
				return err
			}
		}
		return nil
	})
}

// viewKey stands for a view by somebody in a session.
func (s *scope) viewKey(ctx context.Context, v view) (string, error) {
	visit := s.who.Session
	if visit == "" {
		visit = s.opts.Now().UTC().Format(time.DateOnly)
	}
	what := []string{s.who.Actor, visit, v.event, v.id, v.delivery}
	for _, p := range v.patients {
		what = append(what, p.Studies...)
	}
	return s.v.MAC(ctx, "viewed", strings.Join(what, "\n"))
}

// viewEvent is what the audit trail says of a view.
func (s *scope) viewEvent(v view) store.Event {
	e := store.Event{Import: v.id, Actor: s.who.Actor, Session: s.who.Session, Event: v.event, Personal: v.about()}
	if v.delivery != "" {
		e.Detail = map[string]any{"delivery": v.delivery}
	}
	return e
}
