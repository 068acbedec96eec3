package phrase

import (
	"slices"
	"strings"

	"golang.org/x/text/language"

	"lotse/internal/importer"
)

// Finding says a finding in one sentence. Its Detail is text of the package: what
// prints the sentence makes it harmless first.
func (p *Phrases) Finding(f importer.Finding) string {
	return p.Say("finding."+string(f.Code), map[string]any{"Count": max(f.Count, 1), "Detail": f.Detail})
}

// Problem says in one sentence what happened, and in one what to do now. Host and
// Detail in them are foreign: what prints the sentences makes them harmless first.
func (p *Phrases) Problem(problem *importer.Problem) (happened, todo string) {
	args := map[string]any{"Host": problem.Host}
	if problem.After > 0 {
		args["Wait"] = p.Duration(problem.After)
	}
	if problem.Code == importer.ProblemUsage && problem.Err != nil {
		args["Detail"] = problem.Err.Error()
	}
	key := "problem." + string(problem.Code)
	if !p.Has(key) {
		key = "problem." + string(importer.ProblemInternal)
	}
	if len(problem.Questions) > 0 { // an archive that asks is no portal
		if own := key + "." + problem.Questions[0].Type; p.Has(own) && p.Has(own+".do") {
			key = own
		}
	}
	return p.Say(key, args), p.Say(key+".do", args)
}

// Question is the wording of a question in the person's language: the portal's
// where it has one in that language, our own for the two dates everyone asks for,
// else what the portal has. It may be foreign text.
func (p *Phrases) Question(q importer.Question) string {
	var named []string
	for lang, text := range q.Text {
		if text != "" && lang != "" {
			named = append(named, lang)
		}
	}
	slices.Sort(named)
	for _, lang := range named {
		tag, err := language.Parse(strings.TrimSpace(lang))
		if err != nil {
			continue
		}
		if base, _ := tag.Base(); base.String() == p.tag.String() {
			return q.Text[lang]
		}
	}
	key := "question." + q.Type
	ours := q.Type == "PAT_BIRTH_DATE" || q.Type == "STUDY_DATE"
	switch {
	case ours && len(named) > 0:
		return p.Say(key, nil)
	case q.Text[""] != "":
		return q.Text[""]
	case len(named) > 0:
		return q.Text[named[0]]
	case p.Has(key):
		return p.Say(key, nil)
	}
	return p.Say("question.CUSTOM", nil)
}
