package v1

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lotse/dlx"
	"lotse/internal/api"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/internal/store"
)

// linkExchangePath is where the importer of DICOM Link Exchange, version 2, is.
const linkExchangePath = "/dlx/v2"

// linkExchange is the route of the importer that other vendors' systems drive. Its
// answers are those of that protocol, refusals as well: so the shell lets everybody
// through, and the importer asks the same place who may do what.
func (r *routes) linkExchange(s *api.Server) {
	config := dlx.ImportConfig{Vendor: "Lotse " + r.Version, Failed: func(req *http.Request, err error) {
		s.Log.ErrorContext(req.Context(), "an import by DLX failed", "err", err, "request_id", api.RequestID(req.Context()))
	}}
	if base, err := url.Parse(strings.TrimSuffix(r.PublicURL, "/") + linkExchangePath); err == nil && base.Host != "" {
		config.Base = base
	}
	h := dlx.NewImportHandler(&linkImports{gateway: r.Gateway, tokens: r.Tokens, authorizer: s.Authorizer}, config)
	s.Handle(api.Route{Pattern: linkExchangePath + "/", Permission: access.Public, Body: 64 << 10}, h)
}

// linkImports is the importer over the gateway. An access token is the API token that
// was the password: it ends when that is revoked.
type linkImports struct {
	gateway    *app.Gateway
	tokens     *auth.Tokens
	authorizer access.Authorizer
}

var _ dlx.Imports = (*linkImports)(nil)

// actor is whose token it is, when it may create imports.
func (l *linkImports) actor(ctx context.Context, token string) (access.Actor, error) {
	actor, err := l.authorizer.Authorize(ctx, access.Request{Permission: auth.ImportsCreate, Token: token, Route: linkExchangePath + "/", Remote: api.Remote(ctx)})
	if errors.Is(err, access.ErrUnauthenticated) || errors.Is(err, access.ErrForbidden) || errors.Is(err, access.ErrNotFound) {
		return actor, dlx.Refused
	}
	return actor, temporary(err)
}

// Login takes the name, or the id, of a token and the token.
func (l *linkImports) Login(ctx context.Context, c dlx.Credentials) (dlx.Access, error) {
	actor, err := l.actor(ctx, c.Password.Reveal())
	if err != nil {
		return dlx.Access{}, err
	}
	token, err := l.tokens.Own(ctx, actor)
	if err != nil {
		return dlx.Access{}, temporary(err)
	}
	name := []byte(c.Username.Reveal())
	if subtle.ConstantTimeCompare(name, []byte(token.Name))|subtle.ConstantTimeCompare(name, []byte(token.ID)) != 1 {
		return dlx.Access{}, dlx.Refused
	}
	a := dlx.Access{Token: c.Password, Scopes: []string{dlx.ScopeImport}}
	if !token.Expires.IsZero() {
		a.Expires = time.Until(token.Expires)
	}
	return a, nil
}

// Authorize finds whose access token it is.
func (l *linkImports) Authorize(ctx context.Context, token dlx.Secret) (dlx.Authority, error) {
	actor, err := l.actor(ctx, token.Reveal())
	if err != nil {
		return dlx.Authority{}, err
	}
	subject := append([]string{actor.Tenant, actor.ID}, actor.Sites...)
	return dlx.Authority{Subject: strings.Join(subject, " "), Scopes: []string{dlx.ScopeImport}}, nil
}

// whose is on whose behalf an authority acts.
func whose(a dlx.Authority) app.Who {
	parts := strings.Split(a.Subject, " ")
	if len(parts) < 2 {
		return app.Who{}
	}
	return app.Who{Tenant: parts[0], Actor: parts[1], Sites: parts[2:]}
}

// Start takes a link over, and waits a little for its end.
func (l *linkImports) Start(ctx context.Context, who dlx.Authority, req dlx.ImportRequest, wait time.Duration) (dlx.ImportStatus, error) {
	link := req.Link.Reveal()
	if !strings.Contains(link, "://") { // as people write them
		link = "https://" + link
	}
	n := app.NewImport{Kind: app.KindLink, Link: personal.New(link), Priority: app.PriorityBatch, Known: app.Answers{ByID: map[string]personal.Text{}}}
	for _, a := range req.Answers {
		n.Known.ByID[a.QuestionID] = personal.New(a.Answer.Reveal())
	}
	id, err := l.gateway.Create(ctx, whose(who), n)
	var invalid *app.InvalidError
	if errors.As(err, &invalid) && invalid.Field == "link" {
		return dlx.ImportStatus{}, dlx.BadLink
	}
	if err != nil {
		return dlx.ImportStatus{}, temporary(err)
	}
	enough := time.NewTimer(wait)
	defer enough.Stop()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		status, err := l.Status(ctx, who, id)
		if err != nil || status.State.Ended() {
			return status, err
		}
		select {
		case <-look.C:
		case <-enough.C:
			return status, nil
		case <-ctx.Done():
			return status, ctx.Err()
		}
	}
}

// Status tells of an import. It is completed when everything has been fetched: what a
// person decides afterwards is this house's affair.
func (l *linkImports) Status(ctx context.Context, who dlx.Authority, id string) (dlx.ImportStatus, error) {
	v, err := l.gateway.Snapshot(ctx, whose(who), id)
	if errors.Is(err, store.ErrNotFound) {
		return dlx.ImportStatus{}, dlx.NotFound
	}
	if err != nil {
		return dlx.ImportStatus{}, temporary(err)
	}
	status := dlx.ImportStatus{ID: id, Items: v.Received.Instances}
	status.State, status.Message = linkState(v)
	return status, nil
}

// linkState is the state of an import for the system that handed it over.
func linkState(v *app.Snapshot) (dlx.ImportState, string) {
	switch v.State {
	case importer.Review, importer.Delivering, importer.Arrived:
		return dlx.ImportCompleted, "The exam has been fetched."
	case importer.Waiting:
		return dlx.ImportStarted, "A person has to answer a question in Lotse."
	case importer.Fetching, importer.Inspecting:
		if v.Problem != nil {
			return dlx.ImportStarted, "It is tried again later: " + v.Problem.Code + "."
		}
		return dlx.ImportStarted, "The exam is being fetched."
	case importer.Broken:
		if v.Decision != nil { // it was fetched; what failed is the delivery
			return dlx.ImportCompleted, "The exam has been fetched."
		}
		if v.Problem != nil {
			return dlx.ImportFailed, "It failed: " + v.Problem.Code + "."
		}
		return dlx.ImportFailed, "It failed."
	case importer.Rejected:
		return dlx.ImportFailed, "The exam was rejected."
	case importer.Cancelled:
		return dlx.ImportFailed, "The import was cancelled."
	}
	if v.Received.Instances > 0 {
		return dlx.ImportCompleted, "The exam had been fetched; it has been erased since."
	}
	return dlx.ImportFailed, "The import has been erased."
}

// temporary asks a client to come back after a failure that passes.
func temporary(err error) error {
	var passing interface{ Temporary() bool }
	if errors.As(err, &passing) && passing.Temporary() {
		return &dlx.NotReadyError{After: 5 * time.Second}
	}
	return err
}
