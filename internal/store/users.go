package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// States of a user.
const (
	UserActive  = "active"
	UserBlocked = "blocked"
	UserDeleted = "deleted"
)

// User is the account of a person.
type User struct {
	ID      string
	Login   string // MAC of the login name as it is compared, unique; empty once deleted
	Profile []byte // sealed; nil once deleted
	Roles   []string
	Sites   []string // ids; empty: all
	State   string
	Version int64 // from 1, grows with every change that a person makes
	Terms   int64 // version of the terms of use that were accepted; 0: none
	TermsAt time.Time
	Entered time.Time // when the person last got in
	Created time.Time
}

const userColumns = "id, COALESCE(login, ''), profile, roles, sites, state, version, terms, terms_at, entered_at, created_at"

func (u *User) columns() []any {
	return []any{&u.ID, &u.Login, &u.Profile, listed{&u.Roles}, listed{&u.Sites}, &u.State, &u.Version, &u.Terms, stamp{&u.TermsAt}, stamp{&u.Entered}, stamp{&u.Created}}
}

// listed scans a list that is stored as JSON.
type listed struct{ to *[]string }

// Scan implements sql.Scanner.
func (l listed) Scan(value any) error {
	*l.to = nil
	switch raw := value.(type) {
	case string:
		return json.Unmarshal([]byte(raw), l.to)
	case []byte:
		return json.Unmarshal(raw, l.to)
	}
	return fmt.Errorf("a list stored as %T", value)
}

// list is a list as it is stored.
func list(all []string) string {
	if len(all) == 0 {
		return "[]"
	}
	text, _ := json.Marshal(all) // texts can always be written
	return string(text)
}

// InsertUser adds a user with version 1; it sets Created when that is zero.
// [ErrConflict], which does not spoil the transaction, when the id or the login is
// taken.
func (tx *Tx) InsertUser(u *User) error {
	u.Version = 1
	if u.Created.IsZero() {
		u.Created = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO users (tenant_id, id, login, profile, roles, sites, state, version, terms, terms_at, entered_at, created_at) VALUES "+
		tuples(1, 11, 1)+" ON CONFLICT DO NOTHING", u.ID, text(u.Login), blob(u.Profile), list(u.Roles), list(u.Sites), u.State, u.Version,
		u.Terms, micros(u.TermsAt), micros(u.Entered), micros(u.Created)))
}

// User reads a user, also a deleted one. [ErrNotFound].
func (tx *Tx) User(id string) (*User, error) { return tx.oneUser("id = $2", id) }

// UserByLogin finds the user with the MAC of a login name. [ErrNotFound].
func (tx *Tx) UserByLogin(login string) (*User, error) { return tx.oneUser("login = $2", login) }

func (tx *Tx) oneUser(where string, arg any) (*User, error) {
	var u User
	err := tx.row("SELECT "+userColumns+" FROM users WHERE tenant_id = $1 AND "+where, []any{arg}, u.columns()...)
	return &u, err
}

// Users lists the users in the order they were made, deleted ones too.
func (tx *Tx) Users() ([]User, error) {
	return tx.manyUsers("SELECT " + userColumns + " FROM users WHERE tenant_id = $1 ORDER BY created_at, id")
}

// LockUsers is [Tx.Users] without those deleted, in no order, and keeps other
// transactions from changing any until this one ends: what is to hold of all of
// them together is decided under it.
func (tx *Tx) LockUsers() ([]User, error) {
	return tx.manyUsers("UPDATE users SET version = version WHERE tenant_id = $1 AND state <> 'deleted' RETURNING " + userColumns)
}

func (tx *Tx) manyUsers(query string) ([]User, error) {
	var all []User
	err := tx.rows(query, nil, func(scan scanner) error {
		var u User
		err := scan(u.columns()...)
		all = append(all, u)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// SaveUser writes everything of a user that still has the version u has, which
// grows by one then. [ErrStale], [ErrNotFound]; [ErrConflict] when the login is
// taken, which ends the transaction.
func (tx *Tx) SaveUser(u *User) error {
	n, err := tx.exec("UPDATE users SET login = $4, profile = $5, roles = $6, sites = $7, state = $8, version = version + 1 "+
		"WHERE tenant_id = $1 AND id = $2 AND version = $3", u.ID, u.Version, text(u.Login), blob(u.Profile), list(u.Roles), list(u.Sites), u.State)
	if errors.Is(changedOne(n, err), ErrNotFound) {
		return tx.staleOr("SELECT 1 FROM users WHERE tenant_id = $1 AND id = $2", u.ID)
	}
	if err == nil {
		u.Version++
	}
	return err
}

// AcceptTerms notes which version of the terms of use a user accepted, now.
// [ErrNotFound].
func (tx *Tx) AcceptTerms(user string, version int64) error {
	return changedOne(tx.exec("UPDATE users SET terms = $3, terms_at = $4 WHERE tenant_id = $1 AND id = $2", user, version, micros(tx.now)))
}

// EnteredUser notes that a user got in, now, from a network that a MAC stands for.
// [ErrNotFound].
func (tx *Tx) EnteredUser(user, network string) error {
	_, err := tx.exec("INSERT INTO networks (tenant_id, user_id, network, first_at, last_at) VALUES ($1, $2, $3, $4, $4) "+
		"ON CONFLICT (tenant_id, user_id, network) DO UPDATE SET last_at = excluded.last_at", user, network, micros(tx.now))
	if err != nil {
		return err
	}
	return changedOne(tx.exec("UPDATE users SET entered_at = $3 WHERE tenant_id = $1 AND id = $2", user, micros(tx.now)))
}

// KnownNetwork reports whether a user got in from a network before.
func (tx *Tx) KnownNetwork(user, network string) (bool, error) {
	n := 0
	err := tx.row("SELECT count(*) FROM networks WHERE tenant_id = $1 AND user_id = $2 AND network = $3", []any{user, network}, &n)
	return n > 0, err
}

// ForgetNetworks forgets where a user got in from.
func (tx *Tx) ForgetNetworks(user string) error {
	_, err := tx.exec("DELETE FROM networks WHERE tenant_id = $1 AND user_id = $2", user)
	return err
}
