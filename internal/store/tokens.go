package store

import (
	"context"
	"time"
)

// Token lets a program act for a tenant. The token itself is kept nowhere.
type Token struct {
	ID               string
	Hash             string // SHA-256 of the token, unique over all tenants
	Name, Role       string
	Created, Expires time.Time // a zero Expires: never
	Revoked          time.Time
	Found            time.Time // by FindToken: when
}

const tokenColumns = "id, hash, name, role, created_at, expires_at, revoked_at"

func (t *Token) columns() []any {
	return []any{&t.ID, &t.Hash, &t.Name, &t.Role, stamp{&t.Created}, stamp{&t.Expires}, stamp{&t.Revoked}}
}

// InsertToken adds a token; it sets Created when that is zero. [ErrConflict], which
// does not spoil the transaction, when the id or the hash is taken.
func (tx *Tx) InsertToken(t *Token) error {
	if t.Created.IsZero() {
		t.Created = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO tokens (tenant_id, "+tokenColumns+") VALUES "+tuples(1, 7, 1)+" ON CONFLICT DO NOTHING",
		t.ID, t.Hash, t.Name, t.Role, micros(t.Created), micros(t.Expires), micros(t.Revoked)))
}

// Tokens lists all tokens of the tenant, also expired and revoked ones, in the
// order they were made.
func (tx *Tx) Tokens() ([]Token, error) {
	var all []Token
	err := tx.rows("SELECT "+tokenColumns+" FROM tokens WHERE tenant_id = $1 ORDER BY created_at, id", nil, func(scan scanner) error {
		var t Token
		err := scan(t.columns()...)
		all = append(all, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// RevokeToken ends a token; once more changes nothing. [ErrNotFound].
func (tx *Tx) RevokeToken(id string) error {
	return changedOne(tx.exec("UPDATE tokens SET revoked_at = COALESCE(revoked_at, $3) WHERE tenant_id = $1 AND id = $2", id, micros(tx.now)))
}

// FindToken finds the token with a hash, and whose it is, if it can be used now: it
// is neither revoked nor expired and its tenant lives. [ErrNotFound] otherwise.
func (s *System) FindToken(ctx context.Context, hash string) (tenant string, t Token, err error) {
	err = s.Read(ctx, func(tx *Tx) error {
		t.Found = tx.now
		return tx.systemRow("SELECT tenant_id, "+tokenColumns+" FROM tokens WHERE hash = $1 AND revoked_at IS NULL "+
			"AND (expires_at IS NULL OR expires_at > $2) AND "+living, []any{hash, tx.now.UnixMicro()}, append([]any{&tenant}, t.columns()...)...)
	})
	return tenant, t, err
}
