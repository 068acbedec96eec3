package v1

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/auth/access"
	"lotse/internal/phrase"
)

//go:embed assets
var assets embed.FS

// setupPolicy lets the page of the setting up have its own script and style, and ask
// its own server.
const setupPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// setup are the routes by which the first administrator gets in.
func (r *routes) setup(s *api.Server) {
	api.Register(s, api.Operation{ID: "set-up", Method: http.MethodPost, Path: "/setup", Tag: tagAccess, Permission: access.Public, Body: 4 << 10,
		Status: http.StatusCreated, Problems: []problem.Code{problem.Gone, problem.TooMany}, Summary: "Make the first administrator's token",
		Description: "With the secret of the link that `lotse serve` prints until there is an administrator. It works once."}, r.setUp)
	s.Handle(api.Route{Pattern: "GET /setup", Permission: access.Public}, s.Serve(r.setupPage))
	for name, kind := range map[string]string{"setup.css": "text/css; charset=utf-8", "setup.js": "text/javascript; charset=utf-8"} {
		s.Handle(api.Route{Pattern: "GET /setup/" + name, Permission: access.Public}, s.Serve(func(w http.ResponseWriter, _ *http.Request) error {
			text, err := assets.ReadFile("assets/" + name)
			if err != nil {
				return err
			}
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(text) // the client has gone
			return nil
		}))
	}
}

type setUpIn struct {
	Body struct {
		Secret string `json:"secret" minLength:"1" maxLength:"200" doc:"Behind the # of the link."`
	}
}

// firstToken is the token of the first administrator.
type firstToken struct {
	Secret string `json:"token" doc:"For Authorization: Bearer. It is shown this once."`
}

type setUpOut struct{ Body firstToken }

func (r *routes) setUp(ctx context.Context, in *setUpIn) (*setUpOut, error) {
	token, err := r.Tokens.Redeem(ctx, r.Tenant, in.Body.Secret)
	if err != nil {
		return nil, err
	}
	return &setUpOut{firstToken{token}}, nil
}

// setupView is what the page of the setting up shows.
type setupView struct {
	Lang  string
	Texts map[string]string
	URL   string
}

func (r *routes) setupPage(w http.ResponseWriter, req *http.Request) error {
	lang := phrase.For(req.Header.Get("Accept-Language")).Lang()
	texts := map[string]map[string]string{}
	raw, err := assets.ReadFile("assets/setup.json")
	if err == nil {
		err = json.Unmarshal(raw, &texts)
	}
	if err != nil {
		return fmt.Errorf("read the texts of the setting up: %w", err)
	}
	page, err := template.ParseFS(assets, "assets/setup.html")
	if err != nil {
		return fmt.Errorf("read the page of the setting up: %w", err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, setupView{lang, texts[lang], r.PublicURL}); err != nil {
		return fmt.Errorf("write the page of the setting up: %w", err)
	}
	h := w.Header()
	h.Set("Content-Security-Policy", setupPolicy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Vary", "Accept-Language")
	_, _ = w.Write(b.Bytes()) // the client has gone
	return nil
}
