package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lotse/internal/receive"
	"lotse/internal/store"
)

// NewCaller is who may send objects by C-STORE, as an administrator sets it.
type NewCaller struct {
	Name            string   `json:"name" minLength:"1" maxLength:"100"`
	CallingAE       string   `json:"calling_ae_title" minLength:"1" maxLength:"16" doc:"The AE title it calls itself."`
	CalledAE        string   `json:"called_ae_title,omitempty" maxLength:"16" doc:"The AE title it has to call. Absent: that of its site; without a site the configured one, or that of any site, to which belongs what it sends then."`
	Site            string   `json:"site,omitempty" maxLength:"64" doc:"Id of the site that what it sends belongs to."`
	Networks        []string `json:"networks,omitempty" maxItems:"100" doc:"Where it may connect from: addresses, or networks as 10.2.0.0/24. Needed unless certificate_subject is given."`
	Subject         string   `json:"certificate_subject,omitempty" maxLength:"500" doc:"The client certificate it has to have: the whole distinguished name as RFC 2253 writes it, or the common name. Needs dicom.tls.client_ca_file."`
	MaxObject       int64    `json:"max_object_bytes,omitempty" minimum:"0" doc:"Of one object; absent: as for all."`
	MaxAssociations int      `json:"max_associations,omitempty" minimum:"0" maximum:"1000" doc:"At once on one node; absent: as for all."`
	HourlyBytes     int64    `json:"bytes_per_hour,omitempty" minimum:"0" doc:"What it may send within any hour, over all nodes; more is answered with A700. Absent: no bound."`
	HourlyObjects   int64    `json:"objects_per_hour,omitempty" minimum:"0" doc:"As bytes_per_hour, in objects."`
}

// CallerView is a caller as it is kept.
type CallerView struct {
	ID      string    `json:"id"`
	Version int64     `json:"version"`
	Created time.Time `json:"created"`
	NewCaller
	Sent *Sent `json:"sent_in_the_last_hour,omitempty" doc:"What counts against its quotas; only of one that has any, and not in lists."`
}

// Kept is the id and the version.
func (c *CallerView) Kept() (id string, version int64) { return c.ID, c.Version }

// Sent is what came from a caller.
type Sent struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// callerConfig is what has no column of its own.
type callerConfig struct {
	Networks        []netip.Prefix `json:"networks,omitempty"`
	Subject         string         `json:"subject,omitempty"`
	MaxObject       int64          `json:"max_object,omitempty"`
	MaxAssociations int            `json:"max_associations,omitempty"`
	HourlyBytes     int64          `json:"hourly_bytes,omitempty"`
	HourlyObjects   int64          `json:"hourly_objects,omitempty"`
}

// counted reports a caller with a quota.
func (c *callerConfig) counted() bool { return c.HourlyBytes > 0 || c.HourlyObjects > 0 }

// check returns the networks.
func (n *NewCaller) check() ([]netip.Prefix, error) {
	n.Name = strings.TrimSpace(n.Name)
	switch {
	case n.Name == "":
		return nil, &InvalidError{"name", "missing"}
	case !isTitle(n.CallingAE):
		return nil, &InvalidError{"calling_ae_title", "not-an-ae-title"}
	case n.CalledAE != "" && !isTitle(n.CalledAE):
		return nil, &InvalidError{"called_ae_title", "not-an-ae-title"}
	case len(n.Networks) == 0 && n.Subject == "":
		return nil, &InvalidError{"networks", "missing"}
	case strings.TrimSpace(n.Subject) != n.Subject:
		return nil, &InvalidError{"certificate_subject", "not-a-subject"}
	}
	for field, limit := range map[string]int64{"max_object_bytes": n.MaxObject, "max_associations": int64(n.MaxAssociations),
		"bytes_per_hour": n.HourlyBytes, "objects_per_hour": n.HourlyObjects} {
		if limit < 0 {
			return nil, &InvalidError{field, "negative"}
		}
	}
	var out []netip.Prefix
	for _, text := range n.Networks {
		one, err := parseNetwork(text)
		if err != nil {
			return nil, &InvalidError{"networks", "not-a-network"}
		}
		out = append(out, one)
	}
	return out, nil
}

