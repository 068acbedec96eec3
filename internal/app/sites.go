package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lotse/internal/importer"
	"lotse/internal/importer/adjust"
	"lotse/internal/store"
)

// NewSite is a site, a place inside of the organisation, as an administrator sets it.
// What is absent is as configured.
type NewSite struct {
	Name         string   `json:"name" minLength:"1" maxLength:"100"`
	AETitle      string   `json:"ae_title,omitempty" maxLength:"16" doc:"What is sent to this title belongs to the site. Absent: it has none of its own."`
	Issuer       string   `json:"issuer,omitempty" maxLength:"64" doc:"Of the local patient ids; absent: as configured."`
	Institution  string   `json:"institution,omitempty" maxLength:"64" doc:"Written into objects; absent: as configured."`
	Station      string   `json:"station,omitempty" maxLength:"16" doc:"Written into objects; absent: as configured."`
	Destinations []string `json:"destinations,omitempty" maxItems:"100" doc:"Ids of the destinations that its imports may be sent to; absent: all."`
}

// SiteView is a site as it is kept.
type SiteView struct {
	ID      string    `json:"id"`
	Version int64     `json:"version"`
	Created time.Time `json:"created"`
	NewSite
}

// Kept is the id and the version.
func (s *SiteView) Kept() (id string, version int64) { return s.ID, s.Version }

// siteConfig is what has no column of its own.
type siteConfig struct {
	Issuer       string   `json:"issuer,omitempty"`
	Institution  string   `json:"institution,omitempty"`
	Station      string   `json:"station,omitempty"`
	Destinations []string `json:"destinations,omitempty"`
}

// ErrSiteUsed: imports that are not erased, or callers, belong to the site.
var ErrSiteUsed = errors.New("the site is in use")

func (n *NewSite) check() error {
	n.Name = strings.TrimSpace(n.Name)
	if n.Name == "" {
		return &InvalidError{"name", "missing"}
	}
	if n.AETitle != "" && !isTitle(n.AETitle) {
		return &InvalidError{"ae_title", "not-an-ae-title"}
	}
	n.Destinations = slices.Compact(slices.Sorted(slices.Values(n.Destinations)))
	patient := "x"
	err := adjust.Validate(&importer.Decision{Patient: importer.LocalPatient{ID: &patient, Issuer: &n.Issuer},
		Institution: n.Institution, Station: n.Station, At: time.Unix(0, 0)})
	var value *adjust.InvalidError
	if !errors.As(err, &value) {
		return err
	}
	field := map[string]string{"Institution": "institution", "Station": "station"}[value.Keyword]
	if field == "" {
		field = "issuer"
	}
	return &InvalidError{field, string(value.Rule)}
}

// isTitle judges an application entity title (PS3.5 §6.2, AE).
func isTitle(s string) bool {
	odd := strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' })
	return !odd && s != "" && len(s) <= 16 && strings.TrimSpace(s) == s
}

// row is the site as it is kept.
func (n *NewSite) row(s *store.Site) (err error) {
	s.Name, s.AETitle = n.Name, n.AETitle
	s.Config, err = json.Marshal(siteConfig{n.Issuer, n.Institution, n.Station, n.Destinations})
	return err
}

func siteConfigOf(s *store.Site) (siteConfig, error) {
	var c siteConfig
	if err := json.Unmarshal(s.Config, &c); err != nil {
		return c, fmt.Errorf("read a site: %w", err)
	}
	return c, nil
}

func siteView(s *store.Site) (*SiteView, error) {
	c, err := siteConfigOf(s)
	return &SiteView{ID: s.ID, Version: s.Version, Created: s.Created, NewSite: NewSite{Name: s.Name, AETitle: s.AETitle,
		Issuer: c.Issuer, Institution: c.Institution, Station: c.Station, Destinations: c.Destinations}}, err
}

