package api

import (
	"net/http"
	"strconv"
	"strings"

	"lotse/internal/api/problem"
)

// Tag is the entity tag of a version (RFC 9110 §8.8.3).
func Tag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// IfMatch is the part of an edit's input that says which version is edited.
type IfMatch struct {
	IfMatch string `header:"If-Match" doc:"The ETag of what is edited."`
}

// Check compares with the present tag: problem.PreconditionRequired (428) when the client
// named none, problem.PreconditionFailed (412) when it is another one. "*" is any.
func (m IfMatch) Check(present string) error {
	if strings.TrimSpace(m.IfMatch) == "" {
		return problem.New(problem.PreconditionRequired, "")
	}
	for tag := range strings.SplitSeq(m.IfMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == present { // a weak tag never matches
			return nil
		}
	}
	return problem.New(problem.PreconditionFailed, "")
}

// IfNoneMatch is the part of a reading's input that says what the client has.
type IfNoneMatch struct {
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of what the client has; 304 when it is still right."`
}

// Check returns an error that is answered with 304 when the client has the present tag.
func (m IfNoneMatch) Check(present string) error {
	for tag := range strings.SplitSeq(m.IfNoneMatch, ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == "*" || tag == present {
			return &notModified{present}
		}
	}
	return nil
}

// notModified is the answer that there is nothing new.
type notModified struct{ tag string }

// Error implements error.
func (*notModified) Error() string { return "not modified" }

// GetStatus is the HTTP status, for huma.
func (*notModified) GetStatus() int { return http.StatusNotModified }

// GetHeaders repeats the tag (RFC 9110 §15.4.5), for huma.
func (n *notModified) GetHeaders() http.Header { return http.Header{"Etag": {n.tag}} }
