package node

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lotse/internal/api"
	"lotse/internal/api/meter"
	v1 "lotse/internal/api/v1"
	"lotse/internal/auth"
)

// maxQueueAge is how long a due job may wait before the node is not ready.
const maxQueueAge = 10 * time.Minute

// openServer makes the HTTP server with all its routes.
func (n *Node) openServer(o Options) error {
	c := n.Config
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &gauges{n: n})
	counter, err := meter.New(registry)
	if err != nil {
		return err
	}
	server, err := api.New(api.Options{
		Listen: c.Listen, PublicURL: c.PublicURL, CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, TrustedProxies: c.TrustedProxies,
		MetricsListen: c.Metrics.Listen, Version: o.Version, Authorizer: auth.NewGuard(n.Tokens, n.Persons), Idempotency: v1.Idempotency(n.DB, n.Vault), SecondPerson: v1.SecondPerson(n.Persons),
		Checks: n.checks(), Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), Meter: counter,
		Log: n.Log, Translate: v1.Translate, Stop: c.Workers.Stop,
	})
	if err != nil {
		return err
	}
	n.Server = server
	v1.Mount(server, v1.Deps{Gateway: n.Gateway, Tokens: n.Tokens, Accounts: n.Persons, Tenant: MainTenant, PublicURL: c.PublicURL,
		Version: o.Version, MaxUpload: int64(c.Outbound.MaxSize)})
	return nil
}

// checks are what has to work for the node to be ready.
func (n *Node) checks() []api.Check {
	return []api.Check{
		{Name: "database", Check: func(ctx context.Context) error {
			_, err := n.DB.System().Tenants(ctx)
			return err
		}},
		{Name: "blobs", Check: n.Blobs.Check, Timeout: 10 * time.Second},
		{Name: "keyring", Check: n.keyringCheck},
		{Name: "queue", Check: n.queueCheck},
		{Name: "clock", Check: func(ctx context.Context) error {
			why, err := n.Gateway.ClockPaused(ctx)
			if err == nil && why != "" {
				err = fmt.Errorf("erasing is paused: the clock jumped (%s)", why)
			}
			return err
		}},
	}
}

func (n *Node) queueCheck(ctx context.Context) error {
	list, err := n.DB.System().Backlog(ctx)
	if err != nil {
		return err
	}
	for _, b := range list {
		if b.Age > maxQueueAge {
			return fmt.Errorf("a job of kind %s is due for %s", b.Kind, b.Age.Round(time.Second))
		}
	}
	return nil
}
