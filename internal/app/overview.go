package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"lotse/internal/importer/deliver"
	"lotse/internal/plaintext"
	"lotse/internal/store"
)

// Overview is what an administrator should know of the installation.
type Overview struct {
	Version       string        `json:"version" doc:"Of the node that answers."`
	Nodes         []NodeView    `json:"nodes" nullable:"false" doc:"Nodes that ran within the last day."`
	ErasingPaused string        `json:"erasing_paused,omitempty" enum:"forward,backward,gap" doc:"How the clock jumped: nothing is erased until somebody confirms the time. Absent: it is not paused."`
	Backlog       []BacklogView `json:"backlog" nullable:"false" doc:"Unfinished work of the whole installation, by kind."`
	Plaintext     []Exposure    `json:"plaintext" nullable:"false" doc:"What is without TLS beyond this machine, and why."`
	Unverified    []Exposure    `json:"unverified" nullable:"false" doc:"What has TLS and takes any certificate."`
	Certificates  []Certificate `json:"certificates" nullable:"false" doc:"Of the node that answers, the first to end first."`
}

// NodeView is a node of the installation.
type NodeView struct {
	ID      string    `json:"id"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Seen    time.Time `json:"seen" doc:"Said every half minute; much older: it was lost."`
}

// BacklogView counts the unfinished jobs of a kind.
type BacklogView struct {
	Kind    string `json:"kind"`
	Due     int    `json:"due"`
	Later   int    `json:"later"`
	Running int    `json:"running"`
	Oldest  int64  `json:"oldest_due_seconds"`
}

// Exposure is a peer that is spoken to, or listened for, with less protection than usual.
type Exposure struct {
	What        string `json:"what" doc:"The key of the configuration, or destination."`
	Peer        string `json:"peer"`
	Reason      string `json:"reason,omitempty" doc:"Absent for a destination: its exception was taken away, and nothing is sent to it."`
	Destination string `json:"destination,omitempty" doc:"Its id."`
}

// Certificate is one that this node shows or trusts.
type Certificate struct {
	What string    `json:"what" doc:"The key of the configuration."`
	Ends time.Time `json:"ends"`
}

const (
	// nodeBeat is how often a node says that it is there.
	nodeBeat = 30 * time.Second
	// nodeKept is how long a node that said nothing is remembered.
	nodeKept = 24 * time.Hour
	// nodePrefix begins what the installation remembers of its nodes.
	nodePrefix = "node."
)

// Beat says that a node is there until ctx ends. Nothing but the overview depends on it.
func (g *Gateway) Beat(ctx context.Context, id string) error {
	started, err := g.databaseTime(ctx)
	timer := time.NewTicker(nodeBeat)
	defer timer.Stop()
	for {
		if err == nil {
			err = g.beat(ctx, id, started)
		}
		if err != nil && ctx.Err() == nil {
			g.log.Warn("the node could not say that it is there", "error", err)
		}
		select {
		case <-ctx.Done():
			ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer stop()
			_ = g.db.System().ForgetInstallation(ctx, nodePrefix+id) // else it is forgotten after a day
			return nil
		case <-timer.C:
			err = nil
			if started.IsZero() {
				started, err = g.databaseTime(ctx)
			}
		}
	}
}

func (g *Gateway) beat(ctx context.Context, id string, started time.Time) error {
	now, err := g.databaseTime(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(NodeView{id, g.opts.Version, started, now})
	if err != nil {
		return fmt.Errorf("write a node: %w", err)
	}
	if err := g.db.System().SetInstallation(ctx, nodePrefix+id, string(text)); err != nil {
		return err
	}
	all, err := g.nodes(ctx)
	for _, n := range all {
		if now.Sub(n.Seen) > nodeKept {
			err = cmp.Or(err, g.db.System().ForgetInstallation(ctx, nodePrefix+n.ID))
		}
	}
	return err
}

func (g *Gateway) nodes(ctx context.Context) ([]NodeView, error) {
	kept, err := g.db.System().Installations(ctx, nodePrefix)
	if err != nil {
		return nil, err
	}
	all := make([]NodeView, 0, len(kept))
	for _, id := range slices.Sorted(maps.Keys(kept)) {
		var n NodeView
		if err := json.Unmarshal([]byte(kept[id]), &n); err != nil {
			return nil, fmt.Errorf("read a node: not what was written")
		}
		all = append(all, n)
	}
	return all, nil
}

// Overview shows the installation and what of it is less protected than usual.
func (g *Gateway) Overview(ctx context.Context, who Who) (*Overview, error) {
	v := &Overview{Version: g.opts.Version, Backlog: []BacklogView{}, Plaintext: slices.Clone(g.opts.Exposures), Unverified: []Exposure{}, Certificates: []Certificate{}}
	var err error
	if v.Nodes, err = g.nodes(ctx); err != nil {
		return nil, err
	}
	if v.ErasingPaused, err = g.ClockPaused(ctx); err != nil {
		return nil, err
	}
	backlog, err := g.db.System().Backlog(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range backlog {
		v.Backlog = append(v.Backlog, BacklogView{b.Kind, b.Due, b.Later, b.Running, int64(b.Age / time.Second)})
	}
	if err := g.exposed(ctx, who, v); err != nil {
		return nil, err
	}
	if v.Plaintext == nil {
		v.Plaintext = []Exposure{}
	}
	if g.opts.Certificates != nil {
		v.Certificates = append(v.Certificates, g.opts.Certificates()...)
		slices.SortFunc(v.Certificates, func(a, b Certificate) int { return a.Ends.Compare(b.Ends) })
	}
	return v, nil
}

// exposed adds the destinations that are less protected than usual.
func (g *Gateway) exposed(ctx context.Context, who Who, v *Overview) error {
	var list []store.Destination
	err := g.db.Tenant(who.Tenant).Read(ctx, func(tx *store.Tx) (err error) {
		list, err = tx.Destinations()
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range list {
		c, err := configOf(d.Config)
		if err != nil {
			return err
		}
		a, err := deliver.ParseAddress(c.Address)
		if err != nil {
			return err
		}
		e := Exposure{What: "destination", Peer: a.HostPort, Reason: c.Reason, Destination: d.ID}
		switch {
		case a.Folder != "":
		case a.TLS == deliver.TLSInsecure:
			v.Unverified = append(v.Unverified, e)
		case a.TLS == deliver.TLSOff && !plaintext.Local(a.HostPort):
			if permitted, ok := g.opts.Plaintext.Allow(a.HostPort); ok && e.Reason == "" {
				e.Reason = permitted
			}
			v.Plaintext = append(v.Plaintext, e)
		}
	}
	return nil
}
