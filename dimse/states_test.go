package dimse

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestStatesDocument compares docs/dimse-states.md with the tables the code runs on.
func TestStatesDocument(t *testing.T) {
	raw, err := os.ReadFile("../docs/dimse-states.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := documentTables(string(raw))
	checkTransitions(t, sections["Transitions"])
	checkActions(t, sections["Actions"])
	if n := len(sections["States"]) - 1; n != stateCount {
		t.Errorf("%d states documented, want %d", n, stateCount)
	}
}

// documentTables gives the rows of each section's table, header first.
func documentTables(text string) map[string][][]string {
	tables := map[string][][]string{}
	section := ""
	for line := range strings.SplitSeq(text, "\n") {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			section = name
		}
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		tables[section] = append(tables[section], cells)
	}
	return tables
}

func checkTransitions(t *testing.T, rows [][]string) {
	t.Helper()
	if len(rows) != eventCount+1 {
		t.Fatalf("%d events documented, want %d", len(rows)-1, eventCount)
	}
	for i, row := range rows[1:] {
		e := event(i + 1)
		if row[0] != e.String() || len(row) != stateCount+2 {
			t.Fatalf("row %d is %q with %d columns", i+1, row[0], len(row))
		}
		for s := sta1; s <= sta13; s++ {
			if got := transitions[e][s].String(); got != row[int(s)+1] {
				t.Errorf("%v in %v: code %s, document %s", e, s, got, row[int(s)+1])
			}
		}
	}
}

func checkActions(t *testing.T, rows [][]string) {
	t.Helper()
	if len(rows) != len(actions) {
		t.Fatalf("%d actions documented, want %d", len(rows)-1, len(actions)-1)
	}
	for i, x := range actions[1:] {
		row := rows[i+1]
		sends := "-"
		if x.send != 0 {
			sends = x.send.String()
		}
		if x.abort != noAbort {
			sends = "A-ABORT " + []string{"", "user", "provider"}[x.abort]
		}
		next := x.next.String()
		if x.otherwise != 0 {
			next += " or " + x.otherwise.String()
		}
		want := []string{x.name, row[1], sends, []string{"-", "start", "stop"}[x.timer], []string{"no", "yes"}[b2i(x.close)], next}
		if fmt.Sprint(row) != fmt.Sprint(want) {
			t.Errorf("document %q, code %q", row, want)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestMachineSteps walks the paths that the document draws.
func TestMachineSteps(t *testing.T) {
	for name, path := range map[string]struct {
		acceptor bool
		steps    string
	}{
		"requestor":            {false, "1 4 2 5 3 6 9 6 10 6 11 7 13 1"},
		"acceptor":             {true, "5 2 6 3 7 6 10 6 9 6 12 8 14 13 17 1"},
		"collision, requestor": {false, "1 4 2 5 3 6 11 7 12 9 14 11 13 1"},
		"collision, acceptor":  {true, "5 2 6 3 7 6 11 7 12 10 13 12 14 13 17 1"},
		"abort":                {false, "1 4 2 5 3 6 15 13 10 13 18 1"},
		"rejected":             {false, "1 4 2 5 4 1"},
	} {
		m := machine{state: sta1, acceptor: path.acceptor}
		steps := strings.Fields(path.steps)
		for i := 0; i < len(steps); i += 2 {
			var e, want int
			fmt.Sscan(steps[i], &e)
			fmt.Sscan(steps[i+1], &want)
			if _, err := m.step(event(e), true); err != nil || m.state != state(want) {
				t.Fatalf("%s: step %d (Evt%d): state %v, error %v, want Sta%d", name, i/2, e, m.state, err, want)
			}
		}
	}
	m := machine{state: sta2, acceptor: true}
	if x, err := m.step(evt6, false); err != nil || m.state != sta13 || x.timer != timerStarted {
		t.Errorf("unacceptable request: %+v, state %v, error %v", x, m.state, err)
	}
	if _, err := m.step(evt9, true); err == nil || m.state != sta13 {
		t.Errorf("data in Sta13: error %v, state %v", err, m.state)
	}
}
