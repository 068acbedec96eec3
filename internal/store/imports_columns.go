package store

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrStale: the row was changed since it was read.
var ErrStale = errors.New("changed in the meantime")

// Ref names a row of some tenant.
type Ref struct{ Tenant, ID string }

// refs reads rows of tenant and id across tenants.
func (tx *Tx) refs(query string, args ...any) ([]Ref, error) {
	var all []Ref
	err := tx.systemRows(query, args, func(scan scanner) error {
		var r Ref
		if err := scan(&r.Tenant, &r.ID); err != nil {
			return err
		}
		all = append(all, r)
		return nil
	})
	return all, err
}

// stamp scans a stored time; NULL is the zero time.
type stamp struct{ to *time.Time }

// Scan implements sql.Scanner.
func (s stamp) Scan(value any) error {
	switch us := value.(type) {
	case nil:
		*s.to = time.Time{}
	case int64:
		*s.to = time.UnixMicro(us).UTC()
	default:
		return fmt.Errorf("a time stored as %T", value)
	}
	return nil
}

// blob is a nullable column of bytes; nil is NULL.
func blob(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// tuples is "($2, $3), ($4, $5)" for n rows of so many columns, each row beginning
// with the fixed parameters 1 … fixed.
func tuples(fixed, columns, n int) string {
	var b strings.Builder
	next := fixed
	for row := range n {
		if row > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for i := range fixed + columns {
			if i > 0 {
				b.WriteString(", ")
			}
			if i < fixed {
				b.WriteString("$" + strconv.Itoa(i+1))
				continue
			}
			next++
			b.WriteString("$" + strconv.Itoa(next))
		}
		b.WriteByte(')')
	}
	return b.String()
}

// batchRows is how many rows one statement inserts.
const batchRows = 100

// changedOne judges an update of one row.
func changedOne(n int64, err error) error {
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// insertedOne judges an insert that lets a taken key be.
func insertedOne(n int64, err error) error {
	if err == nil && n == 0 {
		return ErrConflict
	}
	return err
}
