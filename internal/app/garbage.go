package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/store"
)

// garbageAge is how old a blob without a row must be before it is collected: longer
// than any write of a segment takes until its row is committed.
const garbageAge = 24 * time.Hour

// rowTime is how long a segment may be without its row, by the database's time: far
// enough from garbageAge that no clock of a blob store makes it older than that.
const rowTime = garbageAge / 2

// eachTenant runs f for every tenant that has not been destroyed.
func (g *Gateway) eachTenant(ctx context.Context, f func(*scope) error) error {
	tenants, err := g.db.System().Tenants(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		if !tenant.Destroyed.IsZero() {
			continue
		}
		s, err := g.scope(ctx, Who{Tenant: tenant.ID, Actor: machine})
		if errors.Is(err, sealed.ErrErased) {
			continue
		}
		if err != nil {
			return err
		}
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

// collectBlobs deletes blobs that no row names: what a crash left between the durable
// write of a segment and its row.
func (g *Gateway) collectBlobs(ctx context.Context, now time.Time) error {
	return g.eachTenant(ctx, func(s *scope) error { return s.collectTenant(ctx, now.Add(-garbageAge)) })
}

// collectTenant goes through the blobs of a tenant, which come import by import.
func (s *scope) collectTenant(ctx context.Context, before time.Time) error {
	var id string
	var old []string
	finish := func() error {
		err := s.collectImport(ctx, id, old)
		old = old[:0]
		return err
	}
	err := s.blobs.List(ctx, s.v.ID()+"/", func(b blob.Info) error {
		fields := strings.Split(b.Key, "/")
		if len(fields) != 3 || !b.Modified.Before(before) {
			return nil
		}
		if fields[1] != id || len(old) >= 1000 {
			if err := finish(); err != nil {
				return err
			}
			id = fields[1]
		}
		old = append(old, fields[2])
		return nil
	})
	if err != nil {
		return err
	}
	return finish()
}

// collectImport deletes those of some segments that no row of their import names.
func (s *scope) collectImport(ctx context.Context, id string, segments []string) error {
	if len(segments) == 0 {
		return nil
	}
	named := map[string]bool{}
	err := s.t.Read(ctx, func(tx *store.Tx) error {
		clear(named)
		return tx.SegmentIDs(id, func(segment string) error {
			named[segment] = true
			return nil
		})
	})
	if err != nil {
		return err
	}
	var keys []string
	for _, segment := range segments {
		if !named[segment] {
			keys = append(keys, s.v.BlobKey(id, segment))
		}
	}
	if len(keys) > 0 {
		s.log.Info("collected segments that a crash left behind", "import", id, "count", len(keys))
	}
	return s.blobs.Delete(ctx, keys...)
}
