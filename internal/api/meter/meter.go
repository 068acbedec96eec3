// Package meter counts the requests of the API for Prometheus.
package meter

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Meter is an api.Meter. It counts by route: never by path.
type Meter struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	running  prometheus.Gauge
}

// New registers the metrics of requests. The error tells that they are registered already.
func New(registry prometheus.Registerer) (*Meter, error) {
	m := &Meter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lotse_http_requests_total", Help: "Requests by route and status."}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lotse_http_request_duration_seconds", Help: "Time to the end of the answer, by route.",
			Buckets: []float64{.005, .025, .1, .5, 1, 5, 30, 120}}, []string{"route"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "lotse_http_requests_running", Help: "Requests being answered."}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.running} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics of requests: %w", err)
		}
	}
	return m, nil
}

// Begin counts a request that begins; what it returns, its end.
func (m *Meter) Begin() func(route string, status int, took time.Duration) {
	m.running.Inc()
	return func(route string, status int, took time.Duration) {
		m.running.Dec()
		m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
		m.duration.WithLabelValues(route).Observe(took.Seconds())
	}
}

// Handler is what api.Options.Metrics serves at /metrics.
func Handler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry})
}
