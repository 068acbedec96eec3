package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"lotse/internal/hostname"
	"lotse/internal/importer"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// Snapshot is an import as a person sees it: where it stands, what it waits for and
// what can be done now.
type Snapshot struct {
	ID       string         `json:"id"`
	Version  int64          `json:"version" doc:"Grows with every change; also the ETag."`
	State    importer.State `json:"state"`
	Kind     string         `json:"kind"`
	Site     string         `json:"site,omitempty"`
	Basis    string         `json:"legal_basis,omitempty" doc:"On what ground it is processed: treatment, consent, vital-interests, public-health, legal-claims."`
	Created  time.Time      `json:"created"`
	Expires  time.Time      `json:"expires" doc:"When everything of it is erased at the latest."`
	Purge    time.Time      `json:"purge" doc:"When everything of it is erased."`
	Ended    *time.Time     `json:"ended,omitempty"`
	Purged   *time.Time     `json:"purged,omitempty"`
	EndsSoon string         `json:"ends_soon,omitempty" doc:"72h or 24h: undelivered, and erased within that time."`

	// IdleUntil is when an upload that is not complete is cancelled.
	IdleUntil *time.Time `json:"idle_until,omitempty" doc:"Of an upload that is not complete: when it is cancelled, should nothing more come."`

	Problem *ProblemView `json:"problem,omitempty" doc:"Why it does not go on, or goes on later."`
	RetryAt *time.Time   `json:"retry_at,omitempty" doc:"When it goes on by itself."`

	Question *Question      `json:"question,omitempty"`
	Progress *Progress      `json:"progress,omitempty"`
	Received Received       `json:"received"`
	Patients []PatientView  `json:"patients,omitempty" doc:"The foreign patients, from review on."`
	Decision *DecisionView  `json:"decision,omitempty"`
	Delivery []DeliveryView `json:"deliveries,omitempty"`
	Next     []string       `json:"next" doc:"What can be done now: answer, complete, decide, reject, recall, retry, cancel, extend, delete."`
}

// ProblemView is a problem in its code; sentences are the client's.
type ProblemView struct {
	Code string `json:"code"`
	Host string `json:"host,omitempty"`
}

// Received counts what came in, durably.
type Received struct {
	Parts     int64 `json:"parts"`
	Bytes     int64 `json:"bytes"`
	Files     int64 `json:"files"`
	Instances int64 `json:"instances"`
}

// Question is what only a person can say.
type Question struct {
	Code      string              `json:"code" doc:"question-open, bad-answer, portal-refused, token-unknown, choice-open, selection, foreign-host, unknown-host"`
	Host      string              `json:"host,omitempty" doc:"Whose question it is. With foreign-host and unknown-host: where answers would go, in punycode; allow_hosts of the answer confirms it."`
	Readable  string              `json:"host_readable,omitempty" doc:"The host as people read it. Letters can imitate others: show host as well."`
	Warnings  []hostname.Warning  `json:"host_warnings,omitempty" enum:"special-letters,mixed-scripts,imitation,address" doc:"Why the host may not be what it looks like; imitation: it looks like one that is confirmed."`
	Questions []importer.Question `json:"questions,omitempty"`
	Choice    []importer.Listed   `json:"choice,omitempty" doc:"What the link gives, to select from by position."`
}

// Progress is how far the running step is.
type Progress struct {
	Phase      importer.Phase `json:"phase"`
	Done       int64          `json:"done" doc:"Bytes."`
	Total      int64          `json:"total" doc:"Bytes; -1 unknown."`
	Files      int            `json:"files"`
	FilesTotal int            `json:"files_total" doc:"-1 unknown."`
	WaitUntil  *time.Time     `json:"wait_until,omitempty"`
}

// PatientView is a foreign patient with what came of him or her.
type PatientView struct {
	ID        string      `json:"id"`
	Issuer    string      `json:"issuer,omitempty"`
	Name      string      `json:"name"`
	BirthDate string      `json:"birth_date,omitempty"`
	Sex       string      `json:"sex,omitempty"`
	Studies   []StudyView `json:"studies"`
}

// StudyView is one study in short.
type StudyView struct {
	UID         string   `json:"study_instance_uid"`
	Date        string   `json:"date,omitempty"`
	Description string   `json:"description,omitempty"`
	Accession   string   `json:"accession_number,omitempty"`
	Modalities  []string `json:"modalities"`
	Series      int      `json:"series"`
	Instances   int      `json:"instances"`
}

