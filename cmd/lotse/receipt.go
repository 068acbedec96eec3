package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"lotse/internal/app"
	"lotse/internal/importer"
	"lotse/internal/importer/receipt"
	"lotse/internal/phrase"
	"lotse/internal/terminal"
)

// maxShown bounds the items listed one by one on a terminal; the JSON has them all.
const maxShown = 20

// printReceipt shows the receipt in words: totals, what was changed, and every
// item that was not simply delivered.
func printReceipt(w io.Writer, p *phrase.Phrases, rec *app.Receipt) error {
	out := bufio.NewWriter(w)
	t := rec.Totals
	line := func(key string, value any) {
		_, _ = fmt.Fprintf(out, "  %-26s %v\n", p.Say(key, nil), value)
	}
	_, _ = fmt.Fprintln(out, p.Say("receipt.title", nil))
	line("receipt.source", terminal.Clean(rec.Source.Label))
	if rec.Destination != "" {
		line("receipt.destination", terminal.Clean(rec.Destination))
	}
	if rec.Patient.ID != "" || rec.Patient.Name != "" {
		line("receipt.patient", terminal.Clean(strings.TrimSpace(rec.Patient.ID+"  "+rec.Patient.Name)))
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

// printItems lists changes once per distinct set of them, then what needs a look.
func printItems(out io.Writer, p *phrase.Phrases, rec *app.Receipt) error {
	var changes []importer.Change
	type group struct{ key, reason string }
	shown := map[group]int{}
	var order []group
	paths := map[group][]string{}
	findings := map[importer.FindingCode]int{}
	err := rec.Items(func(it receipt.Item) error {
		if changes == nil && len(it.Changes) > 0 && it.Kind == importer.KindInstance {
			changes = it.Changes
		}
		for _, f := range it.Findings {
			findings[f.Code]++
		}
		g := groupOf(it)
		if g == "" {
			return nil
		}
		k := group{g, it.Comment}
		if shown[k]++; shown[k] == 1 {
			order = append(order, k)
		}
		if len(paths[k]) < maxShown {
			paths[k] = append(paths[k], it.Path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	printChanges(out, p, changes)
	for _, k := range order {
		text := p.Say(k.key, nil)
		if k.reason != "" {
			text += " – " + terminal.Clean(k.reason)
		}
		_, _ = fmt.Fprintf(out, "\n%s (%d)\n", text, shown[k])
		for _, path := range paths[k] {
			_, _ = fmt.Fprintf(out, "  %s\n", terminal.Clean(path))
		}
		if more := shown[k] - len(paths[k]); more > 0 {
			_, _ = fmt.Fprintf(out, "  %s\n", p.Say("receipt.more", map[string]any{"Count": more}))
		}
	}
	for code, n := range findings {
		_, _ = fmt.Fprintf(out, "\n%s\n", p.Say("finding."+string(code), map[string]any{"Count": n}))
	}
	return nil
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
