package csvsafe_test

import (
	"encoding/csv"
	"strings"
	"testing"

	"lotse/internal/csvsafe"
)

func TestCell(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"import.created":                "import.created",
		"2026-12-01T10:00:00Z":          "2026-12-01T10:00:00Z",
		"192.0.2.7":                     "192.0.2.7",
		"a-b+c=d@e":                     "a-b+c=d@e",
		"Müller, Eva":                   "Müller, Eva",
		`{"n":-1}`:                      `{"n":-1}`,
		"=1+1":                          "'=1+1",
		"+1":                            "'+1",
		"-1":                            "'-1",
		"@SUM(A1)":                      "'@SUM(A1)",
		"\t=1":                          "'\t'=1",
		"\rx":                           "'\rx",
		"\n":                            "'\n",
		" =1":                           "' '=1",
		"\u00a0=1":                      "'\u00a0'=1",
		"\u200b=1":                      "'\u200b'=1",
		"\ufeff=1":                      "'\ufeff'=1",
		"\x00=1":                        "'\x00'=1",
		`"=1`:                           `'"'=1`,
		`'=1`:                           `''=1`,
		`""=1`:                          `'""'=1`,
		"＝1":                            "'＝1",
		"＠x":                            "'＠x",
		"a,=1":                          "'a,'=1",
		"a;=1":                          "'a;'=1",
		"a|@x":                          "'a|'@x",
		"a\t-1":                         "'a\t'-1",
		"a\n=1":                         "'a\n'=1",
		"a\r\n =1":                      "'a\r\n '=1",
		`a","=1`:                        `'a","'=1`,
		"a\u2028=1":                     "'a\u2028'=1",
		"=cmd|' /C calc'!A0":            "'=cmd|' /C calc'!A0",
		"+cmd|'/C x'!A0":                "'+cmd|'/C x'!A0",
		`=HYPERLINK("http://x","y")`:    `'=HYPERLINK("http://x","y")`,
		`-2+3+cmd|' /C calc'!D2`:        `'-2+3+cmd|' /C calc'!D2`,
		"=IMPORTXML(CONCAT(\"\"),\"\")": "'=IMPORTXML(CONCAT(\"\"),\"\")",
		"Mozilla/5.0 (X11; Linux)":      "Mozilla/5.0 (X11; Linux)",
		"x\xff=1":                       "x\xff=1",
	} {
		if got := csvsafe.Cell(text); got != want {
			t.Errorf("%q becomes %q instead of %q", text, got, want)
		}
	}
}

// FuzzCell: no part of what comes out, split at any separator, begins with what begins a
// formula, and nothing but apostrophes is added.
func FuzzCell(f *testing.F) {
	for _, seed := range []string{"=1", "a,=1", "\t\"=1", "\xff=", "'-", "\u200b@", "x;\u0000+1", "a\n\n=b", ",=", "\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out := csvsafe.Cell(text)
		parts := strings.FieldsFunc(out, func(r rune) bool { return strings.ContainsRune(",;|\t\r\n\v\f\u0085\u2028\u2029", r) })
		for _, part := range parts {
			if bare := strings.TrimLeft(part, "\" `\u00a0\u200b\ufeff\x00"); bare != "" && strings.ContainsAny(bare[:1], "=+-@") {
				t.Errorf("%q becomes %q, of which %q begins a formula", text, out, part)
			}
		}
		if out != "" && strings.ContainsAny(out[:1], "=+-@\t\r\n") {
			t.Errorf("%q becomes %q", text, out)
		}
		if strings.ReplaceAll(out, "'", "") != strings.ReplaceAll(text, "'", "") {
			t.Errorf("%q becomes %q", text, out)
		}
	})
}

func TestWriter(t *testing.T) {
	var b strings.Builder
	w := csvsafe.NewWriter(&b)
	for _, record := range [][]string{{"a", "b"}, {"=1", "x,\"y\"\n-z"}} {
		if err := w.Write(record...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil || b.String() != "a,b\r\n'=1,\"'x,\"\"y\"\"\r\n'-z\"\r\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	if read, err := csv.NewReader(strings.NewReader(b.String())).ReadAll(); err != nil || len(read) != 2 || read[1][1] != "'x,\"y\"\n'-z" {
		t.Errorf("%q, %v", read, err)
	}
}
