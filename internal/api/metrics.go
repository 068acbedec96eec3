package api

import (
	"net/http"
	"time"
)

// Meter counts requests by route, never by path.
type Meter interface {
	// Begin counts a request that begins; what it returns, its end. The route of what
	// none serves is "none".
	Begin() func(route string, status int, took time.Duration)
}

// noMeter counts nothing.
type noMeter struct{}

// Begin implements Meter.
func (noMeter) Begin() func(string, int, time.Duration) {
	return func(string, int, time.Duration) {}
}

// metricsHandler serves /metrics and nothing else.
func (s *Server) metricsHandler() http.Handler {
	mux := http.NewServeMux()
	if s.Metrics != nil {
		mux.Handle("GET /metrics", s.Metrics)
	}
	return mux
}
