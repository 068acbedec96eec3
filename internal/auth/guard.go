package auth

import (
	"context"
	"strings"

	"lotse/internal/auth/access"
)

// Guard is the one place that decides: by a token, or by the session of a person.
type Guard struct {
	tokens   *Tokens
	accounts *Accounts
}

var _ access.Authorizer = (*Guard)(nil)

// NewGuard decides by tokens and accounts.
func NewGuard(t *Tokens, a *Accounts) *Guard { return &Guard{t, a} }

// Authorize returns who asks, when they may. A token goes before a session.
func (g *Guard) Authorize(ctx context.Context, r access.Request) (access.Actor, error) {
	switch {
	case r.Permission == access.Public:
		return access.Actor{}, nil
	case r.Token != "":
		return g.tokens.Authorize(ctx, r)
	case strings.HasPrefix(r.Session, sessionPrefix):
		return g.accounts.authorize(ctx, r)
	}
	return access.Actor{}, access.ErrUnauthenticated
}
