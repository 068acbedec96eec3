package store

import (
	"fmt"
	"slices"
)

// Segment is a range of a part that is a durable blob of its own.
type Segment struct {
	ID    string // of the blob
	Start int64  // offset in the part
	Size  int64  // of plaintext, more than 0
}

// AddSegments appends durable segments to a part. Their first Start must be the
// part's committed size, each further one the end of that before, and the part
// must not be complete: [ErrConflict] otherwise, which does not spoil the
// transaction. The part's Size grows; with the role came the import's Bytes as
// well, and its FirstByte is set with the first ones. When it expires is the
// caller's to save.
func (tx *Tx) AddSegments(importID string, part int, list []Segment) error {
	if len(list) == 0 {
		return nil
	}
	total, err := extent(list)
	if err != nil {
		return err
	}
	p, err := tx.Part(importID, part)
	if err != nil {
		return err
	}
	if p.Complete || p.Size != list[0].Start {
		return ErrConflict
	}
	if p.Role == RoleCame { // the import first: the order in which all lock
		_, err := tx.exec("UPDATE imports SET bytes = bytes + $3, first_byte_at = COALESCE(first_byte_at, $4) "+
			"WHERE tenant_id = $1 AND id = $2", importID, total, micros(tx.now))
		if err != nil {
			return err
		}
	}
	// Who appended since the part was read makes this transaction start over.
	_, err = tx.exec("UPDATE parts SET size = size + $4 WHERE tenant_id = $1 AND import_id = $2 AND number = $3", importID, part, total)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(list, batchRows) {
		args := []any{importID, part}
		for _, s := range batch {
			args = append(args, s.Start, s.Size, s.ID)
		}
		_, err := tx.exec("INSERT INTO segments (tenant_id, import_id, part, start, size, id) VALUES "+tuples(3, 3, len(batch)), args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// extent is the size of segments that follow each other without a gap.
func extent(list []Segment) (int64, error) {
	end := list[0].Start
	for i, s := range list {
		if s.Start != end || s.Size <= 0 || s.ID == "" {
			return 0, fmt.Errorf("segment %d of %d: %w", i+1, len(list), ErrConflict)
		}
		end += s.Size
	}
	return end - list[0].Start, nil
}

// Segments lists the segments of a part by their start.
func (tx *Tx) Segments(importID string, part int) ([]Segment, error) {
	return tx.segmentRows("SELECT id, start, size FROM segments WHERE tenant_id = $1 AND import_id = $2 AND part = $3 ORDER BY start",
		importID, part)
}

// AllSegments calls f with the segments of all parts of an import, in their order.
// f must not use the transaction.
func (tx *Tx) AllSegments(importID string, f func(part int, s Segment) error) error {
	return tx.rows("SELECT part, id, start, size FROM segments WHERE tenant_id = $1 AND import_id = $2 ORDER BY part, start", []any{importID},
		func(scan scanner) error {
			var part int
			var s Segment
			if err := scan(&part, &s.ID, &s.Start, &s.Size); err != nil {
				return err
			}
			return f(part, s)
		})
}

func (tx *Tx) segmentRows(query string, args ...any) ([]Segment, error) {
	var all []Segment
	err := tx.rows(query, args, func(scan scanner) error {
		var s Segment
		if err := scan(&s.ID, &s.Start, &s.Size); err != nil {
			return err
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// DropSegments takes a part back to size 0, not complete, and returns the segments
// it had, in no order. [ErrNotFound] when there is no such part.
func (tx *Tx) DropSegments(importID string, part int) ([]Segment, error) {
	p, err := tx.Part(importID, part)
	if err != nil {
		return nil, err
	}
	if p.Role == RoleCame {
		_, err := tx.exec("UPDATE imports SET bytes = bytes - $3 WHERE tenant_id = $1 AND id = $2", importID, p.Size)
		if err != nil {
			return nil, err
		}
	}
	if _, err := tx.exec("UPDATE parts SET size = 0, complete = 0 WHERE tenant_id = $1 AND import_id = $2 AND number = $3",
		importID, part); err != nil {
		return nil, err
	}
	return tx.segmentRows("DELETE FROM segments WHERE tenant_id = $1 AND import_id = $2 AND part = $3 RETURNING id, start, size",
		importID, part)
}

// SegmentIDs calls f with the id of every segment of an import, in no order; f must
// not use the transaction.
func (tx *Tx) SegmentIDs(importID string, f func(id string) error) error {
	return tx.rows("SELECT id FROM segments WHERE tenant_id = $1 AND import_id = $2", []any{importID}, func(scan scanner) error {
		var id string
		if err := scan(&id); err != nil {
			return err
		}
		return f(id)
	})
}
