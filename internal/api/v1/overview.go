package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/app"
	"lotse/internal/auth"
)

// overview is the route of how the installation stands.
func (r *routes) overview(s *api.Server) {
	api.Register(s, api.Operation{ID: "get-overview", Method: http.MethodGet, Path: "/overview", Tag: tagSettings, Permission: auth.SettingsRead,
		Summary: "Get how the installation stands", Description: "Its nodes, its backlog, what is without TLS and why, when certificates end, whether erasing is paused."}, r.getOverview)
}

type overviewOut struct{ Body *app.Overview }

func (r *routes) getOverview(ctx context.Context, _ *struct{}) (*overviewOut, error) {
	v, err := r.Gateway.Overview(ctx, who(ctx))
	if err != nil {
		return nil, err
	}
	return &overviewOut{v}, nil
}
