package api

import (
	"encoding/json"
	"net/http"
	"path"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"lotse/internal/api/problem"
	"lotse/internal/auth/access"
)

func modelType() reflect.Type   { return reflect.TypeFor[huma.ErrorModel]() }
func problemType() reflect.Type { return reflect.TypeFor[problem.Problem]() }

// problemResponse describes answers that are problems.
func (s *Server) problemResponse(description string) *huma.Response {
	schema := s.api.OpenAPI().Components.Schemas.Schema(problemType(), true, "Problem")
	return &huma.Response{Description: description, Content: map[string]*huma.MediaType{problem.ContentType: {Schema: schema}}}
}

// schemaNames names schemas by their types, with the package in front where another
// package's type has the name already.
func schemaNames() func(reflect.Type, string) string {
	taken, names := map[string]reflect.Type{}, map[reflect.Type]string{}
	return func(t reflect.Type, hint string) string {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Name() == "" {
			return huma.DefaultSchemaNamer(t, hint)
		}
		if name, ok := names[t]; ok {
			return name
		}
		name := huma.DefaultSchemaNamer(t, hint)
		if taken[name] != nil {
			of := path.Base(t.PkgPath())
			name = strings.ToUpper(of[:1]) + of[1:] + name
		}
		taken[name], names[t] = t, name
		return name
	}
}

// OpenAPI is the description of the JSON API, made from the code (OpenAPI 3.1, JSON).
func (s *Server) OpenAPI() ([]byte, error) { return json.MarshalIndent(s.api.OpenAPI(), "", "  ") }

// registerDocs serves the description and its page.
func (s *Server) registerDocs() {
	document := sync.OnceValues(s.OpenAPI) // all operations are registered when the first one asks
	s.Handle(Route{Pattern: "GET " + Base + "/openapi.json", Permission: access.Public}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := document()
		if err != nil {
			s.fail(w, r, problem.New(problem.Internal, "").Because(err))
			return
		}
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(text) // the client has gone
	}))
	s.registerPage()
}
