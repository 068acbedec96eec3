package charset

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"lotse/test/samples"
)

// python is the interpreter of Debian, which has Debian's pydicom.
const python = "/usr/bin/python3"

type peerCase struct {
	File, Tag string `json:",omitempty"`
	Set       string `json:"set"`
	Kind      string `json:"kind"`
	Raw       string `json:"raw"`
	Want      *string
}

func requirePydicom(t *testing.T) {
	t.Helper()
	if err := exec.Command(python, "-c", "import pydicom").Run(); err != nil {
		t.Skipf("pydicom is not installed for %s: %v", python, err)
	}
}

// pydicom decodes all cases; nil where pydicom could not.
func pydicom(t *testing.T, cases []peerCase) []*string {
	t.Helper()
	requirePydicom(t)
	var in bytes.Buffer
	for _, c := range cases {
		line, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd := exec.Command(python, "testdata/pydicom_text.py")
	cmd.Stdin = &in
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run pydicom: %v", err)
	}
	answers := make([]*string, 0, len(cases))
	for line := range strings.Lines(string(out)) {
		var answer *string
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(cases) {
		t.Fatalf("%d answers to %d cases", len(answers), len(cases))
	}
	return answers
}

func kindName(k Kind) string { return [...]string{Text: "LT", Multi: "LO", PersonName: "PN"}[k] }

func kindNamed(name string) Kind {
	switch name {
	case "PN":
		return PersonName
	case "LT":
		return Text
	}
	return Multi
}

// pydicom 2.3 differs from the standard here, and why.
func pydicomDiffers() map[string]string {
	return map[string]string{
		"IR 13 romaji":              "decodes IR 14 as Shift-JIS, with ASCII's backslash and tilde",
		"IR 13 values":              "as above",
		"romaji by escape":          "as above",
		"backslash inside JIS pair": "cuts values before it decodes",
		"^ and = inside JIS pair":   "cuts components before it decodes",
		"GBK trail byte 5C":         "cuts values before it decodes",
		"GB18030 trail byte 5C":     "cuts values before it decodes",
		"Latin-9":                   "does not know ISO_IR 203",
		"Latin-9 by escape":         "does not know ISO_IR 203",
		"line end leaves JIS pairs": "lets JIS X 0208 go on after a line end",
		"K.2":                       "leaves the escape sequences of IR 58 in the text",
		"K.3":                       "as above",
		"GB 2312 inside lines":      "as above",
		"both G0 and G1":            "knows one active set only",
	}
}

func TestExamplesAgreeWithPydicom(t *testing.T) {
	var cases []peerCase
	for _, e := range examples() {
		cases = append(cases, peerCase{Set: e.set, Kind: kindName(e.kind), Raw: hex.EncodeToString([]byte(e.raw))})
	}
	differs := pydicomDiffers()
	for i, answer := range pydicom(t, cases) {
		e := examples()[i]
		same := answer != nil && strings.TrimRight(*answer, "=") == strings.TrimRight(e.want, "=")
		if why, ok := differs[e.name]; ok == same {
			text := "nothing"
			if answer != nil {
				text = *answer
			}
			t.Errorf("%s: pydicom decodes %q, wanted %q (expected a difference: %q)", e.name, text, e.want, why)
		}
	}
}

// tableCases are all single characters of a set, wrapped into prefix and suffix.
func tableCases(set string, low, high [2]byte, prefix, suffix string) []peerCase {
	var cases []peerCase
	for a := int(low[0]); a <= int(high[0]); a++ {
		for b := int(low[1]); b <= int(high[1]); b++ {
			char := []byte{byte(a), byte(b)}
			if low[0] == 0 {
				char = char[1:]
			}
			raw := prefix + string(char) + suffix
			cases = append(cases, peerCase{Set: set, Kind: "LT", Raw: hex.EncodeToString([]byte(raw))})
		}
	}
	return cases
}

func TestTablesAgreeWithPydicom(t *testing.T) {
	single := func(set string) []peerCase {
		return tableCases(set, [2]byte{0, 0xA0}, [2]byte{0, 0xFF}, "", "")
	}
	var cases []peerCase
	for _, set := range []string{"ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 126", "ISO_IR 127",
		"ISO_IR 138", "ISO_IR 144", "ISO_IR 148", "ISO_IR 166", "ISO_IR 13"} {
		cases = append(cases, single(set)...)
	}
	g0, g0End := [2]byte{0x21, 0x21}, [2]byte{0x7E, 0x7E}
	g1, g1End := [2]byte{0xA1, 0xA1}, [2]byte{0xFE, 0xFE}
	cases = append(cases, tableCases(`\ISO 2022 IR 87`, g0, g0End, "\x1b$B", "\x1b(B")...)
	cases = append(cases, tableCases(`\ISO 2022 IR 159`, g0, g0End, "\x1b$(D", "\x1b(B")...)
	cases = append(cases, tableCases(`\ISO 2022 IR 149`, g1, g1End, "\x1b$)C", "")...)
	cases = append(cases, tableCases(`\ISO 2022 IR 58`, g1, g1End, "\x1b$)A", "")...)
	cases = append(cases, tableCases("GBK", [2]byte{0x81, 0x40}, [2]byte{0xFE, 0xFE}, "", "")...)
	cases = append(cases, tableCases("GB18030", [2]byte{0x81, 0x40}, [2]byte{0xFE, 0xFE}, "", "")...)
	for _, end := range []string{"\x81\x30", "\xA0\x35", "\xFE\x39"} { // four bytes
		cases = append(cases, tableCases("GB18030", [2]byte{0x81, 0x30}, [2]byte{0xFE, 0x39}, "", end)...)
	}
	more := map[string]int{}
	for i, answer := range pydicom(t, cases) {
		compareCharacter(t, cases[i], answer, more)
	}
	for set, n := range more {
		t.Logf("%s: %d characters that pydicom does not know", set, n)
	}
}

func compareCharacter(t *testing.T, c peerCase, answer *string, more map[string]int) {
	t.Helper()
	raw, err := hex.DecodeString(c.Raw)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := mustParse(t, c.Set).Decode(Text, raw)
	if answer != nil { // it leaves the escape sequence of IR 58 in the text
		*answer = strings.TrimPrefix(*answer, "\x1b$)A")
	}
	switch {
	case answer == nil && ok:
		more[c.Set]++
	case answer == nil || ok && got == *answer:
	case strings.HasSuffix(c.Set, " 58") && strings.Contains("・―", *answer): // GB 2312 before GBK
	case c.Raw == "a3a0": // an ideographic space in the web's GB 18030
	case c.Set == "GB18030" && *answer >= "\uE766" && *answer <= "\uE864": // unassigned before GB 18030-2005
	default:
		t.Errorf("%s %s: %q (%v), pydicom %q", c.Set, c.Raw, got, ok, *answer)
	}
	if utf8.RuneCountInString(got) > 2 {
		t.Errorf("%s %s: %q is more than a character", c.Set, c.Raw, got)
	}
}

// sampleFiles are the public test files with a character set of their own.
func sampleFiles(t *testing.T) []string {
	t.Helper()
	root := filepath.Join(samples.Dir(t), "dicom")
	manifest, err := os.Open(filepath.Join(root, "MANIFEST.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer manifest.Close()
	var files []string
	for lines := bufio.NewScanner(manifest); lines.Scan(); {
		f := strings.Split(lines.Text(), "\t")
		if len(f) > 6 && f[3] == "p10" && f[6] != "" {
			files = append(files, filepath.Join(root, f[0]))
		}
	}
	return files
}

func TestSamplesAgreeWithPydicom(t *testing.T) {
	requirePydicom(t)
	files := sampleFiles(t)
	cmd := exec.Command(python, append([]string{"testdata/pydicom_text.py"}, files...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run pydicom: %v", err)
	}
	compared, sets := 0, map[string]int{}
	for line := range strings.Lines(string(out)) {
		var c peerCase
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		raw, err := hex.DecodeString(c.Raw)
		if err != nil {
			t.Fatal(err)
		}
		s, problems := Parse([]string{c.Set})
		got, ok := s.Decode(kindNamed(c.Kind), raw)
		sets[c.Set]++
		if c.Want == nil || strings.TrimRight(got, "=") != strings.TrimRight(*c.Want, "=") || !ok || len(problems) > 0 {
			t.Errorf("%s %s in %q: %q, %v, %v; pydicom %v", filepath.Base(c.File), c.Tag, c.Set, got, ok, problems, show(c.Want))
		}
		compared++
	}
	t.Logf("%d values of %d files: %v", compared, len(files), sets)
	if compared == 0 {
		t.Error("no sample has text that is not plain")
	}
}

func show(text *string) string {
	if text == nil {
		return "nothing"
	}
	return fmt.Sprintf("%q", *text)
}
