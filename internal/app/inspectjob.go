package app

import (
	"context"

	"lotse/internal/importer"
	"lotse/internal/importer/inspect"
	"lotse/internal/importer/source"
	"lotse/internal/personal"
	"lotse/internal/queue"
	"lotse/internal/store"
)

// inspectJob looks at everything that came in.
func (g *Gateway) inspectJob(ctx context.Context, run *queue.Run) error {
	s, im, err := g.workOn(ctx, run, importer.Inspecting)
	if im == nil || err != nil {
		return err
	}
	ctx, done := untilStopping(ctx, run)
	defer done()
	pkg, err := s.assemble(ctx, run.Fence, im)
	if err != nil {
		return s.stageStopped(ctx, run, im.ID, err)
	}
	defer pkg.Close()
	in, err := inspect.Run(ctx, pkg, inspect.Options{Progress: func(p importer.Progress) { run.Progress(progressView(p)) }})
	if err != nil {
		return s.stageStopped(ctx, run, im.ID, err)
	}
	if err := pkg.Err(); err != nil {
		return err // the store failed while reading: what was found is not what came
	}
	if err := s.keepInspection(ctx, run.Fence, im.ID, inspected{pkg.Origin(), in, pathsOf(pkg, in)}); err != nil {
		return err
	}
	return s.finish(ctx, run, im.ID, func(tx *store.Tx, im *store.Import) error {
		im.Files, im.Instances = int64(in.Files), int64(in.Instances())
		im.Problem, im.ProblemHost, im.RetryAt, im.Question, im.Secrets = "", "", zeroTime, nil, nil
		if err := tx.MeterImport(im); err != nil {
			return err
		}
		if in.Instances()+len(in.Documents) == 0 {
			return s.fail(tx, im, &importer.Problem{Code: importer.ProblemNothing})
		}
		return s.moveNaming(tx, im, importer.EventInspected, map[string]any{"files": im.Files, "instances": im.Instances},
			viewOf("", im.ID, patientViews(in)).about())
	})
}

// assemble opens what came in as a package, for the holder of a fence.
func (s *scope) assemble(ctx context.Context, fence func(*store.Tx) error, im *store.Import) (*source.Opened, error) {
	parts, of, err := s.parts(ctx, im)
	if err != nil {
		return nil, err
	}
	var asked request
	if err := s.open(ctx, im.ID, sealedRequest, im.Request, &asked); err != nil {
		return nil, err
	}
	req := source.Request{Password: asked.ArchivePassword.Reveal(), Answers: personal.RevealMap(asked.Archives), Later: true,
		Derived: &nested{s: s, fence: fence, id: im.ID, of: of}}
	return source.Assemble(ctx, parts, req, source.Hooks{})
}
