package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/phrase"
)

func TestProblemsInBothLanguages(t *testing.T) {
	codes := []importer.ProblemCode{
		importer.ProblemRefused, importer.ProblemExpired, importer.ProblemPortalDown, importer.ProblemNotDLX, importer.ProblemInsecure,
		importer.ProblemForeignHost, importer.ProblemPatience, importer.ProblemPortal, importer.ProblemAnswer, importer.ProblemQuestion,
		importer.ProblemNoSource, importer.ProblemBadSource, importer.ProblemNoQR, importer.ProblemNothing, importer.ProblemDestination,
		importer.ProblemRejected, importer.ProblemUsage, importer.ProblemSelection, importer.ProblemCancelled, importer.ProblemInternal,
		importer.ProblemSomeFailed, importer.ProblemDiskFull, importer.ProblemTokenUnknown, importer.ProblemSeveral, importer.ProblemPatient, importer.ProblemNoCommitment, importer.ProblemUnconfirmed, importer.ProblemIdle,
	}
	for _, lang := range []string{"en", "de"} {
		var out bytes.Buffer
		for _, code := range codes {
			fmt.Fprintf(&out, "[%s]\n", code)
			PrintProblem(&out, phrase.For(lang), &importer.Problem{Code: code})
			full := &importer.Problem{Code: code, Host: "portal.example", After: 5 * time.Minute, Err: errors.New("unknown flag --frog")}
			PrintProblem(&out, phrase.For(lang), full)
		}
		golden(t, "problems."+lang+".txt", out.String())
	}
}

func TestOpenQuestionsAreListed(t *testing.T) {
	var out bytes.Buffer
	open := &importer.Problem{Code: importer.ProblemQuestion, Host: "portal.example", Questions: []importer.Question{birthDate, colour,
		{ID: "x\x1b[2J", Type: "CUSTOM", Text: map[string]string{"": "a\nb"}}}}
	PrintProblem(&out, phrase.For("en"), open)
	want := `The portal portal.example has asked something that is not answered yet.
  [q1] What is the patient's date of birth?
  [q2] What colour is the envelope?
  [x�[2J] a b
What to do: Start again at a terminal, where you are asked, or give the answer with --birth-date, --study-date, --password or --answer.
`
	if got := out.String(); got != strings.ReplaceAll(want, `\uFFFD`, "\uFFFD") {
		t.Errorf("printed\n%s", got)
	}
}

func TestPrintProblemCleans(t *testing.T) {
	var out bytes.Buffer
	PrintProblem(&out, phrase.For("en"), &importer.Problem{
		Code: importer.ProblemUsage, Host: "x\x1b[2J", Err: errors.New("unexpected \x1b]0;evil\x07\nsecond " + strings.Repeat("long ", 200)),
	})
	PrintProblem(&out, phrase.For("en"), &importer.Problem{Code: importer.ProblemPortalDown, Host: "x\x1b[2J\u202e"})
	if strings.ContainsAny(out.String(), "\x1b\x07\u202e") || strings.Count(out.String(), "\n") != 4 || out.Len() > 1000 {
		t.Errorf("printed %q", &out)
	}
}
