package store

import "time"

// States of a credential.
const (
	CredentialInitial = "initial" // given by somebody else: to be changed at first use
	CredentialPending = "pending" // begun, and not good for anything yet
	CredentialActive  = "active"
)

// Credential is what a user proves who they are with.
type Credential struct {
	ID      string
	User    string
	Kind    string // a user has one password at most
	State   string
	Lookup  string // MAC it is found by, unique for its kind; empty: by its user only
	Data    []byte // sealed
	Counter int64  // only grows
	Created time.Time
	Used    time.Time
}

const credentialColumns = "id, user_id, kind, state, COALESCE(lookup, ''), data, counter, created_at, used_at"

func (c *Credential) columns() []any {
	return []any{&c.ID, &c.User, &c.Kind, &c.State, &c.Lookup, &c.Data, &c.Counter, stamp{&c.Created}, stamp{&c.Used}}
}

// InsertCredential adds a credential; it sets Created when that is zero.
// [ErrConflict], which does not spoil the transaction, when there is one already.
func (tx *Tx) InsertCredential(c *Credential) error {
	if c.Created.IsZero() {
		c.Created = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO credentials (tenant_id, id, user_id, kind, state, lookup, data, counter, created_at, used_at) VALUES "+tuples(1, 9, 1)+
		" ON CONFLICT DO NOTHING", c.ID, c.User, c.Kind, c.State, text(c.Lookup), c.Data, c.Counter, micros(c.Created), micros(c.Used)))
}

// CredentialsOf lists the credentials of a user in the order they were made.
func (tx *Tx) CredentialsOf(user string) ([]Credential, error) {
	var all []Credential
	err := tx.rows("SELECT "+credentialColumns+" FROM credentials WHERE tenant_id = $1 AND user_id = $2 ORDER BY created_at, id", []any{user},
		func(scan scanner) error {
			var c Credential
			err := scan(c.columns()...)
			all = append(all, c)
			return err
		})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// CredentialByLookup finds the credential of a kind that a MAC stands for.
// [ErrNotFound].
func (tx *Tx) CredentialByLookup(kind, lookup string) (*Credential, error) {
	var c Credential
	err := tx.row("SELECT "+credentialColumns+" FROM credentials WHERE tenant_id = $1 AND kind = $2 AND lookup = $3", []any{kind, lookup}, c.columns()...)
	return &c, err
}

// SaveCredential writes State and Data of a credential. [ErrNotFound].
func (tx *Tx) SaveCredential(c *Credential) error {
	return changedOne(tx.exec("UPDATE credentials SET state = $3, data = $4 WHERE tenant_id = $1 AND id = $2", c.ID, c.State, c.Data))
}

// UseCredential notes that a credential was used, now, and moves its counter
// forward. [ErrConflict] when the counter is not below the new one: what was shown
// has been used before.
func (tx *Tx) UseCredential(id string, counter int64) error {
	return insertedOne(tx.exec("UPDATE credentials SET counter = $3, used_at = $4 WHERE tenant_id = $1 AND id = $2 AND counter < $3", id, counter, micros(tx.now)))
}

// DeleteCredential ends a credential of a user. [ErrNotFound].
func (tx *Tx) DeleteCredential(user, id string) error {
	return changedOne(tx.exec("DELETE FROM credentials WHERE tenant_id = $1 AND user_id = $2 AND id = $3", user, id))
}

// DeleteCredentials ends all credentials of a user, and tells how many.
func (tx *Tx) DeleteCredentials(user string) (int64, error) {
	return tx.exec("DELETE FROM credentials WHERE tenant_id = $1 AND user_id = $2", user)
}
