package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
)

// audit is the route of who did what.
func (r *routes) audit(s *api.Server) {
	api.Register(s, api.Operation{ID: "get-trail", Method: http.MethodGet, Path: "/imports/{import}/audit", Tag: tagProof, Permission: auth.AuditRead,
		Problems: []problem.Code{problem.NotFound}, Summary: "Get the audit trail of an import",
		Description: "Who did what and when, in ids, states and codes. It stays when the import is erased."}, r.getTrail)
}

// trail is the audit trail of an import.
type trail struct {
	Events []app.TrailEvent `json:"events" nullable:"false"`
}

type trailOut struct{ Body trail }

func (r *routes) getTrail(ctx context.Context, in *ImportPath) (*trailOut, error) {
	events, err := r.Gateway.Trail(ctx, who(ctx), in.Import)
	if err != nil {
		return nil, err
	}
	return &trailOut{trail{events}}, nil
}
