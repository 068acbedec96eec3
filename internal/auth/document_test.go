package auth

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAccessDocument compares docs/access.md with the tables, both ways.
func TestAccessDocument(t *testing.T) {
	raw, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	var roles, stepsThere []string
	for _, line := range regexp.MustCompile(`(?m)^\| .*\|$`).FindAllString(string(raw), -1) {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		switch first := strings.TrimSpace(cells[0]); {
		case len(cells) == 4 && slices.Contains(Roles(), Role(first)):
			roles = append(roles, line)
		case len(cells) == 3 && first != "step" && !strings.Contains(first, " "):
			stepsThere = append(stepsThere, first)
		}
	}
	yes := map[bool]string{true: "yes", false: "no"}
	var want []string
	for _, role := range Roles() {
		entry := table()[role]
		var may []string
		for _, p := range entry.may {
			may = append(may, string(p))
		}
		want = append(want, fmt.Sprintf("| %s | %s | %s | %s |", role, yes[entry.person], yes[entry.token], strings.Join(may, ", ")))
	}
	if !slices.Equal(roles, want) {
		t.Errorf("the page says\n%s\nand the code\n%s", strings.Join(roles, "\n"), strings.Join(want, "\n"))
	}
	want = nil
	for _, one := range steps() {
		want = append(want, string(one.step))
	}
	if want = append(want, string(StepIn)); !slices.Equal(stepsThere, want) {
		t.Errorf("the page has the steps %v, the code %v", stepsThere, want)
	}
}

// TestSteps: in every standing, a step comes next that is needed, in the order of the
// table, and none when none is.
func TestSteps(t *testing.T) {
	for _, c := range []struct {
		stand standing
		want  Step
	}{
		{standing{}, StepIn},
		{standing{initial: true, factors: 1, needed: true, terms: 1}, StepPassword},
		{standing{factors: 1}, StepFactor},
		{standing{factors: 1, needed: true, terms: 1}, StepFactor},
		{standing{factors: 1, proved: true, needed: true}, StepIn},
		{standing{needed: true, terms: 1}, StepEnrol},
		{standing{needed: true, proved: true}, StepIn}, // by a passkey, for instance
		{standing{terms: 2, agreed: 1}, StepTerms},
		{standing{terms: 2, agreed: 2}, StepIn},
		{standing{terms: 0, agreed: 2}, StepIn}, // there are none any more
	} {
		if got := c.stand.next(); got != c.want {
			t.Errorf("%+v: %s instead of %s", c.stand, got, c.want)
		}
	}
}

// TestNetwork: what counts together.
func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{"192.0.2.7": "192.0.2.0/24", "::ffff:192.0.2.9": "192.0.2.0/24", "127.0.0.1": "loopback", "::1": "loopback",
		"2001:db8:1:2ff:3::4": "2001:db8:1:200::/56"} {
		if got := network(addr(address)); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
	if network(addr("")) != "none" {
		t.Error("no address has a network")
	}
}

func addr(text string) netip.Addr {
	a, _ := netip.ParseAddr(text) // an empty text is no address
	return a
}
