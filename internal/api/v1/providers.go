package v1

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/auth/oidc"
	"lotse/internal/store"
)

// providers are the routes of identity providers, and of signing in by one.
func (r *routes) providers(s *api.Server) {
	op := func(id, method, path string, permission access.Permission, tag, summary, description string, problems ...problem.Code) api.Operation {
		return api.Operation{ID: id, Method: method, Path: path, Tag: tag, Permission: permission, Summary: summary, Description: description, Problems: problems}
	}
	create := op("create-provider", http.MethodPost, "/identity-providers", auth.UsersManage, tagAccess, "Let people sign in by an identity provider",
		"OpenID Connect. Register redirect_uri of the answer at the provider.", problem.Invalid, problem.NameTaken, problem.RolesApart)
	create.Status, create.SecondPerson = http.StatusCreated, true
	api.Register(s, create, r.createProvider)
	api.Register(s, op("list-providers", http.MethodGet, "/identity-providers", auth.UsersRead, tagAccess, "List identity providers", "Without their secrets."), r.listProviders)
	api.Register(s, bySecond(op("change-provider", http.MethodPut, "/identity-providers/{provider}", auth.UsersManage, tagAccess, "Change an identity provider",
		"If-Match is needed. Who is in stays in until their session ends.", problem.NotFound, problem.Invalid, problem.NameTaken, problem.RolesApart,
		problem.PreconditionFailed, problem.PreconditionRequired)), r.changeProvider)
	api.Register(s, op("delete-provider", http.MethodDelete, "/identity-providers/{provider}", auth.UsersManage, tagAccess, "End signing in by an identity provider",
		"The accounts stay. Block those who are not to come back before.", problem.NotFound), r.deleteProvider)
	names := op("list-login-providers", http.MethodGet, "/login/providers", access.Public, tagLogin, "List by whom one can sign in", "")
	api.Register(s, names, r.providerNames)
	begin := op("sign-in", http.MethodPost, "/login/providers/{provider}", access.Public, tagLogin, "Begin to sign in by an identity provider",
		"The browser goes to the address of the answer, and comes back logged in, as far as the login got.", problem.NotFound, problem.ProviderAway, problem.NeedsHTTPS)
	begin.Page, begin.Body = true, 4<<10
	api.Register(s, begin, r.signIn)
	api.Register(s, op("login-again-provider", http.MethodPost, "/login/again/providers/{provider}", access.Any, tagLogin, "Prove again who you are by an identity provider", "",
		problem.NotFound, problem.ProviderAway), r.signInAgain)
	s.Handle(api.Route{Pattern: "GET " + auth.BackPath, Permission: access.Public}, s.Serve(r.signedIn))
}

type createProviderIn struct{ Body auth.NewProvider }

func (r *routes) createProvider(ctx context.Context, in *createProviderIn) (*madeOut[*auth.Provider], error) {
	p, err := r.Accounts.AddProvider(ctx, actor(ctx), in.Body)
	return made("/identity-providers/", p, err)
}

// providerList is all identity providers.
type providerList struct {
	Providers []auth.Provider `json:"providers" nullable:"false"`
}

type providersOut struct{ Body providerList }

func (r *routes) listProviders(ctx context.Context, _ *struct{}) (*providersOut, error) {
	all, err := r.Accounts.Providers(ctx, actor(ctx))
	return &providersOut{providerList{all}}, err
}

// ProviderPath names an identity provider.
type ProviderPath struct {
	Provider string `path:"provider" doc:"Id of the identity provider."`
}

type changeProviderIn struct {
	ProviderPath
	api.IfMatch
	Body auth.NewProvider
}

func (r *routes) changeProvider(ctx context.Context, in *changeProviderIn) (*keptOut[*auth.Provider], error) {
	present, err := r.Accounts.Provider(ctx, actor(ctx), in.Provider)
	version, err := seen(in.IfMatch, present, err)
	if err != nil {
		return nil, err
	}
	return shown(r.Accounts.ChangeProvider(ctx, actor(ctx), in.Provider, version, in.Body))
}

func (r *routes) deleteProvider(ctx context.Context, in *ProviderPath) (*struct{}, error) {
	return nil, r.Accounts.DeleteProvider(ctx, actor(ctx), in.Provider)
}

type providerNamesIn struct {
	Tenant string `query:"tenant" maxLength:"64" doc:"The organisation, where there are several."`
}

// providerNameList is by whom one can sign in.
type providerNameList struct {
	Providers []auth.ProviderName `json:"providers" nullable:"false"`
	Passkeys  bool                `json:"passkeys" doc:"Whether passkeys can be used here."`
}

type providerNamesOut struct{ Body providerNameList }

func (r *routes) providerNames(ctx context.Context, in *providerNamesIn) (*providerNamesOut, error) {
	all, err := r.Accounts.ProviderNames(ctx, r.tenant(in.Tenant))
	return &providerNamesOut{providerNameList{all, r.Accounts.HasPasskeys()}}, err
}

type signInIn struct {
	ProviderPath
	Body struct {
		Tenant string `json:"tenant,omitempty" maxLength:"64" doc:"The organisation, where there are several."`
	}
}

// signInAddress is where a browser goes on.
type signInAddress struct {
	Address string `json:"address" doc:"Of the identity provider."`
}

type signInOut struct {
	SetCookie http.Cookie `header:"Set-Cookie" doc:"What ties the way back to this browser."`
	Body      signInAddress
}

func (r *routes) signIn(ctx context.Context, in *signInIn) (*signInOut, error) {
	if !r.canKeep(ctx) {
		return nil, problem.New(problem.NeedsHTTPS, "")
	}
	return r.beginSignIn(ctx, r.tenant(in.Body.Tenant), in.Provider, access.Actor{})
}

func (r *routes) signInAgain(ctx context.Context, in *ProviderPath) (*signInOut, error) {
	by := actor(ctx)
	if by.Session == "" { // a token proves nothing again
		return nil, store.ErrNotFound
	}
	return r.beginSignIn(ctx, by.Tenant, in.Provider, by)
}

func (r *routes) beginSignIn(ctx context.Context, tenant, provider string, by access.Actor) (*signInOut, error) {
	secret, address, err := r.Accounts.BeginSignIn(ctx, tenant, provider, by)
	if err != nil {
		return nil, err
	}
	return &signInOut{api.AttemptCookie(secret, auth.AttemptTime()), signInAddress{address}}, nil
}

// signedIn is where an identity provider sends people back to. It always goes on at the
// page of the login, which says what comes next, or what went wrong: by its code, in a
// fragment, which stays in the browser.
func (r *routes) signedIn(w http.ResponseWriter, req *http.Request) error {
	secret, q := api.AttemptOf(req), req.URL.Query()
	gone := api.NoAttemptCookie()
	http.SetCookie(w, &gone)
	e, err := r.Accounts.SignIn(req.Context(), auth.AttemptTenant(secret), secret,
		oidc.Answer{State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss"), Error: q.Get("error")})
	to := url.URL{Path: "/login"}
	if err != nil {
		p := Translate(err)
		if p == nil || p.Status >= 500 && !errors.Is(err, oidc.ErrUnreachable) {
			return err
		}
		to.Fragment = "problem=" + string(p.Code)
	} else {
		cookie := api.SessionCookie(e.Secret)
		http.SetCookie(w, &cookie)
	}
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
