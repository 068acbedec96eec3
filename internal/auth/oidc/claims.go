package oidc

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// claims are what we read of an ID token, and of the userinfo endpoint.
type claims struct {
	Login    string   `json:"preferred_username"`
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	AuthTime int64    `json:"auth_time"`
	AMR      []string `json:"amr"`
	groups   []string
}

// claims reads the ID token, and asks the userinfo endpoint where that says too little:
// providers differ in where they tell names and groups.
func (p *Provider) claims(ctx context.Context, known *oidc.Provider, token *oauth2.Token, proof *oidc.IDToken) (claims, error) {
	c, err := p.read(proof.Claims)
	if err != nil || known.UserInfoEndpoint() == "" || c.Name != "" && (c.groups != nil || p.config.RolesClaim == "") {
		return c, err
	}
	info, err := known.UserInfo(p.context(ctx), oauth2.StaticTokenSource(token))
	if err != nil {
		return c, fmt.Errorf("%w: it does not say who somebody is%s", ErrUnreachable, why(err))
	}
	if info.Subject != proof.Subject { // OpenID Connect Core 1.0 §5.3.2
		return c, fmt.Errorf("%w: it tells of somebody else", ErrInvalid)
	}
	more, err := p.read(info.Claims)
	if err != nil {
		return c, err
	}
	c.Login, c.Name, c.Email = either(c.Login, more.Login), either(c.Name, more.Name), either(c.Email, more.Email)
	if c.groups == nil {
		c.groups = more.groups
	}
	return c, nil
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// read reads claims; the groups may be a list or one text.
func (p *Provider) read(from func(any) error) (claims, error) {
	var c claims
	var all map[string]json.RawMessage
	if from(&c) != nil || from(&all) != nil {
		return c, fmt.Errorf("%w: its claims are of other types", ErrInvalid)
	}
	value, ok := all[p.config.RolesClaim]
	if p.config.RolesClaim == "" || !ok {
		return c, nil
	}
	one := ""
	if json.Unmarshal(value, &one) == nil {
		c.groups = []string{one}
		return c, nil
	}
	if json.Unmarshal(value, &c.groups) != nil {
		return c, fmt.Errorf("%w: the claim with the groups is no list of texts", ErrInvalid)
	}
	return c, nil
}
