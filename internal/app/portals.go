package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"lotse/internal/hostname"
	"lotse/internal/importer"
	"lotse/internal/store"
)

// PortalView is a host that answers about patients may be sent to.
type PortalView struct {
	Host      string     `json:"host" example:"portal.example.org" doc:"host or host:port, in punycode."`
	Readable  string     `json:"readable" doc:"As people read it. Letters can imitate others: show host as well."`
	By        string     `json:"by,omitempty" doc:"Who confirmed it; absent: the configuration."`
	Confirmed *time.Time `json:"confirmed,omitempty"`
}

// Portals lists the hosts that are confirmed, those of the configuration first.
func (g *Gateway) Portals(ctx context.Context, who Who) ([]PortalView, error) {
	kept, err := g.keptPortals(ctx, who)
	if err != nil {
		return nil, err
	}
	var out []PortalView
	for _, host := range g.opts.Portals {
		out = append(out, PortalView{Host: host, Readable: hostname.Readable(host)})
	}
	for _, p := range kept {
		out = append(out, PortalView{Host: p.Host, Readable: hostname.Readable(p.Host), By: p.ConfirmedBy, Confirmed: &p.Confirmed})
	}
	return out, nil
}

func (g *Gateway) keptPortals(ctx context.Context, who Who) ([]store.Portal, error) {
	var kept []store.Portal
	err := g.reach(who).Read(ctx, func(tx *store.Tx) (err error) {
		kept, err = tx.Portals()
		return err
	})
	return kept, err
}

// RevokePortal lets a person be asked again before answers go to a host. Imports for
// which it was confirmed keep that.
func (g *Gateway) RevokePortal(ctx context.Context, who Who, host string) error {
	host, err := hostname.Canonical(host)
	if err != nil {
		return ErrNotFound
	}
	return g.reach(who).Write(ctx, func(tx *store.Tx) error {
		if err := tx.RevokePortal(host); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: who.Actor, Event: "portal.revoked", Detail: map[string]any{"host": host}})
	})
}

// confirmPortals remembers hosts that somebody confirmed for an import.
func (s *scope) confirmPortals(tx *store.Tx, importID string, hosts []string) error {
	for _, host := range hosts {
		if slices.Contains(s.opts.Portals, host) {
			continue
		}
		err := tx.ConfirmPortal(&store.Portal{Host: host, ConfirmedBy: s.who.Actor})
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		if err := tx.Audit(store.Event{Import: importID, Actor: s.who.Actor, Event: "portal.confirmed", Detail: map[string]any{"host": host}}); err != nil {
			return err
		}
	}
	return nil
}

// knownPortals are all hosts that answers may be sent to.
func (s *scope) knownPortals(ctx context.Context) ([]string, error) {
	kept, err := s.keptPortals(ctx, s.who)
	all := slices.Clone(s.opts.Portals)
	for _, p := range kept {
		all = append(all, p.Host)
	}
	return all, err
}

// showHost says of a question for the consent to a host what the host looks like.
func (s *scope) showHost(ctx context.Context, q *Question) error {
	if q.Code != string(importer.ProblemUnknownHost) && q.Code != string(importer.ProblemForeignHost) {
		return nil
	}
	host, err := hostname.Canonical(q.Host)
	if err != nil {
		return nil // it is shown as it is
	}
	known, err := s.knownPortals(ctx)
	q.Host, q.Readable, q.Warnings = host, hostname.Readable(host), hostname.Warnings(host, known)
	return err
}
