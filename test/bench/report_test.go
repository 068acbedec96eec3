package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"lotse/internal/synth"
)

func measured(name, against string, seconds ...float64) *result {
	r := &result{row: row{name: name, title: name, against: against}}
	for _, s := range seconds {
		r.Samples = append(r.Samples, sample{Seconds: s, CPU: s / 2, Memory: int64(s) << 20, Peer: 0.5})
	}
	return r
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{2: {3, 1, 2}, 2.5: {4, 1, 2, 3}, 7: {7}} {
		if got := median(values); got != want {
			t.Errorf("median of %v: %v", values, got)
		}
	}
}

// Ratios are of the pairs of a round: a slow round must not spoil them.
func TestRatiosArePairwise(t *testing.T) {
	rep := newReport(options{}, []*result{
		measured("lotse", "", 1, 10, 2), measured("user", "lotse", 3, 30, 8), measured("other", "absent", 1),
	})
	if got := rep.Rows[1].Ratio; got != 3 {
		t.Errorf("ratio %v, want 3", got)
	}
	if rep.Rows[2].Against != "" {
		t.Error("a ratio against a row that was not measured")
	}
	if rep.Rows[1].Memory != 30<<20 {
		t.Errorf("memory %d is not the largest", rep.Rows[1].Memory)
	}
}

func TestFloor(t *testing.T) {
	rep := newReport(options{}, []*result{measured("inflate-sha", "", 4), measured("receiver", "", 1), measured("lotse", "", 6)})
	processor := 2 + 0.5 + 0.5
	want := max(1, processor/float64(rep.Cores))
	if math.Abs(rep.Floor.Seconds-want) > 1e-9 || math.Abs(rep.Floor.Distance["lotse"]-6/want) > 1e-9 {
		t.Errorf("floor %+v, want %v", rep.Floor, want)
	}
	if newReport(options{}, []*result{measured("lotse", "", 6)}).Floor != nil {
		t.Error("a floor from nothing")
	}
}

func TestTableNamesProblems(t *testing.T) {
	r := measured("lotse", "")
	r.Problem = "bin/lotse is missing"
	var b bytes.Buffer
	if err := newReport(options{}, []*result{r, measured("user", "lotse", 2)}).print(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "bin/lotse is missing") || !strings.Contains(b.String(), "2.00") {
		t.Errorf("table:\n%s", b.String())
	}
}

func TestSplit(t *testing.T) {
	file, err := synth.Slice(synth.SliceOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	o, err := split(file)
	if err != nil {
		t.Fatal(err)
	}
	if o.class != "1.2.840.10008.5.1.4.1.1.2" || o.syntax != "1.2.840.10008.1.2.1" || !strings.HasPrefix(o.instance, "2.25.") {
		t.Errorf("class %q, syntax %q, instance %q", o.class, o.syntax, o.instance)
	}
	if !bytes.HasPrefix(o.body, []byte{8, 0, 5, 0, 'C', 'S'}) {
		t.Errorf("the data set begins with % x", o.body[:8])
	}
	for _, n := range []int{0, 100, 150, 200} {
		if _, err := split(file[:n]); err == nil {
			t.Errorf("%d bytes were taken for a file", n)
		}
	}
}

func TestChoose(t *testing.T) {
	chosen, err := choose("expert,user")
	if err != nil || len(chosen) != 3 {
		t.Errorf("%d rows, %v", len(chosen), err)
	}
	if _, err := choose("nonsense"); err == nil {
		t.Error("an unknown group was accepted")
	}
	names := make(map[string]bool)
	for _, r := range rows() {
		if names[r.name] {
			t.Errorf("two rows are called %s", r.name)
		}
		names[r.name] = true
	}
	for _, r := range rows() {
		if r.against != "" && !names[r.against] {
			t.Errorf("%s is compared with %s, which is no row", r.name, r.against)
		}
	}
}
