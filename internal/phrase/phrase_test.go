package phrase

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lotse/internal/importer"
)

func TestFor(t *testing.T) {
	for given, want := range map[string]string{
		"de": "de", "de-AT": "de", "de_CH": "de", "DE": "de", "de-DE,de;q=0.9,en;q=0.8": "de",
		"en": "en", "en-GB": "en", "fr": "en", "": "en", "C": "en", "POSIX": "en", "xx-nonsense-": "en", "fr,de;q=0.5": "de",
	} {
		if got := For(given).Lang(); got != want {
			t.Errorf("For(%q) speaks %s, want %s", given, got, want)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{}, "en"},
		{map[string]string{"LANG": "de_DE.UTF-8"}, "de"},
		{map[string]string{"LANG": "de_AT@euro"}, "de"},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_MESSAGES": "fr_FR", "LC_ALL": "de_CH.UTF-8"}, "de"},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "C.UTF-8"}, "en"},
	} {
		if got := FromEnvironment(func(name string) string { return c.env[name] }).Lang(); got != c.want {
			t.Errorf("%v: speaks %s, want %s", c.env, got, c.want)
		}
	}
}

func TestSay(t *testing.T) {
	de, en := For("de"), For("en")
	for _, c := range []struct {
		p    *Phrases
		key  string
		args map[string]any
		want string
	}{
		{de, "count.images", map[string]any{"Count": 1}, "1 Bild"},
		{de, "count.images", map[string]any{"Count": 1234}, "1.234 Bilder"},
		{en, "count.images", map[string]any{"Count": int64(0)}, "0 images"},
		{en, "count.images", map[string]any{"Count": int32(1234)}, "1,234 images"},
		{en, "no.such-key", nil, "no.such-key"},
		{de, "no.such-key", map[string]any{"Count": 2}, "no.such-key"},
		{en, "question.ARCHIVE", nil, "What is the password of the archive?"},
		{en, "question.ARCHIVE", map[string]any{"Name": "{{.Count}}.zip"}, "What is the password of the archive {{.Count}}.zip?"},
		{en, "receipt.title", map[string]any{"Count": 1}, "Import receipt"},
	} {
		if got := c.p.Say(c.key, c.args); got != c.want {
			t.Errorf("Say(%s, %v) = %q, want %q", c.key, c.args, got, c.want)
		}
	}
}

// No sentence may show a placeholder's missing argument.
func TestNothingIsSaidWithHoles(t *testing.T) {
	for _, lang := range []string{"en", "de"} {
		p := For(lang)
		for key := range load(t, lang) {
			for _, args := range []map[string]any{nil, {"Count": 1}, {"Count": 2, "Detail": "x", "Host": "h", "Wait": "w"}} {
				if got := p.Say(key, args); got == key || strings.Contains(got, "no value") || strings.Contains(got, "{{") {
					t.Errorf("%s: %s with %v says %q", lang, key, args, got)
				}
			}
		}
		for _, code := range constants(t, "internal/importer", "ProblemCode") {
			for _, said := range both(p.Problem(&importer.Problem{Code: importer.ProblemCode(code)})) {
				if strings.Contains(said, "  ") || strings.Contains(said, " .") || strings.Contains(said, " ,") || strings.Contains(said, "()") {
					t.Errorf("%s: %s without arguments: %q", lang, code, said)
				}
			}
		}
	}
}

func both(a, b string) []string { return []string{a, b} }

// These two look alike to a portal's user and ask for different things.
func TestRefusedAndExpiredDiffer(t *testing.T) {
	refused, expired := &importer.Problem{Code: importer.ProblemRefused, Host: "portal.example"}, &importer.Problem{Code: importer.ProblemExpired}
	for _, c := range []struct {
		lang          string
		problem       *importer.Problem
		happened, do_ string
	}{
		{"en", refused, "The portal portal.example did not accept the answers, or it does not know the link: the two cannot be told apart.", "Compare your answers"},
		{"en", expired, "The answers were right, but the link has expired.", "Ask the sender for a new link"},
		{"de", refused, "Das Portal portal.example hat die Antworten nicht angenommen, oder es kennt den Link nicht: Beides lässt sich nicht unterscheiden.", "Vergleichen Sie Ihre Antworten"},
		{"de", expired, "Die Antworten waren richtig, aber der Link ist abgelaufen.", "Lassen Sie sich vom Absender einen neuen Link geben"},
	} {
		happened, do_ := For(c.lang).Problem(c.problem)
		if happened != c.happened || !strings.HasPrefix(do_, c.do_) {
			t.Errorf("%s: %s: %q / %q", c.lang, c.problem.Code, happened, do_)
		}
	}
}

