package store

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Row is a row of some table as it is exported, the same on both engines.
type Row struct {
	Table   string
	Columns []string // the same for all rows of a table
	Values  []any    // nil, int64, string or []byte, for each column
}

// Exported says of what an export is.
type Exported struct {
	Schema int64     // version of the database
	At     time.Time // by the database's clock
}

// exportedTables are all tables with rows of the product, each after those it
// refers to.
func exportedTables() []string {
	return slices.Concat([]string{"tenants"}, Tables(), []string{"schedules", "installation"})
}

// Export gives the rows of all tables and tenants as they were at one time, while
// others go on reading and writing. They come table by table, each after those it
// refers to, and in a table by its first two columns; those of segments therefore
// import by import. f must not keep the row. It is never run again: what was given
// when an error is returned is to be thrown away.
func (s *System) Export(ctx context.Context, f func(Row) error) (Exported, error) {
	var of Exported
	err := s.db.once(ctx, everyone, reading, func(tx *Tx) error {
		if err := tx.unhurried(); err != nil {
			return err
		}
		of.At = tx.now
		if err := tx.systemRow("SELECT max(version_id) FROM goose_db_version WHERE is_applied", nil, &of.Schema); err != nil {
			return err
		}
		for _, table := range exportedTables() {
			if err := tx.exportTable(table, f); err != nil {
				return err
			}
		}
		return nil
	})
	return of, err
}

// unhurried lifts the limits on the time that statements of the transaction take:
// it goes through everything.
func (tx *Tx) unhurried() error {
	if tx.db.config.Engine != PostgreSQL {
		return nil
	}
	_, err := tx.systemExec("SET LOCAL statement_timeout = 0")
	if err == nil {
		_, err = tx.systemExec("SET LOCAL idle_in_transaction_session_timeout = 0")
	}
	return err
}

func (tx *Tx) exportTable(table string, f func(Row) error) error {
	query := "SELECT * FROM " + table + " ORDER BY 1, 2" // #nosec G202 -- one of exportedTables
	if err := tx.before(query); err != nil {
		return err
	}
	rows, err := tx.conn.QueryContext(tx.ctx, query)
	if err != nil {
		return tx.fail("export a table", err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return tx.fail("export a table", err)
	}
	row := Row{Table: table, Columns: columns, Values: make([]any, len(columns))}
	dest := make([]any, len(columns))
	for i := range dest {
		dest[i] = &row.Values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return tx.fail("export a row", scanFailure(err))
		}
		if err := plainValues(row.Values); err != nil {
			return err
		}
		if err := f(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return tx.fail("export rows", err)
	}
	return nil
}

// plainValues makes sure that there is nothing but what [Row] says.
func plainValues(values []any) error {
	for i, v := range values {
		switch v := v.(type) {
		case nil, int64, string, []byte:
		case int32:
			values[i] = int64(v)
		default:
			return errors.New("export a row: a column of a type that no table has")
		}
	}
	return nil
}
