package remote

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"time"

	"lotse/internal/app"
)

// How an import is watched.
const (
	// firstEvent is how long a stream may show nothing: it shows the import at once, unless
	// something on the way holds it back.
	firstEvent = 10 * time.Second
	// quiet is how long a stream may stand still; a gateway sends something every 15
	// seconds.
	quiet = 50 * time.Second
	// maxEvent bounds an event, in bytes.
	maxEvent = 64 << 20
	// poll is the time between two looks where streams do not get through.
	poll = time.Second
	// maxBarren is how many streams in a row may show nothing until polling begins.
	maxBarren = 2
)

// Follow calls f with an import as it stands and each time it changed, until f returns
// false. It goes on over broken connections, and by asking now and then where streams do not
// get through.
func (c *Client) Follow(ctx context.Context, id string, f func(*app.Snapshot) bool) error {
	barren := 0
	for barren < maxBarren {
		s := stream{f: f}
		err := c.outage.judge(ctx, s.run(ctx, c, id))
		switch {
		case s.ended:
			return nil
		case err != nil && !errors.Is(err, errAgain):
			return err
		case err == nil: // the server ended it, or it is none
			if err := sleep(ctx, leastPause); !errors.Is(err, errAgain) {
				return err
			}
		}
		if s.shown {
			barren = 0
		} else if err == nil || s.open {
			barren++
		}
	}
	for {
		s, err := c.Snapshot(ctx, id)
		if err != nil || !f(s) {
			return err
		}
		if err := sleep(ctx, poll); !errors.Is(err, errAgain) {
			return err
		}
	}
}

// stream is one stream of events.
type stream struct {
	f     func(*app.Snapshot) bool
	open  bool // it was there
	shown bool // and showed the import
	ended bool // f has seen enough
}

// run reads a stream to its end.
func (s *stream) run(ctx context.Context, c *Client, id string) error {
	resp, err := c.send(ctx, request{method: http.MethodGet, path: importPath(id, "/events"), stall: firstEvent,
		header: map[string]string{"Accept": "text/event-stream"}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "text/event-stream" {
		return nil
	}
	s.open = true
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	var name, data []byte
	for lines.Scan() {
		if body, ok := resp.Body.(*watched); ok {
			body.watch.moved(quiet)
		}
		line := lines.Bytes()
		if value, is := bytes.CutPrefix(line, []byte("event: ")); is {
			name = append(name[:0], value...)
		}
		if value, is := bytes.CutPrefix(line, []byte("data: ")); is {
			data = append(data[:0], value...)
		}
		if len(line) > 0 {
			continue
		}
		if string(name) == "snapshot" && !s.show(data) {
			return nil
		}
		name, data = name[:0], data[:0]
	}
	if err := lines.Err(); err != nil {
		return broken(ctx, err)
	}
	return nil
}

// show hands a snapshot on and reports whether there is more to wait for.
func (s *stream) show(data []byte) bool {
	var v app.Snapshot
	if json.Unmarshal(data, &v) != nil {
		return false
	}
	s.shown = true
	s.ended = !s.f(&v)
	return !s.ended
}
