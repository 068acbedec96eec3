package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
)

// sites are the routes of the places inside of an organisation.
func (r *routes) sites(s *api.Server) {
	api.Register(s, api.Operation{ID: "create-site", SecondPerson: true, Method: http.MethodPost, Path: "/sites", Tag: tagSites, Permission: auth.DestinationsManage,
		Status: http.StatusCreated, Idempotent: true, Problems: []problem.Code{problem.Invalid, problem.NameTaken}, Summary: "Add a site",
		Description: "A place inside of the organisation: with an issuer of patient ids, an AE title or destinations of its own. Who needs none has none."}, r.createSite)
	api.Register(s, api.Operation{ID: "list-sites", Method: http.MethodGet, Path: "/sites", Tag: tagSites, Permission: auth.DestinationsRead,
		Summary: "List sites by name"}, r.listSites)
	api.Register(s, api.Operation{ID: "get-site", Method: http.MethodGet, Path: "/sites/{site}", Tag: tagSites, Permission: auth.DestinationsRead,
		Problems: []problem.Code{problem.NotFound}, Summary: "Get a site"}, r.getSite)
	api.Register(s, api.Operation{ID: "change-site", SecondPerson: true, Method: http.MethodPut, Path: "/sites/{site}", Tag: tagSites, Permission: auth.DestinationsManage,
		Problems: []problem.Code{problem.NotFound, problem.PreconditionRequired, problem.PreconditionFailed, problem.NameTaken},
		Summary:  "Change a site", Description: "What was decided before stays as it was decided."}, r.changeSite)
	api.Register(s, api.Operation{ID: "delete-site", SecondPerson: true, Method: http.MethodDelete, Path: "/sites/{site}", Tag: tagSites, Permission: auth.DestinationsManage,
		Problems: []problem.Code{problem.NotFound, problem.PreconditionRequired, problem.PreconditionFailed, problem.SiteInUse},
		Summary:  "Take a site out of use", Description: "Not as long as imports that are not erased, or callers, belong to it."}, r.deleteSite)
}

// SitePath names the site of a request.
type SitePath struct {
	Site string `path:"site" doc:"Id of the site."`
}

type createSiteIn struct{ Body app.NewSite }

func (r *routes) createSite(ctx context.Context, in *createSiteIn) (*madeOut[*app.SiteView], error) {
	v, err := r.Gateway.AddSite(ctx, who(ctx), in.Body)
	return made("/sites/", v, err)
}

// siteList is all sites.
type siteList struct {
	Sites []app.SiteView `json:"sites" nullable:"false"`
}

type listSitesOut struct{ Body siteList }

func (r *routes) listSites(ctx context.Context, _ *struct{}) (*listSitesOut, error) {
	all, err := r.Gateway.Sites(ctx, who(ctx))
	if err != nil {
		return nil, err
	}
	return &listSitesOut{siteList{all}}, nil
}

func (r *routes) getSite(ctx context.Context, in *SitePath) (*keptOut[*app.SiteView], error) {
	return shown(r.Gateway.Site(ctx, who(ctx), in.Site))
}

// SiteEdit names a site and the version of it that is edited.
type SiteEdit struct {
	SitePath
	api.IfMatch
}

// editedSite is the version of the site that the client saw.
func (r *routes) editedSite(ctx context.Context, in *SiteEdit) (int64, error) {
	v, err := r.Gateway.Site(ctx, who(ctx), in.Site)
	return seen(in.IfMatch, v, err)
}

type changeSiteIn struct {
	SiteEdit
	Body app.NewSite
}

func (r *routes) changeSite(ctx context.Context, in *changeSiteIn) (*keptOut[*app.SiteView], error) {
	version, err := r.editedSite(ctx, &in.SiteEdit)
	if err != nil {
		return nil, err
	}
	return shown(r.Gateway.ChangeSite(ctx, who(ctx), in.Site, version, in.Body))
}

func (r *routes) deleteSite(ctx context.Context, in *SiteEdit) (*struct{}, error) {
	version, err := r.editedSite(ctx, in)
	if err != nil {
		return nil, err
	}
	return nil, r.Gateway.RemoveSite(ctx, who(ctx), in.Site, version)
}
