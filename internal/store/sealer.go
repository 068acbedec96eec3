package store

import (
	"context"
	"time"
)

// EventSealer seals what is personal in audit events. It is given to a database as
// the node is put together, since this package knows neither keys nor actors.
type EventSealer interface {
	// Prepare fetches what Seal needs for a tenant, before a transaction begins at
	// about that time. Where that is not to be had, Seal says so.
	Prepare(ctx context.Context, tenant string, at time.Time)
	// Whence says of the context's actor the session, and where from: what is personal.
	Whence(ctx context.Context) (session string, from map[string]any)
	// Seal seals under the key of the present period, and names that. It is called in a
	// transaction and waits for nothing.
	Seal(tenant, event string, plain []byte) (period string, sealed []byte, err error)
}

// SealEvents lets a sealer seal what is personal in events from now on.
func (db *DB) SealEvents(s EventSealer) { db.eventSealer.Store(&s) }

func (db *DB) sealer() EventSealer {
	if s := db.eventSealer.Load(); s != nil {
		return *s
	}
	return nil
}

// prepareSealing lets the sealer fetch its key while no transaction waits for it.
func (db *DB) prepareSealing(ctx context.Context, tenant string, m mode) {
	if s := db.sealer(); s != nil && m == writing && tenant != everyone {
		s.Prepare(ctx, tenant, time.Now().Add(time.Duration(db.ahead.Load())))
	}
}
