package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"lotse/internal/importer"
)

// catalogue returns a Say over the phrases of a language, without their arguments.
func catalogue(t *testing.T, language string) func(string, map[string]any) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "phrase", language+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var phrases map[string]any
	if err := json.Unmarshal(data, &phrases); err != nil {
		t.Fatal(err)
	}
	return func(code string, args map[string]any) string {
		if p, ok := phrases[code]; ok {
			return fmt.Sprint(p, args["Detail"])
		}
		return code
	}
}

// pack is a package of names.
type pack []importer.File

func (p pack) Origin() importer.Origin {
	return importer.Origin{Kind: importer.FromMedium, Label: "disc\x1b[31m"}
}
func (p pack) Len() int                        { return len(p) }
func (p pack) File(i int) importer.File        { return p[i] }
func (p pack) Open(int) (io.ReadCloser, error) { return nil, errors.New("not opened here") }

// hostile is text that would like to take a terminal over.
const hostile = "Eve\x1b]0;owned\x07\x1b[2J\r\n\u009b31m\u202egpj\x7f"

func example() (*importer.Inspection, pack) {
	st := &importer.Study{UID: "1.2", Date: "20240102", Description: "Thorax " + hostile, Accession: "A1", Series: []*importer.Series{
		{UID: "1.2.1", Modality: "CT", Number: "1", Description: "axial", Instances: []importer.Instance{
			{Item: 1, SOPClass: "1.3", SOPInstance: "1.4", TransferSyntax: "1.5", OnePass: true, Frames: 1},
			{Item: 0, SOPClass: "1.3", SOPInstance: "1.5", TransferSyntax: "1.5"}}},
		{UID: "1.2.2", Modality: "SR"}}}
	in := &importer.Inspection{
		Patients: []*importer.Patient{
			{ID: "4711", Name: "Muster^Max^^Dr.=無名", BirthDate: "19700131", Sex: "M", Studies: []*importer.Study{st}},
			{Name: hostile, Sex: hostile, ID: hostile, Issuer: hostile, BirthDate: hostile}},
		Documents: []importer.Document{{Item: 2, Type: "application/pdf", Title: "Befund", Study: st}, {Item: 6, Type: "image/png"}},
		LeftOut: []importer.LeftOut{{Item: 3, Reason: importer.ReasonProgram}, {Item: 4, Reason: importer.ReasonEmpty, Detail: "x"},
			{Item: 5, Reason: importer.ReasonEmpty}},
		Findings: []importer.Finding{{Code: importer.FindingTruncated, Severity: importer.Serious, Item: 4, Path: hostile, Count: 3, Detail: hostile},
			{Code: importer.FindingSeveralPatients, Severity: importer.Warning, Item: -1}},
		Bytes: 1234, Files: 7,
	}
	p := pack{{Path: "IMG/1", Size: 10}, {Path: "IMG/2", Size: -1}, {Path: "r.pdf", Size: 5}, {Path: "x.exe"}, {Path: "a/" + hostile}, {Path: "b"}, {Path: "c.png"}}
	return in, p
}

func acts(s string) rune {
	for _, r := range s {
		if r != '\n' && (unicode.IsControl(r) || r == 0x202E) {
			return r
		}
	}
	return 0
}

