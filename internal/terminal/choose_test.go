package terminal

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"lotse/internal/importer"
	"lotse/internal/importer/source"
	"lotse/internal/phrase"
)

// A change of a hook's type must show here.
func TestMethodsAreHooks(t *testing.T) {
	tm := New(nil, &bytes.Buffer{}, phrase.For("en"))
	hooks := source.Hooks{Ask: tm.Ask, Retry: tm.Retry, Choose: tm.Choose, ConfirmHost: tm.ConfirmHost, Progress: tm.Progress}
	if chosen, err := hooks.Choose(t.Context(), make([]importer.Listed, 3)); err != nil || !slices.Equal(chosen, []int{0, 1, 2}) {
		t.Errorf("without a terminal %v, %v are chosen", chosen, err)
	}
	if hooks.Retry(t.Context(), &importer.Problem{Code: importer.ProblemRefused}) {
		t.Error("without a terminal it is tried again")
	}
}

var exams = []importer.Listed{
	{Date: "20260131", Modalities: []string{"CT"}, Description: "Thorax mit Kontrastmittel", PatientName: "Mustermann,Max", Files: 1234},
	{Date: "20251224", Modalities: []string{"MR", "SR"}, Description: "Knie \x1b[31mrechts\u202e", PatientName: "Mustermann,Max", Files: 1},
	{Description: "Befund", PatientName: "Mustermann,Max", Files: -1},
	{Date: "soon", Modalities: []string{"US"}, Description: strings.Repeat("sehr ", 30) + "lang", PatientName: "Mustermann,Max", Files: 0},
	{Date: "20260101", Modalities: []string{"DX"}, Description: "胸部", PatientName: "Mustermann,Max", Files: 2},
}

func TestListsInBothLanguages(t *testing.T) {
	others := slices.Clone(exams)
	others[1].PatientName = "Muster,\x07Erika"
	var many []importer.Listed
	for range 11 {
		many = append(many, exams[2])
	}
	for _, lang := range []string{"en", "de"} {
		tm := New(nil, &bytes.Buffer{}, phrase.For(lang))
		golden(t, "list."+lang+".txt", tm.list(exams)+"\n"+tm.list(others)+"\n"+tm.list(many))
	}
}

func TestChoose(t *testing.T) {
	p := sitDown(t)
	tm := p.terminal("de")
	chosen := during(t, func() ([]int, error) { return tm.Choose(t.Context(), exams) })
	p.sees("Hinter dem Link liegen 5 Teile:")
	p.sees("5) ")
	p.sees("Eingabetaste für alle: ")
	p.types("6\n")
	p.sees("Erwartet werden Nummern von 1 bis 5")
	p.sees("Eingabetaste für alle: ")
	p.types("5, 1-2\n")
	if got, err := chosen(); err != nil || !slices.Equal(got, []int{0, 1, 4}) {
		t.Errorf("got %v, %v", got, err)
	}
	if strings.Contains(p.screen(), "\x1b") || strings.Contains(p.screen(), "\u202e") {
		t.Errorf("on the screen: %q", p.screen())
	}

	chosen = during(t, func() ([]int, error) { return tm.Choose(t.Context(), exams) })
	p.sees("Eingabetaste für alle: ")
	p.types("\n")
	if got, err := chosen(); err != nil || len(got) != 5 {
		t.Errorf("got %v, %v", got, err)
	}

	chosen = during(t, func() ([]int, error) { return tm.Choose(t.Context(), exams) })
	p.sees("Eingabetaste für alle: ")
	p.types("\x04")
	_, err := chosen()
	wantCancelled(t, err)
}

func TestWhereThereIsNoChoiceNobodyIsAsked(t *testing.T) {
	p := sitDown(t)
	if got, err := p.terminal("en").Choose(t.Context(), exams[:1]); err != nil || !slices.Equal(got, []int{0}) || p.screen() != "" {
		t.Errorf("got %v, %v; on the screen: %q", got, err, p.screen())
	}
}

func TestParseChoice(t *testing.T) {
	for text, want := range map[string][]int{
		"": {0, 1, 2, 3, 4}, "a": {0, 1, 2, 3, 4}, "Alle": {0, 1, 2, 3, 4}, "1": {0}, "1,3-5": {0, 2, 3, 4}, " 3 , 1 ": {0, 2}, "2 3": {1, 2},
		"2-2": {1}, "1,1,1": {0}, "1–3": {0, 1, 2}, "1;2": {0, 1},
	} {
		if got, ok := parseChoice(text, 5); !ok || !slices.Equal(got, want) {
			t.Errorf("%q is %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"0", "6", "5-3", "1-", "-1", "x", "1,x", ",", "1-999999999999999999999", "1.5", strings.Repeat("1-5,", 1000)} {
		if got, ok := parseChoice(text, 5); ok {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestRetry(t *testing.T) {
	for typed, want := range map[string]bool{"\n": true, "y\n": true, "n\n": false, "?\nn\n": false, "\x04": false} {
		p := sitDown(t)
		tm := p.terminal("en")
		again := during(t, func() (bool, error) {
			return tm.Retry(t.Context(), &importer.Problem{Code: importer.ProblemRefused, Host: "portal\x1b[2J.example"}), nil
		})
		p.sees("The portal portal\uFFFD[2J.example did not accept the answers")
		p.sees("Y/n: ")
		p.types(typed)
		if got, _ := again(); got != want {
			t.Errorf("%q: got %v, want %v", typed, got, want)
		}
	}
}
