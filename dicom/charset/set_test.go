package charset

import (
	"slices"
	"strings"
	"testing"
)

func TestParseReadsTermsAndTheirMisspellings(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"ISO_IR 6", ""}, {"ISO 2022 IR 6", ""}, {" ", ""},
		{"ISO_IR 100", "ISO_IR 100"}, {"ISO-IR 100", "ISO_IR 100"}, {"ISO IR 100", "ISO_IR 100"},
		{"ISO_IR100", "ISO_IR 100"}, {"ISO_IR_100", "ISO_IR 100"}, {" iso_ir 100 ", "ISO_IR 100"},
		{"ISO 2022 IR 100", "ISO_IR 100"}, {"ISO_IR 2022 100", "ISO_IR 100"}, {"ISO_IR 2022 IR 100", "ISO_IR 100"},
		{"ISO_2022_IR_100", "ISO_IR 100"}, {"ISO-8859-1", "ISO_IR 100"}, {"IR 100\x00", "ISO_IR 100"},
		{"ISO_IR 101", "ISO_IR 101"}, {"ISO_IR 109", "ISO_IR 109"}, {"ISO_IR 110", "ISO_IR 110"},
		{"ISO_IR 126", "ISO_IR 126"}, {"ISO_IR 127", "ISO_IR 127"}, {"ISO_IR 138", "ISO_IR 138"},
		{"ISO_IR 144", "ISO_IR 144"}, {"ISO_IR 148", "ISO_IR 148"}, {"ISO_IR 166", "ISO_IR 166"},
		{"ISO_IR 203", "ISO_IR 203"}, {"ISO 8859-15", "ISO_IR 203"}, {"ISO_IR 13", "ISO_IR 13"}, {"ISO_IR 14", "ISO_IR 13"},
		{"ISO_IR 192", "ISO_IR 192"}, {"ISO 2022 IR 192", "ISO_IR 192"}, {"UTF-8", "ISO_IR 192"}, {"utf8", "ISO_IR 192"},
		{"GB18030", "GB18030"}, {"ISO 2022 GB18030", "GB18030"}, {"GBK", "GBK"}, {"ISO 2022 GBK", "GBK"},
		{"ISO 2022 58", "ISO 2022 IR 58"}, {"ISO 2022 IR 149", "ISO 2022 IR 149"}, {"ISO_IR 87", "ISO 2022 IR 87"},
		{"ISO_8859-2", "ISO_IR 101"}, {"ISO_8859-3", "ISO_IR 109"}, {"ISO_8859-4", "ISO_IR 110"}, {"ISO_8859-5", "ISO_IR 144"},
		{"ISO_8859-6", "ISO_IR 127"}, {"ISO_8859-7", "ISO_IR 126"}, {"ISO_8859-8", "ISO_IR 138"}, {"ISO_8859-9", "ISO_IR 148"},
		{"ISO_8859-11", "ISO_IR 166"}, {"Latin1", "ISO_IR 100"}, {"US-ASCII", ""}, {"GB2312", "GBK"},
		{`\ISO 2022 IR 87`, `\ISO 2022 IR 87`}, {`ISO 2022 IR 6\ISO 2022 IR 87`, `\ISO 2022 IR 87`},
		{`ISO_IR 13\ISO_IR 87`, `ISO 2022 IR 13\ISO 2022 IR 87`}, {`ISO_IR 100\`, `ISO_IR 100`},
		{`ISO_IR 100\ISO_IR 100\ISO_IR 144`, `ISO 2022 IR 100\ISO 2022 IR 144`},
		{`\ISO 2022 IR 149\ISO 2022 IR 58\ISO 2022 IR 159`, `\ISO 2022 IR 149\ISO 2022 IR 58\ISO 2022 IR 159`},
	} {
		for _, values := range [][]string{{c.in}, strings.Split(c.in, `\`)} {
			s, problems := Parse(values)
			if got := strings.Join(s.Terms(), `\`); got != c.want || len(problems) > 0 {
				t.Errorf("Parse(%q) = %q, problems %v; want %q", values, got, problems, c.want)
			}
			again, _ := Parse(s.Terms())
			if again != s {
				t.Errorf("Parse(%q).Terms() is not canonical", values)
			}
		}
	}
}

func TestParseReportsWhatItLeavesOut(t *testing.T) {
	for _, c := range []struct {
		in, want string
		problems []Problem
	}{
		{"FOO", "", []Problem{{"FOO", Unknown}}},
		{"100", "", []Problem{{"100", Unknown}}},
		{"ISO_IR", "", []Problem{{"ISO_IR", Unknown}}},
		{"ISO_IR 1000", "", []Problem{{"ISO_IR 1000", Unknown}}},
		{"\x1b[2J\xff", "", []Problem{{"?[2J?", Unknown}}},
		{`ISO_IR 192\ISO 2022 IR 87`, "ISO_IR 192", []Problem{{"ISO 2022 IR 87", NotCombinable}}},
		{`\GB18030\ISO 2022 IR 58`, `\ISO 2022 IR 58`, []Problem{{"GB18030", NotCombinable}}},
		{`ISO_IR 100\FOO`, "ISO_IR 100", []Problem{{"FOO", Unknown}}},
	} {
		s, problems := Parse([]string{c.in})
		if got := strings.Join(s.Terms(), `\`); got != c.want || !slices.Equal(problems, c.problems) {
			t.Errorf("Parse(%q) = %q, %v; want %q, %v", c.in, got, problems, c.want, c.problems)
		}
		if s.IsDefault() {
			t.Errorf("Parse(%q) is the default repertoire", c.in)
		}
	}
	if _, problems := Parse(make([]string, 0)); problems != nil {
		t.Error("an absent (0008,0005) is a problem")
	}
	if _, problems := Parse(strings.Split(strings.Repeat(`X\`, 30000), `\`)); len(problems) != maxProblems {
		t.Errorf("%d problems", len(problems))
	}
}

func TestSetPredicates(t *testing.T) {
	for _, c := range []struct {
		in                string
		isUTF8, isDefault bool
	}{{"", false, true}, {"ISO_IR 6", false, true}, {"ISO_IR 192", true, false}, {"ISO_IR 100", false, false},
		{`\ISO 2022 IR 87`, false, false}} {
		s := mustParse(t, c.in)
		if s.IsUTF8() != c.isUTF8 || s.IsDefault() != c.isDefault {
			t.Errorf("%q: IsUTF8 %v, IsDefault %v", c.in, s.IsUTF8(), s.IsDefault())
		}
	}
}

// mustParse parses the value of (0008,0005) of a test case, which has no problem.
func mustParse(t testing.TB, value string) Set {
	t.Helper()
	s, problems := Parse([]string{value})
	if len(problems) > 0 {
		t.Fatalf("Parse(%q): %v", value, problems)
	}
	return s
}
