package adjust

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lotse/dicom"
	"lotse/internal/importer"
)

var update = flag.Bool("update", false, "write what golden files expect")

// section is one part of a golden file: "-- name --" and the lines after it.
type section struct{ name, body string }

// TestGolden carries the decision of each file in testdata out on the file's data
// set, and compares changes, findings and the whole result.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections := splitSections(string(content))
	d := parseDecision(t, body(sections, "decision"))
	name, input := inputOf(t, sections)
	syntax := map[string]string{"input": dicom.ExplicitVRLittleEndian, "input implicit": dicom.ImplicitVRLittleEndian,
		"input big endian": dicom.ExplicitVRBigEndian, "input left in source": dicom.ExplicitVRLittleEndian}[name]
	scan := name == "input left in source"
	source, err := parseDataset(t, input).Encode(syntax)
	if err != nil {
		t.Fatal(err)
	}
	adj, result := carryOut(t, source, syntax, d, scan)
	if _, again := carryOut(t, source, syntax, d, scan); !bytes.Equal(result, again) {
		t.Error("the same decision writes other bytes the second time")
	}
	if after, _ := carryOut(t, result, syntax, d, scan); len(after.Edits) > 0 {
		t.Errorf("the decision carried out changes its own result: %v", paths(after.Edits))
	}
	if len(adj.Edits) == 0 && !bytes.Equal(source, result) {
		t.Error("no edits, but other bytes")
	}
	got := map[string]string{"changes": showChanges(adj.Changes), "findings": showFindings(adj.Findings),
		"result": dump(t, result, syntax)}
	if len(adj.Edits) == 0 {
		got["result"] = "unchanged\n"
	}
	if *update {
		rewriteGolden(t, file, sections, got)
		return
	}
	for _, s := range []string{"changes", "findings", "result"} {
		if diff := cmp.Diff(body(sections, s), got[s]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s, diff)
		}
	}
}

// carryOut plans and rewrites one object.
func carryOut(t *testing.T, source []byte, syntax string, d *importer.Decision, scan bool) (importer.Adjustment, []byte) {
	t.Helper()
	p, err := NewPlanner(d)
	if err != nil {
		t.Fatal(err)
	}
	opts := dicom.ReadOptions{Syntax: syntax}
	if scan {
		opts.Threshold = 64
	}
	r, err := dicom.NewReader(bytes.NewReader(source), int64(len(source)), opts)
	if err != nil {
		t.Fatal(err)
	}
	var adj importer.Adjustment
	if scan {
		v := p.Visit()
		head, err := r.Scan(v.See)
		if err != nil {
			t.Fatal(err)
		}
		if adj, err = p.PlanScanned(head, v); err != nil {
			t.Fatal(err)
		}
		if err := r.Reset(bytes.NewReader(source), int64(len(source)), opts); err != nil {
			t.Fatal(err)
		}
	} else {
		head, complete, err := r.Head()
		if err != nil || !complete {
			t.Fatal(err, complete)
		}
		if adj, err = p.Plan(head); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	sum, err := r.Rewrite(&out, dicom.Rewrite{Edits: adj.Edits})
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.Unused) > 0 {
		t.Errorf("edits that lead nowhere: %v", paths(sum.Unused))
	}
	return adj, out.Bytes()
}

func paths(edits []dicom.Edit) []string {
	var out []string
	for _, e := range edits {
		out = append(out, fmt.Sprint(e.Path, " op ", e.Op))
	}
	return out
}

func splitSections(content string) []section {
	var out []section
	for _, line := range strings.SplitAfter(content, "\n") {
		if name, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "-- "); ok && strings.HasSuffix(name, " --") {
			out = append(out, section{name: strings.TrimSuffix(name, " --")})
		} else if len(out) == 0 {
			out = append(out, section{name: "", body: line})
		} else {
			out[len(out)-1].body += line
		}
	}
	return out
}

func body(sections []section, name string) string {
	for _, s := range sections {
		if s.name == name {
			return s.body
		}
	}
	return ""
}

func inputOf(t *testing.T, sections []section) (name, text string) {
	for _, s := range sections {
		if strings.HasPrefix(s.name, "input") {
			return s.name, s.body
		}
	}
	t.Fatal("no input")
	return "", ""
}

