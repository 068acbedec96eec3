package terminal

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/text/unicode/norm"

	"lotse/dlx"
	"lotse/internal/importer"
)

// Ask asks the questions of a portal and returns the answers by the questions'
// ids, as they are sent: dates as YYYYMMDD, all else trimmed and composed. An answer
// without the right form is asked for again. Errors are *importer.Problem: an open
// question where nobody can be asked, cancelled when the person or ctx ends it.
func (t *Terminal) Ask(ctx context.Context, host string, questions []importer.Question) (map[string]string, error) {
	if !t.interactive {
		return nil, &importer.Problem{Code: importer.ProblemQuestion, Host: host, Questions: questions}
	}
	defer t.prompt()()
	if len(questions) > 0 && host != "" {
		t.print(t.say("terminal.asks", map[string]any{"Host": Clean(host)}) + "\n")
	}
	answers := make(map[string]string, len(questions))
	for _, q := range questions {
		answer, err := t.answer(ctx, q)
		if err != nil {
			return nil, err
		}
		answers[q.ID] = answer
	}
	return answers, nil
}

// Password asks for the password of an archive; name is the archive's for people.
// It returns the password as it was typed; empty when the person has none.
func (t *Terminal) Password(ctx context.Context, name string) (string, error) {
	if !t.interactive {
		q := importer.Question{ID: "archive", Type: "ARCHIVE", Format: string(dlx.FormatString)}
		return "", &importer.Problem{Code: importer.ProblemQuestion, Questions: []importer.Question{q}}
	}
	defer t.prompt()()
	t.print(t.say("question.ARCHIVE", map[string]any{"Name": shorten(name, 60)}) + "\n")
	for {
		text, err := t.input(ctx, t.say("terminal.password", nil), true)
		if !errors.Is(err, errLong) {
			return text, err
		}
		t.print("  " + t.say("terminal.too-long", nil) + "\n")
	}
}

// prompt begins a time in which only a prompt is on the screen; the function it
// returns ends it.
func (t *Terminal) prompt() func() {
	t.prompting.Lock()
	t.mu.Lock()
	t.hide()
	t.asking = true
	t.mu.Unlock()
	return func() {
		t.mu.Lock()
		t.asking = false
		t.draw()
		t.mu.Unlock()
		t.prompting.Unlock()
	}
}

// answer asks one question until its answer has the right form.
func (t *Terminal) answer(ctx context.Context, q importer.Question) (string, error) {
	secret := q.Type == string(dlx.Password) || q.Type == "ARCHIVE"
	date := q.Format == string(dlx.FormatDate)
	label := "terminal.answer"
	switch {
	case secret:
		label = "terminal.password"
	case date:
		label = "terminal.date-form"
	}
	t.print(shorten(t.phrases.Question(q), 500) + "\n")
	for {
		text, err := t.input(ctx, t.say(label, nil), secret)
		if err != nil && !errors.Is(err, errLong) {
			return "", err
		}
		answer, wrong := judge(text, err, date)
		if wrong == "" {
			if date && !secret {
				t.print("  " + t.say("terminal.date-is", map[string]any{"Date": t.phrases.Date(answer)}) + "\n")
			}
			return answer, nil
		}
		t.print("  " + t.say(wrong, nil) + "\n")
	}
}

// judge returns the answer as it is sent, or the key of what is wrong with it.
func judge(text string, err error, date bool) (answer, wrong string) {
	answer = norm.NFC.String(strings.TrimSpace(text))
	switch {
	case err != nil:
		return "", "terminal.too-long"
	case answer == "":
		return "", "terminal.empty-answer"
	case !date:
		return answer, ""
	}
	day, err := dlx.ParseDate(answer)
	if err == nil {
		return string(day), ""
	}
	var why *dlx.Error
	if errors.As(err, &why) && why.Reason == dlx.AmbiguousDate {
		return "", "terminal.ambiguous-date"
	}
	return "", "terminal.bad-date"
}

// input shows a label and reads a line.
func (t *Terminal) input(ctx context.Context, label string, secret bool) (string, error) {
	text, err := t.lines.next(ctx, func() { t.print("  " + label + ": ") }, secret)
	if secret || err != nil && !errors.Is(err, errLong) {
		t.print("\n") // nobody's Enter was shown
	}
	return text, err
}
