package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresEngine is a server that several nodes share.
type postgresEngine struct{ db *DB }

// ErrBypass: the role of the connection string is not held back by row-level
// security, the second wall between tenants.
var ErrBypass = errors.New("the database role is a superuser or has BYPASSRLS, which row-level security does not hold back; " +
	"create another one (CREATE ROLE lotse LOGIN NOSUPERUSER NOBYPASSRLS), let it own the database and connect as it")

// openPostgreSQL connects. The limits on the session end what a dead node left
// open: its locks would hold up the others.
func (db *DB) openPostgreSQL(ctx context.Context) error {
	config, err := db.parseDSN()
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"lock_timeout": "5s", "statement_timeout": "60s", "idle_in_transaction_session_timeout": "30s",
	} {
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = value
		}
	}
	db.engine = postgresEngine{db}
	pool := stdlib.OpenDB(*config)
	connections := db.config.Connections
	if connections <= 0 {
		connections = 16
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(time.Hour)
	db.writer, db.reader = pool, pool
	return db.refuseBypass(ctx)
}

func (db *DB) parseDSN() (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(db.config.DSN)
	if err != nil {
		// The text of pgx repeats parts of the string.
		return nil, errors.New("database: the connection string for PostgreSQL cannot be read")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	config.RuntimeParams["application_name"] = "lotse"
	config.RuntimeParams["timezone"] = "UTC"
	return config, nil
}

func (db *DB) refuseBypass(ctx context.Context) error {
	var bypasses bool
	err := db.reader.QueryRowContext(ctx,
		"SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user").Scan(&bypasses)
	if err != nil {
		return db.failure(ctx, "connect", err)
	}
	if bypasses {
		return fmt.Errorf("database: %w", ErrBypass)
	}
	return nil
}

// begin: a queueing transaction sees what was committed while it waited, as
// skipping locked rows needs it.
func (postgresEngine) begin(m mode) string {
	switch m {
	case writing:
		return "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"
	case queueing:
		return "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
	}
	return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
}

// enter tells row-level security whose transaction it is, until it ends.
func (postgresEngine) enter(ctx context.Context, tx *Tx) (time.Time, error) {
	var set string
	var now int64
	err := tx.conn.QueryRowContext(ctx,
		"SELECT set_config('lotse.tenant', $1, true), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
		tx.tenant).Scan(&set, &now)
	return time.UnixMicro(now), err
}

func (postgresEngine) lock() string { return " FOR UPDATE" }

// classify never repeats the server's detail, which quotes values; its message
// only where a statement is wrong (class 42).
func (postgresEngine) classify(err error) (Kind, string) {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		var network net.Error
		var connect *pgconn.ConnectError
		if errors.As(err, &network) || errors.As(err, &connect) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
			errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
			errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
			return Unavailable, "connection"
		}
		return Permanent, "driver"
	}
	detail := "SQLSTATE " + e.Code
	if e.ConstraintName != "" {
		detail += ", " + e.ConstraintName
	}
	switch {
	case e.Code == "23505":
		return Conflict, detail
	case e.Code == "40001", e.Code == "40P01", e.Code == "55P03", e.Code == "57014": // serialisation, deadlock, lock or statement time
		return Busy, detail
	case e.Code == "53100":
		return Full, detail
	case strings.HasPrefix(e.Code, "08"), strings.HasPrefix(e.Code, "53"), strings.HasPrefix(e.Code, "57P"),
		e.Code == "25006", e.Code == "25P03", e.Code == "58030": // read-only standby, idle too long, I/O
		return Unavailable, detail
	case strings.HasPrefix(e.Code, "42"):
		return Permanent, detail + ": " + e.Message
	}
	return Permanent, detail
}

// uncertain: only an answer of the server that refuses the commit is one.
func (postgresEngine) uncertain(err error) bool {
	var e *pgconn.PgError
	return !errors.As(err, &e) || strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "08")
}
