package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/hostname"
	"lotse/internal/importer"
	"lotse/internal/importer/source"
)

// Request is one import as a person asks for it. It holds secrets: never log it.
type Request struct {
	// Sources are one link (or a picture of one), or any number of files and folders.
	Sources []string
	Known   Known
	Select  []string
	// Site is the id or the name of the site that the import belongs to; empty: the whole
	// organisation, or the only site that the server knows its user by.
	Site string
	// LegalBasis is on what ground it is processed; empty: the server's usual one.
	LegalBasis importer.LegalBasis
	// Destination is where the exam goes: the id or the name of one that the server has.
	Destination string
	Decision    Decision // but the destinations
	// Leave ends as soon as the server needs nothing more from this side: the decision
	// is somebody else's.
	Leave bool
}

// Hooks let a person take part and watch. All may be nil.
type Hooks struct {
	Source    source.Hooks
	Progress  func(importer.Progress)
	Inspected func(*importer.Inspection, importer.Package)
	// Reason asks why contradictions between the exam and the local patient are accepted.
	// nil: they are a *ReasonError.
	Reason func(context.Context, []importer.FindingCode) (string, error)
	// NewPortal confirms that answers may go to a host that is new to the server; readable
	// is how people read it. nil: it is a problem of code ProblemUnknownHost.
	NewPortal func(ctx context.Context, host, readable string, warnings []hostname.Warning) (bool, error)
	// Delayed is told why an import waits, and until when.
	Delayed func(p *importer.Problem, until time.Time)
}

// Outcome is what became of an import.
type Outcome struct {
	ID string // empty: nothing was begun
	// Uploading: the files did not all arrive. It cannot go on without this side.
	Uploading bool
	// Snapshot is how the import stood last; nil when it was not seen.
	Snapshot *app.Snapshot
	// Delivery is the one that has a receipt, and the destination that was asked for;
	// nil when there is none.
	Delivery *app.DeliveryView
	// Skipped are the files that were not uploaded.
	Skipped []Skipped
}

// Import has the server carry an import out and watches over it to its end. The
// outcome is never nil. Errors are *importer.Problem where the same thing is one
// here, and *Refusal, *LostError, *EndedError, *ReasonError, *DestinationError,
// *SiteError.
func (c *Client) Import(ctx context.Context, req Request, h Hooks) (*Outcome, error) {
	w := &way{Client: c, req: req, h: h, out: &Outcome{}}
	err := w.run(ctx)
	if err != nil && ctx.Err() != nil {
		err = &importer.Problem{Code: importer.ProblemCancelled, Err: context.Cause(ctx)}
	}
	return w.out, err
}

// way is that of one import.
type way struct {
	*Client
	req  Request
	h    Hooks
	out  *Outcome
	site *app.SiteView // nil: none was named

	asked   int       // how often wrong answers were given
	vain    int       // things that did not work because the import had changed
	shown   bool      // what came in
	delayed time.Time // until when the person was told that it waits
}

func (w *way) run(ctx context.Context) error {
	links, files, err := kinds(ctx, w.req.Sources)
	if err != nil {
		return err
	}
	if w.req.Site != "" {
		if w.site, err = w.Client.site(ctx, w.req.Site); err != nil {
			return err
		}
	}
	if !w.req.Leave {
		id, err := w.destination(ctx, w.req.Destination, w.site)
		if err != nil {
			return err
		}
		w.req.Decision.Destinations = []string{id}
	}
	if links == nil {
		return w.upload(ctx, files)
	}
	for i, link := range links {
		if err = w.follow(ctx, link); i == len(links)-1 || !elsewhere(err) {
			return err
		}
		if err := w.Cancel(ctx, w.out.ID); err != nil { // another code on the letter
			return err
		}
	}
	return err
}

// kinds tells a link from files. Only one kind of them can be one import.
func kinds(ctx context.Context, sources []string) (links []string, files []source.Found, err error) {
	for _, s := range sources {
		found, err := source.Find(ctx, s, len(sources) == 1)
		if err != nil {
			return nil, nil, err
		}
		if found.Links == nil {
			files = append(files, found)
			continue
		}
		if len(sources) > 1 {
			return nil, nil, &importer.Problem{Code: importer.ProblemUsage, Err: errors.New("a server takes one link, or files and folders")}
		}
		links = found.Links
	}
	return links, files, nil
}

// elsewhere reports that a link leads to no portal: another code in the picture may.
func elsewhere(err error) bool {
	var p *importer.Problem
	if !errors.As(err, &p) {
		return false
	}
	return p.Code == importer.ProblemNotDLX || p.Code == importer.ProblemBadLink || p.Code == importer.ProblemTokenUnknown
}

// follow has the server fetch a link.
func (w *way) follow(ctx context.Context, link string) error {
	known := w.req.Known
	known.ArchivePassword = known.Password
	if err := w.begin(ctx, newImport{Kind: app.KindLink, Basis: string(w.req.LegalBasis), Link: link, Known: &known, Select: w.req.Select}); err != nil || w.req.Leave {
		return err
	}
	return w.watch(ctx)
}

// upload gives the server files.
func (w *way) upload(ctx context.Context, found []source.Found) error {
	if len(w.req.Select) > 0 {
		return &importer.Problem{Code: importer.ProblemUsage, Err: errors.New("only a link has a list to select from")}
	}
	g, err := gather(ctx, found)
	if err != nil {
		return err
	}
	defer g.close()
	if err := w.begin(ctx, newImport{Kind: app.KindUpload, Basis: string(w.req.LegalBasis), Known: &Known{ArchivePassword: w.req.Known.Password}}); err != nil {
		return err
	}
	w.out.Uploading = true
	unreadable, err := w.ship(ctx, w.out.ID, g, w.h.Progress)
	w.out.Skipped = append(g.skipped, unreadable...)
	if err != nil {
		return w.orEnded(ctx, err)
	}
	if err := w.complete(ctx); err != nil || w.req.Leave {
		return err
	}
	return w.watch(ctx)
}

