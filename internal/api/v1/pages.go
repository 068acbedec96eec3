package v1

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"path"

	"lotse/internal/api"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/phrase"
)

//go:embed assets
var assets embed.FS

// pagePolicy lets a page have its own scripts and style, and ask its own server.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pages are those that a person needs to get in. They hold nothing that is anybody's:
// what they show they ask the API for.
func (r *routes) pages(s *api.Server) {
	for _, name := range []string{"login", "account"} {
		s.Handle(api.Route{Pattern: "GET /" + name, Permission: access.Public}, s.Serve(r.page(name)))
		r.asset(s, "/"+name+"/"+name+".js", name+".js")
	}
	r.asset(s, "/login/page.js", "page.js")
}

// asset serves a file of the pages.
func (r *routes) asset(s *api.Server, at, name string) {
	kind := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}[path.Ext(name)]
	s.Handle(api.Route{Pattern: "GET " + at, Permission: access.Public}, s.Serve(func(w http.ResponseWriter, _ *http.Request) error {
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

// pageView is what a page is made of.
type pageView struct {
	Name  string
	Lang  string
	Texts map[string]string
	URL   string
	Least int // characters of a password
}

// page serves a page in the language of its reader.
func (r *routes) page(name string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, req *http.Request) error {
		lang := phrase.For(req.Header.Get("Accept-Language")).Lang()
		texts := map[string]map[string]string{}
		raw, err := assets.ReadFile("assets/" + name + ".json")
		if err == nil {
			err = json.Unmarshal(raw, &texts)
		}
		if err != nil {
			return fmt.Errorf("read the texts of a page: %w", err)
		}
		page, err := template.New(name+".html").Option("missingkey=error").ParseFS(assets, "assets/"+name+".html", "assets/frame.html")
		if err != nil {
			return fmt.Errorf("read a page: %w", err)
		}
		var b bytes.Buffer
		if err := page.Execute(&b, pageView{name, lang, texts[lang], r.PublicURL, auth.MinPassword}); err != nil {
			return fmt.Errorf("write a page: %w", err)
		}
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Language", lang)
		h.Set("Vary", "Accept-Language")
		_, _ = w.Write(b.Bytes()) // the client has gone
		return nil
	}
}
