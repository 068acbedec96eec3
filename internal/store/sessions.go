package store

import (
	"context"
	"time"
)

// Session is a person at one client. The secret it is known by is kept nowhere.
type Session struct {
	ID        string
	User      string
	Hash      string // SHA-256 of the secret, unique over all tenants
	Step      string // what comes next
	Methods   []string
	Created   time.Time
	Proved    time.Time // when the person last proved who they are
	Used      time.Time
	Idle      time.Time // it ends then unless it is used
	Ends      time.Time // it ends then
	Network   string    // MAC of the network it was last used from
	NetworkAt time.Time // since when
	CameFrom  string    // MAC of the network before that
	Origin    []byte    // sealed
}

const sessionColumns = "id, user_id, hash, step, methods, created_at, proved_at, used_at, idle_at, ends_at, network, network_at, came_from, origin"

func (s *Session) columns() []any {
	return []any{&s.ID, &s.User, &s.Hash, &s.Step, listed{&s.Methods}, stamp{&s.Created}, stamp{&s.Proved}, stamp{&s.Used}, stamp{&s.Idle}, stamp{&s.Ends},
		&s.Network, stamp{&s.NetworkAt}, &s.CameFrom, &s.Origin}
}

// InsertSession adds a session; it sets Created when that is zero.
func (tx *Tx) InsertSession(s *Session) error {
	if s.Created.IsZero() {
		s.Created = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO sessions (tenant_id, "+sessionColumns+") VALUES "+tuples(1, 14, 1)+" ON CONFLICT DO NOTHING",
		s.ID, s.User, s.Hash, s.Step, list(s.Methods), micros(s.Created), micros(s.Proved), micros(s.Used), micros(s.Idle), micros(s.Ends),
		s.Network, micros(s.NetworkAt), s.CameFrom, blob(s.Origin)))
}

// Session reads a session of the tenant, also one that has ended by time.
// [ErrNotFound].
func (tx *Tx) Session(id string) (*Session, error) {
	var s Session
	err := tx.row("SELECT "+sessionColumns+" FROM sessions WHERE tenant_id = $1 AND id = $2", []any{id}, s.columns()...)
	return &s, err
}

// SessionsOf lists the sessions of a user that last, oldest first.
func (tx *Tx) SessionsOf(user string) ([]Session, error) {
	var all []Session
	err := tx.rows("SELECT "+sessionColumns+" FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND idle_at > $3 AND ends_at > $3 ORDER BY created_at, id",
		[]any{user, tx.now.UnixMicro()}, func(scan scanner) error {
			var s Session
			err := scan(s.columns()...)
			all = append(all, s)
			return err
		})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// SaveSession writes what changes of a session: hash, step, methods and times.
// [ErrNotFound] when it has ended meanwhile.
func (tx *Tx) SaveSession(s *Session) error {
	return changedOne(tx.exec("UPDATE sessions SET hash = $3, step = $4, methods = $5, proved_at = $6, used_at = $7, idle_at = $8, ends_at = $9, network = $10, "+
		"network_at = $11, came_from = $12, origin = $13 WHERE tenant_id = $1 AND id = $2", s.ID, s.Hash, s.Step, list(s.Methods), micros(s.Proved), micros(s.Used), micros(s.Idle),
		micros(s.Ends), s.Network, micros(s.NetworkAt), s.CameFrom, blob(s.Origin)))
}

// TouchSession notes that a session is used, now, and lets it idle until then.
// [ErrNotFound] when it has ended meanwhile.
func (tx *Tx) TouchSession(id string, idle time.Time) error {
	return changedOne(tx.exec("UPDATE sessions SET used_at = $3, idle_at = $4 WHERE tenant_id = $1 AND id = $2", id, micros(tx.now), micros(idle)))
}

// EndSession ends a session of a user. [ErrNotFound].
func (tx *Tx) EndSession(user, id string) error {
	return changedOne(tx.exec("DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND id = $3", user, id))
}

// EndSessions ends all sessions of a user but one (empty: all), and tells how many.
func (tx *Tx) EndSessions(user, but string) (int64, error) {
	return tx.exec("DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND id <> $3", user, but)
}

// DropSessions forgets the tenant's sessions that have ended by time.
func (tx *Tx) DropSessions() error {
	_, err := tx.exec("DELETE FROM sessions WHERE tenant_id = $1 AND (idle_at <= $2 OR ends_at <= $2)", tx.now.UnixMicro())
	return err
}

// FoundSession is a session that lasts, with whose it is.
type FoundSession struct {
	Tenant  string
	Session Session
	User    User
	All     time.Time // the user may reach all sites until then; zero: those of the user
	Now     time.Time // by the database's clock
}

// FindSession finds the session with a hash, if it lasts, its tenant lives and its
// user is active. [ErrNotFound] otherwise.
func (s *System) FindSession(ctx context.Context, hash string) (*FoundSession, error) {
	var f FoundSession
	err := s.Read(ctx, func(tx *Tx) error {
		f = FoundSession{Now: tx.now}
		err := tx.systemRow("SELECT tenant_id, "+sessionColumns+" FROM sessions WHERE hash = $1 AND idle_at > $2 AND ends_at > $2 AND "+living,
			[]any{hash, tx.now.UnixMicro()}, append([]any{&f.Tenant}, f.Session.columns()...)...)
		if err != nil {
			return err
		}
		err = tx.systemRow("SELECT "+userColumns+" FROM users WHERE tenant_id = $1 AND id = $2 AND state = 'active'", []any{f.Tenant, f.Session.User}, f.User.columns()...)
		if err != nil {
			return err
		}
		if err != nil {
			return err
		}
		return tx.systemRow("SELECT max(ends_at) FROM elevations WHERE tenant_id = $1 AND user_id = $2 AND ends_at > $3",
			[]any{f.Tenant, f.User.ID, tx.now.UnixMicro()}, stamp{&f.All})
	})
	if err != nil {
		return nil, err
	}
	return &f, nil
}
