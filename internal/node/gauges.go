package node

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gauges tells Prometheus what the database knows, at the time it asks; all nodes
// tell the same.
type gauges struct{ n *Node }

const (
	gaugeImports = "lotse_imports"
	gaugeOverdue = "lotse_imports_overdue"
	gaugeJobs    = "lotse_jobs"
	gaugeJobAge  = "lotse_jobs_oldest_due_seconds"
	gaugeClock   = "lotse_purge_paused"
	gaugeLinks   = "lotse_audit_unlinked_seconds"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe tells nothing before it is asked: the labels are data.
func (g *gauges) Describe(chan<- *prometheus.Desc) {}

// Collect asks the database.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	send := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if states, err := g.n.DB.System().LiveImports(ctx); err == nil {
		for state, count := range states {
			send(desc(gaugeImports, "Imports that are not purged, by state.", "state"), float64(count), string(state))
		}
	}
	if overdue, err := g.n.Gateway.Overdue(ctx); err == nil {
		send(desc(gaugeOverdue, "Imports that are older than they may be: always 0."), float64(overdue))
	}
	if list, err := g.n.DB.System().Backlog(ctx); err == nil {
		jobs, age := desc(gaugeJobs, "Unfinished jobs, by kind and state.", "kind", "state"), desc(gaugeJobAge, "How long the oldest due job has waited.", "kind")
		for _, b := range list {
			send(jobs, float64(b.Due), b.Kind, "due")
			send(jobs, float64(b.Later), b.Kind, "later")
			send(jobs, float64(b.Running), b.Kind, "running")
			send(age, b.Age.Seconds(), b.Kind)
		}
	}
	if waits, err := g.n.DB.System().OldestUnlinked(ctx); err == nil {
		send(desc(gaugeLinks, "How long the oldest audit event has waited for its link: seconds at most."), waits.Seconds())
	}
	if why, err := g.n.Gateway.ClockPaused(ctx); err == nil {
		paused := 0.0
		if why != "" {
			paused = 1
		}
		send(desc(gaugeClock, "1 while erasing is paused because the clock jumped."), paused)
	}
}
