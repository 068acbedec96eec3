package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"lotse/dlx"
	"lotse/internal/importer"
)

// Fetch follows the only link of req.Sources, or the codes of req.Picture where
// there is none, and keeps what is behind it as parts.
//
// It may be called again until it returns nil, after a problem with more answers in
// req, or by another process: parts that are complete are not fetched again, one that
// is not goes on from what is durable of it, and what was listed and chosen stands. A
// session with the portal goes on too, since answers may be good for one time only.
// All that is in the Keeper's state. After nil another call does nothing.
//
// With nil hooks and req.Later, what only a person can say is a problem that has what
// to ask: importer.Problem.Asks. A portal that asks for more time than req.Patience
// is a problem of code ProblemPatience with After. Every error is an *importer.Problem.
func Fetch(ctx context.Context, req Request, hooks Hooks, keep Keeper) error {
	req.Limits = req.Limits.orDefaults()
	f := &fetcher{ctx: ctx, req: &req, hooks: hooks, keep: keep, left: req.Limits.Scratch}
	if err := f.run(); err != nil {
		return problem(ctx, err)
	}
	return nil
}

func (f *fetcher) run() error {
	state, err := f.keep.State(f.ctx)
	if err != nil {
		return fmt.Errorf("source: state of the fetch: %w", err)
	}
	if state != nil {
		if err := json.Unmarshal(state, &f.memory); err != nil || !f.memory.sound() {
			return errors.New("source: the state of the fetch cannot be read") // the error may quote it
		}
	}
	if f.saved = state; f.memory.Done {
		return nil
	}
	if err := f.req.known(); err != nil {
		return err
	}
	links, err := f.links()
	if err != nil {
		return err
	}
	return f.anyLink(links)
}

// links is what may be followed.
func (f *fetcher) links() ([]string, error) {
	switch s := f.req.Sources; {
	case f.memory.Link != "":
		return []string{f.memory.Link}, nil
	case len(s) == 0 && f.req.Picture != nil:
		image := io.NewSectionReader(f.req.Picture, 0, f.req.Picture.Size())
		return links(f.ctx, image, f.req.Limits.Pixels)
	case len(s) != 1:
		return nil, &importer.Problem{Code: importer.ProblemUsage, Err: errors.New("source: not one link")}
	case !isLink(s[0]):
		return nil, &importer.Problem{Code: importer.ProblemBadLink, Err: errors.New("source: no link")}
	default:
		return s, nil
	}
}

// fetcher brings what is behind one link into a Keeper.
type fetcher struct {
	ctx       context.Context
	req       *Request
	hooks     Hooks
	keep      Keeper
	memory    memory
	transport http.RoundTripper
	origin    importer.Origin
	progress  importer.Progress
	saved     []byte // the state as it was remembered last
	left      int64  // bytes that may still be fetched
}

// memory is the state of a fetch, as Keeper.Remember gets it.
type memory struct {
	// Done: everything is complete, and nothing else is kept.
	Done bool `json:"done,omitempty"`
	// Link is the one that led to a portal.
	Link string `json:"link,omitempty"`
	// JWT is the session with the interface at Base.
	JWT  string `json:"jwt,omitempty"`
	Base string `json:"base,omitempty"`
	// Listed is what the portal listed, and Chosen the positions of what is fetched.
	Listed []importer.Listed `json:"listed,omitempty"`
	Chosen []int             `json:"chosen,omitempty"`
	// Separately: the portal does not give everything at once.
	Separately bool `json:"separately,omitempty"`
}

// sound reports whether what was chosen is on the list.
func (m *memory) sound() bool {
	return !slices.ContainsFunc(m.Chosen, func(i int) bool { return i < 0 || i >= len(m.Listed) })
}

// remember keeps the state where it changed through the visit.
func (v *visit) remember() error {
	if v.session != nil {
		v.memory.JWT, v.memory.Base = v.session.JWT().Reveal(), v.portal.APIBase.String()
	}
	return v.save()
}

func (f *fetcher) save() error {
	state, err := json.Marshal(f.memory)
	if err != nil {
		return errors.New("source: the state of the fetch cannot be written") // the error may quote it
	}
	if bytes.Equal(state, f.saved) {
		return nil
	}
	if err := f.keep.Remember(f.ctx, state); err != nil {
		return fmt.Errorf("source: state of the fetch: %w", err)
	}
	f.saved = state
	return nil
}

// anyLink follows the first of several links that leads to a portal: a letter may
// have other codes beside it.
func (f *fetcher) anyLink(links []string) error {
	if f.transport = f.req.Transport; f.transport == nil {
		own := dlx.NewTransport(f.req.Control)
		defer own.CloseIdleConnections()
		f.transport = own
	}
	var first error
	for _, link := range links {
		err := f.link(strings.TrimSpace(link))
		if err == nil {
			f.memory = memory{Done: true}
			return f.save()
		}
		var p *importer.Problem
		if !errors.As(err, &p) || p.Code != importer.ProblemNotDLX {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// begin starts counting downloads.
func (f *fetcher) begin(files int) {
	f.progress = importer.Progress{Phase: importer.PhaseFetch, Total: -1, FilesTotal: files}
}

// tell reports progress.
func (f *fetcher) tell(done int64) {
	f.progress.Done = done
	if f.hooks.Progress != nil {
		f.hooks.Progress(f.progress)
	}
}

// waiting reports that nothing happens for a while.
func (f *fetcher) waiting(w dlx.Waiting) {
	if f.hooks.Progress != nil {
		p := f.progress
		p.Phase, p.WaitUntil = importer.PhaseFetch, w.Until
		f.hooks.Progress(p)
	}
}
