package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"lotse/internal/store"
)

const (
	// keyAge is how old a key without an import must be before it is destroyed.
	keyAge = 24 * time.Hour
	// keyWatch is for how long this node must have seen that the import is missing, by a
	// clock that nobody sets. It is longer than an import may take to begin, so that a
	// keyring whose clock is wrong costs no import its key.
	keyWatch = 2 * beginTime
)

// keyless remembers since when a key was seen without an import, by tenant and id. What
// one node forgets when it stops, it or another sees again.
type keyless struct {
	mu   sync.Mutex
	seen map[string]map[string]time.Time
}

// watch notes the keys of a tenant that have no import now, and gives those that had
// none for long.
func (k *keyless) watch(tenant string, ids []string, now time.Time) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	before, current := k.seen[tenant], map[string]time.Time{}
	var long []string
	for _, id := range ids {
		since, ok := before[id]
		if !ok {
			since = now
		}
		current[id] = since
		if now.Sub(since) >= keyWatch {
			long = append(long, id)
		}
	}
	if k.seen == nil {
		k.seen = map[string]map[string]time.Time{}
	}
	k.seen[tenant] = current
	return long
}

// collectKeys destroys the keys of imports that never came to be: the key was made, and
// the transaction of the row failed, or the process ended between the two. now is the
// database's time, from before the keys are listed.
func (s *scope) collectKeys(ctx context.Context, now time.Time) error {
	var without []string
	err := s.v.Imports(ctx, func(id string, made time.Time) error {
		if now.Sub(made) <= keyAge {
			return nil
		}
		missing, err := s.missing(ctx, id)
		if missing {
			without = append(without, id)
		}
		return err
	})
	if err != nil {
		return err
	}
	long := s.keys.watch(s.who.Tenant, without, s.opts.Monotonic())
	for _, id := range long {
		if err := s.v.DestroyImport(ctx, id); err != nil {
			return err
		}
	}
	if len(long) > 0 {
		s.log.Info("destroyed keys of imports that never came to be", "count", len(long))
	}
	return nil
}

// missing reports whether there is no row of an import. A database that fails says
// nothing about that.
func (s *scope) missing(ctx context.Context, id string) (bool, error) {
	err := s.t.Read(ctx, func(tx *store.Tx) error {
		_, err := tx.Import(id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return false, err
}