// parseNetwork takes an address for the network of it alone.
func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, errors.New("not an address")
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("not a network")
	}
	return p.Masked(), nil
}

// row is the caller as it is kept.
func (n *NewCaller) row(networks []netip.Prefix, c *store.Caller) (err error) {
	c.Name, c.CallingAE, c.CalledAE, c.Site = n.Name, n.CallingAE, n.CalledAE, n.Site
	c.Config, err = json.Marshal(callerConfig{networks, n.Subject, n.MaxObject, n.MaxAssociations, n.HourlyBytes, n.HourlyObjects})
	return err
}

func callerConfigOf(row *store.Caller) (callerConfig, error) {
	var c callerConfig
	if err := json.Unmarshal(row.Config, &c); err != nil {
		return c, fmt.Errorf("read a caller: %w", err)
	}
	return c, nil
}

func callerView(row *store.Caller) (*CallerView, error) {
	c, err := callerConfigOf(row)
	v := &CallerView{ID: row.ID, Version: row.Version, Created: row.Created, NewCaller: NewCaller{Name: row.Name, CallingAE: row.CallingAE,
		CalledAE: row.CalledAE, Site: row.Site, Subject: c.Subject, MaxObject: c.MaxObject, MaxAssociations: c.MaxAssociations,
		HourlyBytes: c.HourlyBytes, HourlyObjects: c.HourlyObjects}}
	for _, n := range c.Networks {
		v.Networks = append(v.Networks, n.String())
	}
	return v, err
}

// fitting checks a caller against its site and the other callers: two that an
// association could fit at once would both be refused.
func fitting(tx *store.Tx, row *store.Caller) error {
	if err := occupy(tx, row.Site); err != nil {
		return err
	}
	others, err := tx.Callers()
	if err != nil {
		return err
	}
	sites, err := tx.Sites()
	if err != nil {
		return err
	}
	titles := map[string]string{}
	for _, s := range sites {
		titles[s.ID] = s.AETitle
	}
	mine, err := callerConfigOf(row)
	if err != nil {
		return err
	}
	for i := range others {
		other := &others[i]
		theirs, err := callerConfigOf(other)
		switch {
		case err != nil:
			return err
		case other.ID == row.ID:
		case other.Name == row.Name:
			return store.ErrConflict
		case other.CallingAE == row.CallingAE && alike(titleOf(row, titles), titleOf(other, titles)) &&
			alike(mine.Subject, theirs.Subject) && overlap(mine.Networks, theirs.Networks):
			return &InvalidError{"calling_ae_title", "ambiguous"}
		}
	}
	return nil
}

// titleOf is the title that a caller has to call; empty: it has a choice.
func titleOf(c *store.Caller, ofSites map[string]string) string {
	if c.CalledAE != "" {
		return c.CalledAE
	}
	return ofSites[c.Site]
}

// alike reports whether one association could fit both demands; an empty one fits all.
func alike(a, b string) bool { return a == "" || b == "" || a == b }

// overlap reports whether an address could be of both; no networks are all of them.
func overlap(a, b []netip.Prefix) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	return slices.ContainsFunc(a, func(x netip.Prefix) bool { return slices.ContainsFunc(b, x.Overlaps) })
}

// AddCaller makes a caller. store.ErrConflict when its name is taken.
func (g *Gateway) AddCaller(ctx context.Context, who Who, n NewCaller) (*CallerView, error) {
	networks, err := n.check()
	if err != nil {
		return nil, err
	}
	var v *CallerView
	err = g.reach(who).Write(ctx, func(tx *store.Tx) error {
		row := &store.Caller{ID: store.NewID()}
		if err := n.row(networks, row); err != nil {
			return err
		}
		if err := fitting(tx, row); err != nil {
			return err
		}
		if err := tx.InsertCaller(row); err != nil {
			return err
		}
		var err error
		if v, err = callerView(row); err != nil {
			return err
		}
		return auditSetting(tx, who, "caller.created", "caller", row.ID, nil, v.NewCaller)
	})
	return v, err
}

