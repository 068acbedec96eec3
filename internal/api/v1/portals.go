package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
)

// portals are the routes of the hosts that answers may be sent to.
func (r *routes) portals(s *api.Server) {
	api.Register(s, api.Operation{ID: "list-portals", Method: http.MethodGet, Path: "/portals", Tag: tagSettings, Permission: auth.SettingsRead,
		Summary: "List the hosts that answers may be sent to", Description: "Those that the configuration names, and those that somebody confirmed with allow_hosts."}, r.listPortals)
	api.Register(s, api.Operation{ID: "revoke-portal", Method: http.MethodDelete, Path: "/portals/{portal}", Tag: tagSettings, Permission: auth.SettingsManage,
		Problems: []problem.Code{problem.NotFound}, Summary: "Have a host confirmed again",
		Description: "Before answers go there once more, somebody is asked. Imports for which it was confirmed keep that. Those of the configuration are taken out there."}, r.revokePortal)
}

// portalList is all hosts.
type portalList struct {
	Portals []app.PortalView `json:"portals" nullable:"false"`
}

type listPortalsOut struct{ Body portalList }

func (r *routes) listPortals(ctx context.Context, _ *struct{}) (*listPortalsOut, error) {
	all, err := r.Gateway.Portals(ctx, who(ctx))
	if err != nil {
		return nil, err
	}
	if all == nil {
		all = []app.PortalView{}
	}
	return &listPortalsOut{portalList{all}}, nil
}

type portalPath struct {
	Portal string `path:"portal" maxLength:"300" doc:"host or host:port." example:"portal.example.org"`
}

func (r *routes) revokePortal(ctx context.Context, in *portalPath) (*struct{}, error) {
	return nil, r.Gateway.RevokePortal(ctx, who(ctx), in.Portal)
}
