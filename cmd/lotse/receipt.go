package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"lotse/internal/importer"
	"lotse/internal/importer/receipt"
	"lotse/internal/phrase"
	"lotse/internal/terminal"
)

// maxShown bounds the items listed one by one on a terminal; the JSON has them all.
const maxShown = 20

// printReceipt shows the receipt in words: totals, what was changed, and every
// item that was not simply delivered.
func printReceipt(w io.Writer, p *phrase.Phrases, rec *receipt.Receipt) error {
	out := bufio.NewWriter(w)
	t := rec.Totals
	line := func(key string, value any) {
		_, _ = fmt.Fprintf(out, "  %-26s %v\n", p.Say(key, nil), value)
	}
	_, _ = fmt.Fprintln(out, p.Say("receipt.title", nil))
	source := terminal.Clean(rec.Source.Label)
	if source == "" { // an upload has no name
		source = p.Say("origin."+string(rec.Source.Kind), nil)
	}
	line("receipt.source", source)
	if rec.Destination != "" {
		line("receipt.destination", terminal.Clean(rec.Destination))
	}
	if rec.Patient.ID != "" || rec.Patient.Name != "" {
		line("receipt.patient", terminal.Clean(strings.TrimSpace(rec.Patient.ID+"  "+rec.Patient.Name)))
	}
	if key := "legal-basis." + rec.LegalBasis; p.Has(key) {
		line("receipt.legal-basis", p.Say(key, nil))
	}
	line("receipt.came_in", fmt.Sprintf("%d (%s)", t.CameIn, p.Bytes(t.Bytes)))
	if rec.DryRun {
		line("fate.planned", t.Planned)
	} else {
		line("fate.delivered", fmt.Sprintf("%d (%s)", t.Delivered, p.Bytes(t.BytesOut)))
	}
	if t.Warned > 0 {
		line("fate.delivered-with-warning", t.Warned)
	}
	if t.Failed > 0 || !rec.DryRun {
		line("fate.failed", t.Failed)
	}
	line("fate.left-out", t.LeftOut)
	if err := printItems(out, p, rec); err != nil {
		return err
	}
	return out.Flush()
}

// heading is what items are listed under: a phrase and what the destination said.
type heading struct{ key, comment string }

// notes gathers what a person should see of the items.
type notes struct {
	changes  []importer.Change
	order    []heading
	count    map[heading]int
	paths    map[heading][]string
	findings []importer.Finding
}

func (n *notes) add(it receipt.Item) error {
	if n.changes == nil && it.Kind == importer.KindInstance {
		n.changes = it.Changes
	}
	for _, f := range it.Findings {
		n.addFinding(f)
	}
	h := heading{groupOf(it), it.Comment}
	if h.key == "" {
		return nil
	}
	if n.count[h]++; n.count[h] == 1 {
		n.order = append(n.order, h)
	}
	if len(n.paths[h]) < maxShown {
		n.paths[h] = append(n.paths[h], it.Path)
	}
	return nil
}

// addFinding counts findings of one code together.
func (n *notes) addFinding(f importer.Finding) {
	for i := range n.findings {
		if n.findings[i].Code == f.Code {
			n.findings[i].Count += max(f.Count, 1)
			return
		}
	}
	f.Count = max(f.Count, 1)
	n.findings = append(n.findings, f)
}

// printItems lists changes once, then what needs a look.
func printItems(out io.Writer, p *phrase.Phrases, rec *receipt.Receipt) error {
	n := notes{count: map[heading]int{}, paths: map[heading][]string{}, findings: slices.Clone(rec.Findings)}
	if err := rec.Items(n.add); err != nil {
		return err
	}
	printFindings(out, p, n.findings)
	printChanges(out, p, n.changes)
	for _, h := range n.order {
		text := p.Say(h.key, nil)
		if h.comment != "" {
			text += " – " + terminal.Clean(h.comment)
		}
		_, _ = fmt.Fprintf(out, "\n%s (%d)\n", text, n.count[h])
		if do := h.key + ".do"; strings.HasPrefix(h.key, "failure.") && p.Has(do) {
			_, _ = fmt.Fprintf(out, "  %s\n", p.Say(do, nil))
		}
		for _, path := range n.paths[h] {
			_, _ = fmt.Fprintf(out, "  %s\n", terminal.Clean(path))
		}
		if more := n.count[h] - len(n.paths[h]); more > 0 {
			_, _ = fmt.Fprintf(out, "  %s\n", p.Say("receipt.more", map[string]any{"Count": more}))
		}
	}
	return nil
}

func printFindings(out io.Writer, p *phrase.Phrases, findings []importer.Finding) {
	slices.SortStableFunc(findings, func(a, b importer.Finding) int { return rank(a) - rank(b) })
	for i, f := range findings {
		if i == 0 {
			_, _ = fmt.Fprintf(out, "\n%s\n", p.Say("receipt.findings", nil))
		}
		_, _ = fmt.Fprintf(out, "  %s\n", terminal.Clean(p.Finding(f)))
	}
}

// rank puts serious findings first.
func rank(f importer.Finding) int {
	return slices.Index([]importer.Severity{importer.Serious, importer.Warning, importer.Info}, f.Severity)
}

// groupOf names the heading an item is listed under; "" when there is nothing to
// say about it.
func groupOf(it receipt.Item) string {
	switch it.Fate {
	case importer.LeftAside:
		return "reason." + it.Reason
	case importer.Failed:
		return "failure." + it.Reason
	case importer.Warned:
		return "fate.delivered-with-warning"
	}
	return ""
}

func printChanges(out io.Writer, p *phrase.Phrases, changes []importer.Change) {
	if len(changes) == 0 {
		return
	}
	_, _ = fmt.Fprintf(out, "\n%s\n", p.Say("receipt.changed", nil))
	for _, c := range changes {
		_, _ = fmt.Fprintf(out, "  %s %-32s %s → %s\n", c.Path, c.Name, quoted(p, c.Old, c.Was), quoted(p, c.New, c.Is))
	}
}

func quoted(p *phrase.Phrases, s string, is importer.Presence) string {
	if is != importer.Valued {
		return p.Say("presence."+string(is), nil)
	}
	const most = 60
	s = terminal.Clean(s)
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return "\"" + s + "\""
}
