package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// nodePrefix begins the names under which the installation remembers until when its
// nodes are taken to be alive.
const nodePrefix = "node."

// forgottenNode is how long ago a node must have been killed to be forgotten.
const forgottenNode = 24 * time.Hour

// Present says that a node is alive and stays so for a time, by the database's clock.
func (s *System) Present(ctx context.Context, node string, lease time.Duration) error {
	return s.Write(ctx, func(tx *Tx) error {
		all, err := tx.nodes()
		if err != nil {
			return err
		}
		for name, until := range all {
			if tx.now.Sub(until) < forgottenNode {
				continue
			}
			if err := tx.forgetNode(name); err != nil {
				return err
			}
		}
		return tx.remember(nodePrefix+node, strconv.FormatInt(tx.now.Add(lease).UnixMicro(), 10))
	})
}

// Leave says that a node has stopped.
func (s *System) Leave(ctx context.Context, node string) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.forgetNode(node) })
}

// Nodes lists the nodes that are alive, or were killed so shortly ago that nobody knows.
func (s *System) Nodes(ctx context.Context) (alive []string, err error) {
	err = s.Read(ctx, func(tx *Tx) error {
		alive = nil
		all, err := tx.nodes()
		for name, until := range all {
			if until.After(tx.now) {
				alive = append(alive, name)
			}
		}
		slices.Sort(alive)
		return err
	})
	return alive, err
}

// nodes are all that are remembered, until when they are alive.
func (tx *Tx) nodes() (map[string]time.Time, error) {
	all := map[string]time.Time{}
	err := tx.systemRows("SELECT name, value FROM installation WHERE tenant_id = '*' AND name LIKE '"+nodePrefix+"%'", nil, func(scan scanner) error {
		var name, value string
		if err := scan(&name, &value); err != nil {
			return err
		}
		us, err := strconv.ParseInt(value, 10, 64)
		all[strings.TrimPrefix(name, nodePrefix)] = time.UnixMicro(us)
		return err
	})
	return all, err
}

func (tx *Tx) forgetNode(node string) error {
	_, err := tx.systemExec("DELETE FROM installation WHERE tenant_id = '*' AND name = $1", nodePrefix+node)
	return err
}
