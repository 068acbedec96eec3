package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"lotse/dicom"
	"lotse/internal/config"
	"lotse/internal/importer"
	"lotse/internal/importer/adjust"
	"lotse/internal/phrase"
	"lotse/internal/terminal"
)

// Exit codes, as documented in the README.
const (
	exitOK       = 0 // everything was delivered
	exitFailed   = 1 // something was not
	exitUsage    = 2
	exitRefused  = 3 // the portal did not accept the answers
	exitExpired  = 4 // the link has expired
	exitQuestion = 5 // a question is open
)

// usageError is a command line that cannot be carried out.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// explain tells a person what went wrong, in one sentence, and what to do, in one
// more, and returns the exit code.
func explain(w io.Writer, p *phrase.Phrases, err error) int {
	if err == nil {
		return exitOK
	}
	if code, is := explainServer(w, p, err); is {
		return code
	}
	if code, is := explainBackup(w, p, err); is {
		return code
	}
	var problem *importer.Problem
	var usage *usageError
	var value *adjust.InvalidError
	var settings *config.Error
	switch {
	case errors.As(err, &problem):
		terminal.PrintProblem(w, p, problem)
		return codeOf(problem.Code)
	case errors.As(err, &value):
		_, _ = fmt.Fprintf(w, "%s\n%s\n", p.Say("invalid."+string(value.Rule), map[string]any{"Keyword": value.Keyword, "Limit": value.Limit}), p.Say("problem.usage.do", nil))
		return exitUsage
	case errors.Is(err, dicom.ErrNotDICOM):
		_, _ = fmt.Fprintf(w, "%s\n%s\n", p.Say("dump.not-dicom", nil), p.Say("dump.not-dicom.do", nil))
		return exitFailed
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(w, "%s\n%s\n", terminal.Clean(usage.Error()), p.Say("problem.usage.do", nil))
		return exitUsage
	case errors.Is(err, errTampered):
		_, _ = fmt.Fprintf(w, "%s\n%s\n", p.Say("admin.audit.failed", nil), p.Say("admin.audit.failed.do", nil))
		return exitFailed
	case errors.As(err, &settings):
		_, _ = fmt.Fprintln(w, settings.Error())
		return exitUsage
	case errors.Is(err, context.Canceled):
		terminal.PrintProblem(w, p, &importer.Problem{Code: importer.ProblemCancelled, Err: err})
		return exitFailed
	}
	_, _ = fmt.Fprintf(w, "%s\n%s\n", terminal.Clean(err.Error()), p.Say("problem.internal.do", nil))
	return exitFailed
}

// withoutValues takes what was typed out of an error of the parser: it may be a
// link, an answer or a name in the wrong place.
func withoutValues(err error) error {
	const argument, suggestion = "unexpected argument", ", did you mean "
	text := err.Error()
	if strings.HasPrefix(text, argument) {
		hint := ""
		if at := strings.LastIndex(text, suggestion); at >= 0 {
			hint = text[at:]
		}
		return errors.New(argument + hint)
	}
	text, _, _ = strings.Cut(text, " but got ")
	return errors.New(text)
}

func codeOf(code importer.ProblemCode) int {
	switch code {
	case importer.ProblemRefused:
		return exitRefused
	case importer.ProblemExpired:
		return exitExpired
	case importer.ProblemQuestion, importer.ProblemForeignHost, importer.ProblemUnknownHost, importer.ProblemSeveral, importer.ProblemTokenUnknown:
		return exitQuestion
	case importer.ProblemUsage, importer.ProblemAnswer, importer.ProblemNoSource, importer.ProblemSelection,
		importer.ProblemInsecure, importer.ProblemBadLink, importer.ProblemPatient:
		return exitUsage
	}
	return exitFailed
}
