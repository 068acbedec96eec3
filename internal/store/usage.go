package store

import "time"

// Month is the name of a month, as in 2026-12.
func Month(t time.Time) string { return t.UTC().Format("2006-01") }

// MeterImport notes what an import brought, for the month in which it was created. It
// is noted once however often that is done, and outlives the import.
func (tx *Tx) MeterImport(im *Import) error {
	_, err := tx.exec("INSERT INTO usage_imports (tenant_id, import_id, month, site_id, instances, bytes) VALUES ($1, $2, $3, $4, $5, $6) "+
		"ON CONFLICT (tenant_id, import_id) DO UPDATE SET site_id = excluded.site_id, "+
		"instances = CASE WHEN excluded.instances > usage_imports.instances THEN excluded.instances ELSE usage_imports.instances END, "+
		"bytes = CASE WHEN excluded.bytes > usage_imports.bytes THEN excluded.bytes ELSE usage_imports.bytes END",
		im.ID, Month(im.Created), im.Site, im.Instances, im.Bytes)
	return err
}

// Usage is what one site used in one month.
type Usage struct {
	Month, Site               string
	Imports, Instances, Bytes int64
}

// Usage lists what was used from one month to another, both included, by month and
// site.
func (tx *Tx) Usage(from, to string) ([]Usage, error) {
	var all []Usage
	err := tx.rows("SELECT month, site_id, count(*), CAST(sum(instances) AS bigint), CAST(sum(bytes) AS bigint) FROM usage_imports "+
		"WHERE tenant_id = $1 AND month >= $2 AND month <= $3 GROUP BY month, site_id ORDER BY month, site_id", []any{from, to}, func(scan scanner) error {
		var u Usage
		err := scan(&u.Month, &u.Site, &u.Imports, &u.Instances, &u.Bytes)
		all = append(all, u)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// ActivePersons counts the people who did anything that the audit trail tells of, in a
// time whose end is not included.
func (tx *Tx) ActivePersons(from, until time.Time) (int64, error) {
	var n int64
	err := tx.row("SELECT count(DISTINCT actor) FROM audit_events WHERE tenant_id = $1 AND at >= $2 AND at < $3 AND session <> ''",
		[]any{micros(from), micros(until)}, &n)
	return n, err
}
