package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
)

// callers are the routes of who may send objects by C-STORE.
func (r *routes) callers(s *api.Server) {
	api.Register(s, api.Operation{ID: "create-caller", SecondPerson: true, Method: http.MethodPost, Path: "/callers", Tag: tagCallers, Permission: auth.DestinationsManage,
		Status: http.StatusCreated, Idempotent: true, Problems: []problem.Code{problem.Invalid, problem.NameTaken}, Summary: "Let a caller send objects by C-STORE",
		Description: "Beside those of the configuration. An association is let in when it fits exactly one caller of all organisations, by AE titles, address and certificate; one that fits several is refused."}, r.createCaller)
	api.Register(s, api.Operation{ID: "list-callers", Method: http.MethodGet, Path: "/callers", Tag: tagCallers, Permission: auth.DestinationsRead,
		Summary: "List callers by name", Description: "Without those of the configuration."}, r.listCallers)
	api.Register(s, api.Operation{ID: "get-caller", Method: http.MethodGet, Path: "/callers/{caller}", Tag: tagCallers, Permission: auth.DestinationsRead,
		Problems: []problem.Code{problem.NotFound}, Summary: "Get a caller"}, r.getCaller)
	api.Register(s, api.Operation{ID: "change-caller", SecondPerson: true, Method: http.MethodPut, Path: "/callers/{caller}", Tag: tagCallers, Permission: auth.DestinationsManage,
		Problems: []problem.Code{problem.NotFound, problem.PreconditionRequired, problem.PreconditionFailed, problem.NameTaken},
		Summary:  "Change a caller", Description: "It counts from its next association on, its quotas at once."}, r.changeCaller)
	api.Register(s, api.Operation{ID: "delete-caller", Method: http.MethodDelete, Path: "/callers/{caller}", Tag: tagCallers, Permission: auth.DestinationsManage,
		Problems: []problem.Code{problem.NotFound, problem.PreconditionRequired, problem.PreconditionFailed},
		Summary:  "Let a caller send no more", Description: "From its next association on. What it sent stays."}, r.deleteCaller)
}

// CallerPath names the caller of a request.
type CallerPath struct {
	Caller string `path:"caller" doc:"Id of the caller."`
}

type createCallerIn struct{ Body app.NewCaller }

func (r *routes) createCaller(ctx context.Context, in *createCallerIn) (*madeOut[*app.CallerView], error) {
	v, err := r.Gateway.AddCaller(ctx, who(ctx), in.Body)
	return made("/callers/", v, err)
}

// callerList is all callers.
type callerList struct {
	Callers []app.CallerView `json:"callers" nullable:"false"`
}

type listCallersOut struct{ Body callerList }

func (r *routes) listCallers(ctx context.Context, _ *struct{}) (*listCallersOut, error) {
	all, err := r.Gateway.Callers(ctx, who(ctx))
	if err != nil {
		return nil, err
	}
	return &listCallersOut{callerList{all}}, nil
}

func (r *routes) getCaller(ctx context.Context, in *CallerPath) (*keptOut[*app.CallerView], error) {
	return shown(r.Gateway.Caller(ctx, who(ctx), in.Caller))
}

// CallerEdit names a caller and the version of it that is edited.
type CallerEdit struct {
	CallerPath
	api.IfMatch
}

// editedCaller is the version of the caller that the client saw.
func (r *routes) editedCaller(ctx context.Context, in *CallerEdit) (int64, error) {
	v, err := r.Gateway.Caller(ctx, who(ctx), in.Caller)
	return seen(in.IfMatch, v, err)
}

type changeCallerIn struct {
	CallerEdit
	Body app.NewCaller
}

func (r *routes) changeCaller(ctx context.Context, in *changeCallerIn) (*keptOut[*app.CallerView], error) {
	version, err := r.editedCaller(ctx, &in.CallerEdit)
	if err != nil {
		return nil, err
	}
	return shown(r.Gateway.ChangeCaller(ctx, who(ctx), in.Caller, version, in.Body))
}

func (r *routes) deleteCaller(ctx context.Context, in *CallerEdit) (*struct{}, error) {
	version, err := r.editedCaller(ctx, in)
	if err != nil {
		return nil, err
	}
	return nil, r.Gateway.RemoveCaller(ctx, who(ctx), in.Caller, version)
}
