package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lotse/internal/importer"
	"lotse/internal/importer/adjust"
	"lotse/internal/store"
)

// NewDecision is what a person decides about one import.
type NewDecision struct {
	Patient      importer.LocalPatient
	Accession    *string
	Set          []importer.Assignment
	OnlyPatient  string // one of several patients, by the foreign id or name
	SamePatient  bool   // all patients found are the same person
	Destinations []string
	// Reason is why a contradiction (birth date, sex) was accepted.
	Reason string
}

// decided is a decision as it is kept: everything that is made rather than read is
// in it, so that carrying it out twice gives the same bytes.
type decided struct {
	Decision    importer.Decision
	OnlyPatient string
	SamePatient bool
	Reason      string
	By          string
	Findings    []importer.Finding // contradictions that were accepted
}

// ReasonNeededError says that contradictions can be accepted only with a reason.
type ReasonNeededError struct{ Findings []importer.Finding }

func (e *ReasonNeededError) Error() string {
	return fmt.Sprintf("%d contradictions need a reason", len(e.Findings))
}

// Decide records a person's decision and starts the deliveries. version is the one
// the person saw.
func (g *Gateway) Decide(ctx context.Context, who Who, id string, version int64, n NewDecision) error {
	s, err := g.scope(ctx, who)
	if err != nil {
		return err
	}
	if len(n.Destinations) == 0 {
		return &InvalidError{"destinations", "missing"}
	}
	n.Destinations = slices.Compact(slices.Sorted(slices.Values(n.Destinations)))
	im, err := s.read(ctx, id)
	if err != nil {
		return err
	}
	if _, err := im.State.Next(importer.EventDecided); err != nil {
		return err
	}
	if version == 0 {
		version = im.Version // what is checked below is of this version
	}
	d, err := s.decide(ctx, im, n)
	if err != nil {
		return err
	}
	column, err := s.seal(ctx, id, sealedDecision, d)
	if err != nil {
		return err
	}
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		im, err := s.lock(tx, id, version)
		if err != nil {
			return err
		}
		if err := s.mayGo(tx, im, n.Destinations); err != nil {
			return err
		}
		im.Decision = column
		im.Problem, im.ProblemHost = "", ""
		contradictions := make([]string, 0, len(d.Findings))
		for _, f := range d.Findings {
			contradictions = append(contradictions, string(f.Code))
		}
		detail := map[string]any{"destinations": n.Destinations, "contradictions": contradictions, "reason_given": d.Reason != ""}
		if err := s.moveNaming(tx, im, importer.EventDecided, detail, d.personal()); err != nil {
			return err
		}
		for _, destination := range n.Destinations {
			if err := s.queueDelivery(tx, im, destination); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// decide fills a decision in and checks it against what came.
func (s *scope) decide(ctx context.Context, im *store.Import, n NewDecision) (*decided, error) {
	in, err := s.inspection(ctx, im.ID)
	if err != nil {
		return nil, err
	}
	key, err := s.v.MAC(ctx, "uids of documents", "")
	if err != nil {
		return nil, err
	}
	var h house
	if err := s.t.Read(ctx, func(tx *store.Tx) (err error) {
		h, err = s.house(tx, im)
		return err
	}); err != nil {
		return nil, err
	}
	d := &decided{OnlyPatient: n.OnlyPatient, SamePatient: n.SamePatient, Reason: n.Reason, By: s.who.Actor,
		Decision: importer.Decision{Patient: n.Patient, Accession: n.Accession, Set: n.Set, Institution: h.institution,
			Station: h.station, Origin: in.Origin.Kind, At: s.opts.Now().UTC().Truncate(time.Microsecond), UIDKey: []byte(key)}}
	if d.Decision.Patient.ID != nil && d.Decision.Patient.Issuer == nil && h.issuer != "" {
		d.Decision.Patient.Issuer = &h.issuer
	}
	if err := adjust.Validate(&d.Decision); err != nil {
		return nil, err
	}
	if _, err := choosePatient(in.Inspection, d.choice()); err != nil {
		return nil, err
	}
	d.Findings = mismatches(in.Inspection.Patients, n.Patient)
	if len(d.Findings) > 0 && n.Reason == "" {
		return nil, &ReasonNeededError{d.Findings}
	}
	return d, nil
}

// personal is what the audit trail keeps of a decision, sealed.
func (d *decided) personal() map[string]any {
	return map[string]any{"patient": d.Decision.Patient, "accession_number": d.Decision.Accession, "set": d.Decision.Set, "only_patient": d.OnlyPatient,
		"same_patient": d.SamePatient, "reason": d.Reason}
}

// choice is the part of a decision that says which patients it is about.
func (d *decided) choice() choice {
	return choice{Only: d.OnlyPatient, Same: d.SamePatient, Adjusts: d.Decision.Adjusts()}
}

// queueDelivery adds the delivery to one destination, with its job.
func (s *scope) queueDelivery(tx *store.Tx, im *store.Import, destination string) error {
	to, err := tx.Destination(destination)
	if errors.Is(err, store.ErrNotFound) || err == nil && !to.Deleted.IsZero() {
		return &InvalidError{"destinations", "unknown"}
	}
	if err != nil {
		return err
	}
	if err := s.permittedConfig(to.Config); err != nil {
		return err
	}
	d := &store.Delivery{ID: store.NewID(), Import: im.ID, Destination: to.ID, Config: to.Config,
		State: importer.DeliveryQueued, Objects: -1, Created: tx.Now()}
	if err := tx.InsertDelivery(d); err != nil {
		return err
	}
	if err := s.audit(tx, im.ID, "delivery.created", "", d.State, map[string]any{"delivery": d.ID, "destination": to.ID}); err != nil {
		return err
	}
	return s.enqueueDelivery(tx, im, d)
}
