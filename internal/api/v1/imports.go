package v1

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"lotse/internal/api"
	"lotse/internal/api/idempotency"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/internal/store"
)

// imports are the routes of imports as such.
func (r *routes) imports(s *api.Server) {
	api.Register(s, api.Operation{ID: "create-import", Method: http.MethodPost, Path: "/imports", Tag: tagImports, Permission: auth.ImportsCreate,
		Status: http.StatusCreated, Idempotent: true, Problems: []problem.Code{problem.Invalid, problem.Full},
		Summary: "Begin an import",
		Description: "From a link, as it stands in the QR code: it is fetched at once. Or from an upload: send the files to `/uploads` then; " +
			"with `files` the import goes on by itself after so many, else with `complete`. The answer comes when the import is durable."}, r.createImport)
	api.Register(s, api.Operation{ID: "list-imports", Method: http.MethodGet, Path: "/imports", Tag: tagImports, Permission: auth.ImportsRead,
		Problems: []problem.Code{problem.BadCursor}, Summary: "List imports, newest first",
		Description: "In short: without patients, questions and deliveries."}, r.listImports)
	api.Register(s, api.Operation{ID: "get-import", Method: http.MethodGet, Path: "/imports/{import}", Tag: tagImports, Permission: auth.ImportsRead,
		Problems: []problem.Code{problem.NotFound}, Summary: "Get an import as it stands",
		Description: "Where it stands, what it waits for, and in `next` what can be done now. The ETag is what edits are compared with; progress does not change it."}, r.getImport)
	api.Register(s, api.Operation{ID: "delete-import", Method: http.MethodDelete, Path: "/imports/{import}", Tag: tagImports, Permission: auth.ImportsEnd,
		Status: http.StatusAccepted, Problems: []problem.Code{problem.NotFound, problem.NotPossible, problem.PreconditionFailed},
		Summary:     "Erase an import now",
		Description: "Its key, its bytes and everything personal. What stays is the receipts without personal data, and the audit trail."}, r.deleteImport)
}

// snapshotOut is an import as it stands.
type snapshotOut struct {
	ETag string `header:"ETag" doc:"The version of the import."`
	Body *app.Snapshot
}

// show answers with an import as it stands.
func (r *routes) show(ctx context.Context, id string) (*snapshotOut, error) {
	v, err := r.Gateway.Snapshot(ctx, who(ctx), id)
	if err != nil {
		return nil, err
	}
	return &snapshotOut{api.Tag(v.Version), v}, nil
}

// Answers are what a person knows.
type Answers struct {
	Answers         map[string]string `json:"answers,omitempty" doc:"By the id of the question."`
	BirthDate       string            `json:"birth_date,omitempty" maxLength:"32" example:"1970-01-31" doc:"Of the patient, as people write it; it answers every question for it."`
	StudyDate       string            `json:"study_date,omitempty" maxLength:"32" example:"2026-01-31" doc:"It answers every question for it."`
	Password        string            `json:"password,omitempty" maxLength:"1024" doc:"Of the portal."`
	ArchivePassword string            `json:"archive_password,omitempty" maxLength:"1024" doc:"Of an encrypted archive."`
	AllowHosts      []string          `json:"allow_hosts,omitempty" maxItems:"20" doc:"Hosts that may be given answers, which somebody confirms by naming them; remembered for all imports."`
}

// known are the answers as the use cases want them.
func (a Answers) known() app.Answers {
	return app.Answers{ByID: personal.NewMap(a.Answers), BirthDate: personal.New(a.BirthDate), StudyDate: personal.New(a.StudyDate),
		Password: personal.New(a.Password), ArchivePassword: personal.New(a.ArchivePassword), AllowHosts: a.AllowHosts}
}

// newImport is an import as it is asked for.
type newImport struct {
	Kind     string   `json:"kind" enum:"link,upload"`
	Link     string   `json:"link,omitempty" maxLength:"8192" doc:"What the QR code holds; with kind link."`
	Known    Answers  `json:"known,omitempty" doc:"Answers that are known already. They are erased when the fetch has ended."`
	Select   []string `json:"select,omitempty" maxItems:"1000" doc:"What to fetch of what a link gives, by position or id; absent: everything."`
	Files    int      `json:"files,omitempty" minimum:"0" doc:"How many files will be uploaded; 0: until complete is called."`
	Priority string   `json:"priority,omitempty" enum:"person,batch" default:"person" doc:"Whether somebody is waiting."`
	Site     string   `json:"site,omitempty" maxLength:"64" pattern:"^[a-z0-9-]*$" doc:"Id of the site it belongs to. Absent: the whole organisation, or the only site that you reach."`
	// LegalBasis is on what ground the import is processed.
	LegalBasis importer.LegalBasis `json:"legal_basis,omitempty" enum:"treatment,consent,vital-interests,public-health,legal-claims" doc:"On what ground it is processed; absent: the usual one of the settings."`
}

