package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"lotse/internal/importer"
	"lotse/internal/importer/adjust"
	"lotse/internal/remote"
	"lotse/internal/terminal"
)

// serverFlags let a server do an import.
type serverFlags struct {
	Server    string `help:"Let this Lotse server do it, as https://lotse.example; --to is then the name or id of one of its destinations." env:"LOTSE_SERVER" placeholder:"URL" group:"Server"`
	Token     string `help:"Access token of the server. Others on this computer can see it while the command runs; --token-file is better." env:"LOTSE_TOKEN" placeholder:"TOKEN" group:"Server"`
	TokenFile string `help:"File that holds the access token." type:"path" placeholder:"FILE" group:"Server"`
	Site      string `help:"Name or id of the server's site that the import belongs to; it is named in what is written, and may have destinations of its own." placeholder:"NAME" group:"Server"`
	Reason    string `help:"Why a birth date or sex that contradicts the exam is accepted." placeholder:"TEXT" group:"Server"`
	Wait      bool   `help:"Stay until it is delivered. --wait=false prints the import's id when the server needs nothing more; the decision is made there." default:"true" negatable:"" group:"Server"`
}

// token is what the server knows its user by.
func (f *serverFlags) token() (string, error) {
	if f.TokenFile == "" {
		if f.Token == "" {
			return "", errors.New("the access token is missing: give --token-file, or LOTSE_TOKEN")
		}
		return f.Token, nil
	}
	raw, err := os.ReadFile(f.TokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" || len(token) > 4096 {
		return "", errors.New("--token-file: there is no token in it")
	}
	return token, nil
}

// onServer has the import done by a server.
func (c *importCmd) onServer(s *session) error {
	req, err := c.remoteRequest(s)
	if err != nil {
		return err
	}
	token, err := c.token()
	if err != nil {
		return &usageError{err}
	}
	file, err := c.receiptFile()
	if err != nil {
		return &usageError{err}
	}
	defer file.drop()
	client, err := remote.New(remote.Config{URL: c.Server, Token: token, InsecureHTTP: c.InsecureHTTP, Version: version,
		Lost: func(until time.Time) {
			s.term.Note("remote.lost-for-now", map[string]any{"Clock": s.phrases.Clock(until.Local())})
		},
		Back: func() { s.term.Note("remote.back", nil) }})
	if err != nil {
		return err
	}
	out, err := client.Import(s.ctx, req, c.remoteHooks(s))
	s.term.Done()
	switch {
	case err == nil && !c.Wait:
		_, err = fmt.Fprintln(s.out, out.ID)
		printSkipped(s.out, s.phrases, out.Skipped)
		return errors.Join(err, missed(out.Skipped))
	case out.Delivery != nil:
		return c.proven(s, client, out, file, err)
	case err != nil && out.ID != "":
		return c.ended(s, client, out, err)
	}
	return err
}

// remoteRequest is the request as a server takes it. What can be seen to be wrong here
// is not sent.
func (c *importCmd) remoteRequest(s *session) (remote.Request, error) {
	known := remote.Known{Answers: c.Answer, BirthDate: c.BirthDate, StudyDate: c.StudyDate, Password: c.Password, AllowHosts: c.AllowHost}
	req := remote.Request{Sources: c.Source, Known: known, LegalBasis: importer.LegalBasis(c.LegalBasis), Select: c.Select, Site: c.Site, Destination: c.To, Leave: !c.Wait}
	decision, err := c.decision()
	if err != nil {
		return req, &usageError{err}
	}
	decision.At = time.Now()
	if err := adjust.Validate(&decision); err != nil {
		return req, err
	}
	p := decision.Patient
	req.Decision = remote.Decision{Patient: remote.Patient{ID: p.ID, Issuer: p.Issuer, Name: p.Name, BirthDate: p.BirthDate, Sex: p.Sex},
		Accession: decision.Accession, OnlyPatient: c.OnlyPatient, SamePatient: c.SamePatient, Reason: c.Reason}
	for _, a := range decision.Set {
		if req.Decision.Set == nil {
			req.Decision.Set = map[string][]string{}
		}
		req.Decision.Set[a.Tag.String()] = a.Values
	}
	decides := decision.Adjusts() || c.OnlyPatient != "" || c.SamePatient || c.Reason != "" || c.To != ""
	for _, wrong := range []struct {
		is  bool
		why string
	}{
		{c.DryRun, "--dry-run is not possible with --server"},
		{c.ForeignIssuer != "", "--foreign-issuer is not possible with --server"},
		{c.Wait && c.To == "", "--to is missing: where should the exam go?"},
		{!c.Wait && decides, "--wait=false leaves patient and destination to somebody else"},
		{!c.Wait && (c.JSON || c.Receipt != ""), "--wait=false ends before there is a receipt"},
	} {
		if wrong.is {
			return req, &usageError{errors.New(wrong.why)}
		}
	}
	return req, nil
}

// remoteHooks let a person at a terminal take part, as in an import that is done here.
func (c *importCmd) remoteHooks(s *session) remote.Hooks {
	h := remote.Hooks{Source: s.hooks(), Progress: s.term.Progress, Delayed: func(p *importer.Problem, until time.Time) {
		happened, _ := s.phrases.Problem(p)
		s.term.Note("remote.delayed", map[string]any{"Problem": happened, "Clock": s.phrases.Clock(until.Local())})
	}}
	if !s.term.Interactive() {
		return h
	}
	h.Inspected, h.NewPortal = s.inspected(s.err), s.term.ConfirmPortal
	h.Reason = func(ctx context.Context, findings []importer.FindingCode) (string, error) {
		for _, code := range findings {
			s.term.Note("finding."+string(code), map[string]any{"Count": 1})
		}
		const id = "reason"
		given, err := s.term.Ask(ctx, "", []importer.Question{{ID: id, Type: "REASON"}})
		return given[id], err
	}
	return h
}

// ended says what becomes of an import that did not come to its end, or that was left.
func (c *importCmd) ended(s *session, client *remote.Client, out *remote.Outcome, err error) error {
	var p *importer.Problem
	left := errors.As(err, &p) && p.Code == importer.ProblemCancelled
	ctx, stop := beyond(s.ctx)
	defer stop()
	if out.Snapshot != nil && out.Snapshot.State.Ended() {
		return err
	}
	id := map[string]any{"ID": out.ID}
	switch {
	case out.Uploading:
		return c.cancel(ctx, s, client, out, err, "remote.upload-cancelled")
	case !left:
		return told(s, err, "remote.stays", id)
	}
	if yes, asked := s.term.Confirm(ctx, "remote.cancel-question", false); yes && asked == nil {
		return c.cancel(ctx, s, client, out, err, "remote.cancelled")
	}
	s.term.Note("remote.goes-on", id)
	return &toldError{exitFailed}
}

// cancelTime is how long the server may take to cancel an import when the command ends.
const cancelTime = 20 * time.Second

func (c *importCmd) cancel(ctx context.Context, s *session, client *remote.Client, out *remote.Outcome, err error, key string) error {
	ctx, stop := context.WithTimeout(ctx, cancelTime)
	defer stop()
	if client.Cancel(ctx, out.ID) != nil {
		key = "remote.not-cancelled"
	}
	return told(s, err, key, map[string]any{"ID": out.ID})
}

// told explains err and adds a sentence.
func told(s *session, err error, key string, args map[string]any) error {
	code := explain(s.err, s.phrases, err)
	_, _ = fmt.Fprintln(s.err, terminal.Clean(s.phrases.Say(key, args)))
	return &toldError{code}
}
