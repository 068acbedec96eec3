package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"lotse/internal/importer"
)

// Words are how things are said in the person's language.
type Words struct {
	// Say returns the sentence for a code, such as phrase.Phrases.Say. Codes are
	// "finding.<code>", "reason.<code>", "severity.<severity>" and those of Codes;
	// arguments are Count and Detail.
	Say func(code string, args map[string]any) string
	// Date writes a date of DICOM (YYYYMMDD); nil: as 1970-12-31.
	Date func(string) string
}

// Codes returns the codes, beside those of findings, reasons and severities, that
// WriteText says, so that a catalogue can be tested to have them.
func Codes() []string {
	return []string{
		"inspect.patient", "inspect.patient-id", "inspect.issuer", "inspect.birth-date", "inspect.sex",
		"inspect.sex.M", "inspect.sex.F", "inspect.sex.O",
		"inspect.study", "inspect.accession", "inspect.institution", "inspect.series", "inspect.modality",
		"inspect.images", "inspect.date", "inspect.description", "inspect.documents", "inspect.left-out",
		"inspect.findings", "inspect.nothing", "inspect.no-name", "inspect.no-id", "inspect.no-date",
		"inspect.no-description",
	}
}

// textWriter keeps the first error of its writer.
type textWriter struct {
	w    io.Writer
	pkg  importer.Package
	say  func(code string, args map[string]any) string
	date func(string) string
	err  error
}

// WriteText writes in for a person at a terminal: patients with their studies and
// series, documents, findings in words, and what is left out by reason. Text from
// the package is printed without control characters. The error is w's.
func WriteText(w io.Writer, in *importer.Inspection, pkg importer.Package, words Words) error {
	t := &textWriter{w: w, pkg: pkg, say: words.Say, date: words.Date}
	if t.date == nil {
		t.date = isoDate
	}
	if len(in.Patients) == 0 && len(in.Documents) == 0 {
		t.line(t.say("inspect.nothing", nil))
	}
	for _, p := range in.Patients {
		t.patient(p)
	}
	t.documents(in.Documents)
	t.findings(in.Findings)
	t.leftOut(in.LeftOut)
	return t.err
}

func (t *textWriter) line(parts ...string) {
	if t.err == nil {
		_, t.err = io.WriteString(t.w, strings.Join(parts, "")+"\n")
	}
}

func (t *textWriter) label(code string) string { return t.say("inspect."+code, nil) }

// pair is "label value" for a value that is there.
func (t *textWriter) pair(code, value string) string {
	if value == "" {
		return ""
	}
	return t.label(code) + " " + Plain(value)
}

func (t *textWriter) patient(p *importer.Patient) {
	id := t.label("no-id")
	if p.ID != "" {
		id = t.pair("patient-id", p.ID)
	}
	t.line(t.label("patient"), ": ", joined(", ", cmp.Or(Plain(readable(p.Name)), t.label("no-name")), id,
		t.pair("issuer", p.Issuer), t.pair("birth-date", t.date(p.BirthDate)), t.sex(p.Sex)))
	for _, st := range p.Studies {
		t.study(st)
	}
	t.line()
}

func (t *textWriter) sex(s string) string {
	switch s {
	case "M", "F", "O":
		return t.label("sex." + s)
	}
	return t.pair("sex", s)
}

func (t *textWriter) study(st *importer.Study) {
	t.line("  ", t.label("study"), ": ", joined(", ", cmp.Or(Plain(t.date(st.Date)), t.label("no-date")),
		cmp.Or(Plain(st.Description), t.label("no-description")), t.pair("accession", st.Accession), t.pair("institution", st.Institution)))
	tab := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	rows := []string{joined("\t", t.label("series"), t.label("modality"), t.label("images"), t.label("date"), t.label("description"))}
	for _, se := range st.Series {
		rows = append(rows, strings.Join([]string{or(Plain(se.Number)), or(Plain(se.Modality)), strconv.Itoa(len(se.Instances)),
			or(Plain(t.date(cmp.Or(se.Date, st.Date)))), or(Plain(cmp.Or(se.Description, se.BodyPart)))}, "\t"))
	}
	for _, row := range rows {
		if t.err == nil {
			_, t.err = fmt.Fprintf(tab, "    %s\n", row)
		}
	}
	if err := tab.Flush(); t.err == nil {
		t.err = err
	}
}

func (t *textWriter) documents(documents []importer.Document) {
	if len(documents) == 0 {
		return
	}
	t.line(t.label("documents"), ":")
	for _, d := range documents {
		t.line("  ", Plain(t.path(int(d.Item))), " (", Plain(d.Type), ")")
	}
	t.line()
}

func (t *textWriter) findings(findings []importer.Finding) {
	if len(findings) == 0 {
		return
	}
	t.line(t.label("findings"), ":")
	for _, f := range findings {
		sentence := t.say("finding."+string(f.Code), map[string]any{"Count": max(1, f.Count), "Detail": Plain(f.Detail)})
		where := ""
		if f.Path != "" {
			where = " [" + Plain(f.Path) + "]"
		}
		t.line("  ", t.say("severity."+string(f.Severity), nil), ": ", sentence, where)
	}
	t.line()
}

// leftOut lists what is left out, the reason with the most files first.
func (t *textWriter) leftOut(files []importer.LeftOut) {
	if len(files) == 0 {
		return
	}
	byReason := map[importer.ReasonCode][]int32{}
	var reasons []importer.ReasonCode
	for _, l := range files {
		if byReason[l.Reason] == nil {
			reasons = append(reasons, l.Reason)
		}
		byReason[l.Reason] = append(byReason[l.Reason], l.Item)
	}
	slices.SortStableFunc(reasons, func(a, b importer.ReasonCode) int { return cmp.Compare(len(byReason[b]), len(byReason[a])) })
	t.line(t.label("left-out"), ": ", strconv.Itoa(len(files)))
	for _, r := range reasons {
		t.line("  ", strconv.Itoa(len(byReason[r])), " × ", t.say("reason."+string(r), nil))
		for _, item := range byReason[r] {
			t.line("      ", Plain(t.path(int(item))))
		}
	}
}

func (t *textWriter) path(item int) string {
	if item < 0 || item >= t.pkg.Len() {
		return ""
	}
	return t.pkg.File(item).Path
}

// joined joins the parts that are not empty.
func joined(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}

// or stands in for an empty cell.
func or(s string) string { return cmp.Or(s, "–") }

// readable writes a DICOM name as people do: "Family, Given", further forms in
// parentheses.
func readable(name string) string {
	var forms []string
	for _, form := range strings.Split(name, "=") {
		family, rest, _ := strings.Cut(form, "^")
		given := strings.Join(strings.FieldsFunc(rest, func(r rune) bool { return r == '^' || r == ' ' }), " ")
		if form = joined(", ", strings.TrimSpace(family), given); form != "" {
			forms = append(forms, form)
		}
	}
	if len(forms) < 2 {
		return strings.Join(forms, "")
	}
	return forms[0] + " (" + strings.Join(forms[1:], ", ") + ")"
}

// isoDate writes a DICOM date as 1970-12-31; what is no date stays as it is.
func isoDate(date string) string {
	if len(date) == 8 && strings.Trim(date, "0123456789") == "" {
		return date[:4] + "-" + date[4:6] + "-" + date[6:]
	}
	return date
}