func TestWriteText(t *testing.T) {
	in, p := example()
	for _, language := range []string{"en", "de"} {
		var b bytes.Buffer
		if err := WriteText(&b, in, p, Words{Say: catalogue(t, language)}); err != nil {
			t.Fatal(err)
		}
		if r := acts(b.String()); r != 0 {
			t.Errorf("%s: character %U gets through:\n%s", language, r, b.String())
		}
		if code := regexp.MustCompile(`(inspect|finding|reason|severity)\.[a-z]`).FindString(b.String()); code != "" {
			t.Errorf("%s: a code without a phrase: %s", language, code)
		}
	}
	var b bytes.Buffer
	_ = WriteText(&b, in, p, Words{Say: func(code string, args map[string]any) string {
		if n, ok := args["Count"]; ok {
			return fmt.Sprint(code, "×", n)
		}
		return code
	}})
	for _, want := range []string{
		"inspect.patient: Muster, Max Dr. (無名), inspect.patient-id 4711, inspect.birth-date 1970-01-31, inspect.sex.M\n",
		"  inspect.study: 2024-01-02, Thorax ",
		"    1               CT                2               2024-01-02    axial\n",
		"    –               SR                0               2024-01-02    –\n",
		"  r.pdf (application/pdf)\n",
		"  severity.serious: finding.truncated×3 [Eve",
		"  severity.warning: finding.several-patients×1\n",
		"inspect.left-out: 3\n  2 × reason.empty\n      a/Eve",
		"  1 × reason.program\n      x.exe\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestCodesHavePhrases(t *testing.T) {
	for _, language := range []string{"en", "de"} {
		say := catalogue(t, language)
		for _, code := range Codes() {
			if s := say(code, nil); s == code || s == "" {
				t.Errorf("%s: no phrase for %s", language, code)
			}
		}
	}
}

func TestNothing(t *testing.T) {
	var b bytes.Buffer
	if err := WriteText(&b, &importer.Inspection{}, pack{}, Words{Say: func(code string, _ map[string]any) string { return code }}); err != nil {
		t.Fatal(err)
	}
	if b.String() != "inspect.nothing\n" {
		t.Errorf("%q", b.String())
	}
	b.Reset()
	if err := WriteJSON(&b, &importer.Inspection{}, pack{}); err != nil || !json.Valid(b.Bytes()) {
		t.Errorf("%v: %s", err, b.String())
	}
	if strings.Contains(b.String(), "null") {
		t.Errorf("null for an empty list: %s", b.String())
	}
}

func TestWriteJSON(t *testing.T) {
	in, p := example()
	var b bytes.Buffer
	if err := WriteJSON(&b, in, p); err != nil {
		t.Fatal(err)
	}
	if r := acts(b.String()); r != 0 {
		t.Errorf("character %U gets through", r)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	second := got["patients"].([]any)[1].(map[string]any)
	if second["name"] != hostile {
		t.Errorf("name %q does not come back", second["name"])
	}
	if got, want := fmt.Sprint(got["totals"]), "map[bytes:1234 documents:2 files:7 instances:2 left_out:3 patients:2 series:2 studies:1]"; got != want {
		t.Errorf("totals %s, want %s", got, want)
	}
	list := got["items"].([]any)
	want := []string{
		"map[frames:0 item:0 kind:instance one_pass:false path:IMG/1 size:10 sop_class:1.3 sop_instance:1.5 transfer_syntax:1.5]",
		"map[frames:1 item:1 kind:instance one_pass:true path:IMG/2 size:-1 sop_class:1.3 sop_instance:1.4 transfer_syntax:1.5]",
		"map[item:2 kind:document path:r.pdf size:5 study_uid:1.2 title:Befund type:application/pdf]",
		"map[item:3 kind:left-out path:x.exe reason:program size:0]",
		"map[detail:x item:4 kind:left-out path:a/" + hostile + " reason:empty size:0]",
		"map[item:5 kind:left-out path:b reason:empty size:0]",
		"map[item:6 kind:document path:c.png size:0 study_uid: title: type:image/png]",
	}
	for i, w := range want {
		if got := fmt.Sprint(list[i]); got != w {
			t.Errorf("item %d: %s, want %s", i, got, w)
		}
	}
	series := got["patients"].([]any)[0].(map[string]any)["studies"].([]any)[0].(map[string]any)["series"].([]any)
	if got := fmt.Sprint(series[0]); !strings.Contains(got, "items:[1 0]") {
		t.Errorf("series %s", got)
	}
	if f := fmt.Sprint(got["findings"].([]any)[1]); f != "map[code:several-patients count:1 detail: item:-1 path: severity:warning]" {
		t.Errorf("finding %s", f)
	}
}

// full is a writer that takes n bytes.
type full struct{ n int }

var errFull = errors.New("disk full")

func (f *full) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriterErrors(t *testing.T) {
	in, p := example()
	for _, n := range []int{0, 100, 300, 500} {
		if err := WriteText(&full{n}, in, p, Words{Say: catalogue(t, "en")}); !errors.Is(err, errFull) {
			t.Errorf("text after %d bytes: %v", n, err)
		}
		if err := WriteJSON(&full{n}, in, p); !errors.Is(err, errFull) {
			t.Errorf("JSON after %d bytes: %v", n, err)
		}
	}
}
