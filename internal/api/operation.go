package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"lotse/internal/api/idempotency"
	"lotse/internal/api/problem"
	"lotse/internal/auth/access"
)

// Base is where the JSON API lives.
const Base = "/api/v1"

// Operation describes one operation of the JSON API.
type Operation struct {
	ID          string // as in list-imports
	Method      string
	Path        string // below Base, as in /imports/{import}
	Summary     string
	Description string // in CommonMark
	Tag         string // the group it is shown in
	Permission  access.Permission
	Status      int   // of success; 0: 200, or 204 without a body
	Body        int64 // how large a request may be, in bytes; 0: DefaultBody
	Idempotent  bool  // a creation: answers are kept by idempotency key
	Passive     bool  // pages ask it by themselves: it prolongs nobody's session
	Page        bool  // public, and only for our own pages
	Problems    []problem.Code

	// SecondPerson lets the change wait for another administrator, where that is wanted.
	SecondPerson bool
}

// route is where the operation is served.
func (op Operation) route() Route {
	return Route{Pattern: op.Method + " " + Base + op.Path, Permission: op.Permission, Body: op.Body, Idempotent: op.Idempotent, Passive: op.Passive, Page: op.Page,
		SecondPerson: op.SecondPerson}
}

// Register registers an operation. I has the parameters and the Body of the request, O
// the headers and the Body of the answer, as huma reads them. The handler's errors are
// problems, or what Options.Translate makes problems of.
func Register[I, O any](s *Server, op Operation, handler func(context.Context, *I) (*O, error)) {
	register(s, op, s.describe(op), handler)
}

func register[I, O any](s *Server, op Operation, described huma.Operation, handler func(context.Context, *I) (*O, error)) {
	route := op.route()
	s.pending = &route
	huma.Register(s.api, described, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return out, nil
	})
	s.pending = nil
}

// describe turns an operation into huma's.
func (s *Server) describe(op Operation) huma.Operation {
	d := huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description, DefaultStatus: op.Status,
		MaxBodyBytes: -1, BodyReadTimeout: -1, // the adapter has read it, within bounds
		Responses:  map[string]*huma.Response{"default": s.problemResponse("What did not work; code says what.")},
		Extensions: map[string]any{"x-permission": string(op.Permission)},
	}
	if op.Tag != "" {
		d.Tags = []string{op.Tag}
	}
	if op.Permission != access.Public {
		d.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	}
	if op.SecondPerson {
		d.Responses["202"] = &huma.Response{Description: "Where `security.second_person` is set: another administrator has to approve it.",
			Content: map[string]*huma.MediaType{"application/json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Waits](), true, "Waits")}}}
	}
	if len(op.Problems) > 0 {
		d.Extensions["x-problems"] = op.Problems
	}
	if op.Idempotent {
		d.Parameters = append(d.Parameters, &huma.Param{
			Name: idempotency.Header, In: "header", Schema: &huma.Schema{Type: huma.TypeString},
			Description: "A random key of the client: sent again with the same request, it gets the same answer and creates nothing.",
		})
	}
	return d
}

// newAPI is huma over our routes.
func (s *Server) newAPI() huma.API {
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Lotse", Version: s.Version, Description: "Brings outside imaging exams into a hospital's own systems. " +
				"Answers that are no success are problem documents (RFC 9457) with a stable code."},
			Servers: []*huma.Server{{URL: Base}},
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", schemaNames()),
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}, "session": {Type: "apiKey", In: "cookie", Name: Cookie}},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{s.transform},
	}
	config.Components.Schemas.RegisterTypeAlias(modelType(), problemType())
	return huma.NewAPI(config, adapter{s})
}

// adapter lets huma's operations through our routes only.
type adapter struct{ server *Server }

// Handle implements huma.Adapter. An operation that did not come through Register has no
// permission and panics.
func (a adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	if a.server.pending == nil {
		panic("api: the operation " + op.OperationID + " was not registered through Register")
	}
	a.server.Handle(*a.server.pending, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if op.RequestBody != nil { // huma reads all of it as well, but tells fewer kinds of errors apart
			text, err := io.ReadAll(r.Body)
			if err != nil {
				a.server.fail(w, r, problem.New(bodyProblem(err), ""))
				return
			}
			if bytes.Contains(text, []byte(`\u0000`)) { // no text has one, and PostgreSQL stores none
				a.server.fail(w, r, problem.New(problem.Malformed, ""))
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(text))
		}
		handler(humago.NewContext(op, r, w))
	}))
}

// ServeHTTP implements huma.Adapter.
func (a adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.server.ServeHTTP(w, r) }

// problemOf makes a problem of a handler's error and logs what lies behind it.
func (s *Server) problemOf(ctx context.Context, err error) error {
	var same *notModified
	if errors.As(err, &same) {
		return same
	}
	var p *problem.Problem
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return problem.New(problem.Timeout, "") // the client has gone
	}
	if !errors.As(err, &p) && s.Translate != nil {
		if p = s.Translate(err); p != nil && errors.Unwrap(p) == nil && p.Status >= 500 {
			p = p.Because(err)
		}
	}
	if p == nil {
		p = problem.New(problem.Internal, "").Because(err)
	}
	s.note(ctx, p)
	return p
}

// transform makes problems of huma's own errors and gives all the request's id.
func (s *Server) transform(ctx huma.Context, _ string, v any) (any, error) {
	switch v := v.(type) {
	case *problem.Problem:
		return v.For(RequestID(ctx.Context())), nil
	case *huma.ErrorModel:
		p := problem.New(problem.ForStatus(v.Status), "")
		if v.Status < 500 {
			p = p.With(fieldsOf(v.Errors)...)
		}
		return p.For(RequestID(ctx.Context())), nil
	}
	return v, nil
}

// bodyProblem is what it means that a body could not be read.
func bodyProblem(err error) problem.Code {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return problem.TooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problem.Timeout
	}
	return problem.Malformed // the client has gone
}

// fieldsOf leaves the values out: an answer repeats nothing that was sent.
func fieldsOf(details []*huma.ErrorDetail) []problem.Field {
	var fields []problem.Field
	for _, d := range details {
		message := d.Message
		if d.Location == "" || d.Location == "body" && !strings.HasPrefix(message, "expected") {
			message = "cannot be read" // messages of decoders quote what they read
		}
		fields = append(fields, problem.Field{Location: d.Location, Message: message})
	}
	return fields
}
