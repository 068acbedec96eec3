package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
)

// login are the routes by which a person gets in and out. Each answers with what comes
// next, and with a new secret in the cookie.
func (r *routes) login(s *api.Server) {
	r.canKeep = s.CanKeep
	begin := []problem.Code{problem.LoginFailed, problem.TooMany, problem.NeedsHTTPS, problem.CrossOrigin}
	api.Register(s, api.Operation{ID: "login", Method: http.MethodPost, Path: "/login", Tag: tagLogin, Permission: access.Public, Page: true, Body: 4 << 10, Problems: begin,
		Summary: "Begin to log in, with a password", Description: "The answer says what comes next; the cookie is good for that only until next is `in`. " +
			"It does not tell whether there is such an account. Needs the header X-Lotse-Page, as all requests with the cookie that change something."}, r.logIn)
	step := func(name, summary, description string, problems ...problem.Code) api.Operation {
		return api.Operation{ID: "login-" + name, Method: http.MethodPost, Path: "/login/" + name, Tag: tagLogin, Permission: access.Any, Body: 4 << 10,
			Problems: append([]problem.Code{problem.LoginStep}, problems...), Summary: summary, Description: description}
	}
	api.Register(s, api.Operation{ID: "get-login", Method: http.MethodGet, Path: "/login", Tag: tagLogin, Permission: access.Any, Passive: true,
		Summary: "Get what the login needs next"}, r.getLogin)
	api.Register(s, step("password", "Replace a password that an administrator gave", "At the step `change-password`.", problem.Invalid), r.replacePassword)
	api.Register(s, step("factor", "Prove the second factor", "At the step `second-factor`, with a code of the authenticator. Each code is good once.",
		problem.LoginFailed, problem.TooMany), r.proveFactor)
	api.Register(s, step("terms", "Accept the terms of use", "At the step `terms`.", problem.Invalid), r.acceptTerms)
	again := step("again", "Prove again who you are", "What manages the installation needs that somebody did so within the last minutes.", problem.LoginFailed, problem.TooMany)
	api.Register(s, again, r.again)
	api.Register(s, api.Operation{ID: "logout", Method: http.MethodPost, Path: "/logout", Tag: tagLogin, Permission: access.Any,
		Summary: "Log out", Description: "The session ends, whatever step it is at."}, r.logout)
}

// loginState is how far a login got.
type loginState struct {
	Next  auth.Step   `json:"next" enum:"change-password,second-factor,enrol-factor,terms,in" doc:"What comes next; in: nothing."`
	Terms *auth.Terms `json:"terms,omitempty" doc:"What is to be accepted, at the step terms."`
}

type loginOut struct {
	SetCookie http.Cookie `header:"Set-Cookie" doc:"The session, with a new secret."`
	Body      loginState
}

// entered answers with how far a login got, and hands its secret over.
func (r *routes) entered(ctx context.Context, e *auth.Entry, err error) (*loginOut, error) {
	if err != nil {
		return nil, err
	}
	out := &loginOut{api.SessionCookie(e.Secret), loginState{Next: e.Step}}
	if e.Step == auth.StepTerms {
		terms, err := r.Accounts.Terms(ctx, access.Actor{Tenant: e.Tenant})
		if err != nil {
			return nil, err
		}
		out.Body.Terms = &terms
	}
	return out, nil
}

type loginIn struct {
	Body struct {
		Login    string `json:"login" minLength:"1" maxLength:"100"`
		Password string `json:"password" minLength:"1" maxLength:"1024"`
		Tenant   string `json:"tenant,omitempty" maxLength:"64" doc:"The organisation, where there are several."`
	}
}

func (r *routes) logIn(ctx context.Context, in *loginIn) (*loginOut, error) {
	if !r.canKeep(ctx) {
		return nil, problem.New(problem.NeedsHTTPS, "")
	}
	tenant := in.Body.Tenant
	if tenant == "" {
		tenant = r.Tenant
	}
	e, err := r.Accounts.Login(ctx, tenant, in.Body.Login, in.Body.Password)
	if err == nil {
		err = r.Accounts.Replaced(ctx, e, api.PresentSession(ctx))
	}
	return r.entered(ctx, e, err)
}

type loginStateOut struct{ Body loginState }

func (r *routes) getLogin(ctx context.Context, _ *struct{}) (*loginStateOut, error) {
	state, err := r.Accounts.State(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	out := &loginStateOut{loginState{Next: state.Step}}
	if state.Step == auth.StepTerms {
		out.Body.Terms = &state.Terms
	}
	return out, nil
}

type passwordIn struct {
	Body struct {
		Password string `json:"password" minLength:"1" maxLength:"1024"`
	}
}

func (r *routes) replacePassword(ctx context.Context, in *passwordIn) (*loginOut, error) {
	e, err := r.Accounts.ReplacePassword(ctx, actor(ctx), in.Body.Password)
	return r.entered(ctx, e, err)
}

type codeIn struct {
	Body struct {
		Code string `json:"code" minLength:"6" maxLength:"6" pattern:"^[0-9]+$" doc:"That the authenticator shows."`
	}
}

func (r *routes) proveFactor(ctx context.Context, in *codeIn) (*loginOut, error) {
	e, err := r.Accounts.ProveTOTP(ctx, actor(ctx), in.Body.Code)
	return r.entered(ctx, e, err)
}

type acceptIn struct {
	Body struct {
		Version int64 `json:"version" doc:"The version that was read."`
	}
}

func (r *routes) acceptTerms(ctx context.Context, in *acceptIn) (*loginOut, error) {
	e, err := r.Accounts.AcceptTerms(ctx, actor(ctx), in.Body.Version)
	return r.entered(ctx, e, err)
}

func (r *routes) again(ctx context.Context, in *passwordIn) (*loginOut, error) {
	e, err := r.Accounts.Again(ctx, actor(ctx), in.Body.Password)
	return r.entered(ctx, e, err)
}

type logoutOut struct {
	SetCookie http.Cookie `header:"Set-Cookie" doc:"Makes the browser forget the session."`
}

func (r *routes) logout(ctx context.Context, _ *struct{}) (*logoutOut, error) {
	if err := r.Accounts.Logout(ctx, actor(ctx)); err != nil {
		return nil, err
	}
	return &logoutOut{api.NoSessionCookie()}, nil
}
