package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	busyBudget   = 10 * time.Second // how long a transaction that collides starts over
	lostAttempts = 3                // how often one starts over whose connection broke
	commitTime   = 10 * time.Second // for COMMIT and ROLLBACK, which no context cuts short
)

// mode is the kind of a transaction.
type mode int

const (
	reading  mode = iota
	writing       // changes rows that it may have read before
	queueing      // changes rows it locks first and skips the ones others hold
)

func (m mode) writes() bool { return m != reading }

// Tenant reaches the rows of one tenant.
type Tenant struct {
	db    *DB
	id    string
	sites []string
}

// Tenant gives the way to the rows of a tenant. Whether it exists shows in its
// transactions, which answer [ErrNoTenant] otherwise.
func (db *DB) Tenant(id string) *Tenant { return &Tenant{db: db, id: id} }

// Within is the way of somebody who reaches the imports of some sites only: those of
// other sites are not there, whichever method is asked for them; those of no site are.
// No sites: no such bounds.
func (t *Tenant) Within(sites []string) *Tenant { return &Tenant{db: t.db, id: t.id, sites: sites} }

// bounded lets f see no further than Within says.
func (t *Tenant) bounded(f func(tx *Tx) error) func(tx *Tx) error {
	return func(tx *Tx) error {
		tx.sites = t.sites
		return f(tx)
	}
}

// ID is the tenant's id.
func (t *Tenant) ID() string { return t.id }

// Write runs f in a transaction that commits when f returns nil. It may run f
// several times; see the package's text.
func (t *Tenant) Write(ctx context.Context, f func(tx *Tx) error) error {
	if !validTenant(t.id) {
		return ErrNoTenant
	}
	return t.db.transact(ctx, t.id, writing, t.bounded(f))
}

// Read runs f on one consistent state of the database; it cannot change anything.
func (t *Tenant) Read(ctx context.Context, f func(tx *Tx) error) error {
	if !validTenant(t.id) {
		return ErrNoTenant
	}
	return t.db.transact(ctx, t.id, reading, t.bounded(f))
}

// System does what crosses tenants.
type System struct{ db *DB }

// System gives the way to what crosses tenants.
func (db *DB) System() *System { return &System{db: db} }

// Write is [Tenant.Write] for the system.
func (s *System) Write(ctx context.Context, f func(tx *Tx) error) error {
	return s.db.transact(ctx, everyone, writing, f)
}

// Read is [Tenant.Read] for the system.
func (s *System) Read(ctx context.Context, f func(tx *Tx) error) error {
	return s.db.transact(ctx, everyone, reading, f)
}

// WriteAs is [Tenant.Write] for the tenant a job belongs to; an empty one is the
// system itself.
func (s *System) WriteAs(ctx context.Context, tenant string, f func(tx *Tx) error) error {
	if tenant == "" {
		return s.Write(ctx, f)
	}
	return s.db.Tenant(tenant).Write(ctx, f)
}

// transact runs f until it commits or fails for good.
func (db *DB) transact(ctx context.Context, tenant string, m mode, f func(*Tx) error) error {
	db.prepareSealing(ctx, tenant, m)
	started := time.Now()
	for attempt := 0; ; attempt++ {
		err := db.once(ctx, tenant, m, f)
		if err == nil || !again(err, attempt, time.Since(started)) {
			return err
		}
		if !pause(ctx, attempt) {
			return err
		}
	}
}

// again reports whether a transaction that failed so is run once more.
func again(err error, attempt int, elapsed time.Duration) bool {
	var e *Error
	if !errors.As(err, &e) || e.ended != nil {
		return false
	}
	switch e.Kind {
	case Busy:
		return elapsed < busyBudget
	case Unavailable:
		return attempt+1 < lostAttempts
	}
	return false
}

// pause waits a random time that grows with the attempts, up to 200 ms. It reports
// false when the context ended first.
func pause(ctx context.Context, attempt int) bool {
	limit := min(2*time.Millisecond<<min(attempt, 10), 200*time.Millisecond)
	timer := time.NewTimer(rand.N(limit) + time.Millisecond/2) //nolint:gosec // spreads load, hides nothing
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// once runs f in one transaction.
func (db *DB) once(ctx context.Context, tenant string, m mode, f func(*Tx) error) (err error) {
	tx, err := db.beginTx(ctx, tenant, m)
	if err != nil {
		return err
	}
	open := true
	defer func() { // also when f panics
		if open {
			tx.rollback()
		}
		_ = tx.conn.Close() // gives it back to the pool
	}()
	err = f(tx)
	if tx.failed != nil && !errors.Is(err, tx.failed) {
		err = tx.failed
	}
	if err == nil && ctx.Err() != nil {
		err = &Error{Doing: "commit", ended: ctx.Err()}
	}
	if err == nil {
		err = db.fault(Point{Stage: StageCommit, Write: m.writes()})
	}
	if err != nil {
		return err
	}
	open = false
	if err := tx.commit(); err != nil {
		return err
	}
	if tx.queued {
		db.signal()
	}
	return nil
}

// beginTx takes a connection and begins.
func (db *DB) beginTx(ctx context.Context, tenant string, m mode) (*Tx, error) {
	if db.closed.Load() {
		return nil, ErrClosed
	}
	if err := db.fault(Point{Stage: StageBegin, Write: m.writes()}); err != nil {
		return nil, err
	}
	pool := db.reader
	if m.writes() {
		pool = db.writer
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, db.failure(ctx, "connect", err)
	}
	tx := &Tx{db: db, conn: conn, ctx: ctx, tenant: tenant, mode: m}
	if err := tx.enter(); err != nil {
		tx.rollback()
		_ = conn.Close()
		return nil, err
	}
	return tx, nil
}

// enter begins the transaction and makes sure that the tenant is there.
func (tx *Tx) enter() error {
	if _, err := tx.conn.ExecContext(tx.ctx, tx.db.engine.begin(tx.mode)); err != nil {
		return tx.fail("begin", err)
	}
	now, err := tx.db.engine.enter(tx.ctx, tx)
	if err != nil {
		return tx.fail("begin", err)
	}
	tx.now = now.Add(tx.db.shift()).UTC().Truncate(time.Microsecond)
	tx.db.ahead.Store(int64(time.Until(tx.now)))
	if tx.tenant == everyone {
		return nil
	}
	var destroyed sql.NullInt64
	err = tx.conn.QueryRowContext(tx.ctx, "SELECT destroyed_at FROM tenants WHERE id = $1", tx.tenant).Scan(&destroyed)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && destroyed.Valid:
		return ErrNoTenant
	case err != nil:
		return tx.fail("find the tenant", err)
	}
	return nil
}

// commit ends the transaction. The caller's context does not cut it short.
func (tx *Tx) commit() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tx.ctx), commitTime)
	defer cancel()
	_, err := tx.conn.ExecContext(ctx, "COMMIT")
	if err == nil {
		if tx.db.fault(Point{Stage: StageCommitted, Write: tx.mode.writes()}) != nil {
			return &Error{Doing: "commit", Kind: Unknown}
		}
		return nil
	}
	tx.rollback()
	if tx.mode.writes() && tx.db.engine.uncertain(err) {
		_, detail := tx.db.engine.classify(err)
		return &Error{Doing: "commit", Kind: Unknown, Detail: detail}
	}
	return tx.db.failure(ctx, "commit", err)
}

// rollback ends the transaction without a trace. A connection that cannot do that
// is thrown away, which does it as well.
func (tx *Tx) rollback() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tx.ctx), commitTime)
	defer cancel()
	if _, err := tx.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = tx.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
