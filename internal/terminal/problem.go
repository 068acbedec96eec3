package terminal

import (
	"errors"
	"fmt"
	"io"

	"lotse/internal/importer"
	"lotse/internal/phrase"
)

// PrintProblem prints what happened in one sentence and what to do now in another;
// with open questions also these, by their ids. What cannot be printed is lost:
// there is nobody to tell.
func PrintProblem(w io.Writer, phrases *phrase.Phrases, p *importer.Problem) {
	happened, todo := phrases.Problem(cleaned(p))
	_, _ = fmt.Fprintln(w, Clean(happened))
	for _, q := range p.Questions {
		_, _ = fmt.Fprintf(w, "  [%s] %s\n", shorten(q.ID, 60), shorten(phrases.Question(q), 500))
	}
	_, _ = fmt.Fprintf(w, "%s %s\n", phrases.Say("terminal.do", nil), Clean(todo))
}

// cleaned is a problem whose foreign text is harmless.
func cleaned(p *importer.Problem) *importer.Problem {
	c := *p
	c.Host = Clean(p.Host)
	if p.Err != nil {
		c.Err = errors.New(shorten(p.Err.Error(), 200))
	}
	return &c
}
