package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
)

// inspection is the route of everything that is known of what came.
func (r *routes) inspection(s *api.Server) {
	api.Register(s, api.Operation{ID: "get-inspection", Method: http.MethodGet, Path: "/imports/{import}/inspection", Tag: tagImports, Permission: auth.ImportsRead,
		Problems: []problem.Code{problem.NotFound, problem.Gone}, Summary: "Get everything that is known of what came",
		Description: "Patients, studies, series and instances, documents, what is left out and why, and findings. It is there from review on. " +
			"Reading it is noted in the audit trail."}, r.getInspection)
}

type inspectionOut struct{ Body *app.InspectionView }

func (r *routes) getInspection(ctx context.Context, in *ImportPath) (*inspectionOut, error) {
	v, err := r.Gateway.Inspection(ctx, who(ctx), in.Import)
	if err != nil {
		return nil, err
	}
	return &inspectionOut{v}, nil
}
