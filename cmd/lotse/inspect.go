package main

import (
	"fmt"
	"io"

	"lotse/internal/importer"
	"lotse/internal/importer/inspect"
	"lotse/internal/importer/inspect/report"
	"lotse/internal/importer/source"
)

type inspectCmd struct {
	sourceFlags `embed:""`
	JSON        bool `name:"json" help:"Print JSON on standard output."`
}

// Run inspects.
func (c *inspectCmd) Run(s *session) error {
	hooks := s.hooks()
	hooks.Progress = s.term.Progress
	pkg, err := source.Open(s.ctx, c.request(s.phrases.Lang()), hooks)
	if err != nil {
		s.term.Done()
		return err
	}
	defer pkg.Close()
	in, err := inspect.Run(s.ctx, pkg, inspect.Options{Progress: s.term.Progress})
	s.term.Done()
	if err != nil {
		return err
	}
	if c.JSON {
		return report.WriteJSON(s.out, in, pkg)
	}
	return report.WriteText(s.out, in, pkg, report.Words{Say: s.phrases.Say, Date: s.phrases.Date})
}

// inspected shows on w what came in before it is delivered; nothing on nil.
func (s *session) inspected(w io.Writer) func(*importer.Inspection, importer.Package) {
	if w == nil {
		return nil
	}
	return func(in *importer.Inspection, pkg importer.Package) {
		s.term.Done()
		_ = report.WriteText(w, in, pkg, report.Words{Say: s.phrases.Say, Date: s.phrases.Date}) // the receipt is what counts
		_, _ = fmt.Fprintln(w)
	}
}
