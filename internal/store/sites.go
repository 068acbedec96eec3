package store

import (
	"errors"
	"time"
)

// Site is a place of a tenant.
type Site struct {
	ID      string
	Name    string // unique among those that are not deleted
	AETitle string // it receives under, unique in the same way; empty: none of its own
	Config  []byte // JSON; {} when it is nil
	Version int64  // from 1, grows with every change
	Created time.Time
	Deleted time.Time // it stays for what came under it
}

const siteColumns = "id, name, ae_title, config, version, created_at, deleted_at"

func (s *Site) columns() []any {
	return []any{&s.ID, &s.Name, &s.AETitle, &s.Config, &s.Version, stamp{&s.Created}, stamp{&s.Deleted}}
}

func (s *Site) config() string {
	if s.Config == nil {
		return "{}"
	}
	return string(s.Config)
}

// InsertSite adds a site with version 1; it sets Created when that is zero.
// [ErrConflict], which ends the transaction, when the id, the name or the AE title is
// taken.
func (tx *Tx) InsertSite(s *Site) error {
	s.Version = 1
	if s.Created.IsZero() {
		s.Created = tx.now
	}
	_, err := tx.exec("INSERT INTO sites (tenant_id, id, name, ae_title, config, version, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		s.ID, s.Name, s.AETitle, s.config(), s.Version, micros(s.Created))
	return err
}

// AddSite is [Tx.InsertSite] of a site that has no more than a name.
func (tx *Tx) AddSite(id, name string) error { return tx.InsertSite(&Site{ID: id, Name: name}) }

// Site reads a site, also a deleted one. [ErrNotFound].
func (tx *Tx) Site(id string) (*Site, error) {
	s := &Site{}
	err := tx.row("SELECT "+siteColumns+" FROM sites WHERE tenant_id = $1 AND id = $2", []any{id}, s.columns()...)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// LockSite is [Tx.Site] of one that is not deleted, for a change of it or of what
// belongs to it: it cannot be deleted until the transaction ends.
func (tx *Tx) LockSite(id string) (*Site, error) {
	s := &Site{}
	err := tx.row("UPDATE sites SET version = version WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING "+siteColumns, []any{id}, s.columns()...)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Sites lists the sites that are not deleted by their names.
func (tx *Tx) Sites() ([]Site, error) {
	var all []Site
	err := tx.rows("SELECT "+siteColumns+" FROM sites WHERE tenant_id = $1 AND deleted_at IS NULL ORDER BY name, id", nil, func(scan scanner) error {
		var s Site
		err := scan(s.columns()...)
		all = append(all, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// SaveSite writes Name, AETitle and Config of a site that is not deleted and still has
// the version s has, which grows by one then. [ErrStale], [ErrNotFound]; [ErrConflict]
// when the name or the AE title is taken, which ends the transaction.
func (tx *Tx) SaveSite(s *Site) error {
	n, err := tx.exec("UPDATE sites SET name = $4, ae_title = $5, config = $6, version = version + 1 "+
		"WHERE tenant_id = $1 AND id = $2 AND version = $3 AND deleted_at IS NULL", s.ID, s.Version, s.Name, s.AETitle, s.config())
	if errors.Is(changedOne(n, err), ErrNotFound) {
		return tx.staleOr("SELECT 1 FROM sites WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL", s.ID)
	}
	if err == nil {
		s.Version++
	}
	return err
}

// DeleteSite marks a site as deleted; its name and AE title are free again.
// [ErrNotFound].
func (tx *Tx) DeleteSite(id string) error {
	return changedOne(tx.exec("UPDATE sites SET deleted_at = $3, version = version + 1 "+
		"WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL", id, micros(tx.now)))
}

// SiteUsed reports whether imports that are not purged, or callers, belong to a site.
// Lock the site first: then it stays true, or false.
func (tx *Tx) SiteUsed(id string) (bool, error) {
	var one int
	err := tx.row("SELECT 1 WHERE EXISTS (SELECT 1 FROM imports WHERE tenant_id = $1 AND site_id = $2 AND site_id <> '' AND purged_at IS NULL) "+
		"OR EXISTS (SELECT 1 FROM callers WHERE tenant_id = $1 AND site_id = $2 AND deleted_at IS NULL)", []any{id}, &one)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
