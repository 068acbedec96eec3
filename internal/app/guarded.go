package app

import (
	"fmt"
	"log/slog"

	"lotse/internal/personal"
)

// What is sealed, in the clear: these types exist between a column and its seal only, and
// their members are what columns have always had.

type plainAnswers struct {
	ByID                           map[string]string
	BirthDate, StudyDate, Password string
	AllowHosts                     []string
	ArchivePassword                string
}

type plainSecrets struct {
	Link  string
	Known plainAnswers
}

type plainRequest struct {
	Select          []string
	Files           int
	ArchivePassword string
	Archives        map[string]string
}

// guarded is a value that is sealed in another form than it is held in.
type guarded interface{ reveal() any }

// guard is the way back.
type guard interface {
	restore(decode func(any) error) error
}

func (s secrets) reveal() any {
	a := s.Known
	return plainSecrets{s.Link.Reveal(), plainAnswers{personal.RevealMap(a.ByID), a.BirthDate.Reveal(), a.StudyDate.Reveal(), a.Password.Reveal(),
		a.AllowHosts, a.ArchivePassword.Reveal()}}
}

func (s *secrets) restore(decode func(any) error) error {
	var p plainSecrets
	err := decode(&p)
	a := p.Known
	*s = secrets{personal.New(p.Link), Answers{personal.NewMap(a.ByID), personal.New(a.BirthDate), personal.New(a.StudyDate), personal.New(a.Password),
		a.AllowHosts, personal.New(a.ArchivePassword)}}
	return err
}

func (r request) reveal() any {
	return plainRequest{r.Select, r.Files, r.ArchivePassword.Reveal(), personal.RevealMap(r.Archives)}
}

func (r *request) restore(decode func(any) error) error {
	var p plainRequest
	err := decode(&p)
	*r = request{p.Select, p.Files, personal.New(p.ArchivePassword), personal.NewMap(p.Archives)}
	return err
}

// Format prints nothing of the decision.
func (n NewDecision) Format(f fmt.State, _ rune) { personal.Hide(f, "decision") }

// LogValue is what a log gets.
func (n NewDecision) LogValue() slog.Value { return slog.StringValue(personal.Redacted) }

// Format prints nothing of the decision.
func (d decided) Format(f fmt.State, _ rune) { personal.Hide(f, "decision") }

// LogValue is what a log gets.
func (d decided) LogValue() slog.Value { return slog.StringValue(personal.Redacted) }
