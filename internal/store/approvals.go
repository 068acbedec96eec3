package store

import "time"

// States of an approval.
const (
	ApprovalOpen     = "open"
	ApprovalApproved = "approved"
	ApprovalRefused  = "refused"
	ApprovalExpired  = "expired"
)

// Approval is a change that waits for a second administrator.
type Approval struct {
	ID      string
	Route   string
	Request []byte // sealed; nil once it is settled
	Answer  []byte // sealed; nil before it was carried out, and once it was taken
	AskedBy string // id of an actor
	State   string
	Status  int // of the answer that carrying it out got; 0 before
	Created time.Time
	Expires time.Time
	Settled time.Time
	By      string // who settled it
}

const approvalColumns = "id, route, request, answer, asked_by, state, status, created_at, expires_at, settled_at, settled_by"

func (a *Approval) columns() []any {
	return []any{&a.ID, &a.Route, &a.Request, &a.Answer, &a.AskedBy, &a.State, &a.Status, stamp{&a.Created}, stamp{&a.Expires}, stamp{&a.Settled}, &a.By}
}

// InsertApproval adds one; it sets Created when that is zero.
func (tx *Tx) InsertApproval(a *Approval) error {
	if a.Created.IsZero() {
		a.Created = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO approvals (tenant_id, "+approvalColumns+") VALUES "+tuples(1, 11, 1)+" ON CONFLICT DO NOTHING",
		a.ID, a.Route, blob(a.Request), blob(a.Answer), a.AskedBy, a.State, a.Status, micros(a.Created), micros(a.Expires), micros(a.Settled), a.By))
}

// Approval reads one. [ErrNotFound].
func (tx *Tx) Approval(id string) (*Approval, error) {
	var a Approval
	err := tx.row("SELECT "+approvalColumns+" FROM approvals WHERE tenant_id = $1 AND id = $2", []any{id}, a.columns()...)
	return &a, err
}

// Approvals lists the newest, at most so many.
func (tx *Tx) Approvals(limit int) ([]Approval, error) {
	var all []Approval
	err := tx.rows("SELECT "+approvalColumns+" FROM approvals WHERE tenant_id = $1 ORDER BY created_at DESC, id LIMIT $2", []any{limit},
		func(scan scanner) error {
			var a Approval
			err := scan(a.columns()...)
			all = append(all, a)
			return err
		})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// SettleApproval ends an open one, erases its request and says who did. [ErrConflict]
// when it is not open: of several at once, one settles it.
func (tx *Tx) SettleApproval(id, state, by string) error {
	return insertedOne(tx.exec("UPDATE approvals SET state = $3, settled_by = $4, settled_at = $5, request = NULL WHERE tenant_id = $1 AND id = $2 AND state = 'open'",
		id, state, by, micros(tx.now)))
}

// CarriedOut notes what an approved change was answered with. [ErrNotFound].
func (tx *Tx) CarriedOut(id string, status int, answer []byte) error {
	return changedOne(tx.exec("UPDATE approvals SET status = $3, answer = $4 WHERE tenant_id = $1 AND id = $2 AND state = 'approved'", id, status, blob(answer)))
}

// TakeAnswer forgets what an approved change was answered with. [ErrNotFound] when it
// was taken.
func (tx *Tx) TakeAnswer(id string) error {
	return changedOne(tx.exec("UPDATE approvals SET answer = NULL WHERE tenant_id = $1 AND id = $2 AND answer IS NOT NULL", id))
}

// ExpireApprovals ends the open ones whose time is over, and returns their ids; answers
// that nobody took by then are forgotten.
func (tx *Tx) ExpireApprovals() ([]string, error) {
	if _, err := tx.exec("UPDATE approvals SET answer = NULL WHERE tenant_id = $1 AND answer IS NOT NULL AND expires_at <= $2", tx.now.UnixMicro()); err != nil {
		return nil, err
	}
	var ids []string
	err := tx.rows("UPDATE approvals SET state = 'expired', settled_at = $2, request = NULL WHERE tenant_id = $1 AND state = 'open' AND expires_at <= $2 RETURNING id",
		[]any{tx.now.UnixMicro()}, func(scan scanner) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// Elevation is access to all sites that a user took for a time.
type Elevation struct {
	ID      string
	User    string
	Reason  []byte // sealed
	Created time.Time
	Ends    time.Time
}

const elevationColumns = "id, user_id, reason, created_at, ends_at"

func (e *Elevation) columns() []any {
	return []any{&e.ID, &e.User, &e.Reason, stamp{&e.Created}, stamp{&e.Ends}}
}

// InsertElevation adds one; it sets Created when that is zero.
func (tx *Tx) InsertElevation(e *Elevation) error {
	if e.Created.IsZero() {
		e.Created = tx.now
	}
	return insertedOne(tx.exec("INSERT INTO elevations (tenant_id, "+elevationColumns+") VALUES "+tuples(1, 5, 1)+" ON CONFLICT DO NOTHING",
		e.ID, e.User, e.Reason, micros(e.Created), micros(e.Ends)))
}

// EndElevations ends what a user took, now, and tells how many there were.
func (tx *Tx) EndElevations(user string) (int64, error) {
	return tx.exec("UPDATE elevations SET ends_at = $3 WHERE tenant_id = $1 AND user_id = $2 AND ends_at > $3", user, micros(tx.now))
}

// Elevations lists the newest, at most so many.
func (tx *Tx) Elevations(limit int) ([]Elevation, error) {
	var all []Elevation
	err := tx.rows("SELECT "+elevationColumns+" FROM elevations WHERE tenant_id = $1 ORDER BY created_at DESC, id LIMIT $2", []any{limit},
		func(scan scanner) error {
			var e Elevation
			err := scan(e.columns()...)
			all = append(all, e)
			return err
		})
	if err != nil {
		return nil, err
	}
	return all, nil
}