func rewriteGolden(t *testing.T, file string, sections []section, got map[string]string) {
	var b strings.Builder
	for _, s := range sections {
		if _, made := got[s.name]; made {
			continue
		}
		if s.name != "" {
			b.WriteString("-- " + s.name + " --\n")
		}
		b.WriteString(s.body)
	}
	for _, name := range []string{"changes", "findings", "result"} {
		b.WriteString("-- " + name + " --\n" + got[name])
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func decisionTime() time.Time {
	return time.Date(2024, 5, 17, 10, 20, 30, 0, time.FixedZone("", 2*3600))
}

func parseDecision(t *testing.T, text string) *importer.Decision {
	d := &importer.Decision{At: decisionTime(), Origin: importer.FromPortal, UIDKey: []byte("golden")}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ":")
		if !ok {
			continue
		}
		value = strings.TrimPrefix(value, " ")
		switch key {
		case "id":
			d.Patient.ID = &value
		case "issuer":
			d.Patient.Issuer = &value
		case "name":
			d.Patient.Name = &value
		case "birth date":
			d.Patient.BirthDate = &value
		case "sex":
			d.Patient.Sex = &value
		case "accession":
			d.Accession = &value
		case "foreign issuer":
			d.ForeignIssuer = value
		case "institution":
			d.Institution = value
		case "station":
			d.Station = value
		case "origin":
			d.Origin = importer.OriginKind(value)
		default:
			keyword, ok := strings.CutPrefix(key, "set ")
			tag, err := dicom.ParseTag(keyword)
			if !ok || err != nil {
				t.Fatalf("decision: %q", line)
			}
			d.Set = append(d.Set, importer.Assignment{Tag: tag, Values: strings.Split(value, `\`)})
		}
	}
	return d
}

// parseDataset reads lines "(gggg,eeee) VR value" with a '>' for each level inside
// sequences, whose items begin with a line "item". \xNN is a byte.
func parseDataset(t *testing.T, text string) *dicom.Dataset {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	ds, rest := parseLevel(t, lines, 0)
	if len(rest) > 0 {
		t.Fatalf("input: %q", rest[0])
	}
	return ds
}

func parseLevel(t *testing.T, lines []string, depth int) (*dicom.Dataset, []string) {
	ds := dicom.New()
	for len(lines) > 0 {
		line := lines[0]
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			lines = lines[1:]
			continue
		}
		n := len(line) - len(strings.TrimLeft(line, ">"))
		line = strings.TrimSpace(line[n:])
		if n < depth || line == "item" {
			return ds, lines
		}
		fields := strings.SplitN(line, " ", 3)
		tag, err := dicom.ParseTag(fields[0])
		if err != nil || len(fields) < 2 {
			t.Fatalf("input line %q: %v", line, err)
		}
		lines = lines[1:]
		value := ""
		if len(fields) == 3 {
			value = fields[2]
		}
		if fields[1] != "SQ" {
			ds.Put(parseElement(t, tag, fields[1], value))
			continue
		}
		var items []*dicom.Dataset
		for len(lines) > 0 && strings.TrimSpace(lines[0]) == strings.Repeat(">", depth+1)+" item" {
			var item *dicom.Dataset
			item, lines = parseLevel(t, lines[1:], depth+1)
			items = append(items, item)
		}
		ds.Put(dicom.NewSequence(tag, items...))
	}
	return ds, nil
}

func parseElement(t *testing.T, tag dicom.Tag, vr, value string) dicom.Element {
	v := dicom.VR(vr[0])<<8 | dicom.VR(vr[1])
	switch v {
	case dicom.US, dicom.UL:
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Fatal(err)
		}
		return dicom.NewNumbers(tag, v, float64(n))
	case dicom.AT:
		var b []byte
		for s := range strings.SplitSeq(value, `\`) {
			a, err := dicom.ParseTag(s)
			if err != nil {
				t.Fatal(err)
			}
			b = append(b, byte(a.Group()), byte(a.Group()>>8), byte(a), byte(a>>8))
		}
		return dicom.NewBytes(tag, v, b)
	}
	var raw []byte
	for i := 0; i < len(value); i++ {
		if strings.HasPrefix(value[i:], `\x`) && i+4 <= len(value) {
			if n, err := strconv.ParseUint(value[i+2:i+4], 16, 8); err == nil {
				raw = append(raw, byte(n))
				i += 3
				continue
			}
		}
		raw = append(raw, value[i])
	}
	return dicom.NewBytes(tag, v, raw)
}

// dump is the reverse of parseDataset, with keywords.
func dump(t *testing.T, b []byte, syntax string) string {
	r, err := dicom.NewReader(bytes.NewReader(b), int64(len(b)), dicom.ReadOptions{Syntax: syntax})
	if err != nil {
		t.Fatal(err)
	}
	ds, err := r.Scan(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Problems() {
		if p.Code != dicom.ProblemNoPreamble {
			t.Errorf("the result has %s at %s", p.Code, p.Path)
		}
	}
	var out strings.Builder
	dumpLevel(&out, ds, 0)
	return out.String()
}

func dumpLevel(out *strings.Builder, ds *dicom.Dataset, depth int) {
	for e := range ds.All() {
		fmt.Fprintf(out, "%s%s %s %s", strings.Repeat(">", depth), e.Tag, e.VR, dicom.KeywordOrTag(e.Tag))
		if e.IsSequence() {
			out.WriteByte('\n')
			for _, item := range ds.ItemsOf(e) {
				fmt.Fprintf(out, "%s item\n", strings.Repeat(">", depth+1))
				dumpLevel(out, item, depth+1)
			}
			continue
		}
		if v := dumpValue(ds, e); v != "" {
			out.WriteString(" = " + v)
		}
		out.WriteByte('\n')
	}
}

func dumpValue(ds *dicom.Dataset, e *dicom.Element) string {
	switch e.VR {
	case dicom.US, dicom.UL, dicom.AT:
		return strings.Join(ds.StringsOf(e), `\`)
	}
	q := strconv.Quote(strings.TrimRight(string(e.Bytes()), " \x00"))
	return strings.ReplaceAll(q[1:len(q)-1], `\\`, `\`)
}

func showChanges(changes []importer.Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "%s %s: %s %q -> %s %q\n", c.Path, c.Name, c.Was, c.Old, c.Is, c.New)
	}
	return b.String()
}

func showFindings(findings []importer.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s %s %d %s\n", f.Code, f.Severity, f.Count, f.Detail)
	}
	return b.String()
}