// Callers lists the callers, without those of the configuration.
func (g *Gateway) Callers(ctx context.Context, who Who) ([]CallerView, error) {
	var list []store.Caller
	err := g.reach(who).Read(ctx, func(tx *store.Tx) (err error) {
		list, err = tx.Callers()
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]CallerView, len(list))
	for i := range list {
		v, err := callerView(&list[i])
		if err != nil {
			return nil, err
		}
		out[i] = *v
	}
	return out, nil
}

// Caller returns one.
func (g *Gateway) Caller(ctx context.Context, who Who, id string) (*CallerView, error) {
	var v *CallerView
	err := g.reach(who).Read(ctx, func(tx *store.Tx) error {
		row, err := tx.Caller(id)
		if err != nil {
			return err
		}
		if !row.Deleted.IsZero() {
			return ErrNotFound
		}
		if v, err = callerView(row); err != nil || v.HourlyBytes == 0 && v.HourlyObjects == 0 {
			return err
		}
		used, err := inLastHour(tx, id)
		v.Sent = &Sent{used.Objects, used.Bytes}
		return err
	})
	return v, err
}

// ChangeCaller replaces a caller. It counts from the caller's next association on, its
// quotas at once.
func (g *Gateway) ChangeCaller(ctx context.Context, who Who, id string, version int64, n NewCaller) (*CallerView, error) {
	networks, err := n.check()
	if err != nil {
		return nil, err
	}
	var v *CallerView
	err = g.reach(who).Write(ctx, func(tx *store.Tx) error {
		row, before, err := lockCaller(tx, id, version)
		if err != nil {
			return err
		}
		if err := n.row(networks, row); err != nil {
			return err
		}
		if err := fitting(tx, row); err != nil {
			return err
		}
		if err := tx.SaveCaller(row); err != nil {
			return err
		}
		if v, err = callerView(row); err != nil {
			return err
		}
		return auditSetting(tx, who, "caller.changed", "caller", id, before.NewCaller, v.NewCaller)
	})
	return v, err
}

// RemoveCaller lets a caller send no more, from its next association on.
func (g *Gateway) RemoveCaller(ctx context.Context, who Who, id string, version int64) error {
	return g.reach(who).Write(ctx, func(tx *store.Tx) error {
		_, before, err := lockCaller(tx, id, version)
		if err != nil {
			return err
		}
		if err := tx.DeleteCaller(id); err != nil {
			return err
		}
		return auditSetting(tx, who, "caller.removed", "caller", id, before.NewCaller, nil)
	})
}

func lockCaller(tx *store.Tx, id string, version int64) (*store.Caller, *CallerView, error) {
	row, err := tx.LockCaller(id)
	if err != nil {
		return nil, nil, err
	}
	if row.Version != version {
		return nil, nil, ErrChanged
	}
	v, err := callerView(row)
	return row, v, err
}

// admission is the rule of a caller for an association that calls a title; false when
// it has to call another. own is the title of the configuration; empty: any is.
func admission(s *store.Sender, called, own string) (receive.Rule, bool, error) {
	c, err := callerConfigOf(&s.Caller)
	if err != nil {
		return receive.Rule{}, false, err
	}
	general := own == "" || called == own
	right := false
	switch {
	case s.CalledAE != "":
		right = called == s.CalledAE
	case s.Site != "" && s.SiteAE != "":
		right = called == s.SiteAE
	case s.Site != "":
		right = general
	default:
		right = general || s.CalledSite != ""
	}
	site := s.Site
	if site == "" {
		site = s.CalledSite
	}
	return receive.Rule{Name: s.ID, Tenant: s.Tenant, Site: site, CallingAE: s.CallingAE, CalledAE: called, Networks: c.Networks, Subject: c.Subject,
		Objects: true, Counted: c.counted(), ObjectBytes: c.MaxObject, Associations: c.MaxAssociations}, right, nil
}