func TestProblem(t *testing.T) {
	p := For("en")
	_, do := p.Problem(&importer.Problem{Code: importer.ProblemPortalDown, After: 90 * time.Second})
	if want := "Check the internet connection and try again in 90 seconds."; do != want {
		t.Errorf("got %q, want %q", do, want)
	}
	happened, _ := p.Problem(&importer.Problem{Code: importer.ProblemUsage, Err: errors.New("unknown flag --frog")})
	if !strings.Contains(happened, "(unknown flag --frog).") {
		t.Errorf("got %q", happened)
	}
	// The texts of errors are for logs; with all other codes they are not said.
	happened, do = p.Problem(&importer.Problem{Code: importer.ProblemInternal, Err: errors.New("secret-detail")})
	if strings.Contains(happened+do, "secret-detail") {
		t.Errorf("the cause is said: %q %q", happened, do)
	}
	if happened, _ := p.Problem(&importer.Problem{Code: "never-heard-of"}); happened != "Something went wrong inside Lotse itself." {
		t.Errorf("unknown code: %q", happened)
	}
}

func TestFinding(t *testing.T) {
	f := importer.Finding{Code: importer.FindingTruncated}
	if got, want := For("de").Finding(f), "1 Bild ist unvollständig: Das Ende fehlt."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f.Count, f.Detail = 1200, "7FE0,0010"
	if got, want := For("en").Finding(f), "1,200 images are incomplete: their ends are missing (7FE0,0010)."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestQuestion(t *testing.T) {
	const ours = "Wie lautet das Geburtsdatum der Patientin oder des Patienten?"
	for _, c := range []struct {
		name, kind string
		text       map[string]string
		want       string
	}{
		{"own language", "CUSTOM", map[string]string{"en": "Colour?", "de": "Farbe?"}, "Farbe?"},
		{"own language, with a region", "CUSTOM", map[string]string{"en": "Colour?", "de-AT": "Farbe?"}, "Farbe?"},
		{"own language beats ours", "PAT_BIRTH_DATE", map[string]string{"de": "Geboren am?"}, "Geboren am?"},
		{"ours beats a foreign language", "PAT_BIRTH_DATE", map[string]string{"fr": "Date de naissance ?", "": "Date de naissance ?"}, ours},
		{"without a language", "PAT_BIRTH_DATE", map[string]string{"": "Geburtstag?"}, "Geburtstag?"},
		{"nothing sent", "PAT_BIRTH_DATE", nil, ours},
		{"foreign but all there is", "CUSTOM", map[string]string{"fr": "Couleur ?"}, "Couleur ?"},
		{"default", "PASSWORD", map[string]string{"fr": "Mot de passe ?", "": "PIN?"}, "PIN?"},
		{"nonsense language", "CUSTOM", map[string]string{"!!": "Was?"}, "Was?"},
		{"nothing known", "SOMETHING", nil, "Das Portal fragt etwas, ohne zu sagen, was: Was steht in dem Schreiben?"},
	} {
		if got := For("de").Question(importer.Question{Type: c.kind, Text: c.text}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDates(t *testing.T) {
	de, en := For("de"), For("en")
	for _, c := range []struct{ got, want string }{
		{de.Date("19700131"), "31.01.1970"}, {en.Date("19700131"), "31 Jan 1970"}, {en.Date("19700101 "), "1 Jan 1970"},
		{de.Date("19700231"), "19700231"}, {de.Date(""), ""}, {en.Date("unknown"), "unknown"},
		{de.Time("140509.123456"), "14:05"}, {de.Time("1405"), "14:05"}, {en.Time("99"), "99"}, {en.Time(""), ""},
		{de.Moment(time.Date(2026, 1, 31, 14, 5, 9, 0, time.UTC)), "31.01.2026, 14:05:09"},
		{en.Moment(time.Date(2026, 1, 31, 14, 5, 9, 0, time.UTC)), "31 Jan 2026, 14:05:09"},
		{de.Duration(0), "0 Sekunden"}, {de.Duration(time.Second), "1 Sekunde"}, {en.Duration(89 * time.Second), "89 seconds"},
		{en.Duration(2 * time.Minute), "2 minutes"}, {de.Duration(3 * time.Hour), "3 Stunden"}, {en.Duration(-time.Second), "0 seconds"},
		{de.Span(12 * time.Second), "12 s"}, {en.Span(5 * time.Minute), "5 min"}, {en.Span(3 * time.Hour), "3 h"},
		{en.Countdown(7 * time.Second), "0:07"}, {en.Countdown(6500 * time.Millisecond), "0:07"},
		{en.Countdown(125 * time.Second), "2:05"}, {en.Countdown(3725 * time.Second), "1:02:05"}, {en.Countdown(-1), "0:00"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	de, en := For("de"), For("en")
	for _, c := range []struct{ got, want string }{
		{de.Count(1234567), "1.234.567"}, {en.Count(1234567), "1,234,567"}, {en.Count(-1), "-1"},
		{de.Bytes(0), "0 B"}, {de.Bytes(999), "999 B"}, {de.Bytes(1000), "1,0 kB"}, {en.Bytes(1500), "1.5 kB"},
		{en.Bytes(9949), "9.9 kB"}, {en.Bytes(9951), "10 kB"}, {en.Bytes(999_499), "999 kB"}, {en.Bytes(999_500), "1.0 MB"},
		{de.Bytes(274_000_000), "274 MB"}, {de.Bytes(5_800_000_000), "5,8 GB"}, {de.Bytes(-1), "unbekannt"}, {en.Bytes(1<<63 - 1), "9.2 EB"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