// fitting checks a site against the others, and against the destinations there are.
func (n *NewSite) fitting(tx *store.Tx, id string) error {
	others, err := tx.Sites()
	if err != nil {
		return err
	}
	for _, other := range others {
		switch {
		case other.ID == id:
		case other.Name == n.Name:
			return store.ErrConflict
		case n.AETitle != "" && other.AETitle == n.AETitle:
			return &InvalidError{"ae_title", "taken"}
		}
	}
	for _, destination := range n.Destinations {
		d, err := tx.Destination(destination)
		if errors.Is(err, store.ErrNotFound) || err == nil && !d.Deleted.IsZero() {
			return &InvalidError{"destinations", "unknown"}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// AddSite makes a site. store.ErrConflict when its name is taken.
func (g *Gateway) AddSite(ctx context.Context, who Who, n NewSite) (*SiteView, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	var v *SiteView
	err := g.reach(who).Write(ctx, func(tx *store.Tx) error {
		row := &store.Site{ID: store.NewID()}
		if err := errors.Join(n.fitting(tx, row.ID), n.row(row)); err != nil {
			return err
		}
		if err := tx.InsertSite(row); err != nil {
			return err
		}
		var err error
		if v, err = siteView(row); err != nil {
			return err
		}
		return auditSetting(tx, who, "site.created", "site", row.ID, nil, v.NewSite)
	})
	return v, err
}

// auditSetting tells of a change of what an administrator sets: what it was before, and
// what it is now.
func auditSetting(tx *store.Tx, who Who, event, kind, id string, before, after any) error {
	detail := map[string]any{kind: id}
	if before != nil {
		detail["before"] = before
	}
	if after != nil {
		detail["after"] = after
	}
	return tx.Audit(store.Event{Actor: who.Actor, Event: event, Detail: detail})
}

// Sites lists the sites.
func (g *Gateway) Sites(ctx context.Context, who Who) ([]SiteView, error) {
	var list []store.Site
	err := g.reach(who).Read(ctx, func(tx *store.Tx) (err error) {
		list, err = tx.Sites()
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]SiteView, len(list))
	for i := range list {
		v, err := siteView(&list[i])
		if err != nil {
			return nil, err
		}
		out[i] = *v
	}
	return out, nil
}

// Site returns one.
func (g *Gateway) Site(ctx context.Context, who Who, id string) (*SiteView, error) {
	var row *store.Site
	err := g.reach(who).Read(ctx, func(tx *store.Tx) (err error) {
		row, err = tx.Site(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !row.Deleted.IsZero() {
		return nil, ErrNotFound
	}
	return siteView(row)
}

// ChangeSite replaces a site. What was decided before stays as it was decided.
func (g *Gateway) ChangeSite(ctx context.Context, who Who, id string, version int64, n NewSite) (*SiteView, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	var v *SiteView
	err := g.reach(who).Write(ctx, func(tx *store.Tx) error {
		row, before, err := lockSite(tx, id, version)
		if err != nil {
			return err
		}
		if err := errors.Join(n.fitting(tx, id), n.row(row)); err != nil {
			return err
		}
		if err := tx.SaveSite(row); err != nil {
			return err
		}
		if v, err = siteView(row); err != nil {
			return err
		}
		return auditSetting(tx, who, "site.changed", "site", id, before.NewSite, v.NewSite)
	})
	return v, err
}

// RemoveSite takes a site out of use. [ErrSiteUsed] as long as something belongs to it.
func (g *Gateway) RemoveSite(ctx context.Context, who Who, id string, version int64) error {
	return g.reach(who).Write(ctx, func(tx *store.Tx) error {
		_, before, err := lockSite(tx, id, version)
		if err != nil {
			return err
		}
		used, err := tx.SiteUsed(id)
		if err != nil {
			return err
		}
		if used {
			return ErrSiteUsed
		}
		if err := tx.DeleteSite(id); err != nil {
			return err
		}
		return auditSetting(tx, who, "site.removed", "site", id, before.NewSite, nil)
	})
}

func lockSite(tx *store.Tx, id string, version int64) (*store.Site, *SiteView, error) {
	row, err := tx.LockSite(id)
	if err != nil {
		return nil, nil, err
	}
	if row.Version != version {
		return nil, nil, ErrChanged
	}
	v, err := siteView(row)
	return row, v, err
}

// siteOf says which site a new import belongs to: the one that was named, or the only
// one that its creator reaches.
func (w Who) siteOf(site string) (string, error) {
	switch {
	case len(w.Sites) == 0, slices.Contains(w.Sites, site):
		return site, nil
	case site != "":
		return "", &InvalidError{"site", "unknown"}
	case len(w.Sites) > 1:
		return "", &InvalidError{"site", "missing"}
	}
	return w.Sites[0], nil
}

// occupy makes sure that the site of a new import is there, and stays.
func occupy(tx *store.Tx, site string) error {
	if site == "" {
		return nil
	}
	_, err := tx.LockSite(site)
	if errors.Is(err, store.ErrNotFound) {
		return &InvalidError{"site", "unknown"}
	}
	return err
}

// house is how the place that an import came to is named in what is adjusted, and
// where its exams may be sent; no destinations: anywhere.
type house struct {
	institution, station, issuer string
	destinations                 []string
}

// house is that of the import's site, and of the configuration for what the site leaves
// open.
func (s *scope) house(tx *store.Tx, im *store.Import) (house, error) {
	h := house{institution: s.opts.Institution, station: s.opts.Station, issuer: s.opts.Issuer}
	if im.Site == "" {
		return h, nil
	}
	row, err := tx.Site(im.Site)
	if errors.Is(err, store.ErrNotFound) { // of a time when sites were not checked
		return h, nil
	}
	if err != nil {
		return h, err
	}
	c, err := siteConfigOf(row)
	or := func(to *string, from string) {
		if from != "" {
			*to = from
		}
	}
	or(&h.institution, c.Institution)
	or(&h.station, c.Station)
	or(&h.issuer, c.Issuer)
	h.destinations = c.Destinations
	return h, err
}

// mayGo refuses destinations that the site of an import does not send to.
func (s *scope) mayGo(tx *store.Tx, im *store.Import, destinations []string) error {
	h, err := s.house(tx, im)
	if err != nil || len(h.destinations) == 0 {
		return err
	}
	for _, one := range destinations {
		if !slices.Contains(h.destinations, one) {
			return &InvalidError{"destinations", "not-of-site"}
		}
	}
	return nil
}
