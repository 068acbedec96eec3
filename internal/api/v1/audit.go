package v1

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/audit"
	"lotse/internal/auth"
	"lotse/internal/store"
)

// audit are the routes of who did what, and of what was used.
func (r *routes) audit(s *api.Server) {
	api.Register(s, api.Operation{ID: "get-trail", Method: http.MethodGet, Path: "/imports/{import}/audit", Tag: tagProof, Permission: auth.AuditRead,
		Problems: []problem.Code{problem.NotFound}, Summary: "Get the audit trail of an import",
		Description: "Who did what and when, in ids, states and codes. It stays when the import is erased."}, r.getTrail)
	api.Register(s, api.Operation{ID: "find-audit-events", Method: http.MethodGet, Path: "/audit/events", Tag: tagProof, Permission: auth.AuditRead,
		Problems: []problem.Code{problem.BadCursor, problem.Invalid}, Summary: "Find audit events, newest first",
		Description: "With what is personal in them, as long as that is kept. That they were read is an event, once a session."}, r.findEvents)
	s.HandleOperation(api.ByHand{Operation: api.Operation{ID: "export-audit-events", Method: http.MethodGet, Path: "/audit/events.csv", Tag: tagProof,
		Permission: auth.AuditRead, Problems: []problem.Code{problem.Invalid}, Summary: "Export audit events for a spreadsheet",
		Description: "All that `GET /audit/events` would give with the same parameters, in one stream. Cells that could be taken for formulas have an apostrophe in front. Every export is an event."},
		Query:   map[string]string{"from": "As with GET /audit/events.", "until": "As there.", "actor": "As there.", "import": "As there.", "event": "As there."},
		Answers: []api.Answer{{Status: "200", Description: "Comma-separated values, UTF-8, with a heading.", ContentType: csvType}},
	}, s.Serve(r.exportEvents))
	api.Register(s, api.Operation{ID: "list-audit-heads", Method: http.MethodGet, Path: "/audit/heads", Tag: tagProof, Permission: auth.AuditRead,
		Problems: []problem.Code{problem.BadCursor}, Summary: "List the signed heads of the audit chain, oldest first",
		Description: "Keep them elsewhere: `lotse audit verify --heads` compares the chain with them."}, r.listHeads)
	s.HandleOperation(api.ByHand{Operation: api.Operation{ID: "verify-audit", Method: http.MethodGet, Path: "/audit/verify", Tag: tagProof, Permission: auth.AuditRead,
		Summary:     "Verify the audit chain",
		Description: "One JSON object on each line: how far it is, `{\"checked\": 100000}`, and last the report. It is an event with what it came to."},
		Answers: []api.Answer{{Status: "200", Description: "Progress and report.", ContentType: "application/x-ndjson"}},
	}, s.Serve(r.verifyAudit))
	s.HandleOperation(api.ByHand{Operation: api.Operation{ID: "get-usage", Method: http.MethodGet, Path: "/usage.csv", Tag: tagProof, Permission: auth.UsageRead,
		Problems: []problem.Code{problem.Invalid}, Summary: "Get what was used, for billing",
		Description: "Imports, instances, bytes and active users by month, as a whole and by site; `from` and `to` as in 2026-12, without them the last twelve months. Nothing of patients is in it."},
		Query:   map[string]string{"from": "The first month, as in 2026-12.", "to": "The last month."},
		Answers: []api.Answer{{Status: "200", Description: "Comma-separated values, UTF-8, with a heading.", ContentType: csvType}},
	}, s.Serve(r.getUsage))
}

const csvType = "text/csv; charset=utf-8; header=present"

// trail is the audit trail of an import.
type trail struct {
	Events []app.TrailEvent `json:"events" nullable:"false"`
}

type trailOut struct{ Body trail }

func (r *routes) getTrail(ctx context.Context, in *ImportPath) (*trailOut, error) {
	events, err := r.Gateway.Trail(ctx, who(ctx), in.Import)
	if err != nil {
		return nil, err
	}
	return &trailOut{trail{events}}, nil
}

// EventQuery chooses events of the audit trail.
type EventQuery struct {
	From   string `query:"from" doc:"Not before that time, as in 2026-12-01T00:00:00Z."`
	Until  string `query:"until" doc:"Before that time."`
	Actor  string `query:"actor" maxLength:"128" doc:"Of this actor, by the id."`
	Import string `query:"import" maxLength:"64" doc:"About this import."`
	Event  string `query:"event" maxLength:"64" doc:"With this code, or one that goes on with a dot: import also means import.created."`
}

func (q EventQuery) filter() (store.EventFilter, error) {
	f := store.EventFilter{Actor: q.Actor, Import: q.Import, Event: q.Event}
	for _, one := range []struct {
		name, text string
		to         *time.Time
	}{{"from", q.From, &f.From}, {"until", q.Until, &f.Until}} {
		if one.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, one.text)
		if err != nil {
			return f, problem.New(problem.Invalid, "").With(problem.Field{Location: "query." + one.name, Message: "not-a-time"})
		}
		*one.to = at
	}
	return f, nil
}

