package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
)

// setup are the routes by which the first administrator gets in.
func (r *routes) setup(s *api.Server) {
	api.Register(s, api.Operation{ID: "set-up", Method: http.MethodPost, Path: "/setup", Tag: tagAccess, Permission: access.Public, Body: 4 << 10,
		Status: http.StatusCreated, Problems: []problem.Code{problem.Gone, problem.TooMany, problem.Invalid}, Summary: "Make the first administrator",
		Description: "With the secret of the link that `lotse serve` prints until there is an administrator. It works once. With `user`, a person, who logs in then; " +
			"without, a token, for scripts."}, r.setUp)
	s.Handle(api.Route{Pattern: "GET /setup", Permission: access.Public}, s.Serve(r.page("setup")))
	r.asset(s, "/setup/setup.css", "setup.css")
	r.asset(s, "/setup/setup.js", "setup.js")
}

type setUpIn struct {
	Body struct {
		Secret string     `json:"secret" minLength:"1" maxLength:"200" doc:"Behind the # of the link."`
		User   *firstUser `json:"user,omitempty" doc:"The person who administers; absent: a token is made."`
	}
}

// firstUser is the person who administers first.
type firstUser struct {
	Login    string `json:"login" minLength:"1" maxLength:"100"`
	Name     string `json:"name" minLength:"1" maxLength:"200"`
	Email    string `json:"email,omitempty" maxLength:"254"`
	Password string `json:"password" minLength:"1" maxLength:"1024" doc:"At least 12 characters, of whatever kind; not what is tried first."`
}

// first is the first administrator.
type first struct {
	Token string `json:"token,omitempty" doc:"For Authorization: Bearer. It is shown this once."`
	User  string `json:"user,omitempty" doc:"Id of the account."`
}

type setUpOut struct{ Body first }

func (r *routes) setUp(ctx context.Context, in *setUpIn) (*setUpOut, error) {
	if u := in.Body.User; u != nil {
		made, err := r.Accounts.SetUp(ctx, r.Tokens, r.Tenant, in.Body.Secret, auth.NewUser{Login: u.Login, Name: u.Name, Email: u.Email}, u.Password)
		if err != nil {
			return nil, err
		}
		return &setUpOut{first{User: made.ID}}, nil
	}
	token, err := r.Tokens.Redeem(ctx, r.Tenant, in.Body.Secret)
	if err != nil {
		return nil, err
	}
	return &setUpOut{first{Token: token}}, nil
}
