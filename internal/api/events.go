package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"lotse/internal/api/problem"
)

// Snapshot is all that a stream shows at one time.
type Snapshot[S any] struct {
	Version string // without line breaks; the same as long as the state is the same
	Final   bool   // nothing will change any more: the stream ends
	State   S
}

// LastEvent is the part of a stream's input that says what the client has already.
type LastEvent struct {
	LastEventID string `header:"Last-Event-ID" doc:"The id of the last snapshot the client got, when it connects again."`
}

// RegisterEvents registers a stream of server-sent events: the whole state each time it
// changed (event: snapshot, id: the version), a comment now and then, and, when it
// cannot go on, the problem (event: problem). Embed LastEvent in I. look is asked again
// and again; its first error is the answer itself. The stream ends when the state is
// final (whoever connects again to one they have is told 204, which stops a browser),
// the client has gone or may not have it any more, the server stops, or after
// MaxStream. It prolongs nobody's session.
func RegisterEvents[I, S any](s *Server, op Operation, look func(context.Context, *I) (Snapshot[S], error)) {
	op.Method, op.Passive = http.MethodGet, true
	d := s.describe(op)
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[S](), true, op.ID+"-snapshot")
	d.Responses["200"] = &huma.Response{
		Description: "Server-sent events. Each event `snapshot` has all of this state in its data.",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: schema}},
	}
	d.Responses["204"] = &huma.Response{Description: "The client has the final snapshot."}
	register(s, op, d, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		first, err := look(ctx, in)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(hctx huma.Context) {
			r, w := humago.Unwrap(hctx)
			last := r.Header.Get("Last-Event-ID")
			if first.Final && last == first.Version {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			t := &ticker[S]{s: s, w: w, last: last}
			t.run(ctx, first, func(ctx context.Context) (Snapshot[S], error) { return look(ctx, in) })
		}}, nil
	})
}

// ticker writes one stream.
type ticker[S any] struct {
	s    *Server
	w    http.ResponseWriter
	last string // the version that the client has
	sent time.Time
}

// run shows the first snapshot and looks for others until the stream ends.
func (t *ticker[S]) run(ctx context.Context, first Snapshot[S], look func(context.Context) (Snapshot[S], error)) {
	ctx, cancel := context.WithTimeout(ctx, t.s.MaxStream)
	defer cancel()
	stop := context.AfterFunc(t.s.stopping, cancel)
	defer stop()
	t.w.Header().Set("Content-Type", "text/event-stream")
	t.w.Header().Set("X-Accel-Buffering", "no") // proxies hand events on at once
	t.w.WriteHeader(http.StatusOK)
	if t.comment() != nil || t.show(first) != nil || first.Final {
		return
	}
	here := ctx // on behalf of whom, with what they reach now
	poll, recheck := time.NewTicker(t.s.Poll), time.NewTicker(t.s.Recheck)
	defer poll.Stop()
	defer recheck.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-recheck.C:
			now, err := t.s.reauthorize(ctx)
			if err != nil && ctx.Err() == nil {
				t.fail(ctx, err)
				return
			}
			here = now
			continue
		case <-poll.C:
		}
		next, err := look(here)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.fail(ctx, err)
			return
		}
		if t.show(next) != nil || next.Final {
			return
		}
		if time.Since(t.sent) >= t.s.Heartbeat && t.comment() != nil {
			return
		}
	}
}

// show sends a snapshot unless the client has it. The error is that of a client who left.
func (t *ticker[S]) show(next Snapshot[S]) error {
	if next.Version == t.last {
		return nil
	}
	data, err := json.Marshal(next.State)
	if err != nil {
		t.s.Log.Error("a snapshot cannot be written", "err", err)
		return err
	}
	t.last = next.Version
	return t.send(fmt.Sprintf("event: snapshot\nid: %s\ndata: %s\n\n", strings.NewReplacer("\n", "", "\r", "", "\x00", "").Replace(next.Version), data))
}

// comment keeps the connection alive.
func (t *ticker[S]) comment() error { return t.send(": Lotse\n\n") }

// fail sends the problem that ends the stream.
func (t *ticker[S]) fail(ctx context.Context, err error) {
	var p *problem.Problem
	if !errors.As(t.s.problemOf(ctx, err), &p) {
		return
	}
	data, err := json.Marshal(p.For(RequestID(ctx)))
	if err == nil {
		_ = t.send(fmt.Sprintf("event: problem\ndata: %s\n\n", data)) // the client has gone
	}
}

// send writes and flushes.
func (t *ticker[S]) send(text string) error {
	t.sent = time.Now()
	if _, err := t.w.Write([]byte(text)); err != nil {
		return err
	}
	return http.NewResponseController(t.w).Flush()
}
