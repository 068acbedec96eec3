package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pressly/goose/v3"
)

var (
	// ErrNotEmpty: there are rows where none may be.
	ErrNotEmpty = errors.New("the database is not empty")
	// ErrNewer: the schema is of a newer program than this one.
	ErrNewer = errors.New("the schema is newer than this program")
	// ErrUnsettled: a restore has begun and not ended.
	ErrUnsettled = errors.New("a restore into this database was not finished; begin again with an empty database")
)

// unsettled is what the installation remembers from [DB.Refill] until [System.Settle].
const unsettled = "restore.unsettled"

// Empty reports whether no table of the product has a row.
func (db *DB) Empty(ctx context.Context) (bool, error) {
	empty := true
	err := db.System().Read(ctx, func(tx *Tx) (err error) {
		empty, err = tx.empty()
		return err
	})
	return empty, err
}

func (tx *Tx) empty() (bool, error) {
	catalog := "SELECT name FROM sqlite_schema WHERE type = 'table'"
	if tx.db.config.Engine == PostgreSQL {
		catalog = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
	}
	var present []string
	err := tx.systemRows(catalog, nil, func(scan scanner) error {
		var name string
		err := scan(&name)
		present = append(present, name)
		return err
	})
	if err != nil {
		return false, err
	}
	for _, table := range exportedTables() {
		if !slices.Contains(present, table) {
			continue
		}
		var n int64
		if err := tx.systemRow("SELECT count(*) FROM (SELECT 1 FROM "+table+" LIMIT 1) AS first_row", nil, &n); err != nil || n > 0 {
			return false, err
		}
	}
	return true, nil
}

// Refill fills an empty database with exported rows: at the schema they have, all
// of them or none; then it brings the schema up to date. rows gives them to put in
// the order of [System.Export]; it may be run several times. From then on
// [System.Settled] fails until [System.Settle] has finished the work. [ErrNotEmpty],
// [ErrNewer].
func (db *DB) Refill(ctx context.Context, schema int64, rows func(put func(Row) error) error) error {
	state, err := db.Status(ctx)
	switch {
	case err != nil:
		return err
	case schema > state.Latest:
		return ErrNewer
	case state.Version > schema: // what its migrations would have changed in the rows would be left out
		return fmt.Errorf("%w: its schema is newer than the rows", ErrNotEmpty)
	}
	err = db.migrating(ctx, func(p *goose.Provider) error {
		_, err := p.UpTo(ctx, schema)
		return err
	})
	if err != nil {
		return err
	}
	err = db.System().Write(ctx, func(tx *Tx) error {
		if err := tx.unhurried(); err != nil {
			return err
		}
		empty, err := tx.empty()
		if err == nil && !empty {
			err = ErrNotEmpty
		}
		if err != nil {
			return err
		}
		into := refill{tx: tx}
		if err := rows(into.put); err != nil {
			return err
		}
		if err := into.flush(); err != nil {
			return err
		}
		return tx.remember(unsettled, "yes")
	})
	if err != nil {
		return err
	}
	_, err = db.Migrate(ctx)
	return err
}

// remember is [System.SetInstallation] in a transaction of the system.
func (tx *Tx) remember(name, value string) error {
	_, err := tx.systemExec("INSERT INTO installation (tenant_id, name, value) VALUES ('*', $1, $2) "+
		"ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value", name, value)
	return err
}

// refill inserts rows, many with one statement.
type refill struct {
	tx      *Tx
	table   string
	columns []string
	values  []any
	rows    int
}

func (r *refill) put(row Row) error {
	if len(row.Values) != len(row.Columns) || len(row.Columns) == 0 {
		return errors.New("refill the database: a row has not as many values as columns")
	}
	if row.Table != r.table || !slices.Equal(row.Columns, r.columns) || r.rows == batchRows {
		if err := r.flush(); err != nil {
			return err
		}
		if !slices.Contains(exportedTables(), row.Table) || slices.ContainsFunc(row.Columns, odd) {
			return errors.New("refill the database: no such table or column")
		}
		r.table, r.columns = row.Table, slices.Clone(row.Columns)
	}
	r.values = append(r.values, row.Values...)
	r.rows++
	return nil
}

// odd reports what is not the name of a column.
func odd(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && c != '_' {
			return true
		}
	}
	return name == ""
}

func (r *refill) flush() error {
	if r.rows == 0 {
		return nil
	}
	names := ""
	for i, c := range r.columns {
		if i > 0 {
			names += ", "
		}
		names += c
	}
	_, err := r.tx.systemExec("INSERT INTO "+r.table+" ("+names+") VALUES "+tuples(0, len(r.columns), r.rows), r.values...)
	r.values, r.rows = r.values[:0], 0
	return err
}
