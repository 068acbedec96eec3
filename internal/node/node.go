// Package node puts a node of the gateway together from its configuration, and
// nothing else: database, sealed packages, service layer, workers, the HTTP server
// and the C-STORE provider. Only cmd/lotse and end-to-end tests import it.
package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"lotse/internal/api"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/config"
	"lotse/internal/queue"
	"lotse/internal/receive"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/store"
)

// MainTenant is the tenant of an installation that has only one.
const MainTenant = "main"

// Node is a node that is ready to run.
type Node struct {
	Config  *config.Config
	Log     *slog.Logger
	DB      *store.DB
	Vault   *sealed.Vault
	Blobs   blob.Store
	Gateway *app.Gateway
	Tokens  *auth.Tokens
	Persons *auth.Accounts
	Server  *api.Server

	name    string // of this process among all
	version string // of Lotse
	workers *queue.Workers
	intake  *receive.Server // nil when it is off
	ready   func()          // called once the node listens
	closers []func() error
}

// OnReady sets what is called once the node listens.
func (n *Node) OnReady(f func()) { n.ready = f }

// Options are what is not configuration.
type Options struct {
	Version string
	Log     *slog.Logger
	// Vary lets a test change how the gateway works, nil otherwise.
	Vary func(*app.GatewayOptions)
}

// Open puts a node together: it makes the data folder and the keys when there are
// none, and brings the database up to date. Close what it returns.
func Open(ctx context.Context, cfg *config.Config, o Options) (*Node, error) {
	n := &Node{Config: cfg, Log: o.Log}
	if err := n.open(ctx, o); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) open(ctx context.Context, o Options) error {
	if err := os.MkdirAll(n.Config.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	steps := []func(context.Context) error{n.openDatabase, n.openVault, n.openTenant}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	options, err := n.gatewayOptions(o)
	if err != nil {
		return err
	}
	n.Gateway = app.NewGateway(n.DB, n.Vault, n.Blobs, n.Log, options)
	n.Tokens = auth.NewTokens(n.DB)
	accounts, err := n.accountOptions()
	if err != nil {
		return err
	}
	n.Persons = auth.NewAccounts(n.DB, n.Vault, accounts)
	n.name, n.version = nodeName(), o.Version
	n.workers = queue.New(n.DB.System(), queue.Options{Node: n.name, Log: n.Log, Grace: n.Config.Workers.Stop,
		Concurrency: concurrency(n.Config.Workers)})
	n.Gateway.Register(n.workers)
	n.workers.Handle(auth.JobElevation, n.elevated)
	if err := n.openServer(o); err != nil {
		return err
	}
	return n.openIntake()
}

// concurrency is how many jobs of a kind run at once.
func concurrency(w config.Workers) map[string]int {
	return app.Concurrency(w.Fetch, w.Inspect, w.Deliver, w.Other)
}

// nodeName tells this process from all others, also from one before it.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails: it ends the process instead
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), hex.EncodeToString(random))
}

// openTenant makes the only tenant of a new installation, and its key.
func (n *Node) openTenant(ctx context.Context) error {
	list, err := n.DB.System().Tenants(ctx)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return nil
	}
	if err := n.Vault.CreateTenant(ctx, MainTenant); err != nil {
		return fmt.Errorf("make the first key: %w", err)
	}
	err = n.DB.System().CreateTenant(ctx, MainTenant, MainTenant)
	if errors.Is(err, store.ErrConflict) { // another node was faster
		return nil
	}
	return err
}

// Run works until ctx ends, then stops in order: nothing new is taken, what runs
// reaches its next durable point.
func (n *Node) Run(ctx context.Context) error {
	leave, err := n.present(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := n.Server.Listen(ctx); err != nil {
		return err
	}
	if n.ready != nil {
		n.ready()
	}
	end := n.keepTrail(ctx)
	defer end()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.Server.Run(ctx) })
	group.Go(func() error { return n.workers.Run(ctx) })
	if n.intake != nil {
		group.Go(func() error { return n.intake.Run(ctx) })
	}
	return group.Wait()
}

// SetupLink is where the first administrator is made, once; "" when there is one,
// unless another is to be made.
func (n *Node) SetupLink(ctx context.Context, another bool) (string, error) {
	make := n.Tokens.Setup
	if another {
		make = n.Tokens.SetupAgain
	}
	secret, err := make(ctx)
	if err != nil || secret == "" {
		return "", err
	}
	return n.Config.PublicURL + "/setup#" + secret, nil
}

// Close lets everything go, the last opened first.
func (n *Node) Close() error {
	var all []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		all = append(all, n.closers[i]())
	}
	n.closers = nil
	return errors.Join(all...)
}

// under is a path in the data folder.
func (n *Node) under(name string) string { return filepath.Join(n.Config.DataDir, name) }

// checkTime bounds the trial of what a node depends on when it starts.
const checkTime = time.Minute
