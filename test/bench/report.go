package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// result is a row with what was measured.
type result struct {
	row     row
	Samples []sample
	Problem string
}

// report is what is printed.
type report struct {
	Machine string    `json:"machine"`
	Cores   int       `json:"cores"`
	Slices  int       `json:"slices"`
	Rounds  int       `json:"rounds"`
	Rows    []outcome `json:"rows"`
	Floor   *floor    `json:"floor,omitempty"`
}

// outcome is one line of the table. Seconds and ratios are medians.
type outcome struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Runs    int      `json:"runs"`
	Seconds float64  `json:"seconds"`
	Minimum float64  `json:"minimumSeconds"`
	CPU     float64  `json:"cpuSeconds"`
	Memory  int64    `json:"maxRSS"`
	Against string   `json:"against,omitempty"`
	Ratio   float64  `json:"ratio,omitempty"` // of the pairs of one round
	Problem string   `json:"problem,omitempty"`
	Samples []sample `json:"samples"`
}

// floor is the least time that this machine needs for the same bytes: all of its
// cores busy with inflating, one digest, sending and receiving, and no less than
// the receiver takes alone.
type floor struct {
	Seconds   float64            `json:"seconds"`
	Processor float64            `json:"cpuSeconds"`
	Receiver  float64            `json:"receiverSeconds"`
	Distance  map[string]float64 `json:"distance"` // times the floor, by row
}

func newReport(o options, results []*result) *report {
	rep := &report{Machine: machine(), Cores: cores(), Slices: o.slices, Rounds: o.rounds}
	byName := make(map[string]*result)
	for _, r := range results {
		byName[r.row.name] = r
	}
	for _, r := range results {
		rep.Rows = append(rep.Rows, r.outcome(byName[r.row.against]))
	}
	rep.Floor = rep.floor()
	return rep
}

func (r *result) outcome(against *result) outcome {
	out := outcome{Name: r.row.name, Title: r.row.title, Runs: len(r.Samples), Problem: r.Problem, Samples: r.Samples}
	seconds := r.seconds()
	if len(seconds) == 0 {
		return out
	}
	out.Seconds, out.Minimum = median(seconds), slices.Min(seconds)
	var cpu []float64
	for _, s := range r.Samples {
		cpu = append(cpu, s.CPU)
		out.Memory = max(out.Memory, s.Memory)
	}
	out.CPU = median(cpu)
	if against != nil {
		var ratios []float64
		other := against.seconds()
		for i := range min(len(seconds), len(other)) {
			ratios = append(ratios, seconds[i]/other[i])
		}
		if len(ratios) > 0 {
			out.Against, out.Ratio = against.row.name, median(ratios)
		}
	}
	return out
}

func (r *result) seconds() []float64 {
	var all []float64
	for _, s := range r.Samples {
		all = append(all, s.Seconds)
	}
	return all
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (rep *report) floor() *floor {
	find := func(name string) *outcome {
		for i := range rep.Rows {
			if rep.Rows[i].Name == name && rep.Rows[i].Runs > 0 {
				return &rep.Rows[i]
			}
		}
		return nil
	}
	inflate, receiver := find("inflate-sha"), find("receiver")
	if inflate == nil || receiver == nil {
		return nil
	}
	var peer []float64
	for _, s := range receiver.Samples {
		peer = append(peer, s.Peer)
	}
	f := &floor{Receiver: receiver.Seconds, Processor: inflate.CPU + receiver.CPU + median(peer), Distance: make(map[string]float64)}
	f.Seconds = max(f.Receiver, f.Processor/float64(rep.Cores))
	for _, name := range []string{"lotse", "lotse-tuned", "user", "expert", "expert-chains"} {
		if row := find(name); row != nil {
			f.Distance[name] = row.Seconds / f.Seconds
		}
	}
	return f
}

// printer keeps the first error of a table.
type printer struct {
	w   *tabwriter.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if _, err := fmt.Fprintf(p.w, format+"\n", args...); err != nil && p.err == nil {
		p.err = err
	}
}

func (rep *report) print(w io.Writer) error {
	p := &printer{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	p.line("%s, %d cores; %d slices; up to %d rounds, medians", rep.Machine, rep.Cores, rep.Slices, rep.Rounds)
	p.line("\nwhat\truns\ts\tmin\tCPU s\tpeak MB\tratio")
	for _, r := range rep.Rows {
		if r.Runs == 0 {
			p.line("%s\t-\t\t\t\t\t%s", r.Title, r.Problem)
			continue
		}
		ratio := ""
		if r.Against != "" {
			ratio = fmt.Sprintf("%.2f × %s", r.Ratio, r.Against)
		}
		p.line("%s\t%d\t%.2f\t%.2f\t%.2f\t%.0f\t%s", r.Title, r.Runs, r.Seconds, r.Minimum, r.CPU, float64(r.Memory)/(1<<20), ratio)
	}
	if f := rep.Floor; f != nil {
		p.line("\nfloor %.2f s: %.2f s of processor on %d cores, receiver alone %.2f s", f.Seconds, f.Processor, rep.Cores, f.Receiver)
		for _, name := range []string{"lotse", "lotse-tuned", "expert-chains", "expert", "user"} {
			if d, ok := f.Distance[name]; ok {
				p.line("%s: %.2f × the floor", name, d)
			}
		}
	}
	if p.err != nil {
		return p.err
	}
	return p.w.Flush()
}

// machine names the processor where the kernel tells it.
func machine() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(info)) {
			if name, found := strings.CutPrefix(line, "model name"); found {
				return strings.TrimSpace(strings.TrimLeft(name, "\t: "))
			}
		}
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}
