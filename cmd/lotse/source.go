package main

import (
	"lotse/internal/importer/source"
)

// sourceFlags are the flags of every command that opens an exam.
type sourceFlags struct {
	Source []string `arg:"" name:"source" help:"A link, a picture with its QR code, a ZIP, a folder or a file; several are one exam."`

	BirthDate    string            `help:"The patient's birth date as the portal asks for it, e.g. 1970-01-31." placeholder:"DATE" group:"Portal"`
	StudyDate    string            `help:"The study date, where the portal asks for it." placeholder:"DATE" group:"Portal"`
	Password     string            `help:"The password or PIN from the letter, also of an encrypted archive." env:"LOTSE_PASSWORD" placeholder:"TEXT" group:"Portal"`
	Answer       map[string]string `help:"Answer to a question of the portal by its id." placeholder:"ID=TEXT" group:"Portal" mapsep:"none"`
	Select       []string          `help:"Take only these exams of a portal's list: number, id, study date, modality, or words of the description." placeholder:"WHAT" group:"Portal"`
	AllowHost    []string          `help:"Let answers go to this host: one that the link does not name, or a portal that is new to the server." placeholder:"HOST" group:"Portal"`
	InsecureHTTP bool              `name:"insecure-http" help:"Allow http:// beyond this computer. Everybody on the way can read the exam." group:"Portal"`
	TempDir      string            `help:"Folder for the one temporary file of a download (encrypted, gone with the process)." placeholder:"DIR"`
}

func (f *sourceFlags) request(lang string) source.Request {
	return source.Request{Sources: f.Source, BirthDate: f.BirthDate, StudyDate: f.StudyDate, Password: f.Password,
		Answers: f.Answer, Select: f.Select, AllowHosts: f.AllowHost, InsecureHTTP: f.InsecureHTTP,
		ScratchDir: f.TempDir, Languages: []string{lang}}
}

// hooks let a person at a terminal take part; a script gets none.
func (s *session) hooks() source.Hooks {
	if !s.term.Interactive() {
		return source.Hooks{}
	}
	return source.Hooks{Ask: s.term.Ask, Password: s.term.Password, Choose: s.term.Choose, ConfirmHost: s.term.ConfirmHost, Retry: s.term.Retry}
}
