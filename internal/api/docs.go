package api

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"lotse/internal/api/problem"
	"lotse/internal/auth/access"
)

// docsPath is where the page is that shows the OpenAPI document.
const docsPath = "/api/docs"

//go:embed assets
var assets embed.FS

// docsPage is what the template shows.
type docsPage struct {
	Title, Version, Description, Document string
	Groups                                []docsGroup
	Schemas                               []docsSchema
	Problems                              []problem.Entry
}

// docsGroup is the operations of one tag.
type docsGroup struct {
	Name       string
	Operations []docsOperation
}

// docsOperation is one operation.
type docsOperation struct {
	ID, Method, Path, Summary, Description, Permission string
	Parameters                                         []*huma.Param
	Request                                            *docsBody
	Responses                                          []docsBody
	Problems                                           []problem.Code
}

// docsBody is what is sent or answered.
type docsBody struct {
	Status, Description, Type, Schema, Example string
}

// docsSchema is one schema of the document.
type docsSchema struct{ Name, Text string }

// registerPage serves the page and its two files.
func (s *Server) registerPage() {
	page := sync.OnceValues(s.renderPage)
	s.Handle(Route{Pattern: "GET " + docsPath, Permission: access.Public}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := page()
		if err != nil {
			s.fail(w, r, problem.New(problem.Internal, "").Because(err))
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(text) // the client has gone
	}))
	for name, kind := range map[string]string{"docs.css": "text/css; charset=utf-8", "docs.js": "text/javascript; charset=utf-8"} {
		s.Handle(Route{Pattern: "GET " + docsPath + "/" + name, Permission: access.Public}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, err := assets.ReadFile("assets/" + name)
			if err != nil {
				s.fail(w, r, problem.New(problem.Internal, "").Because(err))
				return
			}
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(text) // the client has gone
		}))
	}
}

// renderPage makes the page of the OpenAPI document.
func (s *Server) renderPage() ([]byte, error) {
	t, err := template.ParseFS(assets, "assets/docs.html")
	if err != nil {
		return nil, fmt.Errorf("reading the page of the API: %w", err)
	}
	o := s.api.OpenAPI()
	page := docsPage{
		Title: o.Info.Title, Version: o.Info.Version, Description: o.Info.Description,
		Document: Base + "/openapi.json", Problems: problem.Catalogue(), Groups: docsGroups(o),
	}
	for name, schema := range o.Components.Schemas.Map() {
		text, err := json.MarshalIndent(schema, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("describing the schema %s: %w", name, err)
		}
		page.Schemas = append(page.Schemas, docsSchema{name, string(text)})
	}
	slices.SortFunc(page.Schemas, func(a, b docsSchema) int { return cmp.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	if err := t.Execute(&b, page); err != nil {
		return nil, fmt.Errorf("writing the page of the API: %w", err)
	}
	return b.Bytes(), nil
}

// docsGroups sorts the operations by tag, path and method.
func docsGroups(o *huma.OpenAPI) []docsGroup {
	byTag := map[string][]docsOperation{}
	for path, item := range o.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete, item.Head, item.Options} {
			if op == nil {
				continue
			}
			tag := "Other"
			if len(op.Tags) > 0 {
				tag = op.Tags[0]
			}
			byTag[tag] = append(byTag[tag], docsOf(o, path, op))
		}
	}
	var groups []docsGroup
	for name, operations := range byTag {
		slices.SortFunc(operations, func(a, b docsOperation) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
		})
		groups = append(groups, docsGroup{name, operations})
	}
	slices.SortFunc(groups, func(a, b docsGroup) int { return cmp.Compare(a.Name, b.Name) })
	return groups
}

// docsOf shows one operation.
func docsOf(o *huma.OpenAPI, path string, op *huma.Operation) docsOperation {
	d := docsOperation{
		ID: op.OperationID, Method: op.Method, Path: Base + path, Summary: op.Summary, Description: op.Description, Parameters: op.Parameters,
	}
	d.Permission, _ = op.Extensions["x-permission"].(string)
	d.Problems, _ = op.Extensions["x-problems"].([]problem.Code)
	if op.RequestBody != nil {
		for kind, media := range op.RequestBody.Content {
			d.Request = &docsBody{Type: kind, Schema: refName(media.Schema), Example: example(o, media)}
		}
	}
	for status, response := range op.Responses {
		b := docsBody{Status: status, Description: response.Description}
		for kind, media := range response.Content {
			b.Type, b.Schema = kind, refName(media.Schema)
			if status != "default" {
				b.Example = example(o, media)
			}
		}
		d.Responses = append(d.Responses, b)
	}
	slices.SortFunc(d.Responses, func(a, b docsBody) int { return cmp.Compare(a.Status, b.Status) })
	return d
}

// refName is the name of a schema that is referred to; empty for one that is not.
func refName(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	return strings.TrimPrefix(s.Ref, "#/components/schemas/")
}

// example is an example of what is sent, made of the schema where none is given.
func example(o *huma.OpenAPI, media *huma.MediaType) string {
	v := media.Example
	if v == nil {
		v = sample(o, media.Schema, 0)
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil || v == nil {
		return ""
	}
	return string(text)
}

// sample makes a value that a schema allows, of its examples and kinds.
func sample(o *huma.OpenAPI, s *huma.Schema, depth int) any {
	if s != nil && s.Ref != "" {
		s = o.Components.Schemas.SchemaFromRef(s.Ref)
	}
	switch {
	case s == nil || depth > 6:
		return nil
	case len(s.Examples) > 0:
		return s.Examples[0]
	case s.Default != nil:
		return s.Default
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for name, property := range s.Properties {
			object[name] = sample(o, property, depth+1)
		}
		return object
	case huma.TypeArray:
		if item := sample(o, s.Items, depth+1); item != nil {
			return []any{item}
		}
		return []any{}
	case huma.TypeString:
		switch s.Format {
		case "date-time":
			return "2026-01-31T09:30:00Z"
		case "uuid":
			return "0198c0de-0000-7000-8000-000000000000"
		}
		return "text"
	case huma.TypeInteger, huma.TypeNumber:
		return 0
	case huma.TypeBoolean:
		return false
	}
	return nil
}
