package v1

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"lotse/dicom"
	"lotse/dlx"
	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/importer"
)

// decision is the route of the one thing that only a person may do.
func (r *routes) decision(s *api.Server) {
	api.Register(s, api.Operation{ID: "decide-import", Method: http.MethodPost, Path: "/imports/{import}/decision", Tag: tagImports, Permission: auth.ImportsDecide,
		Problems: []problem.Code{problem.NotFound, problem.NotPossible, problem.PreconditionRequired, problem.PreconditionFailed, problem.ReasonNeeded,
			problem.SeveralPatients, problem.NoSuchPatient, problem.Invalid},
		Summary: "Decide which patient an exam belongs to, and where it goes",
		Description: "Values that are absent stay as they came; an empty text empties the attribute. If-Match says which version the person saw. " +
			"When birth date or sex contradict the exam, `reason` is needed. The deliveries begin at once."}, r.decideImport)
}

// localPatient is the patient of this house.
type localPatient struct {
	ID        *string `json:"id,omitempty"`
	Issuer    *string `json:"issuer,omitempty" doc:"Of the id; absent: as configured."`
	Name      *string `json:"name,omitempty" example:"Musterfrau^Erika" doc:"As DICOM writes names: Family^Given."`
	BirthDate *string `json:"birth_date,omitempty" example:"1970-01-31" doc:"As people write it."`
	Sex       *string `json:"sex,omitempty" enum:"M,F,O," doc:"Empty: not known."`
}

// newDecision is a decision as a person makes it.
type newDecision struct {
	Patient      localPatient        `json:"patient,omitempty"`
	Accession    *string             `json:"accession_number,omitempty" doc:"Of the order; absent with a patient's id: emptied."`
	Set          map[string][]string `json:"set,omitempty" doc:"Further attributes by keyword or tag, each with its values." example:"{\"StudyDescription\":[\"CT thorax\"]}"`
	OnlyPatient  string              `json:"only_patient,omitempty" doc:"One of several foreign patients, by id or name."`
	SamePatient  bool                `json:"same_patient,omitempty" doc:"All foreign patients are the same person."`
	Destinations []string            `json:"destinations" minItems:"1" maxItems:"20" nullable:"false" doc:"Ids."`
	Reason       string              `json:"reason,omitempty" maxLength:"1000" doc:"Why contradictions are accepted."`
}

type decideIn struct {
	Edit
	Body newDecision
}

func (r *routes) decideImport(ctx context.Context, in *decideIn) (*snapshotOut, error) {
	decision, err := in.Body.decision()
	if err != nil {
		return nil, err
	}
	present, err := r.Gateway.Version(ctx, who(ctx), in.Import)
	if err != nil {
		return nil, err
	}
	if err := in.Check(api.Tag(present)); err != nil {
		return nil, err
	}
	if err := r.Gateway.Decide(ctx, who(ctx), in.Import, present, decision); err != nil {
		return nil, err
	}
	return r.show(ctx, in.Import)
}

// decision is the decision as the use case wants it.
func (n *newDecision) decision() (app.NewDecision, error) {
	d := app.NewDecision{Patient: importer.LocalPatient(n.Patient), Accession: n.Accession, OnlyPatient: n.OnlyPatient, SamePatient: n.SamePatient,
		Destinations: n.Destinations, Reason: n.Reason}
	if date := n.Patient.BirthDate; date != nil && *date != "" {
		day, err := dlx.ParseDate(*date)
		if err != nil {
			return d, &app.InvalidError{Field: "patient.birth_date", Code: "not-a-date"}
		}
		text := string(day)
		d.Patient.BirthDate = &text
	}
	for _, name := range slices.Sorted(maps.Keys(n.Set)) {
		tag, err := dicom.ParseTag(name)
		if err != nil {
			return d, &app.InvalidError{Field: "set", Code: "not-an-attribute"}
		}
		d.Set = append(d.Set, importer.Assignment{Tag: tag, Values: n.Set[name]})
	}
	return d, nil
}
