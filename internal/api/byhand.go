package api

import (
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"lotse/internal/api/problem"
)

// Answer describes one success of an operation that answers by hand.
type Answer struct {
	Status      string // as in 201
	Description string
	ContentType string            // of the body; empty: none
	Headers     map[string]string // what each header says
}

// ByHand is an operation of the JSON API that answers by hand, as uploads and downloads
// do: it is described like all others, and its handler gets the request as it came.
type ByHand struct {
	Operation
	ContentType string            // of the request's body; empty: none
	Headers     map[string]string // of the request: what each says
	Query       map[string]string // of the address: what each says
	Answers     []Answer
}

// HandleOperation registers an operation that answers by hand.
func (s *Server) HandleOperation(op ByHand, h http.Handler) {
	d := s.describe(op.Operation)
	for _, name := range pathParameters(op.Path) {
		d.Parameters = append(d.Parameters, &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	for _, name := range slices.Sorted(maps.Keys(op.Headers)) {
		d.Parameters = append(d.Parameters, &huma.Param{Name: name, In: "header", Description: op.Headers[name], Schema: &huma.Schema{Type: huma.TypeString}})
	}
	for _, name := range slices.Sorted(maps.Keys(op.Query)) {
		d.Parameters = append(d.Parameters, &huma.Param{Name: name, In: "query", Description: op.Query[name], Schema: &huma.Schema{Type: huma.TypeString}})
	}
	if op.ContentType != "" {
		d.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{op.ContentType: {Schema: bytesSchema()}}}
	}
	for _, a := range op.Answers {
		response := &huma.Response{Description: a.Description}
		if a.ContentType != "" {
			response.Content = map[string]*huma.MediaType{a.ContentType: {Schema: bytesSchema()}}
		}
		for name, text := range a.Headers {
			if response.Headers == nil {
				response.Headers = map[string]*huma.Param{}
			}
			response.Headers[name] = &huma.Header{Description: text, Schema: &huma.Schema{Type: huma.TypeString}}
		}
		d.Responses[a.Status] = response
	}
	s.api.OpenAPI().AddOperation(&d)
	s.Handle(op.route(), h)
}

func bytesSchema() *huma.Schema { return &huma.Schema{Type: huma.TypeString, Format: "binary"} }

// pathParameters are the names of the wildcards of a path.
func pathParameters(path string) []string {
	var names []string
	for _, found := range regexp.MustCompile(`\{([a-z]+)\}`).FindAllStringSubmatch(path, -1) {
		names = append(names, found[1])
	}
	return names
}

// Serve is a handler whose errors are answered as those of operations: it has written
// nothing when it returns one.
func (s *Server) Serve(f func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := f(w, r)
		if err == nil {
			return
		}
		var p *problem.Problem
		if !errors.As(s.problemOf(r.Context(), err), &p) {
			p = problem.New(problem.Internal, "")
		}
		_ = problem.Write(w, p) // the client has gone
	})
}
