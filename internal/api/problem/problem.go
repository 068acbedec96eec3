// Package problem is how the gateway says over HTTP that something did not work:
// RFC 9457 documents with stable codes.
//
// Who answers by hand (uploads, DLX) calls Write; operations of the JSON API return
// a *Problem as their error. A problem has no stack, no internals and no personal
// data; what lies behind it goes into the log through Because.
package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// ContentType is the media type of a problem (RFC 9457 §3).
const ContentType = "application/problem+json"

// RequestIDHeader names the request in both directions; the server sets it on every
// response before a handler runs.
const RequestIDHeader = "X-Request-Id"

// Problem is one answer that says what did not work and what to do.
type Problem struct {
	Type       string        `json:"type" format:"uri-reference" example:"/api/docs#problem-not-found" doc:"Where the code is described."`
	Title      string        `json:"title" example:"There is no such thing" doc:"What happened, the same for every problem of this code."`
	Status     int           `json:"status" example:"404" doc:"The HTTP status."`
	Detail     string        `json:"detail,omitempty" example:"Check the address." doc:"What to do."`
	Code       Code          `json:"code" example:"not-found" doc:"What happened, for programs. Codes never change their meaning."`
	RequestID  string        `json:"request_id,omitempty" doc:"Names the request in the logs."`
	Fields     []Field       `json:"errors,omitempty" doc:"What is wrong with the request, by place."`
	RetryAfter time.Duration `json:"-"` // rounded up to seconds in the header Retry-After; 0: no such header
	cause      error
}

// Field is one thing that is wrong with a request.
type Field struct {
	Location string `json:"location,omitempty" example:"body.link" doc:"Where, as in body.items[3].name, query.limit or path.import."`
	Message  string `json:"message" example:"expected string" doc:"What is wrong there."`
}

// New is a problem of a code with what to do; without detail it is the code's own. An
// unknown code is Internal.
func New(code Code, detail string) *Problem {
	e := find(code)
	if detail == "" {
		detail = e.Detail
	}
	return &Problem{Type: "/api/docs#problem-" + string(e.Code), Title: e.Title, Status: e.Status, Detail: detail, Code: e.Code}
}

// Because returns a copy with what lies behind it, for the log only.
func (p *Problem) Because(err error) *Problem {
	q := *p
	q.cause = err
	return &q
}

// After returns a copy that asks to try again then.
func (p *Problem) After(d time.Duration) *Problem {
	q := *p
	q.RetryAfter = d
	return &q
}

// With returns a copy that names what is wrong with the request.
func (p *Problem) With(fields ...Field) *Problem {
	q := *p
	q.Fields = append(append([]Field(nil), p.Fields...), fields...)
	return &q
}

// For returns a copy for the request of that id.
func (p *Problem) For(requestID string) *Problem {
	q := *p
	q.RequestID = requestID
	return &q
}

// Error is the code and the title.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Title }

// Unwrap is what lies behind it.
func (p *Problem) Unwrap() error { return p.cause }

// Is tells that two problems have the same code.
func (p *Problem) Is(target error) bool {
	var other *Problem
	return errors.As(target, &other) && other.Code == p.Code
}

// GetStatus is the HTTP status, for huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problems, for huma.
func (p *Problem) ContentType(string) string { return ContentType }

// GetHeaders are headers of the answer, for huma.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	return h
}

// Write answers with the problem. The request's id is that of the response's header.
// The error is that of writing.
func Write(w http.ResponseWriter, p *Problem) error {
	h := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified"} {
		h.Del(name) // of what was to be sent instead
	}
	for name, values := range p.GetHeaders() {
		h[name] = values
	}
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	return json.NewEncoder(w).Encode(p.For(h.Get(RequestIDHeader)))
}