type createImportIn struct{ Body newImport }

type createImportOut struct {
	Location string `header:"Location" doc:"Where the import is."`
	ETag     string `header:"ETag" doc:"The version of the import."`
	Body     *app.Snapshot
}

func (r *routes) createImport(ctx context.Context, in *createImportIn) (*createImportOut, error) {
	n := in.Body
	priority := app.PriorityPerson
	if n.Priority == "batch" {
		priority = app.PriorityBatch
	}
	id, err := r.Gateway.Create(ctx, who(ctx), app.NewImport{Kind: n.Kind, Site: n.Site, LegalBasis: n.LegalBasis, Link: personal.New(n.Link), Known: n.Known.known(), Select: n.Select,
		Files: n.Files, Priority: priority, Once: once(ctx)})
	if err != nil {
		return nil, ofKnown(err)
	}
	v, err := r.show(ctx, id)
	if err != nil {
		return nil, err
	}
	return &createImportOut{api.Base + "/imports/" + id, v.ETag, v.Body}, nil
}

// once names a creation that has an idempotency key: should its answer not be kept, it
// begins nothing new when it is asked for again.
func once(ctx context.Context) string {
	attempt, ok := idempotency.From(ctx)
	if !ok {
		return ""
	}
	return hex.EncodeToString(attempt.Hash[:]) + " " + attempt.Key
}

// ofKnown says of an invalid answer that it is one of those known already.
func ofKnown(err error) error {
	var invalid *app.InvalidError
	if errors.As(err, &invalid) && (strings.HasSuffix(invalid.Field, "_date") || invalid.Field == "allow_hosts") {
		return &app.InvalidError{Field: "known." + invalid.Field, Code: invalid.Code}
	}
	return err
}

type listImportsIn struct {
	State []importer.State `query:"state" enum:"fetching,waiting,inspecting,review,delivering,delivered,rejected,failed,cancelled,purged" doc:"Only those in one of these states."`
	Kind  string           `query:"kind" enum:"link,upload,dicom" doc:"Only those that came so."`
	Site  string           `query:"site" maxLength:"64" pattern:"^[a-z0-9-]*$" doc:"Only those of a site."`
	api.Paging
}

// importList is one part of the list of imports.
type importList struct {
	Imports []*app.Snapshot `json:"imports" nullable:"false"`
	Next    string          `json:"next_cursor,omitempty" doc:"The cursor of the next part; absent at the end."`
}

type listImportsOut struct{ Body importList }

// listPlace is the sort key of an import in the list.
type listPlace struct {
	At int64  `json:"t"` // microseconds
	ID string `json:"i"`
}

func (r *routes) listImports(ctx context.Context, in *listImportsIn) (*listImportsOut, error) {
	filter := store.ImportFilter{States: in.State, Kind: in.Kind, Site: in.Site, Limit: in.Limit}
	var at listPlace
	if err := api.DecodeCursor(in.Cursor, &at); err != nil {
		return nil, err
	}
	if in.Cursor != "" {
		if at.At == 0 || strings.Trim(at.ID, "0123456789abcdef-") != "" {
			return nil, problem.New(problem.BadCursor, "")
		}
		filter.Before = store.Cursor{Created: time.UnixMicro(at.At), ID: at.ID}
	}
	page, err := r.Gateway.List(ctx, who(ctx), filter)
	if err != nil {
		return nil, err
	}
	out := &listImportsOut{importList{Imports: page.Imports}}
	if out.Body.Imports == nil {
		out.Body.Imports = []*app.Snapshot{}
	}
	if page.Next != nil {
		out.Body.Next, err = api.EncodeCursor(listPlace{page.Next.Created.UnixMicro(), page.Next.ID})
	}
	return out, err
}

func (r *routes) getImport(ctx context.Context, in *ImportPath) (*snapshotOut, error) {
	return r.show(ctx, in.Import)
}

func (r *routes) deleteImport(ctx context.Context, in *Edit) (*snapshotOut, error) {
	return r.edit(ctx, in, r.Gateway.Delete)
}