// DecisionView is what was decided, without what is made from it.
type DecisionView struct {
	Patient   importer.LocalPatient `json:"patient"`
	Accession *string               `json:"accession_number,omitempty"`
	Reason    string                `json:"reason,omitempty" doc:"Why contradictions were accepted, or the exam rejected."`
	By        string                `json:"by"`
	At        time.Time             `json:"at"`
}

// DeliveryView is where one delivery stands.
type DeliveryView struct {
	ID          string                 `json:"id"`
	Destination string                 `json:"destination" doc:"Id of the destination."`
	State       importer.DeliveryState `json:"state"`
	Objects     int64                  `json:"objects" doc:"To be sent; -1 before it is known."`
	Delivered   int64                  `json:"delivered"`
	Warned      int64                  `json:"delivered_with_warning"`
	Failed      int64                  `json:"failed"`
	Bytes       int64                  `json:"bytes"`
	Starts      int64                  `json:"starts" doc:"How often sending began."`
	Proof       string                 `json:"proof,omitempty" doc:"What confirmed it: statuses or commitment."`
	Problem     string                 `json:"problem,omitempty"`
	RetryAt     *time.Time             `json:"retry_at,omitempty"`
	Receipt     bool                   `json:"receipt" doc:"Whether there is a receipt."`
}

