package store

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"lotse/internal/importer"
)

// Import is one handing-over of one or more examinations. The columns of bytes are
// sealed under the import's key; nil is NULL.
type Import struct {
	ID, Site, Kind string
	State          importer.State
	Version        int64 // from 1, grows with every SaveImport
	Priority       int
	CreatedBy      string // an id, never a name
	LegalBasis     string // set once, by InsertImport

	Created   time.Time // the transaction's time when zero
	FirstByte time.Time // of the first durable byte; once set it stays
	Expires   time.Time // the latest end there is
	Purge     time.Time // when it is purged; Expires when it is zero or later than that
	Ended     time.Time
	Purged    time.Time // from then on it has no sealed columns and no IntakeKey
	RetryAt   time.Time // when it goes on by itself
	Quiet     time.Time // of one that is open for objects or uploads: when it closes, should nothing come

	Warned      int // 1: 72 h before its end, 2: 24 h
	Problem     importer.ProblemCode
	ProblemHost string
	IntakeKey   string // of a received import: HMAC of caller and study

	Parts, Bytes     int64 // what came in, durably; kept by InsertPart and AddSegments, not by SaveImport
	Files, Instances int64

	Request, Secrets, Question, Fetched, Decision []byte
}

const importColumns = "id, site_id, kind, state, version, priority, created_by, legal_basis, created_at, first_byte_at, expires_at, " +
	"purge_at, ended_at, purged_at, retry_at, quiet_at, warned, problem, problem_host, COALESCE(intake_key, ''), " +
	"parts, bytes, files, instances, request, secrets, question, fetched, decision"

func scanImport(scan scanner) (*Import, error) {
	im := new(Import)
	err := scan(&im.ID, &im.Site, &im.Kind, &im.State, &im.Version, &im.Priority, &im.CreatedBy, &im.LegalBasis,
		stamp{&im.Created}, stamp{&im.FirstByte}, stamp{&im.Expires}, stamp{&im.Purge}, stamp{&im.Ended}, stamp{&im.Purged},
		stamp{&im.RetryAt}, stamp{&im.Quiet}, &im.Warned, &im.Problem, &im.ProblemHost, &im.IntakeKey,
		&im.Parts, &im.Bytes, &im.Files, &im.Instances, &im.Request, &im.Secrets, &im.Question, &im.Fetched, &im.Decision)
	return im, err
}

// InsertImport adds an import with version 1 and sets Created when it is zero.
// [ErrConflict], which does not spoil the transaction, when the id is taken or a
// received import with the IntakeKey is open. Two transactions that open the same
// IntakeKey at once: one of them starts over and finds the other's.
func (tx *Tx) InsertImport(im *Import) error {
	im.Version = 1
	if im.Created.IsZero() {
		im.Created = tx.now
	}
	im.bound()
	return insertedOne(tx.exec("INSERT INTO imports (tenant_id, id, created_by, legal_basis, created_at, version, "+importSaved+
		") VALUES "+tuples(1, 5+importSavedCount, 1)+" ON CONFLICT DO NOTHING",
		append([]any{im.ID, im.CreatedBy, im.LegalBasis, micros(im.Created), im.Version}, im.saved()...)...))
}

// importSaved are the columns that SaveImport writes.
const (
	importSaved = "site_id, kind, state, priority, first_byte_at, expires_at, purge_at, ended_at, purged_at, retry_at, " +
		"quiet_at, warned, problem, problem_host, intake_key, files, instances, request, secrets, question, fetched, decision"
	importSavedCount = 22
)

func (im *Import) saved() []any {
	return []any{im.Site, im.Kind, string(im.State), im.Priority, micros(im.FirstByte), micros(im.Expires), micros(im.Purge),
		micros(im.Ended), micros(im.Purged), micros(im.RetryAt), micros(im.Quiet), im.Warned, string(im.Problem), im.ProblemHost,
		text(im.IntakeKey), im.Files, im.Instances, blob(im.Request), blob(im.Secrets), blob(im.Question), blob(im.Fetched),
		blob(im.Decision)}
}

// SetQuiet moves Quiet of an import that the caller has locked, and leaves its version:
// what comes in changes nothing that someone decides on. [ErrNotFound].
func (tx *Tx) SetQuiet(id string, at time.Time) error {
	return changedOne(tx.exec("UPDATE imports SET quiet_at = $3 WHERE tenant_id = $1 AND id = $2", id, micros(at)))
}

// bound keeps what must hold of every import: it is purged no later than it
// expires, and nothing personal outlives that.
func (im *Import) bound() {
	if im.Purge.IsZero() || im.Purge.After(im.Expires) {
		im.Purge = im.Expires
	}
	if !im.Purged.IsZero() {
		im.IntakeKey, im.Quiet = "", time.Time{}
		im.Request, im.Secrets, im.Question, im.Fetched, im.Decision = nil, nil, nil, nil, nil
	}
}

// Import reads an import. [ErrNotFound].
func (tx *Tx) Import(id string) (*Import, error) {
	return tx.findImport("SELECT "+importColumns+" FROM imports WHERE tenant_id = $1 AND id = $2", id)
}