// begin creates the import.
func (w *way) begin(ctx context.Context, n newImport) error {
	if w.site != nil {
		n.Site = w.site.ID
	}
	s, err := w.create(ctx, n)
	if err != nil {
		return err
	}
	if s.ID == "" {
		return &Refusal{Status: http.StatusCreated}
	}
	w.out.ID, w.out.Snapshot = s.ID, s
	return nil
}

// orEnded says that somebody ended the import when that is why something failed.
func (w *way) orEnded(ctx context.Context, err error) error {
	var refused *Refusal
	if !errors.As(err, &refused) || ctx.Err() != nil {
		return err
	}
	s, asked := w.Snapshot(ctx, w.out.ID)
	if asked != nil {
		return err
	}
	w.out.Snapshot = s
	if s.State.Ended() {
		return &EndedError{State: s.State}
	}
	return err
}

// complete says that all files are there.
func (w *way) complete(ctx context.Context) error {
	for {
		s, err := w.Snapshot(ctx, w.out.ID)
		if err != nil {
			return err
		}
		w.out.Snapshot = s
		if !slices.Contains(s.Next, "complete") {
			w.out.Uploading = false
			return nil // it is past that, or has ended
		}
		if err := w.settle(ctx, w.act(ctx, s, "complete", nil)); err != nil {
			return err
		}
	}
}

// maxChanges is how often one thing is tried on an import that changed meanwhile.
const maxChanges = 20

// settle judges what was done with an import: where it is not known whether it was, or
// the import had changed, there is no error, and the import shows how to go on.
func (w *way) settle(ctx context.Context, err error) error {
	if err == nil {
		w.vain = 0
		return nil
	}
	var refused *Refusal
	changed := errors.As(err, &refused) && (refused.Status == http.StatusPreconditionFailed || refused.Code == problem.NotPossible)
	if changed {
		err = nil
	}
	if w.vain++; w.vain > maxChanges {
		return fmt.Errorf("remote: the import changes all the time: %w", errors.Join(err, errVain))
	}
	if err = w.outage.judge(ctx, err); errors.Is(err, errAgain) {
		return nil
	}
	return err
}

var errVain = errors.New("nothing is accepted")

// watch sees an import through.
func (w *way) watch(ctx context.Context) error {
	for {
		if err := w.await(ctx); err != nil {
			return err
		}
		s := w.out.Snapshot
		var err error
		switch s.State {
		case importer.Waiting:
			err = w.answer(ctx, s)
		case importer.Review:
			err = w.decide(ctx, s)
		case importer.Arrived:
			w.delivered(s)
			return nil
		case importer.Broken:
			w.delivered(s)
			return broke(s)
		default:
			return &EndedError{State: s.State}
		}
		if err != nil {
			return err
		}
	}
}

// await watches until a person is needed, or nothing will happen any more.
func (w *way) await(ctx context.Context) error {
	return w.Follow(ctx, w.out.ID, func(s *app.Snapshot) bool {
		w.out.Snapshot = s
		switch s.State {
		case importer.Fetching, importer.Inspecting, importer.Delivering:
			w.show(s)
			return true
		}
		return false
	})
}

// show tells the person how far it is.
func (w *way) show(s *app.Snapshot) {
	until, p := s.RetryAt, &importer.Problem{}
	if s.Problem != nil {
		p.Code, p.Host = importer.ProblemCode(s.Problem.Code), s.Problem.Host
	}
	for _, d := range s.Delivery {
		if d.RetryAt != nil && !d.State.Ended() {
			until, p = d.RetryAt, &importer.Problem{Code: importer.ProblemCode(d.Problem)}
		}
	}
	if until != nil && p.Code != "" && !until.Equal(w.delayed) && w.h.Delayed != nil {
		w.delayed = *until
		w.h.Delayed(p, *until)
	}
	if w.h.Progress == nil {
		return
	}
	switch {
	case s.Progress != nil && until == nil:
		v := s.Progress
		state := importer.Progress{Phase: v.Phase, Done: v.Done, Total: v.Total, Files: v.Files, FilesTotal: v.FilesTotal}
		if v.WaitUntil != nil {
			state.WaitUntil = *v.WaitUntil
		}
		w.h.Progress(state)
	case until != nil:
		w.h.Progress(importer.Progress{Phase: phaseOf(s.State), Total: -1, FilesTotal: -1, WaitUntil: *until})
	}
}

func phaseOf(s importer.State) importer.Phase {
	switch s {
	case importer.Fetching:
		return importer.PhaseFetch
	case importer.Inspecting:
		return importer.PhaseInspect
	}
	return importer.PhaseDeliver
}

// delivered notes the delivery that has a receipt.
func (w *way) delivered(s *app.Snapshot) {
	for i, d := range s.Delivery {
		if d.Receipt && slices.Contains(w.req.Decision.Destinations, d.Destination) {
			w.out.Delivery = &s.Delivery[i]
		}
	}
}

// broke is why an import does not go on.
func broke(s *app.Snapshot) error {
	p := &importer.Problem{Code: importer.ProblemInternal}
	if s.Problem != nil {
		p.Code, p.Host = importer.ProblemCode(s.Problem.Code), s.Problem.Host
	}
	for _, d := range s.Delivery {
		if d.Problem != "" && d.Problem != string(importer.ProblemSomeFailed) && p.Code == importer.ProblemSomeFailed {
			p.Code = importer.ProblemCode(d.Problem) // what came first
		}
	}
	return p
}
