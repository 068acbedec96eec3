package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"lotse/internal/app"
	"lotse/internal/demo"
	"lotse/internal/importer"
	"lotse/internal/importer/deliver"
	"lotse/internal/importer/source"
	"lotse/internal/synth"
	"lotse/internal/terminal"
)

type demoCmd struct {
	Once bool   `help:"End when the import is done instead of leaving portal and PACS running."`
	Keep string `help:"Keep what the PACS receives in this folder." placeholder:"DIR"`
}

// Run shows the main job between a portal and a PACS of our own.
func (c *demoCmd) Run(s *session) error {
	exam, err := synth.DemoExam(1)
	if err != nil {
		return err
	}
	folder := c.Keep
	if folder == "" {
		if folder, err = os.MkdirTemp("", "lotse-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(folder)
	}
	if folder, err = filepath.Abs(folder); err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err != nil {
		return err
	}
	portal, err := demo.StartPortal(demo.Exam{ZIP: exam.ZIP, BirthDate: exam.BirthDate, Description: exam.Description,
		PatientName: exam.PatientName, Modalities: exam.Modalities})
	if err != nil {
		return err
	}
	defer portal.Close()
	pacs, err := demo.StartPACS(folder)
	if err != nil {
		return err
	}
	defer pacs.Close()
	return c.show(s, exam, portal, pacs)
}

func (c *demoCmd) show(s *session, exam *synth.Demo, portal *demo.Portal, pacs *demo.PACS) error {
	p := s.phrases
	say := func(key string, args map[string]any) { _, _ = fmt.Fprintln(s.out, p.Say(key, args)) }
	say("demo.letter", nil)
	if err := terminal.QR(s.out, portal.Link); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(s.out, "  %s\n\n", portal.Link)
	to := deliver.Address{Called: pacs.AETitle, Calling: "LOTSE", HostPort: pacs.Addr, TLS: deliver.TLSOff, Associations: 1}
	say("demo.command", nil)
	_, _ = fmt.Fprintf(s.out, "  lotse import '%s' --birth-date %s \\\n    --to dicom://%s@%s --patient-id 4711 --patient-name '%s' \\\n    --issuer KLINIKUM --accession A-2026-0815\n\n",
		portal.Link, exam.BirthDate, pacs.AETitle, pacs.Addr, exam.LocalName)
	rec, err := c.run(s, exam, portal, to)
	s.term.Done()
	if rec == nil {
		return err
	}
	defer rec.Close()
	if err := errors.Join(err, printReceipt(s.out, p, rec.Receipt)); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(s.out)
	say("demo.stored", map[string]any{"Count": pacs.Stored(), "Folder": pacs.Folder})
	if c.Once {
		if c.Keep == "" {
			say("demo.done", nil)
		}
		return nil
	}
	say("demo.running", nil)
	<-s.ctx.Done()
	return nil
}

// run is the same import as on the command line, decided for the person.
func (c *demoCmd) run(s *session, exam *synth.Demo, portal *demo.Portal, to deliver.Address) (*app.Receipt, error) {
	id, name, issuer, accession := "4711", exam.LocalName, "KLINIKUM", "A-2026-0815"
	req := app.ImportRequest{To: to,
		Source:   source.Request{Sources: []string{portal.Link}, BirthDate: exam.BirthDate, Languages: []string{s.phrases.Lang()}},
		Decision: importer.Decision{Patient: importer.LocalPatient{ID: &id, Name: &name, Issuer: &issuer}, Accession: &accession, Institution: "Klinikum Musterstadt", Station: "LOTSE"}}
	a := app.App{Version: version}
	return a.Import(s.ctx, req, app.Hooks{Progress: s.term.Progress, Inspected: s.inspected(s.out)})
}
