package store

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// nodePrefix begins the names under which the installation remembers its nodes.
const nodePrefix = "node."

// forgottenNode is how long ago a node must have been killed to be forgotten.
const forgottenNode = 24 * time.Hour

// Node is one run of a process of the installation.
type Node struct {
	Name, Version string
	Started       time.Time // when it first said that it is there
	Seen          time.Time // when it last did
	Alive         bool      // or killed so shortly ago that nobody knows
}

// keptNode is how a node is remembered; times are microseconds.
type keptNode struct {
	Version string `json:"version"`
	Started int64  `json:"started"`
	Seen    int64  `json:"seen"`
	Until   int64  `json:"until"`
}

// Present says that a node is alive and stays so for a time, by the database's clock.
func (s *System) Present(ctx context.Context, name, version string, lease time.Duration) error {
	return s.Write(ctx, func(tx *Tx) error {
		all, err := tx.nodes()
		if err != nil {
			return err
		}
		for other, kept := range all {
			if tx.now.Sub(time.UnixMicro(kept.Until)) < forgottenNode {
				continue
			}
			if err := tx.forgetNode(other); err != nil {
				return err
			}
		}
		now := tx.now.UnixMicro()
		text, err := json.Marshal(keptNode{version, cmp.Or(all[name].Started, now), now, tx.now.Add(lease).UnixMicro()})
		if err != nil {
			return &Error{Doing: "write a node"}
		}
		return tx.remember(nodePrefix+name, string(text))
	})
}

// Leave says that a node has stopped.
func (s *System) Leave(ctx context.Context, node string) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.forgetNode(node) })
}

// Nodes lists the nodes that did not say that they have stopped, by name: those that
// are alive, and those that were lost within a day.
func (s *System) Nodes(ctx context.Context) (list []Node, err error) {
	err = s.Read(ctx, func(tx *Tx) error {
		list = nil
		all, err := tx.nodes()
		for name, kept := range all {
			until := time.UnixMicro(kept.Until)
			if tx.now.Sub(until) >= forgottenNode {
				continue
			}
			list = append(list, Node{Name: name, Version: kept.Version, Started: time.UnixMicro(kept.Started).UTC(), Seen: time.UnixMicro(kept.Seen).UTC(), Alive: until.After(tx.now)})
		}
		slices.SortFunc(list, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
		return err
	})
	return list, err
}

// nodes are all that are remembered, by name.
func (tx *Tx) nodes() (map[string]keptNode, error) {
	all := map[string]keptNode{}
	err := tx.systemRows("SELECT name, value FROM installation WHERE tenant_id = '*' AND name LIKE '"+nodePrefix+"%'", nil, func(scan scanner) error {
		var name, value string
		if err := scan(&name, &value); err != nil {
			return err
		}
		var kept keptNode
		if json.Unmarshal([]byte(value), &kept) != nil {
			return &Error{Doing: "read a node", Detail: "not what was written"}
		}
		all[strings.TrimPrefix(name, nodePrefix)] = kept
		return nil
	})
	return all, err
}

func (tx *Tx) forgetNode(node string) error {
	_, err := tx.systemExec("DELETE FROM installation WHERE tenant_id = '*' AND name = $1", nodePrefix+node)
	return err
}