// Snapshot returns an import as it stands.
func (g *Gateway) Snapshot(ctx context.Context, who Who, id string) (*Snapshot, error) {
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, err
	}
	var im *store.Import
	var deliveries []store.Delivery
	var jobs []store.JobStatus
	err = s.t.Read(ctx, func(tx *store.Tx) (err error) {
		if im, err = tx.Import(id); err != nil {
			return err
		}
		if deliveries, err = tx.DeliveriesOf(id); err != nil {
			return err
		}
		jobs = jobs[:0]
		return s.eachJob(tx, im, func(j store.JobStatus) error {
			jobs = append(jobs, j)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	v := s.outline(im)
	for _, d := range deliveries {
		view := deliveryView(d)
		view.Receipt = view.Receipt && !s.receiptEnded(im, &d)
		v.Delivery = append(v.Delivery, view)
		if !d.RetryAt.IsZero() && !d.State.Ended() && !slices.Contains(v.Next, "retry") {
			v.Next = append(v.Next, "retry")
		}
	}
	v.Progress = progressOf(jobs)
	err = s.reveal(ctx, im, v)
	if errors.Is(err, sealed.ErrErased) { // purged while it was read
		return v, nil
	}
	if err == nil && v.names() {
		err = s.viewed(ctx, viewOf(viewImport, id, v.Patients))
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// names reports whether a snapshot shows, or may show, whose exam it is.
func (v *Snapshot) names() bool {
	return v.Patients != nil || v.Decision != nil || v.Question != nil && len(v.Question.Choice) > 0
}

// outline is what can be said of an import without its key.
func (s *scope) outline(im *store.Import) *Snapshot {
	v := &Snapshot{ID: im.ID, Version: im.Version, State: im.State, Kind: im.Kind, Site: im.Site, Basis: im.LegalBasis, Created: im.Created, Expires: im.Expires,
		Purge: im.Purge, Ended: optional(im.Ended), Purged: optional(im.Purged), RetryAt: optional(im.RetryAt),
		Received: Received{Parts: im.Parts, Bytes: im.Bytes, Files: im.Files, Instances: im.Instances}, Next: next(im)}
	if im.Problem != "" {
		v.Problem = &ProblemView{Code: string(im.Problem), Host: im.ProblemHost}
	}
	if im.Kind == KindUpload && im.State == importer.Fetching {
		v.IdleUntil = optional(im.Quiet)
	}
	if !im.State.Ended() {
		switch left := im.Expires.Sub(s.opts.Now()); {
		case left <= 24*time.Hour:
			v.EndsSoon = "24h"
		case left <= 72*time.Hour:
			v.EndsSoon = "72h"
		}
	}
	return v
}

// reveal adds what only the import's key opens.
func (s *scope) reveal(ctx context.Context, im *store.Import, v *Snapshot) error {
	if im.State == importer.Purged {
		return nil
	}
	if im.Question != nil {
		v.Question = &Question{}
		if err := s.open(ctx, im.ID, sealedQuestion, im.Question, v.Question); err != nil {
			return err
		}
	}
	if im.Decision != nil {
		var d decided
		if err := s.open(ctx, im.ID, sealedDecision, im.Decision, &d); err != nil {
			return err
		}
		v.Decision = &DecisionView{Patient: d.Decision.Patient, Accession: d.Decision.Accession, Reason: d.Reason, By: d.By, At: d.Decision.At}
	}
	err := s.derivedJSON(ctx, im.ID, keySummary, &v.Patients)
	if errors.Is(err, store.ErrNotFound) { // not inspected yet
		return nil
	}
	return err
}

func patientViews(in *importer.Inspection) []PatientView {
	var out []PatientView
	for _, p := range in.Patients {
		v := PatientView{ID: p.ID, Issuer: p.Issuer, Name: p.Name, BirthDate: p.BirthDate, Sex: p.Sex}
		for _, st := range p.Studies {
			sv := StudyView{UID: st.UID, Date: st.Date, Description: st.Description, Accession: st.Accession, Series: len(st.Series)}
			seen := map[string]bool{}
			for _, se := range st.Series {
				sv.Instances += len(se.Instances)
				if !seen[se.Modality] {
					seen[se.Modality] = true
					sv.Modalities = append(sv.Modalities, se.Modality)
				}
			}
			v.Studies = append(v.Studies, sv)
		}
		out = append(out, v)
	}
	return out
}

func deliveryView(d store.Delivery) DeliveryView {
	return DeliveryView{ID: d.ID, Destination: d.Destination, State: d.State, Objects: d.Objects, Delivered: d.Delivered, Warned: d.Warned,
		Failed: d.Failed, Bytes: d.Bytes, Starts: d.Starts, Proof: d.Proof, Problem: string(d.Problem), RetryAt: optional(d.RetryAt),
		Receipt: !d.Settled.IsZero() && d.State != importer.DeliveryCancelled}
}

// next lists what can be done with an import in its state.
func next(im *store.Import) []string {
	can := []string{}
	add := func(word string, e importer.Event) {
		if _, err := im.State.Next(e); err == nil {
			can = append(can, word)
		}
	}
	if im.State == importer.Waiting {
		can = append(can, "answer")
	}
	if im.State == importer.Fetching && im.Kind == KindUpload {
		can = append(can, "upload", "complete")
	}
	add("decide", importer.EventDecided)
	add("reject", importer.EventRejected)
	add("extend", importer.EventExtended)
	if im.Decision != nil {
		add("recall", importer.EventRecalled)
	}
	if im.State == importer.Broken && !halfFetched(im) || !im.RetryAt.IsZero() {
		can = append(can, "retry")
	}
	add("cancel", importer.EventCancelled)
	if im.State != importer.Purged && im.State != importer.Delivering {
		can = append(can, "delete")
	}
	return can
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// progressOf is the progress of the job that runs.
func progressOf(jobs []store.JobStatus) *Progress {
	for _, j := range jobs {
		var p Progress
		if len(j.Progress) > 0 && json.Unmarshal(j.Progress, &p) == nil {
			return &p
		}
	}
	return nil
}

func subjects(id string, deliveries []store.Delivery) []string {
	out := []string{id}
	for _, d := range deliveries {
		out = append(out, d.ID)
	}
	return out
}

// Page is one page of a list.
type Page struct {
	Imports []*Snapshot
	Next    *store.Cursor // nil: that was the last one
}

// List returns imports, newest first, in short: without what their keys open.
func (g *Gateway) List(ctx context.Context, who Who, f store.ImportFilter) (*Page, error) {
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, err
	}
	if f.Limit < 1 || f.Limit > 200 {
		f.Limit = 50
	}
	limit := f.Limit
	f.Limit++
	var list []*store.Import
	err = s.t.Read(ctx, func(tx *store.Tx) (err error) {
		list, err = tx.Imports(f)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := &Page{}
	if len(list) > limit {
		list = list[:limit]
		last := list[limit-1]
		page.Next = &store.Cursor{Created: last.Created, ID: last.ID}
	}
	for _, im := range list {
		page.Imports = append(page.Imports, s.outline(im))
	}
	return page, nil
}
