package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
)

// actions are the routes of what can be done with an import.
func (r *routes) actions(s *api.Server) {
	action := func(name string, permission access.Permission, summary, description string) api.Operation {
		return api.Operation{ID: name + "-import", Method: http.MethodPost, Path: "/imports/{import}/" + name, Tag: tagImports,
			Problems:   []problem.Code{problem.NotFound, problem.NotPossible, problem.PreconditionFailed, problem.Gone},
			Permission: permission, Summary: summary, Description: description}
	}
	answer := action("answers", auth.ImportsAnswer, "Answer what an import asks", "It waits, and its question says for what. Answers are erased when the fetch has ended.")
	answer.ID = "answer-import"
	api.Register(s, answer, r.answerImport)
	api.Register(s, action("complete", auth.ImportsCreate, "Say that all files are there", "Of an import by upload. It is inspected then."),
		r.action(r.Gateway.Complete))
	api.Register(s, action("extend", auth.ImportsCreate, "Add files to an import in review", "Another medium of the same exam, for instance: upload it, then call complete."),
		r.action(r.Gateway.Extend))
	api.Register(s, action("recall", auth.ImportsDecide, "Take a decision back", "What was sent by then stays at the destination; the import is in review again."),
		r.action(r.Gateway.Recall))
	api.Register(s, action("cancel", auth.ImportsEnd, "Stop an import", "Where it stands; what runs for it is told to stop. It is erased after a grace."),
		r.action(r.Gateway.Cancel))
	api.Register(s, action("retry", auth.ImportsAnswer, "Try again", "An import that failed, from the step that did; or at once what would be tried again later."),
		r.action(r.Gateway.Retry))
	api.Register(s, action("reject", auth.ImportsEnd, "Reject an import", "Nobody wants the exam. It is erased after a grace."), r.rejectImport)
}

// Edit names an import and, where the client says so, the version of it.
type Edit struct {
	ImportPath
	api.IfMatch
}

// version is what the client saw; 0 when it does not say.
func (r *routes) version(ctx context.Context, in *Edit) (int64, error) {
	if in.IfMatch.IfMatch == "" {
		return 0, nil
	}
	present, err := r.Gateway.Version(ctx, who(ctx), in.Import)
	if err != nil {
		return 0, err
	}
	return present, in.Check(api.Tag(present))
}

// edit does something with an import and shows how it stands then.
func (r *routes) edit(ctx context.Context, in *Edit, act func(context.Context, app.Who, string, int64) error) (*snapshotOut, error) {
	version, err := r.version(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := act(ctx, who(ctx), in.Import, version); err != nil {
		return nil, err
	}
	return r.show(ctx, in.Import)
}

// action is the handler of something that needs to know nothing else.
func (r *routes) action(act func(context.Context, app.Who, string, int64) error) func(context.Context, *Edit) (*snapshotOut, error) {
	return func(ctx context.Context, in *Edit) (*snapshotOut, error) { return r.edit(ctx, in, act) }
}

type answerIn struct {
	Edit
	Body struct {
		Answers
		Select []string `json:"select,omitempty" maxItems:"1000" doc:"From choice of the question, by position or id."`
	}
}

func (r *routes) answerImport(ctx context.Context, in *answerIn) (*snapshotOut, error) {
	return r.edit(ctx, &in.Edit, func(ctx context.Context, who app.Who, id string, version int64) error {
		return r.Gateway.Answer(ctx, who, id, version, in.Body.known(), in.Body.Select)
	})
}

type rejectIn struct {
	Edit
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why; it is for the trail that there is one, and is not kept."`
	}
}

func (r *routes) rejectImport(ctx context.Context, in *rejectIn) (*snapshotOut, error) {
	return r.edit(ctx, &in.Edit, func(ctx context.Context, who app.Who, id string, version int64) error {
		return r.Gateway.Reject(ctx, who, id, version, in.Body.Reason)
	})
}
