package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"
)

// engine is what differs between SQLite and PostgreSQL.
type engine interface {
	begin(m mode) string
	// enter gives the time and sets what row-level security compares with.
	enter(ctx context.Context, tx *Tx) (time.Time, error)
	// lock ends a SELECT whose rows are going to be changed or relied upon.
	lock() string
	classify(err error) (Kind, string)
	// uncertain reports whether a COMMIT that failed so may have happened.
	uncertain(err error) bool
	migrator() (*migrator, error)
	// queue has the statements of claiming, which skip locked rows on PostgreSQL.
	queue() queueSQL
}

// DB is an open database. All methods are safe for concurrent use.
type DB struct {
	config   Config
	engine   engine
	writer   *sql.DB // on PostgreSQL the same pool as reader
	reader   *sql.DB
	enqueued chan struct{}
	closed   atomic.Bool

	eventSealer atomic.Pointer[EventSealer]
	ahead       atomic.Int64 // how far the database's clock is before this node's, ns
}

// Open opens the database; it runs no migrations. PostgreSQL is connected to and
// refused where its role bypasses row-level security.
func Open(ctx context.Context, config Config) (*DB, error) {
	db := &DB{config: config, enqueued: make(chan struct{}, 1)}
	var err error
	switch config.Engine {
	case SQLite:
		err = db.openSQLite(ctx)
	case PostgreSQL:
		err = db.openPostgreSQL(ctx)
	default:
		return nil, fmt.Errorf("database: unknown engine %q", config.Engine)
	}
	if err != nil {
		_ = db.shut()
		return nil, err
	}
	return db, nil
}

// Engine tells the kind of database.
func (db *DB) Engine() Engine { return db.config.Engine }

// Close closes all connections, after the transactions that are running.
// Everything answers [ErrClosed] from then on.
func (db *DB) Close() error {
	if db.closed.Swap(true) {
		return nil
	}
	return db.shut()
}

func (db *DB) shut() error {
	var err error
	if db.reader != nil && db.reader != db.writer {
		err = db.reader.Close()
	}
	if db.writer != nil { // last, so that SQLite folds its log into the file
		if e := db.writer.Close(); e != nil {
			err = e
		}
	}
	if err != nil {
		return fmt.Errorf("database: close: %w", err)
	}
	return nil
}

// Check asks the database something, for a readiness probe.
func (db *DB) Check(ctx context.Context) error {
	return db.System().Read(ctx, func(tx *Tx) error {
		var one int
		return tx.systemRow("SELECT 1", nil, &one)
	})
}

// Enqueued is signalled after a commit that made jobs; at most one signal is kept.
func (db *DB) Enqueued() <-chan struct{} { return db.enqueued }

func (db *DB) signal() {
	select {
	case db.enqueued <- struct{}{}:
	default:
	}
}

func (db *DB) shift() time.Duration {
	if db.config.Shift == nil {
		return 0
	}
	return db.config.Shift()
}
