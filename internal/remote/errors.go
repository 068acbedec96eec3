package remote

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"lotse/internal/api/problem"
	"lotse/internal/importer"
)

// Refusal is an answer of the server that says no, or that no gateway gives.
type Refusal struct {
	Status    int
	Code      problem.Code // empty when the answer is not that of a gateway
	RequestID string       // names the request in the server's logs; may be empty
	Fields    []problem.Field
	wait      time.Duration // Retry-After
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("remote: the server answers %d %s", r.Status, r.Code)
}

// Temporary reports whether trying again later may help.
func (r *Refusal) Temporary() bool {
	switch r.Status {
	case http.StatusRequestTimeout, http.StatusLocked, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return r.Code == problem.IdempotencyBusy
}

// LostError says that the server does not answer.
type LostError struct {
	Host  string
	Never bool // it did not answer a single time
	// Certificate: nobody vouches for the server's.
	Certificate bool
	Err         error
}

func (e *LostError) Error() string { return "remote: no connection to the server: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// EndedError says that somebody else ended the import.
type EndedError struct{ State importer.State }

func (e *EndedError) Error() string { return "remote: the import is " + string(e.State) }

// ReasonError says that the exam contradicts the local patient, and that the
// decision needs a reason.
type ReasonError struct{ Findings []importer.FindingCode }

func (e *ReasonError) Error() string {
	return fmt.Sprintf("remote: %d contradictions need a reason", len(e.Findings))
}

// DestinationError says that the server has no such destination.
type DestinationError struct{ Known []string } // names of those it has

func (e *DestinationError) Error() string { return "remote: there is no such destination" }

// SiteError says that the server has no such site.
type SiteError struct{ Known []string } // names of those it has

func (e *SiteError) Error() string { return "remote: there is no such site" }

// brokenError is a connection that broke: it is not known what the server did.
type brokenError struct {
	err         error
	unsent      bool // it did not do anything
	certificate bool // nobody vouches for it: there is no point in trying again
}

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// broken tells the end of ctx from that of a connection. The error of net/http names
// the URL, which holds nothing but ids.
func broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &importer.Problem{Code: importer.ProblemCancelled, Err: context.Cause(ctx)}
	}
	var certificate *tls.CertificateVerificationError
	return &brokenError{err: err, unsent: connecting(err), certificate: errors.As(err, &certificate)}
}

// refusal reads the answer of a request that did not succeed.
func refusal(resp *http.Response) error {
	r := &Refusal{Status: resp.StatusCode, RequestID: resp.Header.Get(problem.RequestIDHeader)}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.wait = min(time.Duration(seconds)*time.Second, time.Minute)
	}
	var p problem.Problem
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && json.Unmarshal(raw, &p) == nil {
		r.Code, r.Fields = p.Code, p.Fields
		if p.RequestID != "" {
			r.RequestID = p.RequestID
		}
	}
	return r
}
