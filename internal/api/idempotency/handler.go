package idempotency

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"lotse/internal/api/problem"
	"lotse/internal/auth/access"
)

// Handler serves requests with a key through the store and others straight. route is
// the pattern of next. It has to run behind what bounds the body, and after the actor
// is known.
func Handler(store Store, route string, log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, has := r.Header[Header]; !has {
			next.ServeHTTP(w, r)
			return
		}
		p := serve(store, route, log, next, w, r)
		if p != nil {
			if cause := errors.Unwrap(p); cause != nil {
				log.ErrorContext(r.Context(), "idempotency", "err", cause)
			}
			_ = problem.Write(w, p) // the client has gone
		}
	})
}

// serve answers, or returns the problem to answer with.
func serve(store Store, route string, log *slog.Logger, next http.Handler, w http.ResponseWriter, r *http.Request) *problem.Problem {
	key := strings.Trim(r.Header.Get(Header), `"`)
	if !usable(key) || len(r.Header[Header]) > 1 {
		return problem.New(problem.IdempotencyKey, "")
	}
	body, p := readBody(r)
	if p != nil {
		return p
	}
	actor, _ := access.From(r.Context())
	a := Attempt{Tenant: actor.Tenant, Actor: actor.ID, Route: route, Key: key, Hash: hash(r, body), ID: rand.Text()}
	state, reply, err := store.Begin(r.Context(), a)
	switch {
	case err != nil:
		return problem.New(problem.Unavailable, "").Because(fmt.Errorf("looking up an idempotency key: %w", err))
	case state == Replay:
		replay(w, reply)
		return nil
	case state == Busy:
		return problem.New(problem.IdempotencyBusy, "").After(time.Second)
	case state == Mismatch:
		return problem.New(problem.IdempotencyMismatch, "")
	}
	ctx := context.WithValue(r.Context(), attemptKey{}, a)
	rec := &recorder{ResponseWriter: w}
	defer rec.settle(context.WithoutCancel(ctx), store, a, log)
	next.ServeHTTP(rec, r.WithContext(ctx))
	rec.returned = true
	return nil
}

// usable tells whether a key is 1 to 128 visible ASCII characters.
func usable(key string) bool {
	return key != "" && len(key) <= 128 && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
}

// readBody reads the body, which is bounded, and puts it back.
func readBody(r *http.Request) ([]byte, *problem.Problem) {
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, problem.New(problem.TooLarge, "")
	case err != nil:
		return nil, problem.New(problem.Timeout, "")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

// hash tells requests apart.
func hash(r *http.Request, body []byte) [32]byte {
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Content-Type")} {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	_, _ = h.Write(body)
	return [32]byte(h.Sum(nil))
}

// kept are the headers that belong to an answer.
func kept() []string { return []string{"Content-Type", "Location", "Etag"} }

// replay gives an answer again.
func replay(w http.ResponseWriter, reply Reply) {
	for name, values := range reply.Header {
		w.Header()[name] = values
	}
	w.Header().Set(ReplayedHeader, "true")
	w.WriteHeader(reply.Status)
	_, _ = w.Write(reply.Body) // the client has gone
}

// recorder passes an answer on and remembers it.
type recorder struct {
	http.ResponseWriter
	status   int
	body     []byte
	lost     bool // too large to be kept
	returned bool // the handler did, it did not panic
}

// Unwrap is the writer below, for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader remembers the status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write remembers what is written.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if len(r.body)+len(p) > MaxReply {
		r.lost = true
	} else {
		r.body = append(r.body, p...)
	}
	return r.ResponseWriter.Write(p)
}

// settle keeps a successful answer and frees the key after any other. It also runs
// when the handler panicked or the client has gone.
func (r *recorder) settle(ctx context.Context, store Store, a Attempt, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if r.returned && r.status == 0 {
		r.status = http.StatusOK
	}
	var err error
	if r.returned && r.status >= 200 && r.status < 300 && !r.lost {
		reply := Reply{Status: r.status, Header: http.Header{}, Body: r.body}
		for _, name := range kept() {
			if values := r.Header()[name]; len(values) > 0 {
				reply.Header[name] = values
			}
		}
		err = store.Finish(ctx, a, reply)
	} else {
		err = store.Abandon(ctx, a)
	}
	if err != nil {
		log.ErrorContext(ctx, "keeping the answer of an idempotent request", "err", err)
	}
}
