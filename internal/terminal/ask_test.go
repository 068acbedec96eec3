package terminal

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"reflect"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"

	"lotse/internal/hostname"
	"lotse/internal/importer"
	"lotse/internal/phrase"
)

var (
	birthDate = importer.Question{ID: "q1", Type: "PAT_BIRTH_DATE", Format: "DATE"}
	colour    = importer.Question{ID: "q2", Type: "CUSTOM", Format: "STRING", Text: map[string]string{"de": "Welche Farbe hat der Umschlag?", "en": "What colour is the envelope?"}}
	pin       = importer.Question{ID: "q3", Type: "PASSWORD", Format: "STRING"}
)

func ask(t *testing.T, term *Terminal, questions ...importer.Question) func() (map[string]string, error) {
	return during(t, func() (map[string]string, error) {
		return term.Ask(t.Context(), "portal.example", questions)
	})
}

func TestAsk(t *testing.T) {
	p := sitDown(t)
	answers := ask(t, p.terminal("de"), birthDate, colour, pin)
	p.sees("portal.example fragt:")
	p.sees("Wie lautet das Geburtsdatum der Patientin oder des Patienten?")
	p.sees("zum Beispiel 31.01.1970: ")
	p.types("1.2.1970\n")
	p.sees("Verstanden als 01.02.1970")
	p.sees("Welche Farbe hat der Umschlag?")
	p.types("  gru\u0308n \n") // decomposed
	p.sees("Wie lautet das Kennwort oder die PIN zu dem Link?")
	p.sees("(wird nicht angezeigt): ")
	p.types("132-238-252\n")
	got, err := answers()
	want := map[string]string{"q1": "19700201", "q2": "grün", "q3": "132-238-252"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if strings.Contains(p.screen(), "132-238-252") {
		t.Error("the password is on the screen")
	}
}

func TestDatesAreReadAsPeopleWriteThem(t *testing.T) {
	for typed, want := range map[string]string{
		"1.2.1970": "19700201", "01021970": "19700201", "1970-02-01": "19700201", "01.02.1970": "19700201", "19700201": "19700201",
		" 1. 2. 1970 ": "19700201", "31/01/1970": "19700131",
	} {
		if got, wrong := judge(typed, nil, true); got != want || wrong != "" {
			t.Errorf("%q is %q, %q, want %s", typed, got, wrong, want)
		}
	}
	for typed, want := range map[string]string{
		"31.2.1970": "terminal.bad-date", "gestern": "terminal.bad-date", "01/02/1970": "terminal.ambiguous-date",
		"1.2.70": "terminal.ambiguous-date", " ": "terminal.empty-answer",
	} {
		if got, wrong := judge(typed, nil, true); got != "" || wrong != want {
			t.Errorf("%q is %q, %q, want %s", typed, got, wrong, want)
		}
	}
}

func TestWrongAnswersAreAskedForAgain(t *testing.T) {
	p := sitDown(t)
	answers := ask(t, p.terminal("en"), birthDate, colour)
	p.sees("What is the patient's date of birth?")
	p.sees("1970: ")
	p.types("31.02.1970\n")
	p.sees("That is no date. Expected is day, month and year")
	p.sees("1970: ")
	p.types("01/02/1970\n")
	p.sees("can be read in two ways")
	p.sees("1970: ")
	p.types("1970-02-01\n")
	p.sees("Understood as 1 Feb 1970")
	p.sees("Answer: ")
	p.types("\n")
	p.sees("An answer is needed here.")
	p.sees("Answer: ")
	p.types("blue\n")
	if got, err := answers(); err != nil || got["q1"] != "19700201" || got["q2"] != "blue" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestForeignQuestionsCannotMoveTheCursor(t *testing.T) {
	p := sitDown(t)
	q := importer.Question{ID: "q", Type: "CUSTOM", Text: map[string]string{"en": "Safe\x1b[2J\x1b]0;title\x07 \u202eevil\r\nNext: "}}
	answers := ask(t, p.terminal("en"), q)
	p.sees("Answer: ")
	p.types("x\n")
	if _, err := answers(); err != nil {
		t.Error(err)
	}
	if screen := p.screen(); strings.ContainsAny(screen, "\x1b\x07\u202e") || !strings.Contains(screen, "Safe") {
		t.Errorf("on the screen: %q", screen)
	}
}

func TestEndOfInputCancels(t *testing.T) {
	p := sitDown(t)
	answers := ask(t, p.terminal("en"), colour)
	p.sees("Answer: ")
	p.types("\x04")
	_, err := answers()
	wantCancelled(t, err)
}

func TestEndOfContextCancelsAndRestoresTheEcho(t *testing.T) {
	for _, q := range []importer.Question{colour, pin} {
		p := sitDown(t)
		tm := p.terminal("en")
		before, err := term.GetState(int(p.tty.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		answers := during(t, func() (map[string]string, error) {
			return tm.Ask(ctx, "portal.example", []importer.Question{q})
		})
		p.sees(": ")
		cancel()
		_, err = answers()
		wantCancelled(t, err)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not say that the context ended", err)
		}
		after, err := term.GetState(int(p.tty.Fd()))
		if err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("the terminal is not as it was: %v", err)
		}
		// What the abandoned read takes must not become an answer.
		p.types("late\n")
		_, err = tm.Ask(t.Context(), "portal.example", []importer.Question{q})
		wantCancelled(t, err)
		p.types("\n")
	}
}

// A child process with the pseudo terminal as its own, so that Ctrl-C is a signal.
func TestControlCEndsAPrompt(t *testing.T) {
	if os.Getenv("LOTSE_TEST_PROMPT") != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		tm := New(os.Stdin, os.Stderr, phrase.For("en"))
		_, err := tm.Ask(ctx, "portal.example", []importer.Question{pin})
		var problem *importer.Problem
		if errors.As(err, &problem) {
			PrintProblem(os.Stderr, phrase.For("en"), problem)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestControlCEndsAPrompt$")
	cmd.Env = append(os.Environ(), "LOTSE_TEST_PROMPT=1")
	ptmx, err := pty.Start(cmd)
	if err != nil {
		t.Skipf("no pseudo terminal to be had here: %v", err)
	}
	p := watch(t, ptmx)
	p.sees("(not shown): ")
	p.types("\x03")
	p.sees("The import was cancelled before it was finished.")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestNobodyIsAskedWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	tm := New(r, &out, phrase.For("en"))
	if tm.Interactive() {
		t.Fatal("a pipe is no terminal")
	}
	_, err = tm.Ask(t.Context(), "portal.example", []importer.Question{birthDate})
	var problem *importer.Problem
	if !errors.As(err, &problem) || problem.Code != importer.ProblemQuestion || len(problem.Questions) != 1 || problem.Host != "portal.example" {
		t.Errorf("got %v", err)
	}
	if _, err := tm.Password(t.Context(), "a.zip"); !errors.As(err, &problem) || problem.Code != importer.ProblemQuestion {
		t.Errorf("got %v", err)
	}
	if yes, err := tm.ConfirmHost(t.Context(), "cdn.example"); yes || err != nil {
		t.Errorf("another host is %v, %v", yes, err)
	}
	if out.Len() > 0 {
		t.Errorf("printed %q", &out)
	}
}

func TestOnlyBothEndsAtATerminalAreInteractive(t *testing.T) {
	p := sitDown(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, c := range []struct {
		tm   *Terminal
		want bool
	}{
		{New(p.tty, p.tty, phrase.For("en")), true}, {New(r, p.tty, phrase.For("en")), false},
		{New(p.tty, w, phrase.For("en")), false}, {New(p.tty, &bytes.Buffer{}, phrase.For("en")), false}, {New(nil, p.tty, phrase.For("en")), false},
	} {
		if got := c.tm.Interactive(); got != c.want {
			t.Errorf("interactive is %v, want %v", got, c.want)
		}
	}
}

func TestPassword(t *testing.T) {
	p := sitDown(t)
	tm := p.terminal("en")
	password := during(t, func() (string, error) { return tm.Password(t.Context(), "exam\x1b[31m.zip") })
	p.sees("What is the password of the archive exam\uFFFD[31m.zip?")
	p.sees("(not shown): ")
	p.types(" with spaces \n")
	if got, err := password(); err != nil || got != " with spaces " {
		t.Errorf("got %q, %v", got, err)
	}
	if strings.Contains(p.screen(), "with spaces") {
		t.Error("the password is on the screen")
	}
}

// TestConfirmPortal shows a new portal in punycode, as people read it, and why it may not
// be what it looks like; only a clear yes is one.
func TestConfirmPortal(t *testing.T) {
	p := sitDown(t)
	tm := p.terminal("en")
	confirmed := during(t, func() (bool, error) {
		return tm.ConfirmPortal(t.Context(), "xn--bcher-kva.example", "bücher.example", []hostname.Warning{hostname.Special, hostname.Imitation})
	})
	p.sees("Nobody has confirmed this portal")
	p.sees("xn--bcher-kva.example")
	p.sees("bücher.example")
	p.sees("special letters")
	p.sees("easily mistaken")
	p.types("\n")
	if yes, err := confirmed(); yes || err != nil {
		t.Errorf("Enter is %v (%v)", yes, err)
	}
	confirmed = during(t, func() (bool, error) { return tm.ConfirmPortal(t.Context(), "portal.example", "portal.example", nil) })
	p.sees("portal.example")
	p.types("y\n")
	if yes, err := confirmed(); !yes || err != nil {
		t.Errorf("yes is %v (%v)", yes, err)
	}
	for _, w := range []hostname.Warning{hostname.Special, hostname.Mixed, hostname.Imitation, hostname.Address} {
		for _, lang := range []string{"de", "en"} {
			if !phrase.For(lang).Has("terminal.portal." + string(w)) {
				t.Errorf("%s: no sentence for %s", lang, w)
			}
		}
	}
}

func TestConfirmHost(t *testing.T) {
	for typed, want := range map[string]bool{"\n": false, "n\n": false, "y\n": true, "YES\n": true, "ja\n": true, "maybe\ny\n": true, "maybe\n\n": false} {
		p := sitDown(t)
		tm := p.terminal("en")
		confirmed := during(t, func() (bool, error) { return tm.ConfirmHost(t.Context(), "xn--bcher-kva.example") })
		p.sees("  xn--bcher-kva.example\r\n")
		p.sees("special letters")
		p.sees("y/N: ")
		p.types(typed)
		if got, err := confirmed(); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", typed, got, err, want)
		}
	}
	p := sitDown(t)
	tm := p.terminal("de")
	confirmed := during(t, func() (bool, error) { return tm.ConfirmHost(t.Context(), "bücher.example") })
	p.sees(`b\u00fccher.example`)
	p.sees("j/N: ")
	p.types("\x04")
	got, err := confirmed()
	if got {
		t.Error("the end of input is no consent")
	}
	wantCancelled(t, err)
}
