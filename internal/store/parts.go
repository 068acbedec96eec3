package store

import "time"

// Roles of parts.
const (
	RoleCame    = "came"    // came from outside, counted in the import's Parts and Bytes
	RoleDerived = "derived" // made by a stage
)

// Part is one byte stream of an import.
type Part struct {
	Import    string
	Number    int    // from 1
	Role, Key string // the key says within the import which part it is
	Size      int64  // committed, in bytes; kept by AddSegments, not by SavePart
	Declared  int64  // as announced, -1 unknown
	Complete  bool   // nothing can be added any more
	About     []byte // sealed
	Created   time.Time
}

const partColumns = "import_id, number, role, key, size, declared, complete, about, created_at"

func scanPart(scan scanner) (Part, error) {
	var p Part
	err := scan(&p.Import, &p.Number, &p.Role, &p.Key, &p.Size, &p.Declared, &p.Complete, &p.About, stamp{&p.Created})
	return p, err
}

// InsertPart adds a part of size 0 under the next free number of its import, which
// the caller has locked. It sets Number, Size, and Created when that is zero.
// [ErrConflict], which does not spoil the transaction, when the key is taken.
func (tx *Tx) InsertPart(p *Part) error {
	p.Size = 0
	if p.Created.IsZero() {
		p.Created = tx.now
	}
	err := tx.row("INSERT INTO parts (tenant_id, import_id, number, role, key, declared, complete, about, created_at) VALUES ($1, $2, "+
		"(SELECT COALESCE(MAX(number), 0) + 1 FROM parts WHERE tenant_id = $1 AND import_id = $2), $3, $4, $5, $6, $7, $8) "+
		"ON CONFLICT DO NOTHING RETURNING number",
		[]any{p.Import, p.Role, p.Key, p.Declared, flag(p.Complete), blob(p.About), micros(p.Created)}, &p.Number)
	if err != nil {
		return notFoundAs(err, ErrConflict)
	}
	if p.Role != RoleCame {
		return nil
	}
	return changedOne(tx.exec("UPDATE imports SET parts = parts + 1 WHERE tenant_id = $1 AND id = $2", p.Import))
}

// Part reads a part. [ErrNotFound].
func (tx *Tx) Part(importID string, number int) (*Part, error) {
	return onePart(tx.partRows(selectParts+"import_id = $2 AND number = $3", importID, number))
}

// PartByKey reads the part of an import that has a key. [ErrNotFound].
func (tx *Tx) PartByKey(importID, key string) (*Part, error) {
	return onePart(tx.partRows(selectParts+"import_id = $2 AND key = $3", importID, key))
}

// LockPart is [Tx.Part] for a change: the row is locked until the transaction
// ends. Lock the import first where both are locked.
func (tx *Tx) LockPart(importID string, number int) (*Part, error) {
	return onePart(tx.partRows("UPDATE parts SET size = size WHERE tenant_id = $1 AND import_id = $2 AND number = $3 RETURNING "+partColumns,
		importID, number))
}

func onePart(parts []Part, err error) (*Part, error) {
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, ErrNotFound
	}
	return &parts[0], nil
}

const selectParts = "SELECT " + partColumns + " FROM parts WHERE tenant_id = $1 AND "

func (tx *Tx) partRows(query string, args ...any) ([]Part, error) {
	var all []Part
	err := tx.rows(query, args, func(scan scanner) error {
		p, err := scanPart(scan)
		all = append(all, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// SavePart writes Declared, Complete and About of a part and brings its Size up to
// date. [ErrNotFound].
func (tx *Tx) SavePart(p *Part) error {
	return tx.row("UPDATE parts SET declared = $4, complete = $5, about = $6 WHERE tenant_id = $1 AND import_id = $2 AND number = $3 "+
		"RETURNING size", []any{p.Import, p.Number, p.Declared, flag(p.Complete), blob(p.About)}, &p.Size)
}

// Parts lists the parts of an import by number; an empty role means all.
func (tx *Tx) Parts(importID, role string) ([]Part, error) {
	if role == "" {
		return tx.partRows(selectParts+"import_id = $2 ORDER BY number", importID)
	}
	return tx.partRows(selectParts+"import_id = $2 AND role = $3 ORDER BY number", importID, role)
}

// DropPart deletes one part with its segments, which it returns, and its upload.
// [ErrNotFound].
func (tx *Tx) DropPart(importID string, number int) ([]Segment, error) {
	p, err := tx.Part(importID, number)
	if err != nil {
		return nil, err
	}
	dropped, err := tx.DropSegments(importID, number)
	if err != nil {
		return nil, err
	}
	if p.Role == RoleCame {
		if _, err := tx.exec("UPDATE imports SET parts = parts - 1 WHERE tenant_id = $1 AND id = $2", importID); err != nil {
			return nil, err
		}
	}
	if _, err := tx.exec("DELETE FROM uploads WHERE tenant_id = $1 AND import_id = $2 AND part = $3", importID, number); err != nil {
		return nil, err
	}
	_, err = tx.exec("DELETE FROM parts WHERE tenant_id = $1 AND import_id = $2 AND number = $3", importID, number)
	return dropped, err
}

// DeleteParts deletes all parts, segments and uploads of an import. Its counters
// stay: they say what once came in.
func (tx *Tx) DeleteParts(importID string) error {
	for _, query := range []string{
		"DELETE FROM uploads WHERE tenant_id = $1 AND import_id = $2",
		"DELETE FROM segments WHERE tenant_id = $1 AND import_id = $2",
		"DELETE FROM parts WHERE tenant_id = $1 AND import_id = $2",
	} {
		if _, err := tx.exec(query, importID); err != nil {
			return err
		}
	}
	return nil
}
