package meter_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lotse/internal/api"
	"lotse/internal/api/meter"
)

// TestMeter reads back from /metrics what was counted.
func TestMeter(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := meter.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	var counts api.Meter = m
	counts.Begin()("GET /things/{import}", 200, 30*time.Millisecond)
	counts.Begin()
	w := httptest.NewRecorder()
	meter.Handler(registry).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`lotse_http_requests_total{route="GET /things/{import}",status="200"} 1`,
		`lotse_http_request_duration_seconds_bucket{route="GET /things/{import}",le="0.1"} 1`,
		`lotse_http_requests_running 1`,
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("no %s in\n%s", line, w.Body)
		}
	}
	if _, err := meter.New(registry); err == nil {
		t.Error("registered twice")
	}
}