// lockImport locks by writing. Under REPEATABLE READ a lock that is only taken
// (FOR UPDATE) lets the next one go on with what it saw before the lock was given
// back, and so not see what the holder changed in other tables; a row that was
// written makes it start over. All rows that stand for others are locked so.
const lockImport = "UPDATE imports SET version = version WHERE tenant_id = $1 AND "

// LockImport is [Tx.Import] for a change of the import or of what belongs to it:
// the row is locked until the transaction ends, and who waited for it sees all
// that the holder committed.
func (tx *Tx) LockImport(id string) (*Import, error) {
	return tx.findImport(lockImport+"id = $2 RETURNING "+importColumns, id)
}

func (tx *Tx) findImport(query string, args ...any) (*Import, error) {
	var found *Import
	err := tx.rows(query, args, func(scan scanner) (err error) {
		found, err = scanImport(scan)
		return err
	})
	if err == nil && (found == nil || !tx.reaches(found.Site)) {
		return nil, ErrNotFound
	}
	return found, err
}

// OpenIntake finds and locks the received import with an IntakeKey that is open,
// that is whose Quiet is not zero. [ErrNotFound].
func (tx *Tx) OpenIntake(key string) (*Import, error) {
	return tx.findImport(lockImport+"intake_key = $2 AND quiet_at IS NOT NULL RETURNING "+importColumns, key)
}

// SaveImport writes an import back, but for ID, CreatedBy, LegalBasis, Created, Parts and
// Bytes; Parts, Bytes and FirstByte of im are brought up to date. The row must have
// the version im has, which grows by one then: [ErrStale] otherwise, and
// [ErrNotFound] when there is no row. Read im in the same run of the transaction's
// function, or its second run finds the version grown.
func (tx *Tx) SaveImport(im *Import) error {
	im.bound()
	var first stamp
	first.to = &im.FirstByte
	err := tx.row("UPDATE imports SET version = version + 1, site_id = $4, kind = $5, state = $6, priority = $7, "+
		"first_byte_at = COALESCE(first_byte_at, $8), expires_at = $9, purge_at = $10, ended_at = $11, purged_at = $12, "+
		"retry_at = $13, quiet_at = $14, warned = $15, problem = $16, problem_host = $17, intake_key = $18, files = $19, "+
		"instances = $20, request = $21, secrets = $22, question = $23, fetched = $24, decision = $25 "+
		"WHERE tenant_id = $1 AND id = $2 AND version = $3 RETURNING parts, bytes, first_byte_at",
		append([]any{im.ID, im.Version}, im.saved()...), &im.Parts, &im.Bytes, first)
	if errors.Is(err, ErrNotFound) {
		return tx.staleOr("SELECT 1 FROM imports WHERE tenant_id = $1 AND id = $2", im.ID)
	}
	if err == nil {
		im.Version++
	}
	return err
}

// staleOr is [ErrStale] when the row is there and [ErrNotFound] when it is not.
func (tx *Tx) staleOr(query, id string) error {
	var one int
	if err := tx.row(query, []any{id}, &one); err != nil {
		return err
	}
	return ErrStale
}

// Cursor is the place behind one row of a list, newest first; zero is its begin.
type Cursor struct {
	Created time.Time
	ID      string
}

// ImportFilter chooses imports. Zero fields choose all.
type ImportFilter struct {
	States     []importer.State
	Kind, Site string
	Before     Cursor // of the last import that was read already
	Limit      int    // 100 when zero
}

// Imports lists imports, newest first.
func (tx *Tx) Imports(f ImportFilter) ([]*Import, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	if len(f.States) == 0 {
		return tx.importsIn("", f)
	}
	// Each state by its index: the few that live lie among many that are purged.
	var all []*Import
	for _, state := range slices.Compact(slices.Sorted(slices.Values(f.States))) {
		some, err := tx.importsIn(state, f)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b *Import) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	return all[:min(len(all), f.Limit)], nil
}

// importsIn lists imports of one state, or of all when it is empty.
func (tx *Tx) importsIn(state importer.State, f ImportFilter) ([]*Import, error) {
	query, args := f.query(state, tx.sites)
	var all []*Import
	err := tx.rows(query, args, func(scan scanner) error {
		im, err := scanImport(scan)
		all = append(all, im)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (f ImportFilter) query(state importer.State, sites []string) (string, []any) {
	var b strings.Builder
	var args []any
	mark := func(value any) string { // $1 is the tenant
		args = append(args, value)
		return "$" + strconv.Itoa(len(args)+1)
	}
	b.WriteString("SELECT " + importColumns + " FROM imports WHERE tenant_id = $1")
	if state != "" {
		b.WriteString(" AND state = " + mark(string(state)))
	}
	if f.Kind != "" {
		b.WriteString(" AND kind = " + mark(f.Kind))
	}
	if f.Site != "" {
		b.WriteString(" AND site_id = " + mark(f.Site))
	}
	if len(sites) > 0 {
		b.WriteString(" AND site_id IN (''")
		for _, site := range sites {
			b.WriteString(", " + mark(site))
		}
		b.WriteString(")")
	}
	if !f.Before.Created.IsZero() {
		b.WriteString(" AND (created_at, id) < (" + mark(f.Before.Created.UnixMicro()) + ", " + mark(f.Before.ID) + ")")
	}
	b.WriteString(" ORDER BY created_at DESC, id DESC LIMIT " + mark(f.Limit))
	return b.String(), args
}
