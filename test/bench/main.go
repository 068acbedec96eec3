// Command bench measures what an import costs, against the ways people go without Lotse and
// against the least that the same machine could need. See docs/performance.md.
//
//	scripts/bench [-rounds 5] [-slices 1000] [-only lotse,user,expert] [-json]
//
// It generates its examination, starts its peers on loopback, needs bin/lotse for
// the rows about Lotse, and writes to temporary folders and a cache only.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// options are the flags.
type options struct {
	rounds, slices, tiny, archive int
	only                          string
	asJSON                        bool
	lotse                         string
	child                         string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how often each measurement is made, interleaved")
	flag.IntVar(&o.slices, "slices", 1000, "slices of the CT")
	flag.IntVar(&o.tiny, "tiny", 1000, "objects of 10 KB for the stall check")
	flag.IntVar(&o.archive, "archive-slices", 200, "slices that go to Orthanc")
	flag.StringVar(&o.only, "only", "", "groups to measure, by commas: "+strings.Join(groups(), ", "))
	flag.BoolVar(&o.asJSON, "json", false, "print the results as JSON on standard output, the table on standard error")
	flag.StringVar(&o.lotse, "lotse", "bin/lotse", "the program to measure")
	flag.StringVar(&o.child, "child", "", "internal: do one step in a process of its own")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.child != "" {
		exit(child(ctx, o.child, flag.Args()))
	}
	exit(measure(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// measure runs the chosen rows and prints what came out.
func measure(ctx context.Context, o options) error {
	rows, err := choose(o.only)
	if err != nil {
		return err
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	results := b.rounds(ctx, rows, o.rounds)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	rep := newReport(o, results)
	table := io.Writer(os.Stdout)
	if o.asJSON {
		table = os.Stderr
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(rep); err != nil {
			return err
		}
	}
	return rep.print(table)
}

// rounds makes each measurement once a round, so that what else the machine does
// meets all of them alike. A row that fails is not tried again.
func (b *bench) rounds(ctx context.Context, rows []row, n int) []*result {
	results := make([]*result, len(rows))
	for i, r := range rows {
		results[i] = &result{row: r}
	}
	for round := range n {
		for _, r := range results {
			if ctx.Err() != nil {
				return results
			}
			if r.Problem != "" || r.row.once && round > 0 {
				continue
			}
			s, err := r.row.run(ctx, b)
			if err != nil {
				r.Problem = err.Error()
				fmt.Fprintf(os.Stderr, "round %d  %-24s %v\n", round+1, r.row.name, err)
				continue
			}
			r.Samples = append(r.Samples, s)
			fmt.Fprintf(os.Stderr, "round %d  %-24s %7.2f s  %5d MB\n", round+1, r.row.name, s.Seconds, s.Memory>>20)
		}
	}
	return results
}

func choose(only string) ([]row, error) {
	all := rows()
	if only == "" {
		return all, nil
	}
	var chosen []row
	for group := range strings.SplitSeq(only, ",") {
		n := len(chosen)
		for _, r := range all {
			if r.group == group || r.name == group {
				chosen = append(chosen, r)
			}
		}
		if len(chosen) == n {
			return nil, fmt.Errorf("no group %q; there are %s", group, strings.Join(groups(), ", "))
		}
	}
	return chosen, nil
}

func groups() []string {
	var names []string
	for _, r := range rows() {
		if !slices.Contains(names, r.group) {
			names = append(names, r.group)
		}
	}
	return names
}
