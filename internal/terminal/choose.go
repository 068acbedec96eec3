package terminal

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"

	"lotse/internal/importer"
)

// Choose shows what a link gives as a numbered list and returns the positions, from
// 0, of what the person chose, in order. All is chosen where there is no choice, and
// where nobody can be asked. Its error is a *importer.Problem: cancelled.
func (t *Terminal) Choose(ctx context.Context, listed []importer.Listed) ([]int, error) {
	if !t.interactive || len(listed) < 2 {
		return upTo(len(listed)), nil
	}
	defer t.prompt()()
	t.print(t.list(listed))
	for {
		text, err := t.input(ctx, t.say("terminal.choose", nil), false)
		if err != nil && !errors.Is(err, errLong) {
			return nil, err
		}
		if chosen, ok := parseChoice(text, len(listed)); ok && err == nil {
			return chosen, nil
		}
		t.print("  " + t.say("terminal.bad-choice", map[string]any{"Last": len(listed)}) + "\n")
	}
}

// list is the numbered list: date, modality, description, number of files, and the
// patient where it is not the same one everywhere.
func (t *Terminal) list(listed []importer.Listed) string {
	several := slices.ContainsFunc(listed, func(l importer.Listed) bool { return l.PatientName != listed[0].PatientName })
	rows := make([][]string, len(listed))
	for i, l := range listed {
		files, patient := "", ""
		if l.Files >= 0 {
			files = t.say("count.files", map[string]any{"Count": l.Files})
		}
		if several {
			patient = shorten(l.PatientName, 40)
		}
		rows[i] = []string{
			strconv.Itoa(i+1) + ")", shorten(t.phrases.Date(l.Date), 12), shorten(strings.Join(l.Modalities, ", "), 20),
			shorten(l.Description, 60), patient, files,
		}
	}
	return t.say("terminal.offers", map[string]any{"Count": len(listed)}) + "\n" + columns(rows)
}

// columns sets rows of equal length in columns as wide as they need to be; empty
// columns are left out, and the first one is set to the right.
func columns(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for c, cell := range row {
			widths[c] = max(widths[c], uniseg.StringWidth(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for c, cell := range row {
			gap := strings.Repeat(" ", widths[c]-uniseg.StringWidth(cell))
			switch {
			case widths[c] == 0:
			case c == 0:
				line += "  " + gap + cell
			default:
				line += "  " + cell + gap
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// parseChoice reads "1,3-5" as indices from 0 below n, in order and once each;
// nothing, "a" and "all" are all of them.
func parseChoice(text string, n int) ([]int, bool) {
	switch text = strings.ToLower(strings.TrimSpace(text)); text {
	case "", "a", "all", "alle", "alles":
		return upTo(n), true
	}
	text = strings.NewReplacer("–", "-", ";", ",").Replace(text)
	var chosen []int
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		to := from
		if err == nil && isRange {
			to, err = strconv.Atoi(last)
		}
		if err != nil || from < 1 || to < from || to > n {
			return nil, false
		}
		for i := from; i <= to; i++ {
			chosen = append(chosen, i-1)
		}
		if len(chosen) > 10*n { // "1-9,1-9,1-9 …" is a slip
			return nil, false
		}
	}
	slices.Sort(chosen)
	chosen = slices.Compact(chosen)
	return chosen, len(chosen) > 0
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
