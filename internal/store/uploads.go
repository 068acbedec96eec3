package store

import (
	"errors"
	"time"
)

// ErrLocked: another writer has the lease.
var ErrLocked = errors.New("another writer holds the lease")

// Upload is a resumable upload of one part by one writer at a time.
type Upload struct {
	ID, Import string
	Part       int
	Length     int64 // announced, in bytes
	Offset     int64 // committed: the size of the part
	Complete   bool  // as the part
	Leased     bool  // a writer holds it now
	Lease      int64 // token of the latest writer
	Created    time.Time
}

// InsertUpload adds an upload of a part that is there; it sets Created when that is
// zero. [ErrConflict], which does not spoil the transaction, when the id is taken
// or the part has an upload.
func (tx *Tx) InsertUpload(u *Upload) error {
	if u.Created.IsZero() {
		u.Created = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO uploads (tenant_id, id, import_id, part, length, created_at) VALUES ($1, $2, $3, $4, $5, $6) "+
		"ON CONFLICT DO NOTHING", u.ID, u.Import, u.Part, u.Length, micros(u.Created)))
}

// Upload reads an upload. [ErrNotFound].
func (tx *Tx) Upload(id string) (*Upload, error) {
	all, err := tx.uploadsWhere("u.id = $3", id)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, ErrNotFound
	}
	return &all[0], nil
}

// UploadsOf lists the uploads of an import by their parts.
func (tx *Tx) UploadsOf(importID string) ([]Upload, error) {
	return tx.uploadsWhere("u.import_id = $3 ORDER BY u.part", importID)
}

func (tx *Tx) uploadsWhere(where string, value string) ([]Upload, error) {
	var all []Upload
	err := tx.rows("SELECT u.id, u.import_id, u.part, u.length, p.size, p.complete, u.leased_until > $2, u.lease, u.created_at "+
		"FROM uploads u JOIN parts p ON p.tenant_id = u.tenant_id AND p.import_id = u.import_id AND p.number = u.part "+
		"WHERE u.tenant_id = $1 AND "+where, []any{tx.now.UnixMicro(), value}, func(scan scanner) error {
		var u Upload
		err := scan(&u.ID, &u.Import, &u.Part, &u.Length, &u.Offset, &u.Complete, &u.Leased, &u.Lease, stamp{&u.Created})
		all = append(all, u)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// LeaseUpload makes the caller the one writer of an upload for d and returns the
// token to show with each commit; tokens grow. [ErrLocked] while another has it,
// [ErrNotFound].
func (tx *Tx) LeaseUpload(id string, d time.Duration) (token int64, err error) {
	err = tx.row("UPDATE uploads SET lease = lease + 1, leased_until = $3 WHERE tenant_id = $1 AND id = $2 AND leased_until <= $4 RETURNING lease",
		[]any{id, tx.now.Add(d).UnixMicro(), tx.now.UnixMicro()}, &token)
	if !errors.Is(err, ErrNotFound) {
		return token, err
	}
	if _, err := tx.Upload(id); err != nil {
		return 0, err
	}
	return 0, ErrLocked
}

// RenewUpload lets a lease last d from now. [ErrLeaseLost] when it has ended.
func (tx *Tx) RenewUpload(id string, token int64, d time.Duration) error {
	n, err := tx.exec("UPDATE uploads SET leased_until = $4 WHERE tenant_id = $1 AND id = $2 AND lease = $3 AND leased_until > $5",
		id, token, tx.now.Add(d).UnixMicro(), tx.now.UnixMicro())
	return notFoundAs(changedOne(n, err), ErrLeaseLost)
}

// HoldUpload makes sure that a lease lasts and that nobody can take it before this
// transaction has ended: what the transaction commits is committed by the one
// writer, and who takes the lease then sees it. [ErrLeaseLost] when it has ended.
// Lock the import first where both are locked.
func (tx *Tx) HoldUpload(id string, token int64) error {
	n, err := tx.exec("UPDATE uploads SET lease = lease WHERE tenant_id = $1 AND id = $2 AND lease = $3 AND leased_until > $4",
		id, token, tx.now.UnixMicro())
	return notFoundAs(changedOne(n, err), ErrLeaseLost)
}

// ReleaseUpload ends a lease; one that has been lost is let be.
func (tx *Tx) ReleaseUpload(id string, token int64) error {
	_, err := tx.exec("UPDATE uploads SET leased_until = 0 WHERE tenant_id = $1 AND id = $2 AND lease = $3", id, token)
	return err
}

// DeleteUpload deletes an upload; what came stays as the part, see [Tx.DropPart].
// [ErrNotFound].
func (tx *Tx) DeleteUpload(id string) error {
	return changedOne(tx.exec("DELETE FROM uploads WHERE tenant_id = $1 AND id = $2", id))
}
