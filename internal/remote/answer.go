package remote

import (
	"context"
	"errors"
	"strconv"

	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/importer"
)

// maxAsked is how often answers may be wrong, since portals lock links.
const maxAsked = 3

// answer answers what an import asks, as the stages would be answered here.
func (w *way) answer(ctx context.Context, s *app.Snapshot) error {
	q := s.Question
	if q == nil {
		return &Refusal{Status: 200}
	}
	var a answers
	var err error
	switch code := importer.ProblemCode(q.Code); code {
	case importer.ProblemChoice:
		a.Select, err = w.choose(ctx, q.Choice)
	case importer.ProblemSelection:
		a.Select, err = w.chooseAgain(ctx, q)
	case importer.ProblemForeignHost:
		a.AllowHosts, err = w.allow(ctx, q.Host)
	case importer.ProblemUnknownHost:
		a.AllowHosts, err = w.meet(ctx, q)
	default:
		a.Answers, err = w.ask(ctx, &importer.Problem{Code: code, Host: q.Host, Questions: q.Questions})
	}
	if err != nil {
		return err
	}
	return w.settle(ctx, w.act(ctx, s, "answers", a))
}

// choose chooses among what a link gives: everything where nobody can be asked.
func (w *way) choose(ctx context.Context, listed []importer.Listed) ([]string, error) {
	if w.h.Source.Choose == nil {
		return []string{"1-" + strconv.Itoa(len(listed))}, nil
	}
	chosen, err := w.h.Source.Choose(ctx, listed)
	positions := make([]string, len(chosen))
	for i, n := range chosen {
		positions[i] = strconv.Itoa(n + 1)
	}
	return positions, err
}

// chooseAgain chooses when what was asked for is not what the link gives: instead of
// it nothing else is taken unasked.
func (w *way) chooseAgain(ctx context.Context, q *app.Question) ([]string, error) {
	if w.h.Source.Choose == nil {
		return nil, &importer.Problem{Code: importer.ProblemSelection, Host: q.Host}
	}
	return w.choose(ctx, q.Choice)
}

// allow has a person confirm that answers go to another site than the link's.
func (w *way) allow(ctx context.Context, host string) ([]string, error) {
	if w.h.Source.ConfirmHost != nil {
		yes, err := w.h.Source.ConfirmHost(ctx, host)
		if err != nil {
			return nil, err
		}
		if yes {
			return []string{host}, nil
		}
	}
	return nil, &importer.Problem{Code: importer.ProblemForeignHost, Host: host}
}

// meet has a person confirm that answers go to a portal that is new to the server.
func (w *way) meet(ctx context.Context, q *app.Question) ([]string, error) {
	if w.h.NewPortal != nil {
		yes, err := w.h.NewPortal(ctx, q.Host, q.Readable, q.Warnings)
		if err != nil {
			return nil, err
		}
		if yes {
			return []string{q.Host}, nil
		}
	}
	return nil, &importer.Problem{Code: importer.ProblemUnknownHost, Host: q.Host}
}

// ask asks the questions of a portal, and for the passwords of archives. Where nobody
// can be asked, the files of an archive are left out, and a portal's question stays
// open.
func (w *way) ask(ctx context.Context, p *importer.Problem) (map[string]string, error) {
	archives, others := divide(p.Questions)
	given := map[string]string{}
	again := p.Code == importer.ProblemQuestion || w.again(ctx, p)
	if !again && len(others) > 0 {
		return nil, p
	}
	for _, q := range archives {
		given[q.ID] = "" // nobody has it
		if w.h.Source.Password == nil || !again {
			continue
		}
		password, err := w.h.Source.Password(ctx, q.Text[""])
		if err != nil {
			return nil, err
		}
		given[q.ID] = password
	}
	if len(others) == 0 {
		return given, nil
	}
	if w.h.Source.Ask == nil {
		return nil, p
	}
	answered, err := w.h.Source.Ask(ctx, p.Host, others)
	for id, text := range answered {
		given[id] = text
	}
	return given, err
}

// again says whether wrong answers are given once more.
func (w *way) again(ctx context.Context, p *importer.Problem) bool {
	if p.Code == importer.ProblemTokenUnknown && w.asked == 0 {
		w.asked++
		return true // nothing was answered yet
	}
	if w.asked++; w.asked >= maxAsked || w.h.Source.Retry == nil {
		return false
	}
	return w.h.Source.Retry(ctx, p)
}

// divide tells the questions for passwords of archives from those of a portal.
func divide(all []importer.Question) (archives, others []importer.Question) {
	for _, q := range all {
		if q.Type == "ARCHIVE" {
			archives = append(archives, q)
		} else {
			others = append(others, q)
		}
	}
	return archives, others
}

// decide shows what came and hands the decision in.
func (w *way) decide(ctx context.Context, s *app.Snapshot) error {
	if err := w.inspected(ctx); err != nil {
		return err
	}
	err := w.act(ctx, s, "decision", w.req.Decision)
	var refused *Refusal
	if !errors.As(err, &refused) {
		return w.settle(ctx, err)
	}
	switch refused.Code {
	case problem.ReasonNeeded:
		return w.reason(ctx, refused)
	case problem.SeveralPatients:
		return &importer.Problem{Code: importer.ProblemSeveral, Err: err}
	case problem.NoSuchPatient:
		return &importer.Problem{Code: importer.ProblemPatient, Err: err}
	}
	return w.settle(ctx, err)
}

// reason asks why contradictions are accepted.
func (w *way) reason(ctx context.Context, refused *Refusal) error {
	var findings []importer.FindingCode
	for _, f := range refused.Fields {
		findings = append(findings, importer.FindingCode(f.Message))
	}
	if w.h.Reason == nil || w.req.Decision.Reason != "" {
		return &ReasonError{Findings: findings}
	}
	reason, err := w.h.Reason(ctx, findings)
	if err == nil && reason == "" {
		err = &ReasonError{Findings: findings}
	}
	w.req.Decision.Reason = reason
	return err
}
