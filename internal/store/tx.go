package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"
)

// everyone is the tenant of transactions of the system, and of jobs that belong to
// no tenant. No tenant can be named so.
const everyone = "*"

// Tx is a transaction. It is used by one goroutine and ends with the function it
// was given to.
type Tx struct {
	db     *DB
	conn   *sql.Conn
	ctx    context.Context
	tenant string
	mode   mode
	now    time.Time
	sites  []string // whose imports can be reached; empty: all
	failed error    // of the first statement that failed
	queued bool     // jobs were made that can be claimed at once
}

// Context is the context the transaction runs under.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Tenant is the tenant whose rows the transaction sees; empty for the system's.
func (tx *Tx) Tenant() string {
	if tx.tenant == everyone {
		return ""
	}
	return tx.tenant
}

// reaches reports whether imports of a site can be reached; those of none always can.
func (tx *Tx) reaches(site string) bool {
	return len(tx.sites) == 0 || site == "" || slices.Contains(tx.sites, site)
}

// Now is the database's time when the transaction began, in UTC and whole
// microseconds.
func (tx *Tx) Now() time.Time { return tx.now }

// forUpdate ends a SELECT that locks its rows until the transaction ends. SQLite
// needs none: it has one writer.
func (tx *Tx) forUpdate() string { return tx.db.engine.lock() }

// lockIfWriting is forUpdate in a transaction that may lock.
func (tx *Tx) lockIfWriting() string {
	if !tx.mode.writes() {
		return ""
	}
	return tx.forUpdate()
}

// exec runs a statement on tables of the tenant, which is its $1; args begin at
// $2. It gives the number of rows affected.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	args, err := tx.scoped(args)
	if err != nil {
		return 0, err
	}
	return tx.systemExec(query, args...)
}

// row reads one row of the tenant's tables, as [Tx.exec]. No row is [ErrNotFound],
// which does not spoil the transaction.
func (tx *Tx) row(query string, args []any, dest ...any) error {
	args, err := tx.scoped(args)
	if err != nil {
		return err
	}
	return tx.systemRow(query, args, dest...)
}

// rows calls f for each row of the tenant's tables; f reads it with scan and must
// not use the transaction. An error of f ends the reading and is returned.
func (tx *Tx) rows(query string, args []any, f func(scan scanner) error) error {
	args, err := tx.scoped(args)
	if err != nil {
		return err
	}
	return tx.systemRows(query, args, f)
}

// scanner reads the columns of the current row.
type scanner func(dest ...any) error

// scoped puts the tenant in front; the system has none.
func (tx *Tx) scoped(args []any) ([]any, error) {
	if tx.tenant == everyone {
		return nil, &Error{Doing: "run a statement of a tenant for the system"}
	}
	return append([]any{tx.tenant}, args...), nil
}

// systemExec runs a statement that has no tenant as $1.
func (tx *Tx) systemExec(query string, args ...any) (int64, error) {
	if err := tx.before(query); err != nil {
		return 0, err
	}
	result, err := tx.conn.ExecContext(tx.ctx, query, args...)
	if err != nil {
		return 0, tx.fail("run a statement", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, tx.fail("count rows", err)
	}
	return n, nil
}

// systemRow reads one row with a statement that has no tenant as $1.
func (tx *Tx) systemRow(query string, args []any, dest ...any) error {
	found := false
	err := tx.systemRows(query, args, func(scan scanner) error {
		if found {
			return &Error{Doing: "read a row", Detail: "more than one"}
		}
		found = true
		return scan(dest...)
	})
	if err == nil && !found {
		return ErrNotFound
	}
	return err
}

// systemRows reads rows with a statement that has no tenant as $1.
func (tx *Tx) systemRows(query string, args []any, f func(scan scanner) error) error {
	if err := tx.before(query); err != nil {
		return err
	}
	rows, err := tx.conn.QueryContext(tx.ctx, query, args...)
	if err != nil {
		return tx.fail("run a query", err)
	}
	defer rows.Close()
	scan := func(dest ...any) error {
		if err := rows.Scan(dest...); err != nil {
			return tx.fail("read a row", scanFailure(err))
		}
		return nil
	}
	for rows.Next() {
		if err := f(scan); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return tx.fail("read rows", err)
	}
	if err := rows.Close(); err != nil {
		return tx.fail("end a query", err)
	}
	return nil
}

// before refuses to go on in a transaction that is lost already.
func (tx *Tx) before(query string) error {
	if tx.failed != nil {
		return tx.failed
	}
	if err := tx.db.fault(Point{Stage: StageStatement, Write: tx.mode.writes(), SQL: query}); err != nil {
		return tx.fail("run a statement", err)
	}
	return nil
}

func (tx *Tx) fail(doing string, err error) error {
	err = tx.db.failure(tx.ctx, doing, err)
	if tx.failed == nil {
		tx.failed = err
	}
	return err
}

// micros is how a time is stored; the zero time is NULL.
func micros(t time.Time) sql.NullInt64 {
	if t.IsZero() {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: true}
}

// moment is a stored time; NULL is the zero time.
func moment(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return time.UnixMicro(us.Int64).UTC()
}

// text is a nullable text; the empty one is NULL.
func text(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// flag is a stored boolean.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// notFoundAs turns "no row" into another error and keeps all else.
func notFoundAs(err, as error) error {
	if errors.Is(err, ErrNotFound) {
		return as
	}
	return err
}