type findEventsIn struct {
	EventQuery
	api.Paging
}

// eventList is one part of the audit trail.
type eventList struct {
	Events []app.AuditEvent `json:"events" nullable:"false"`
	Next   string           `json:"next_cursor,omitempty" doc:"The cursor of the next part; absent at the end."`
}

type findEventsOut struct{ Body eventList }

func (r *routes) findEvents(ctx context.Context, in *findEventsIn) (*findEventsOut, error) {
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	var at listPlace
	if err := api.DecodeCursor(in.Cursor, &at); err != nil {
		return nil, err
	}
	if in.Cursor != "" {
		if at.At == 0 || at.ID == "" {
			return nil, problem.New(problem.BadCursor, "")
		}
		f.Before = store.EventPlace{At: time.UnixMicro(at.At), ID: at.ID}
	}
	f.Limit = in.Limit
	page, err := r.Gateway.AuditEvents(ctx, who(ctx), f)
	if err != nil {
		return nil, err
	}
	out := &findEventsOut{eventList{Events: page.Events}}
	if page.Next != nil {
		out.Body.Next, err = api.EncodeCursor(listPlace{page.Next.At.UnixMicro(), page.Next.ID})
	}
	return out, err
}

// started writes the head of an answer with its first byte, so that an error before it
// is answered as one.
type started struct {
	http.ResponseWriter
	contentType, name string
	begun             bool
}

func (w *started) Write(p []byte) (int, error) {
	if !w.begun {
		w.begun = true
		w.Header().Set("Content-Type", w.contentType)
		if w.name != "" {
			w.Header().Set("Content-Disposition", `attachment; filename="`+w.name+`"`)
		}
	}
	return w.ResponseWriter.Write(p)
}

// answer returns an error of what was being written, unless something was: half of it
// must not look like all.
func (w *started) answer(err error) error {
	if err != nil && w.begun {
		panic(http.ErrAbortHandler)
	}
	return err
}

func (r *routes) exportEvents(w http.ResponseWriter, req *http.Request) error {
	q := req.URL.Query()
	f, err := EventQuery{From: q.Get("from"), Until: q.Get("until"), Actor: q.Get("actor"), Import: q.Get("import"), Event: q.Get("event")}.filter()
	if err != nil {
		return err
	}
	out := &started{ResponseWriter: w, contentType: csvType, name: "audit-events.csv"}
	return out.answer(r.Gateway.ExportAuditEvents(req.Context(), who(req.Context()), f, out))
}

type listHeadsIn struct{ api.Paging }

// headList is one part of the heads, as `lotse audit verify --heads` reads it.
type headList struct {
	Heads []store.Head `json:"heads" nullable:"false"`
	Next  string       `json:"next_cursor,omitempty" doc:"The cursor of the next part; absent at the end."`
}

type listHeadsOut struct{ Body headList }

func (r *routes) listHeads(ctx context.Context, in *listHeadsIn) (*listHeadsOut, error) {
	var after struct {
		Seq int64 `json:"s"`
	}
	if err := api.DecodeCursor(in.Cursor, &after); err != nil {
		return nil, err
	}
	heads, next, err := r.Gateway.AuditHeads(ctx, who(ctx), after.Seq, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listHeadsOut{headList{Heads: heads}}
	if out.Body.Heads == nil {
		out.Body.Heads = []store.Head{}
	}
	if after.Seq = next; next != 0 {
		out.Body.Next, err = api.EncodeCursor(after)
	}
	return out, err
}

func (r *routes) verifyAudit(w http.ResponseWriter, req *http.Request) error {
	out := &started{ResponseWriter: w, contentType: "application/x-ndjson"}
	lines := json.NewEncoder(out)
	report, err := r.Gateway.VerifyAudit(req.Context(), who(req.Context()), func(links int64) {
		_ = lines.Encode(map[string]int64{"checked": links}) // whoever left is told nothing
		_ = http.NewResponseController(w).Flush()
	})
	if err == nil {
		err = lines.Encode(struct {
			Report *audit.Report `json:"report"`
		}{report})
	}
	return out.answer(err)
}

func (r *routes) getUsage(w http.ResponseWriter, req *http.Request) error {
	q := req.URL.Query()
	from, to := q.Get("from"), q.Get("to")
	now := time.Now().UTC()
	this := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	if to == "" {
		to = store.Month(this)
	}
	if from == "" {
		from = store.Month(this.AddDate(0, -11, 0))
	}
	out := &started{ResponseWriter: w, contentType: csvType, name: "usage.csv"}
	err := r.Gateway.UsageReport(req.Context(), who(req.Context()), from, to, out)
	var invalid *app.InvalidError
	if errors.As(err, &invalid) {
		return problem.New(problem.Invalid, "").With(problem.Field{Location: "query." + invalid.Field, Message: invalid.Code})
	}
	return out.answer(err)
}
