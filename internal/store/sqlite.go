package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteEngine is one file with a write-ahead log: one writer, readers beside it.
type sqliteEngine struct{ db *DB }

// openSQLite opens the file with a pool of one connection that writes and another
// that only reads. synchronous=FULL makes each commit durable before it is answered.
func (db *DB) openSQLite(ctx context.Context) error {
	if db.config.Path == "" {
		return errors.New("database: SQLite needs a path")
	}
	file, err := os.OpenFile(db.config.Path, os.O_RDWR|os.O_CREATE, 0o600) // #nosec G304 -- named by the administrator
	if err != nil {
		return fmt.Errorf("database: open the file: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("database: open the file: %w", err)
	}
	db.engine = sqliteEngine{db}
	if db.writer, err = openPool(db.config.Path, 1, nil); err != nil {
		return err
	}
	readers := db.config.Connections
	if readers <= 0 {
		readers = 4
	}
	if db.reader, err = openPool(db.config.Path, readers, []string{"query_only(1)"}); err != nil {
		return err
	}
	for _, pool := range []*sql.DB{db.writer, db.reader} { // the writer first: it turns the log on
		if err := pool.PingContext(ctx); err != nil {
			return db.failure(ctx, "open the file", err)
		}
	}
	return nil
}

func openPool(path string, connections int, pragmas []string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database: path: %w", err)
	}
	all := []string{
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"temp_store(MEMORY)", "journal_size_limit(67108864)", "secure_delete(1)", // what is deleted is overwritten
	}
	query := url.Values{"_txlock": {"immediate"}, "_dqs": {"0"}, "_pragma": append(all, pragmas...)}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(absolute), RawQuery: query.Encode()}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("database: open SQLite: %w", err)
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return pool, nil
}

func (sqliteEngine) begin(m mode) string {
	if m.writes() {
		return "BEGIN IMMEDIATE"
	}
	return "BEGIN"
}

func (e sqliteEngine) enter(context.Context, *Tx) (time.Time, error) {
	if e.db.config.Clock != nil {
		return e.db.config.Clock(), nil
	}
	return time.Now(), nil
}

func (sqliteEngine) lock() string { return "" }

func (sqliteEngine) classify(err error) (Kind, string) {
	var e *sqlite.Error
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return Unavailable, "connection"
	}
	if !errors.As(err, &e) {
		return Permanent, "SQLite: " + err.Error()
	}
	detail := e.Error() // names columns, never values
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return Conflict, detail
	}
	switch e.Code() & 0xff { // the primary code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return Busy, detail
	case sqlite3.SQLITE_FULL:
		return Full, detail
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOMEM:
		return Unavailable, detail
	}
	return Permanent, detail
}

// uncertain: an I/O error may have come after the log was written.
func (sqliteEngine) uncertain(err error) bool {
	var e *sqlite.Error
	return !errors.As(err, &e) || e.Code()&0xff == sqlite3.SQLITE_IOERR
}
