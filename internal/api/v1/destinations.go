package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/importer/deliver"
)

// destinations are the routes of where exams go.
func (r *routes) destinations(s *api.Server) {
	api.Register(s, api.Operation{ID: "create-destination", SecondPerson: true, Method: http.MethodPost, Path: "/destinations", Tag: tagDestinations, Permission: auth.DestinationsManage,
		Status: http.StatusCreated, Idempotent: true, Problems: []problem.Code{problem.Invalid, problem.Plaintext, problem.FolderRefused, problem.NameTaken}, Summary: "Add a destination"}, r.createDestination)
	api.Register(s, api.Operation{ID: "list-destinations", Method: http.MethodGet, Path: "/destinations", Tag: tagDestinations, Permission: auth.DestinationsRead,
		Summary: "List destinations by name"}, r.listDestinations)
	api.Register(s, api.Operation{ID: "get-destination", Method: http.MethodGet, Path: "/destinations/{destination}", Tag: tagDestinations,
		Permission: auth.DestinationsRead, Problems: []problem.Code{problem.NotFound}, Summary: "Get a destination"}, r.getDestination)
	api.Register(s, api.Operation{ID: "change-destination", SecondPerson: true, Method: http.MethodPut, Path: "/destinations/{destination}", Tag: tagDestinations,
		Permission: auth.DestinationsManage, Problems: []problem.Code{problem.NotFound, problem.PreconditionRequired, problem.PreconditionFailed, problem.Plaintext, problem.FolderRefused, problem.NameTaken},
		Summary: "Change a destination", Description: "What was decided before is delivered to what it was decided with."}, r.changeDestination)
	api.Register(s, api.Operation{ID: "delete-destination", SecondPerson: true, Method: http.MethodDelete, Path: "/destinations/{destination}", Tag: tagDestinations,
		Permission: auth.DestinationsManage, Problems: []problem.Code{problem.NotFound, problem.PreconditionRequired, problem.PreconditionFailed},
		Summary: "Take a destination out of use", Description: "What was decided before is still delivered to it."}, r.deleteDestination)
	tried := "What works and what does not: the connection, an association, an echo, and each storage class; of a folder, whether it can be written. Nothing is kept there."
	api.Register(s, api.Operation{ID: "try-destination", Method: http.MethodPost, Path: "/destinations/test", Tag: tagDestinations, Permission: auth.DestinationsManage,
		Problems: []problem.Code{problem.Invalid}, Summary: "Try an address before it is added", Description: tried}, r.tryAddress)
	api.Register(s, api.Operation{ID: "test-destination", Method: http.MethodPost, Path: "/destinations/{destination}/test", Tag: tagDestinations,
		Permission: auth.DestinationsManage, Problems: []problem.Code{problem.NotFound}, Summary: "Try a destination", Description: tried}, r.testDestination)
}

// DestinationPath names the destination of a request.
type DestinationPath struct {
	Destination string `path:"destination" doc:"Id of the destination."`
}

type createDestinationIn struct{ Body app.NewDestination }

func (r *routes) createDestination(ctx context.Context, in *createDestinationIn) (*madeOut[*app.DestinationView], error) {
	v, err := r.Gateway.AddDestination(ctx, who(ctx), in.Body)
	return made("/destinations/", v, err)
}

// destinationList is all destinations.
type destinationList struct {
	Destinations []app.DestinationView `json:"destinations" nullable:"false"`
}

type listDestinationsOut struct{ Body destinationList }

func (r *routes) listDestinations(ctx context.Context, _ *struct{}) (*listDestinationsOut, error) {
	all, err := r.Gateway.Destinations(ctx, who(ctx))
	if err != nil {
		return nil, err
	}
	return &listDestinationsOut{destinationList{all}}, nil
}

func (r *routes) getDestination(ctx context.Context, in *DestinationPath) (*keptOut[*app.DestinationView], error) {
	return shown(r.Gateway.Destination(ctx, who(ctx), in.Destination))
}

// DestinationEdit names a destination and the version of it that is edited.
type DestinationEdit struct {
	DestinationPath
	api.IfMatch
}

// edited is the version of the destination that the client saw.
func (r *routes) edited(ctx context.Context, in *DestinationEdit) (int64, error) {
	v, err := r.Gateway.Destination(ctx, who(ctx), in.Destination)
	return seen(in.IfMatch, v, err)
}

type changeDestinationIn struct {
	DestinationEdit
	Body app.NewDestination
}

func (r *routes) changeDestination(ctx context.Context, in *changeDestinationIn) (*keptOut[*app.DestinationView], error) {
	version, err := r.edited(ctx, &in.DestinationEdit)
	if err != nil {
		return nil, err
	}
	return shown(r.Gateway.ChangeDestination(ctx, who(ctx), in.Destination, version, in.Body))
}

func (r *routes) deleteDestination(ctx context.Context, in *DestinationEdit) (*struct{}, error) {
	version, err := r.edited(ctx, in)
	if err != nil {
		return nil, err
	}
	return nil, r.Gateway.RemoveDestination(ctx, who(ctx), in.Destination, version)
}

// checks are what a trial of a destination found.
type checks struct {
	Checks []deliver.Check `json:"checks" nullable:"false"`
}

type checksOut struct{ Body checks }

type tryAddressIn struct {
	Body struct {
		Address string `json:"address" doc:"As of a destination."`
		Verify  string `json:"verify,omitempty" enum:"statuses,commitment" default:"statuses"`
		Name    string `json:"name,omitempty" maxLength:"100" doc:"As of a destination; not used."`
		Reason  string `json:"plaintext_reason,omitempty" maxLength:"500" doc:"As of a destination."`
	}
}

func (r *routes) tryAddress(ctx context.Context, in *tryAddressIn) (*checksOut, error) {
	return r.try(ctx, app.NewDestination{Name: "test", Address: in.Body.Address, Verify: in.Body.Verify, PlaintextReason: in.Body.Reason})
}

func (r *routes) testDestination(ctx context.Context, in *DestinationPath) (*checksOut, error) {
	d, err := r.Gateway.Destination(ctx, who(ctx), in.Destination)
	if err != nil {
		return nil, err
	}
	return r.try(ctx, d.NewDestination)
}

func (r *routes) try(ctx context.Context, n app.NewDestination) (*checksOut, error) {
	found, err := r.Gateway.TestDestination(ctx, n)
	if err != nil {
		return nil, err
	}
	return &checksOut{checks{found}}, nil
}
