// Package v1 has the routes of the JSON API, version 1, and what belongs to them
// outside it: resumable uploads, the page of the setting up, and the importer of DICOM
// Link Exchange, version 2.
//
// Each subject has a file with its table of routes and its handlers. A handler decodes,
// acts and responds, and knows nothing else: who may do it is the shell's affair
// (package api), what happens is that of the use cases (package app). What their errors
// mean to a client is in Translate, for all routes alike.
package v1

import (
	"context"

	"lotse/internal/api"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
)

// Deps are what the routes are made of.
type Deps struct {
	Gateway *app.Gateway
	Tokens  *auth.Tokens
	// Accounts are those of persons.
	Accounts *auth.Accounts
	// Tenant is whose first administrator is made by setting up.
	Tenant string
	// PublicURL is how others reach this installation: scheme://host[:port].
	PublicURL string
	// Version is that of Lotse.
	Version string
	// MaxUpload bounds one upload in bytes; 0: not at all.
	MaxUpload int64
}

// routes are the handlers of all routes.
type routes struct {
	Deps
	canKeep  func(context.Context) bool // whether a browser would keep a session
	carryOut func(context.Context, api.Pending, access.Actor) (int, []byte, error)
}

// Mount registers all routes.
func Mount(s *api.Server, d Deps) {
	r := &routes{Deps: d}
	r.setup(s)
	r.login(s)
	r.pages(s)
	r.self(s)
	r.account(s)
	r.imports(s)
	r.actions(s)
	r.decision(s)
	r.events(s)
	r.inspection(s)
	r.uploads(s)
	r.receipts(s)
	r.audit(s)
	r.destinations(s)
	r.sites(s)
	r.callers(s)
	r.settings(s)
	r.portals(s)
	r.overview(s)
	r.clock(s)
	r.tokens(s)
	r.users(s)
	r.passkeys(s)
	r.providers(s)
	r.approvals(s)
	r.linkExchange(s)
}

// Groups of routes, as the page of the API shows them.
const (
	tagImports      = "Imports"
	tagUploads      = "Uploads"
	tagDestinations = "Destinations"
	tagSites        = "Sites"
	tagCallers      = "Callers"
	tagProof        = "Proof"
	tagSettings     = "Settings"
	tagAccess       = "Access"
	tagLogin        = "Login"
	tagApprovals    = "Approvals"
)

// who is on whose behalf a request is served.
func who(ctx context.Context) app.Who {
	actor, _ := access.From(ctx)
	return app.Who{Tenant: actor.Tenant, Actor: actor.ID, Session: actor.Session, Sites: actor.Sites}
}

// ImportPath names the import of a request.
type ImportPath struct {
	Import string `path:"import" doc:"Id of the import." example:"0198c0de-0000-7000-8000-000000000000"`
}
