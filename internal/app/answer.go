package app

import (
	"context"
	"maps"
	"strings"

	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/internal/store"
)

// Answer gives an import what only a person can say, and lets it go on.
func (g *Gateway) Answer(ctx context.Context, who Who, id string, version int64, a Answers, choose []string) error {
	if err := a.check(); err != nil {
		return err
	}
	s, err := g.scope(ctx, who)
	if err != nil {
		return err
	}
	im, err := s.read(ctx, id)
	if err != nil {
		return err
	}
	if im.State != importer.Waiting {
		return &importer.ImpossibleError{State: string(im.State), Event: "answer"}
	}
	if version == 0 {
		version = im.Version // what is merged below is of this version
	}
	var asked request
	if err := s.open(ctx, id, sealedRequest, im.Request, &asked); err != nil {
		return err
	}
	var known secrets
	if err := s.open(ctx, id, sealedSecrets, im.Secrets, &known); err != nil {
		return err
	}
	known.Known.merge(a)
	if a.ArchivePassword.IsSet() {
		asked.ArchivePassword = a.ArchivePassword
	}
	for id, password := range a.ByID {
		if id == archiveQuestion || strings.HasPrefix(id, archiveQuestion+".") {
			if asked.Archives == nil {
				asked.Archives = map[string]personal.Text{}
			}
			asked.Archives[id] = password
		}
	}
	if len(choose) > 0 {
		asked.Select = choose
	}
	sealedAsked, err := s.seal(ctx, id, sealedRequest, asked)
	if err != nil {
		return err
	}
	sealedKnown, err := s.seal(ctx, id, sealedSecrets, known)
	if err != nil {
		return err
	}
	return g.change(ctx, who, id, version, func(s *scope, tx *store.Tx, im *store.Import) error {
		event, job := importer.EventAnswered, jobFetch
		im.Request = sealedAsked
		if im.Secrets == nil { // the fetch has ended: it was the inspection that asked
			event, job = importer.EventUnlocked, jobInspect
		} else {
			im.Secrets = sealedKnown
		}
		im.Question, im.Problem, im.ProblemHost = nil, "", ""
		if err := s.confirmPortals(tx, im.ID, a.AllowHosts); err != nil {
			return err
		}
		if err := s.move(tx, im, event, nil); err != nil {
			return err
		}
		return s.enqueue(tx, job, im)
	})
}

// archiveQuestion is, or begins, the id of a question for an archive's password.
const archiveQuestion = "archive"

// merge adds answers; newer ones win.
func (a *Answers) merge(b Answers) {
	if a.ByID == nil {
		a.ByID = map[string]personal.Text{}
	}
	maps.Copy(a.ByID, b.ByID)
	or := func(to *personal.Text, from personal.Text) {
		if from.IsSet() {
			*to = from
		}
	}
	or(&a.BirthDate, b.BirthDate)
	or(&a.StudyDate, b.StudyDate)
	or(&a.Password, b.Password)
	a.AllowHosts = append(a.AllowHosts, b.AllowHosts...)
}
