package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"lotse/internal/api"
	"lotse/internal/app"
	"lotse/internal/auth/access"
)

// anybody may do anything.
type anybody struct{}

func (anybody) Authorize(context.Context, access.Request) (access.Actor, error) {
	return access.Actor{ID: "test"}, nil
}

// eventServer is the gateway's shell with an import that has another version with
// every look.
func eventServer(t *testing.T, looks *atomic.Int64) http.Handler {
	t.Helper()
	s, err := api.New(api.Options{Authorizer: anybody{}, Poll: 1})
	if err != nil {
		t.Fatal(err)
	}
	type in struct {
		Import string `path:"import"`
		api.LastEvent
	}
	look := func(context.Context, *in) (api.Snapshot[*app.Snapshot], error) {
		n := looks.Add(1)
		return api.Snapshot[*app.Snapshot]{Version: strconv.FormatInt(n, 10), State: &app.Snapshot{ID: "x", Version: n}}, nil
	}
	api.RegisterEvents(s, api.Operation{ID: "watch", Path: "/imports/{import}/events", Permission: "imports.read"}, look)
	return s
}

func TestFollow(t *testing.T) {
	var looks atomic.Int64
	events := eventServer(t, &looks)
	breaks := 0
	h := func(w http.ResponseWriter, r *http.Request) {
		if breaks++; breaks%2 == 0 { // the stream goes, again and again
			panic(http.ErrAbortHandler)
		}
		if !strings.HasSuffix(r.URL.Path, "/events") {
			t.Errorf("asked for %s", r.URL.Path)
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		events.ServeHTTP(&limited{ResponseWriter: w, left: 4, cancel: cancel}, r.WithContext(ctx))
	}
	c := client(t, http.HandlerFunc(h))
	var last int64
	err := c.Follow(t.Context(), "x", func(s *app.Snapshot) bool {
		if s.Version <= last {
			t.Errorf("%d after %d", s.Version, last)
		}
		last = s.Version
		return last < 20
	})
	if err != nil || last < 20 || breaks < 4 {
		t.Errorf("%d after %d streams, %v", last, breaks, err)
	}
}

// limited ends a stream after some writes.
type limited struct {
	http.ResponseWriter
	left   int
	cancel func()
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left--; l.left < 0 {
		l.cancel()
	}
	return l.ResponseWriter.Write(p)
}

func (l *limited) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// TestFollowWithoutStreams: where they do not get through, the import is asked for.
func TestFollowWithoutStreams(t *testing.T) {
	for name, stream := range map[string]http.HandlerFunc{
		"another type": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") },
		"at its end at once": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, ": Lotse\n\n")
		},
		"nonsense": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			_, _ = io.WriteString(w, "event: snapshot\ndata: {\n\n")
		},
	} {
		asked := 0
		c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/events") {
				stream(w, r)
				return
			}
			asked++
			_, _ = fmt.Fprintf(w, `{"id":"x","version":%d}`, asked)
		}))
		var seen []int64
		err := c.Follow(t.Context(), "x", func(s *app.Snapshot) bool {
			seen = append(seen, s.Version)
			return len(seen) < 2
		})
		if err != nil || fmt.Sprint(seen) != "[1 2]" {
			t.Errorf("%s: %v, %v", name, seen, err)
		}
	}
}
