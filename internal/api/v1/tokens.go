package v1

import (
	"context"
	"net/http"
	"time"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
)

// tokens are the routes of who gets in.
func (r *routes) tokens(s *api.Server) {
	api.Register(s, api.Operation{ID: "create-token", SecondPerson: true, Method: http.MethodPost, Path: "/tokens", Tag: tagAccess, Permission: auth.TokensManage,
		Status: http.StatusCreated, Problems: []problem.Code{problem.Invalid}, Summary: "Make a token for another system or administrator",
		Description: "The secret is shown this once; Lotse keeps a digest of it only. So this creation takes no idempotency key."}, r.createToken)
	api.Register(s, api.Operation{ID: "list-tokens", Method: http.MethodGet, Path: "/tokens", Tag: tagAccess, Permission: auth.TokensRead,
		Summary: "List tokens, without their secrets"}, r.listTokens)
	api.Register(s, api.Operation{ID: "revoke-token", Method: http.MethodDelete, Path: "/tokens/{token}", Tag: tagAccess, Permission: auth.TokensManage,
		Problems: []problem.Code{problem.NotFound, problem.LastAdministrator}, Summary: "End a token at once"}, r.revokeToken)
}

// self is the route about who asks.
func (r *routes) self(s *api.Server) {
	api.Register(s, api.Operation{ID: "get-me", Method: http.MethodGet, Path: "/me", Tag: tagAccess, Permission: auth.Self,
		Summary: "Get who you are and what you may do"}, r.getMe)
}

// actor is who asks.
func actor(ctx context.Context) access.Actor {
	a, _ := access.From(ctx)
	return a
}

type createTokenIn struct{ Body auth.New }

// createdToken is a token with its secret.
type createdToken struct {
	*auth.Token
	Secret string `json:"token" doc:"For Authorization: Bearer. It is shown this once."`
}

type createTokenOut struct {
	Location string `header:"Location"`
	Body     createdToken
}

func (r *routes) createToken(ctx context.Context, in *createTokenIn) (*createTokenOut, error) {
	if end := in.Body.Expires; !end.IsZero() && end.Before(time.Now()) {
		return nil, &app.InvalidError{Field: "expires", Code: "in-the-past"}
	}
	token, secret, err := r.Tokens.Create(ctx, actor(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	return &createTokenOut{api.Base + "/tokens/" + token.ID, createdToken{token, secret}}, nil
}

// tokenList is all tokens.
type tokenList struct {
	Tokens []auth.Token `json:"tokens" nullable:"false"`
}

type listTokensOut struct{ Body tokenList }

func (r *routes) listTokens(ctx context.Context, _ *struct{}) (*listTokensOut, error) {
	all, err := r.Tokens.List(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return &listTokensOut{tokenList{all}}, nil
}

type tokenPath struct {
	Token string `path:"token" doc:"Id of the token."`
}

func (r *routes) revokeToken(ctx context.Context, in *tokenPath) (*struct{}, error) {
	return nil, r.Tokens.Revoke(ctx, actor(ctx), in.Token)
}

// me is who asks.
type me struct {
	Kind        access.Kind         `json:"kind" enum:"user,token"`
	Tenant      string              `json:"tenant,omitempty" doc:"The organisation, where there are several."`
	ID          string              `json:"id" doc:"Of the account or token."`
	Login       string              `json:"login,omitempty" doc:"Of a person."`
	Name        string              `json:"name"`
	Roles       []auth.Role         `json:"roles" nullable:"false"`
	Sites       []string            `json:"sites,omitempty" doc:"Ids of the sites whose imports may be reached now; absent: all."`
	Permissions []access.Permission `json:"permissions" nullable:"false"`
}

type meOut struct{ Body me }

func (r *routes) getMe(ctx context.Context, _ *struct{}) (*meOut, error) {
	by := actor(ctx)
	out := &meOut{me{Kind: by.Kind, Sites: by.Sites}}
	if auth.Known(by) {
		u, err := r.Accounts.Own(ctx, by)
		if err != nil {
			return nil, err
		}
		out.Body.ID, out.Body.Login, out.Body.Name, out.Body.Roles = u.ID, u.Login, u.Name, u.Roles
	} else {
		token, err := r.Tokens.Own(ctx, by)
		if err != nil {
			return nil, err
		}
		out.Body.ID, out.Body.Name, out.Body.Roles = token.ID, token.Name, []auth.Role{token.Role}
	}
	out.Body.Permissions = auth.Permissions(out.Body.Roles, auth.Known(by))
	if by.Tenant != r.Tenant {
		out.Body.Tenant = by.Tenant
	}
	return out, nil
}
