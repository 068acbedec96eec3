package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"lotse/internal/importer/receipt"
	"lotse/internal/phrase"
	"lotse/internal/remote"
	"lotse/internal/terminal"
)

// toldError is one that the person has read already.
type toldError struct{ code int }

func (e *toldError) Error() string { return "it has been said" }

// explainServer tells what went wrong between here and a server; false for any other
// error.
func explainServer(w io.Writer, p *phrase.Phrases, err error) (int, bool) {
	var told *toldError
	var address *remote.AddressError
	var lost *remote.LostError
	var ended *remote.EndedError
	var reason *remote.ReasonError
	var destination *remote.DestinationError
	var site *remote.SiteError
	var refused *remote.Refusal
	var forged *receipt.InvalidError
	say := words{w, p}
	switch {
	case errors.As(err, &told):
		return told.code, true
	case errors.As(err, &address):
		return say.problem(exitUsage, addressKey(address), nil), true
	case errors.As(err, &lost):
		return say.problem(exitFailed, lostKey(lost), map[string]any{"Host": lost.Host}), true
	case errors.As(err, &ended):
		say.line(p.Say("remote.ended."+string(ended.State), nil))
		return say.todo(exitFailed, "remote.ended.do", nil), true
	case errors.As(err, &reason):
		say.line(p.Say("remote.reason-needed", nil))
		for _, code := range reason.Findings {
			say.line("  " + p.Say("finding."+string(code), map[string]any{"Count": 1}))
		}
		return say.todo(exitQuestion, "remote.reason-needed.do", nil), true
	case errors.As(err, &destination):
		say.line(p.Say("remote.no-destination", nil))
		say.line(p.Say("remote.destinations", map[string]any{"Names": strings.Join(destination.Known, ", ")}))
		return say.todo(exitUsage, "remote.no-destination.do", nil), true
	case errors.As(err, &site):
		say.line(p.Say("remote.no-site", nil))
		if len(site.Known) > 0 {
			say.line(p.Say("remote.destinations", map[string]any{"Names": strings.Join(site.Known, ", ")}))
		}
		return say.todo(exitUsage, "remote.no-site.do", nil), true
	case errors.As(err, &refused):
		return say.refusal(refused), true
	case errors.As(err, &forged):
		return say.problem(exitFailed, "remote.unverified", nil), true
	}
	return 0, false
}

func addressKey(e *remote.AddressError) string {
	if e.Insecure {
		return "remote.insecure"
	}
	return "remote.address"
}

func lostKey(e *remote.LostError) string {
	switch {
	case e.Certificate:
		return "remote.certificate"
	case e.Never:
		return "remote.unreachable"
	}
	return "remote.lost"
}

// words are for one person.
type words struct {
	w io.Writer
	p *phrase.Phrases
}

// line prints a line. What cannot be printed is lost: there is nobody to tell.
func (s words) line(text string) {
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	_, _ = fmt.Fprintln(s.w, indent+terminal.Clean(text))
}

// todo prints what to do now.
func (s words) todo(code int, key string, args map[string]any) int {
	s.line(s.p.Say("terminal.do", nil) + " " + s.p.Say(key, args))
	return code
}

// problem prints what happened and what to do now.
func (s words) problem(code int, key string, args map[string]any) int {
	s.line(s.p.Say(key, args))
	return s.todo(code, key+".do", args)
}

// refusal says why the server says no. A code without words of its own is shown, with
// the number of the request.
func (s words) refusal(r *remote.Refusal) int {
	key, args := "remote.refused."+string(r.Code), map[string]any{"Code": r.Code, "Request": r.RequestID}
	switch {
	case r.Code == "":
		key = "remote.refused.foreign"
	case !s.p.Has(key):
		key = "remote.refused"
	}
	s.line(s.p.Say(key, args))
	for _, f := range r.Fields {
		s.line("  [" + strings.TrimPrefix(f.Location, "body.") + "] " + f.Message)
	}
	exit := exitFailed
	switch r.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusBadRequest:
		exit = exitUsage
	}
	return s.todo(exit, key+".do", args)
}
