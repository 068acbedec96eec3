package app

import (
	"context"
	"errors"
	"fmt"
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
	tenants, err := g.db.System().LivingTenants(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		s, err := g.scope(ctx, Who{Tenant: tenant, Actor: machine})
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

// storeSkew is by how much the clock of the blob store may differ from the database's.
const storeSkew = time.Hour

// collectSegments deletes segments that no row names: what a crash left between their
// durable write and their row. Blobs of a store whose clock is another than the
// database's are not as old as they look: nothing is collected then.
func (s *scope) collectSegments(ctx context.Context, now time.Time) error {
	skew, err := s.blobSkew(ctx)
	if err != nil {
		return fmt.Errorf("ask the blob store for its time: %w", err)
	}
	if skew.Abs() > storeSkew {
		s.log.Warn("the clocks of the blob store and of the database differ: segments without a row are not collected", "by", skew.Round(time.Second))
		return nil
	}
	return s.collectTenant(ctx, now.Add(-garbageAge))
}

// blobSkew is by how much the clock of the blob store is ahead of the database's: it
// writes a blob and looks how old that is.
func (s *scope) blobSkew(ctx context.Context) (skew time.Duration, err error) {
	id := store.NewID()
	key := s.v.BlobKey(id, "clock")
	w, err := s.blobs.Create(ctx, key)
	if err != nil {
		return 0, err
	}
	defer w.Abort()
	if _, err := w.Write([]byte("clock")); err != nil {
		return 0, err
	}
	if err := w.Commit(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.blobs.Delete(context.WithoutCancel(ctx), key)) }()
	now, err := s.databaseTime(ctx)
	if err != nil {
		return 0, err
	}
	seen := false
	err = s.blobs.List(ctx, s.v.Prefix(id), func(b blob.Info) error {
		skew, seen = b.Modified.Sub(now), true
		return nil
	})
	if err == nil && !seen {
		err = errors.New("the blob store does not list what was written")
	}
	return skew, err
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
