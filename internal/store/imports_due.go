package store

import (
	"context"
	"time"

	"lotse/internal/importer"
)

// living leaves out tenants whose contract has ended: nothing of them is reached.
const living = "EXISTS (SELECT 1 FROM tenants t WHERE t.id = tenant_id AND t.destroyed_at IS NULL)"

// DueToPurge lists imports that are not purged though their time has come, those
// that are due for longest first.
func (s *System) DueToPurge(ctx context.Context, now time.Time, limit int) ([]Ref, error) {
	return s.due(ctx, "SELECT tenant_id, id FROM imports WHERE purged_at IS NULL AND purge_at <= $1 AND "+living+
		" ORDER BY purge_at LIMIT $2", now.UnixMicro(), limit)
}

// DueToClose lists imports of a kind that have been quiet for long enough.
func (s *System) DueToClose(ctx context.Context, kind string, now time.Time, limit int) ([]Ref, error) {
	return s.due(ctx, "SELECT tenant_id, id FROM imports WHERE quiet_at IS NOT NULL AND quiet_at <= $1 AND kind = $2 AND "+living+
		" ORDER BY quiet_at LIMIT $3", now.UnixMicro(), kind, limit)
}

// DueToWarn lists imports that have not ended, expire within the time before and
// have been warned of at a lower level than warned.
func (s *System) DueToWarn(ctx context.Context, now time.Time, warned int, before time.Duration, limit int) ([]Ref, error) {
	return s.due(ctx, "SELECT tenant_id, id FROM imports WHERE purged_at IS NULL AND ended_at IS NULL AND expires_at <= $1 "+
		"AND warned < $2 AND "+living+" ORDER BY expires_at LIMIT $3", now.Add(before).UnixMicro(), warned, limit)
}

func (s *System) due(ctx context.Context, query string, args ...any) ([]Ref, error) {
	var all []Ref
	err := s.Read(ctx, func(tx *Tx) (err error) {
		all, err = tx.refs(query, args...)
		return err
	})
	return all, err
}

// Overdue counts imports that are not purged though they have expired. It is
// nought wherever retention works.
func (s *System) Overdue(ctx context.Context, now time.Time) (int64, error) {
	var n int64
	err := s.Read(ctx, func(tx *Tx) error {
		return tx.systemRow("SELECT count(*) FROM imports WHERE purged_at IS NULL AND expires_at <= $1 AND "+living,
			[]any{now.UnixMicro()}, &n)
	})
	return n, err
}

// LiveImports counts the imports that are not purged, by state.
func (s *System) LiveImports(ctx context.Context) (map[importer.State]int64, error) {
	counts := map[importer.State]int64{}
	err := s.Read(ctx, func(tx *Tx) error {
		clear(counts)
		return tx.systemRows("SELECT state, count(*) FROM imports WHERE purged_at IS NULL AND "+living+" GROUP BY state", nil,
			func(scan scanner) error {
				var state importer.State
				var n int64
				if err := scan(&state, &n); err != nil {
					return err
				}
				counts[state] = n
				return nil
			})
	})
	return counts, err
}
