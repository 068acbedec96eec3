package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lotse/internal/importer"
	"lotse/internal/importer/adjust"
	"lotse/internal/importer/deliver"
	"lotse/internal/importer/inspect"
	"lotse/internal/importer/receipt"
	"lotse/internal/importer/source"
	"lotse/internal/scratch"
)

// App is the service layer. The zero value is ready to use.
type App struct {
	Version string           // for receipts
	Now     func() time.Time // nil: time.Now
}

func (a *App) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

// ImportRequest is one import as a person asks for it.
type ImportRequest struct {
	Source source.Request
	// To is where the exam goes. In a dry run it may be the zero value.
	To deliver.Address
	// Decision holds what the person decided; time, origin and key are filled in.
	Decision importer.Decision
	// OnlyPatient chooses one of several patients by the foreign patient ID or name.
	OnlyPatient string
	// SamePatient says that all patients found are the same person.
	SamePatient bool
	// LegalBasis stands in the receipt.
	LegalBasis importer.LegalBasis
	DryRun     bool
	ScratchDir string
}

// Hooks let a person take part and watch. All may be nil.
type Hooks struct {
	Source    source.Hooks
	Progress  func(importer.Progress)
	Inspected func(*importer.Inspection, importer.Package)
	// Say puts a reason into words for the receipt: "reason.<code>" of what is left
	// out, "failure.<code>" of what failed.
	Say func(key string) string
}

// Import carries one import out. The receipt is complete whenever it is not nil,
// also with an error; the caller closes it. Errors are *importer.Problem, or
// *adjust.InvalidError for values that cannot be set.
func (a *App) Import(ctx context.Context, req ImportRequest, hooks Hooks) (*Receipt, error) {
	req.Decision.At = a.now().Truncate(time.Microsecond)
	if err := adjust.Validate(&req.Decision); err != nil {
		return nil, err
	}
	hooks.Source.Progress = hooks.Progress
	pkg, err := source.Open(ctx, req.Source, hooks.Source)
	if err != nil {
		return nil, err
	}
	defer pkg.Close()
	in, err := inspect.Run(ctx, pkg, inspect.Options{Progress: hooks.Progress})
	if err != nil && ctx.Err() != nil {
		return nil, &importer.Problem{Code: importer.ProblemCancelled, Err: err}
	}
	if err != nil {
		return nil, err
	}
	if hooks.Inspected != nil {
		hooks.Inspected(in, pkg)
	}
	others, err := choosePatient(in, req.choice())
	if err != nil {
		return nil, err
	}
	req.Decision.Origin = pkg.Origin().Kind
	if req.Decision.UIDKey == nil {
		req.Decision.UIDKey = []byte(madeUIDs)
	}
	return a.deliver(ctx, req, hooks, pkg, in, others)
}

// madeUIDs is the key UIDs of objects made from documents are derived with where
// no installation has its own: the same document gets the same UIDs again.
const madeUIDs = "lotse: UIDs of objects made from documents"

// deliver sends what is chosen and keeps the receipt.
func (a *App) deliver(ctx context.Context, req ImportRequest, hooks Hooks, pkg importer.Package, in *importer.Inspection, others []importer.LeftOut) (*Receipt, error) {
	exam, err := newExam(pkg, in, &req.Decision)
	if err != nil {
		return nil, err
	}
	spool, err := scratch.New(req.ScratchDir)
	if errors.Is(err, scratch.ErrFull) {
		return nil, &importer.Problem{Code: importer.ProblemDiskFull, Err: err}
	}
	if err != nil {
		return nil, &importer.Problem{Code: importer.ProblemScratch, Err: err}
	}
	dest := destination(req)
	findings := append(append([]importer.Finding{}, in.Findings...), mismatches(in.Patients, req.Decision.Patient)...)
	rec := &Receipt{Receipt: receipt.New(receipt.Head{Version: a.Version, DryRun: req.DryRun, Started: req.Decision.At,
		Source: pkg.Origin(), Destination: dest.String(), LegalBasis: string(req.LegalBasis), Patient: localPatient(&req.Decision), Findings: findings}, spool), spool: spool}
	b := &book{rec: rec, pkg: pkg, progress: hooks.Progress, say: hooks.Say, total: exam.declared(), objects: exam.Len()}
	if err := errors.Join(b.leftOut(in.LeftOut), b.leftOut(others), b.unfit(exam.unfit)); err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	if exam.Len() == 0 {
		err = &importer.Problem{Code: importer.ProblemNothing}
	} else {
		b.show()
		err = dest.Deliver(ctx, exam, b.enter)
	}
	rec.Finished = a.now()
	return rec, rec.settle(ctx, err, pkg.Len())
}

// settle makes sure that every item has its fate.
func (r *Receipt) settle(ctx context.Context, err error, files int) error {
	if err != nil && ctx.Err() != nil {
		err = &importer.Problem{Code: importer.ProblemCancelled, Err: err}
	}
	if err == nil && r.Totals.Failed+r.Totals.Missed > 0 {
		err = &importer.Problem{Code: importer.ProblemSomeFailed}
	}
	if !r.Totals.AddsUp() || r.Totals.CameIn != files {
		err = errors.Join(err, &importer.Problem{Code: importer.ProblemInternal,
			Err: fmt.Errorf("%d of %d items have a fate", r.Totals.CameIn, files)})
	}
	var p *importer.Problem
	if errors.As(err, &p) {
		r.Problem = string(p.Code)
	}
	return err
}

func destination(req ImportRequest) deliver.Destination {
	switch {
	case req.DryRun:
		return deliver.Nowhere{}
	case req.To.Folder != "":
		return deliver.NewFolder(req.To.Folder)
	}
	return deliver.NewNode(req.To, deliver.Options{})
}

func localPatient(d *importer.Decision) receipt.Patient {
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	return receipt.Patient{ID: text(d.Patient.ID), Issuer: text(d.Patient.Issuer), Name: text(d.Patient.Name),
		BirthDate: text(d.Patient.BirthDate), Sex: text(d.Patient.Sex), Accession: text(d.Accession)}
}

// Receipt is a receipt with its spool.
type Receipt struct {
	*receipt.Receipt
	spool *scratch.File
}

// Close lets the spool go.
func (r *Receipt) Close() error { return r.spool.Close() }

// sortedByItem orders what is left out as it came in.
func sortedByItem(list []importer.LeftOut) []importer.LeftOut {
	return slices.SortedFunc(slices.Values(list), func(a, b importer.LeftOut) int { return int(a.Item - b.Item) })
}
