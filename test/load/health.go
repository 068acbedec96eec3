package main

import (
	"context"
	"net/http"
	"time"

	"lotse/test/torture/gateway"
)

// health is what the health checks found.
type health struct {
	asked, bad int
	slowest    time.Duration
}

// watch asks /healthz ten times a second until ctx ends, over a new connection each
// time, as a load balancer does.
func (r *rig) watch(ctx context.Context) health {
	var h health
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * maxAnswer}
	for gateway.Wait(ctx, 100*time.Millisecond) {
		took, ok := ask(ctx, client, r.node.URL()+"/healthz")
		if ctx.Err() != nil {
			break // the answer was not waited for
		}
		h.asked++
		h.slowest = max(h.slowest, took)
		if !ok || took > maxAnswer {
			h.bad++
		}
	}
	return h
}

func ask(ctx context.Context, client *http.Client, url string) (took time.Duration, ok bool) {
	begun := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, false
	}
	resp, err := client.Do(req)
	if err != nil {
		return time.Since(begun), false
	}
	_ = resp.Body.Close()
	return time.Since(begun), resp.StatusCode == http.StatusOK
}
