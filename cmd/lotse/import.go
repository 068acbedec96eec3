package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"lotse/dicom"
	"lotse/dlx"
	"lotse/internal/app"
	"lotse/internal/importer"
	"lotse/internal/importer/deliver"
	"lotse/internal/importer/receipt"
)

type importCmd struct {
	sourceFlags `embed:""`
	serverFlags `embed:""`

	To string `help:"Where the exam goes: dicom://CALLED@host:port[?calling=AE&tls=on&associations=2] or dir:/path." placeholder:"DESTINATION"`

	PatientID        *string  `help:"Local patient ID." group:"Local patient"`
	PatientName      *string  `help:"Local name as Family^Given." group:"Local patient"`
	PatientBirthDate *string  `help:"Local birth date, e.g. 1970-01-31." group:"Local patient"`
	PatientSex       *string  `help:"M, F or O." group:"Local patient"`
	Issuer           *string  `help:"Issuer of the local patient ID." group:"Local patient"`
	Accession        *string  `help:"Accession number of the local import order." group:"Local patient"`
	ForeignIssuer    string   `help:"Issuer of the foreign patient ID, when it is known." group:"Local patient"`
	OnlyPatient      string   `help:"Take only this one of several patients on the medium (foreign ID or name)." placeholder:"ID" group:"Local patient"`
	SamePatient      bool     `help:"All patients found are the same person; I have checked it." group:"Local patient"`
	Set              []string `help:"Set a further attribute." placeholder:"KEYWORD=VALUE" sep:"none"`
	Institution      string   `help:"The importing house, named in Contributing Equipment; a server has its own." env:"LOTSE_INSTITUTION"`
	Station          string   `help:"The importing station, named in Contributing Equipment; a server has its own." env:"LOTSE_STATION"`

	LegalBasis string `help:"On what ground the exam is processed: treatment, consent, vital-interests, public-health or legal-claims; it stands in the receipt. Default: treatment, or what the server has set." enum:",treatment,consent,vital-interests,public-health,legal-claims" default:"" placeholder:"GROUND"`

	DryRun  bool   `help:"Stop before delivery and show what would be changed."`
	JSON    bool   `name:"json" help:"Print the receipt as JSON on standard output."`
	Receipt string `help:"Write the receipt as JSON to this file, readable by its owner only." placeholder:"FILE"`
}

// Run imports.
func (c *importCmd) Run(s *session) error {
	if c.Server != "" {
		return c.onServer(s)
	}
	if err := c.here(); err != nil {
		return &usageError{err}
	}
	req, err := c.request(s)
	if err != nil {
		return &usageError{err}
	}
	file, err := c.receiptFile()
	if err != nil {
		return &usageError{err}
	}
	defer file.drop()
	a := app.App{Version: version}
	hooks := app.Hooks{Source: s.hooks(), Progress: s.term.Progress, Say: func(key string) string { return s.phrases.Say(key, nil) }}
	if s.term.Interactive() {
		hooks.Inspected = s.inspected(s.err)
	}
	rec, err := a.Import(s.ctx, req, hooks)
	s.term.Done()
	if rec == nil {
		return err
	}
	defer rec.Close()
	return errors.Join(err, file.write(rec.WriteJSON), c.show(s, rec.Receipt))
}

// here refuses what only a server does.
func (c *importCmd) here() error {
	switch {
	case c.TokenFile != "", c.Reason != "", c.Site != "":
		return errors.New("--token-file, --reason and --site belong to --server, which is missing")
	case !c.Wait:
		return errors.New("--wait=false belongs to --server, which is missing")
	}
	return nil
}

// show prints the receipt as it was asked for.
func (c *importCmd) show(s *session, rec *receipt.Receipt) error {
	if c.JSON {
		return rec.WriteJSON(s.out)
	}
	return printReceipt(s.out, s.phrases, rec)
}

func (c *importCmd) request(s *session) (app.ImportRequest, error) {
	req := app.ImportRequest{Source: c.sourceFlags.request(s.phrases.Lang()), DryRun: c.DryRun, ScratchDir: c.TempDir,
		OnlyPatient: c.OnlyPatient, SamePatient: c.SamePatient, LegalBasis: cmp.Or(importer.LegalBasis(c.LegalBasis), importer.BasisTreatment)}
	if c.To == "" && !c.DryRun {
		return req, errors.New("--to is missing: where should the exam go?")
	}
	if c.To != "" {
		to, err := deliver.ParseAddress(c.To)
		if err != nil {
			return req, fmt.Errorf("--to: %w", err)
		}
		req.To = to
	}
	var err error
	req.Decision, err = c.decision()
	return req, err
}

// decision is what the flags say about the patient.
func (c *importCmd) decision() (importer.Decision, error) {
	set, err := assignments(c.Set)
	return importer.Decision{
		Patient: importer.LocalPatient{ID: c.PatientID, Issuer: c.Issuer, Name: c.PatientName,
			BirthDate: compactDate(c.PatientBirthDate), Sex: c.PatientSex},
		Accession: c.Accession, ForeignIssuer: c.ForeignIssuer, Institution: c.Institution, Station: c.Station, Set: set}, err
}

// compactDate turns a date as people write it, 1970-01-31 or 31.01.1970, into the
// 19700131 of DICOM; anything else is left for validation.
func compactDate(s *string) *string {
	if s == nil {
		return s
	}
	date, err := dlx.ParseDate(*s)
	if err != nil {
		return s
	}
	d := string(date)
	return &d
}

func assignments(list []string) ([]importer.Assignment, error) {
	var out []importer.Assignment
	for _, s := range list {
		keyword, value, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("--set needs KEYWORD=VALUE")
		}
		tag, err := dicom.ParseTag(strings.TrimSpace(keyword))
		if err != nil {
			return nil, fmt.Errorf("--set: %w", err)
		}
		out = append(out, importer.Assignment{Tag: tag, Values: strings.Split(value, "\\")})
	}
	return out, nil
}
