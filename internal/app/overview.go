package app

import (
	"context"
	"slices"
	"time"

	"lotse/internal/importer/deliver"
	"lotse/internal/plaintext"
	"lotse/internal/store"
)

// Overview is what an administrator should know of the installation.
type Overview struct {
	Version       string        `json:"version" doc:"Of the node that answers."`
	Nodes         []NodeView    `json:"nodes" nullable:"false" doc:"Nodes that are there, and those that were lost within a day."`
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
	Seen    time.Time `json:"seen" doc:"When it last said that it is there."`
	Alive   bool      `json:"alive" doc:"It is there, or was lost within the last seconds."`
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

// nodes are those that are there, and those that were lost within a day.
func (g *Gateway) nodes(ctx context.Context) ([]NodeView, error) {
	kept, err := g.db.System().Nodes(ctx)
	all := make([]NodeView, len(kept))
	for i, n := range kept {
		all[i] = NodeView{n.Name, n.Version, n.Started, n.Seen, n.Alive}
	}
	return all, err
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
	err := g.reach(who).Read(ctx, func(tx *store.Tx) (err error) {
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
