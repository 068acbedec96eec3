package v1

import (
	"context"
	"encoding/json"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
)

// passkeys are the routes by which a person registers and proves passkeys.
func (r *routes) passkeys(s *api.Server) {
	op := func(id, method, path string, permission access.Permission, summary, description string, problems ...problem.Code) api.Operation {
		return api.Operation{ID: id, Method: method, Path: path, Tag: tagLogin, Permission: permission, Body: 32 << 10, Summary: summary, Description: description,
			Problems: append([]problem.Code{problem.NoPasskeys}, problems...)}
	}
	options := op("begin-passkey-login", http.MethodPost, "/login/passkey/options", access.Public, "Begin to prove a passkey",
		"For a login, a second factor, or to prove again who you are. It tells nothing about any account.", problem.NeedsHTTPS)
	options.Page = true
	api.Register(s, options, r.passkeyOptions)
	login := op("login-passkey", http.MethodPost, "/login/passkey", access.Public, "Log in with a passkey", "It is two factors at once.", problem.LoginFailed, problem.NeedsHTTPS)
	login.Page = true
	api.Register(s, login, r.loginPasskey)
	api.Register(s, op("login-factor-passkey", http.MethodPost, "/login/factor/passkey", access.Any, "Prove a second factor by a passkey",
		"At the step `second-factor`.", problem.LoginStep, problem.LoginFailed), r.proveOwn(r.Accounts.FactorPasskey))
	api.Register(s, op("login-again-passkey", http.MethodPost, "/login/again/passkey", access.Any, "Prove again who you are by a passkey", "",
		problem.LoginStep, problem.LoginFailed), r.proveOwn(r.Accounts.AgainPasskey))
	api.Register(s, op("begin-passkey", http.MethodPost, "/me/passkeys/options", access.Any, "Begin to register a passkey",
		"Within ten minutes of the login, or at its step `enrol-factor`.", problem.LoginStep, problem.Reauthenticate), r.newPasskeyOptions)
	api.Register(s, op("add-passkey", http.MethodPost, "/me/passkeys", access.Any, "Register a passkey",
		"All your other sessions end. It is listed, and ended, with the second factors.", problem.LoginStep, problem.Reauthenticate, problem.LoginFailed, problem.Invalid), r.addPasskey)
}

type tenantIn struct {
	Body struct {
		Tenant string `json:"tenant,omitempty" maxLength:"64" doc:"The organisation, where there are several."`
	}
}

// tenant is the organisation that a request names, or the only one.
func (r *routes) tenant(named string) string {
	if named == "" {
		return r.Tenant
	}
	return named
}

type passkeyOptionsOut struct{ Body *auth.PasskeyOptions }

func (r *routes) passkeyOptions(ctx context.Context, in *tenantIn) (*passkeyOptionsOut, error) {
	if !r.canKeep(ctx) {
		return nil, problem.New(problem.NeedsHTTPS, "")
	}
	options, err := r.Accounts.PasskeyChallenge(ctx, r.tenant(in.Body.Tenant))
	return &passkeyOptionsOut{options}, err
}

// PasskeyProof is what a browser answers to options.
type PasskeyProof struct {
	Ceremony string          `json:"ceremony" maxLength:"8192"`
	Answer   json.RawMessage `json:"answer" doc:"The credential as PublicKeyCredential.toJSON writes it."`
}

type loginPasskeyIn struct {
	Body struct {
		PasskeyProof
		Tenant string `json:"tenant,omitempty" maxLength:"64" doc:"The organisation, where there are several."`
	}
}

func (r *routes) loginPasskey(ctx context.Context, in *loginPasskeyIn) (*loginOut, error) {
	if !r.canKeep(ctx) {
		return nil, problem.New(problem.NeedsHTTPS, "")
	}
	e, err := r.Accounts.LoginPasskey(ctx, r.tenant(in.Body.Tenant), in.Body.Ceremony, in.Body.Answer)
	return r.entered(ctx, e, err)
}

type ownPasskeyIn struct{ Body PasskeyProof }

// proveOwn is a step of a login by a passkey of the same person.
func (r *routes) proveOwn(prove func(context.Context, access.Actor, string, []byte) (*auth.Entry, error)) func(context.Context, *ownPasskeyIn) (*loginOut, error) {
	return func(ctx context.Context, in *ownPasskeyIn) (*loginOut, error) {
		e, err := prove(ctx, actor(ctx), in.Body.Ceremony, in.Body.Answer)
		return r.entered(ctx, e, err)
	}
}

func (r *routes) newPasskeyOptions(ctx context.Context, _ *struct{}) (*passkeyOptionsOut, error) {
	options, err := r.Accounts.BeginPasskey(ctx, actor(ctx))
	return &passkeyOptionsOut{options}, err
}

type addPasskeyIn struct {
	Body struct {
		PasskeyProof
		Name string `json:"name" minLength:"1" maxLength:"60" doc:"What you call it, such as that of the device."`
	}
}

func (r *routes) addPasskey(ctx context.Context, in *addPasskeyIn) (*loginOut, error) {
	e, err := r.Accounts.AddPasskey(ctx, actor(ctx), in.Body.Ceremony, in.Body.Name, in.Body.Answer)
	return r.entered(ctx, e, err)
}
