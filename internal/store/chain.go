package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// Link is an event's place in the chain of its tenant. Times are microseconds, as
// they are stored and hashed.
type Link struct {
	Seq    int64 // from 1, without gaps
	Linked int64
	Hash   string // SHA-256 in hex
	Event  LinkedEvent
}

// LinkedEvent is the row of an event as it is hashed.
type LinkedEvent struct {
	ID                                            string
	At                                            int64
	Import, Actor, Session, Event, Detail, Period string
	Sealed                                        []byte // nil: nothing is sealed
	Gone                                          bool   // the link names it, and there is none
}

// linkVersion begins what is hashed.
const linkVersion = "lotse audit link 1"

// Digest is the hash that a link has to have: over everything in the row of the
// event, the link's own, and the hash of the link before, which is empty for the
// first. Every field has its length in front, so that no two rows are hashed alike.
func (l *Link) Digest(tenant, previous string) string {
	h := sha256.New()
	var n [8]byte
	field := func(value string) {
		binary.BigEndian.PutUint64(n[:], uint64(len(value)))
		_, _ = h.Write(n[:]) // never fails
		_, _ = h.Write([]byte(value))
	}
	number := func(v int64) {
		binary.BigEndian.PutUint64(n[:], uint64(v))
		_, _ = h.Write(n[:])
	}
	e := &l.Event
	field(linkVersion)
	field(tenant)
	number(l.Seq)
	number(l.Linked)
	field(previous)
	field(e.ID)
	number(e.At)
	for _, value := range []string{e.Import, e.Actor, e.Session, e.Event, e.Detail, e.Period} {
		field(value)
	}
	if e.Sealed != nil {
		field(string(e.Sealed))
	}
	return hex.EncodeToString(h.Sum(nil))
}

const linkedColumns = "e.id, e.at, e.import_id, e.actor, e.session, e.event, e.detail, e.period, e.personal"

// linkedDest are the variables for linkedColumns of an event that may be missing, and
// what finishes it after a scan.
func linkedDest(e *LinkedEvent) (dest []any, finish func()) {
	var at sql.NullInt64
	var texts [7]sql.NullString
	dest = []any{&texts[0], &at, &texts[1], &texts[2], &texts[3], &texts[4], &texts[5], &texts[6], &e.Sealed}
	return dest, func() {
		e.At, e.Gone = at.Int64, !texts[0].Valid
		for i, to := range []*string{&e.ID, &e.Import, &e.Actor, &e.Session, &e.Event, &e.Detail, &e.Period} {
			*to = texts[i].String
		}
	}
}

// TenantsToLink names the living tenants with events that have no link.
func (s *System) TenantsToLink(ctx context.Context) ([]string, error) {
	var all []string
	err := s.Read(ctx, func(tx *Tx) error {
		all = nil
		return tx.systemRows("SELECT id FROM tenants t WHERE destroyed_at IS NULL "+
			"AND EXISTS (SELECT 1 FROM audit_pending p WHERE p.tenant_id = t.id) ORDER BY id", nil, func(scan scanner) error {
			var id string
			err := scan(&id)
			all = append(all, id)
			return err
		})
	})
	return all, err
}

// OldestUnlinked is how long the oldest event of a living tenant has waited for its
// link; 0 when none does.
func (s *System) OldestUnlinked(ctx context.Context) (time.Duration, error) {
	var waits time.Duration
	err := s.Read(ctx, func(tx *Tx) error {
		var at sql.NullInt64
		err := tx.systemRow("SELECT min(e.at) FROM audit_pending p JOIN audit_events e ON e.tenant_id = p.tenant_id AND e.id = p.event_id "+
			"JOIN tenants t ON t.id = p.tenant_id WHERE t.destroyed_at IS NULL", nil, &at)
		if waits = 0; err == nil && at.Valid {
			waits = max(tx.now.Sub(moment(at)), 0)
		}
		return err
	})
	return waits, err
}

// LinkEvents links events that have no link, the oldest first, and tells how many. It
// is called under [Tx.TakeLease]. Whatever happens, an event has one link and a
// number one event: the database sees to that.
func (tx *Tx) LinkEvents(limit int) (int, error) {
	last, err := tx.LastLink()
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	var events []LinkedEvent
	err = tx.rows("SELECT "+linkedColumns+" FROM audit_pending p JOIN audit_events e ON e.tenant_id = p.tenant_id AND e.id = p.event_id "+
		"WHERE p.tenant_id = $1 ORDER BY e.at, e.id LIMIT $2", []any{limit}, func(scan scanner) error {
		var e LinkedEvent
		dest, finish := linkedDest(&e)
		err := scan(dest...)
		finish()
		events = append(events, e)
		return err
	})
	if err != nil {
		return 0, err
	}
	links := make([]any, 0, 4*len(events))
	ids := make([]any, 0, len(events))
	for _, e := range events {
		link := Link{Seq: last.Seq + 1, Linked: tx.now.UnixMicro(), Event: e}
		link.Hash = link.Digest(tx.tenant, last.Hash)
		links = append(links, link.Seq, e.ID, link.Linked, link.Hash)
		ids = append(ids, e.ID)
		last = link
	}
	return len(events), tx.insertLinks(links, ids)
}

func (tx *Tx) insertLinks(links, ids []any) error {
	for from := 0; from < len(ids); from += batchRows {
		to := min(from+batchRows, len(ids))
		_, err := tx.exec("INSERT INTO audit_links (tenant_id, seq, event_id, linked_at, hash) VALUES "+tuples(1, 4, to-from), links[4*from:4*to]...)
		if err != nil {
			return err
		}
		in := strings.TrimSuffix(strings.TrimPrefix(tuples(0, to-from+1, 1), "($1, "), ")") // $2, $3 …
		if _, err := tx.exec("DELETE FROM audit_pending WHERE tenant_id = $1 AND event_id IN ("+in+")", ids[from:to]...); err != nil {
			return err
		}
	}
	return nil
}

// LastLink gives the end of the chain, without its event. [ErrNotFound].
func (tx *Tx) LastLink() (Link, error) {
	var l Link
	err := tx.row("SELECT seq, linked_at, hash, event_id FROM audit_links WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 1", nil,
		&l.Seq, &l.Linked, &l.Hash, &l.Event.ID)
	return l, err
}

const selectLinks = "SELECT l.seq, l.linked_at, l.hash, l.event_id, " + linkedColumns +
	" FROM audit_links l LEFT JOIN audit_events e ON e.tenant_id = l.tenant_id AND e.id = l.event_id "

func scanLink(scan scanner) (Link, error) {
	var l Link
	var id string
	dest, finish := linkedDest(&l.Event)
	err := scan(append([]any{&l.Seq, &l.Linked, &l.Hash, &id}, dest...)...)
	finish()
	l.Event.ID = id
	return l, err
}

// Links lists links with their events, after a number.
func (tx *Tx) Links(after int64, limit int) ([]Link, error) {
	var all []Link
	err := tx.rows(selectLinks+"WHERE l.tenant_id = $1 AND l.seq > $2 ORDER BY l.seq LIMIT $3", []any{after, limit}, func(scan scanner) error {
		l, err := scanLink(scan)
		all = append(all, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Unlinked is an event that has no link.
type Unlinked struct {
	ID, Event string
	At        time.Time
	Pending   bool // the linker knows of it
}

// Head is a link that was signed.
type Head struct {
	Tenant    string `json:"tenant"`
	Seq       int64  `json:"seq"`
	Hash      string `json:"hash"`
	Signed    int64  `json:"signed_at" doc:"Microseconds since 1970, UTC."`
	Public    string `json:"public" doc:"Ed25519, Base64."`
	Signature string `json:"signature" doc:"Base64."`
}

// InsertHead keeps a signed link. [ErrConflict], which does not spoil the transaction,
// when it is signed already.
func (tx *Tx) InsertHead(h *Head) error {
	return insertedOne(tx.exec("INSERT INTO audit_heads (tenant_id, seq, hash, signed_at, public, signature) VALUES ($1, $2, $3, $4, $5, $6) "+
		"ON CONFLICT DO NOTHING", h.Seq, h.Hash, h.Signed, h.Public, h.Signature))
}

const selectHeads = "SELECT tenant_id, seq, hash, signed_at, public, signature FROM audit_heads WHERE tenant_id = $1 "

func scanHead(scan scanner) (h Head, err error) {
	err = scan(&h.Tenant, &h.Seq, &h.Hash, &h.Signed, &h.Public, &h.Signature)
	return h, err
}

// Heads lists signed links, after a number.
func (tx *Tx) Heads(after int64, limit int) ([]Head, error) {
	var all []Head
	err := tx.rows(selectHeads+"AND seq > $2 ORDER BY seq LIMIT $3", []any{after, limit}, func(scan scanner) error {
		h, err := scanHead(scan)
		all = append(all, h)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// LastHead gives the newest signed link. [ErrNotFound].
func (tx *Tx) LastHead() (h Head, err error) {
	err = tx.row(selectHeads+"ORDER BY seq DESC LIMIT 1", nil, &h.Tenant, &h.Seq, &h.Hash, &h.Signed, &h.Public, &h.Signature)
	return h, err
}

// ChainReader takes what a chain has, in this order: its links by their numbers, each
// with its head where it was signed; heads without a link; events without a link.
type ChainReader interface {
	Link(l Link, signed *Head) error
	Stray(h Head) error
	Unlinked(u Unlinked) error
}

// ReadChain gives the whole chain of a tenant as it is at one time, also of one that
// was destroyed, and the database's time. It is never run again.
func (s *System) ReadChain(ctx context.Context, tenant string, to ChainReader) (time.Time, error) {
	var now time.Time
	err := s.db.once(ctx, everyone, reading, func(tx *Tx) error {
		now = tx.now
		if err := tx.unhurried(); err != nil {
			return err
		}
		for _, read := range []func(string, ChainReader) error{tx.readLinks, tx.readStrays, tx.readUnlinked} {
			if err := read(tenant, to); err != nil {
				return err
			}
		}
		return nil
	})
	return now, err
}

func (tx *Tx) readLinks(tenant string, to ChainReader) error {
	return tx.systemRows("SELECT h.hash, h.signed_at, h.public, h.signature, l.seq, l.linked_at, l.hash, l.event_id, "+linkedColumns+" FROM audit_links l "+
		"LEFT JOIN audit_events e ON e.tenant_id = l.tenant_id AND e.id = l.event_id "+
		"LEFT JOIN audit_heads h ON h.tenant_id = l.tenant_id AND h.seq = l.seq WHERE l.tenant_id = $1 ORDER BY l.seq", []any{tenant}, func(scan scanner) error {
		var hash, public, signature sql.NullString
		var signed sql.NullInt64
		l, err := scanLink(func(dest ...any) error { return scan(append([]any{&hash, &signed, &public, &signature}, dest...)...) })
		switch {
		case err != nil:
			return err
		case !hash.Valid:
			return to.Link(l, nil)
		}
		return to.Link(l, &Head{Tenant: tenant, Seq: l.Seq, Hash: hash.String, Signed: signed.Int64, Public: public.String, Signature: signature.String})
	})
}

func (tx *Tx) readStrays(tenant string, to ChainReader) error {
	return tx.systemRows(selectHeads+"AND NOT EXISTS (SELECT 1 FROM audit_links l WHERE l.tenant_id = $1 AND l.seq = audit_heads.seq) ORDER BY seq",
		[]any{tenant}, func(scan scanner) error {
			h, err := scanHead(scan)
			if err != nil {
				return err
			}
			return to.Stray(h)
		})
}

func (tx *Tx) readUnlinked(tenant string, to ChainReader) error {
	return tx.systemRows("SELECT e.id, e.event, e.at, CASE WHEN p.event_id IS NULL THEN 0 ELSE 1 END FROM audit_events e "+
		"LEFT JOIN audit_links l ON l.tenant_id = e.tenant_id AND l.event_id = e.id "+
		"LEFT JOIN audit_pending p ON p.tenant_id = e.tenant_id AND p.event_id = e.id "+
		"WHERE e.tenant_id = $1 AND l.event_id IS NULL ORDER BY e.at, e.id", []any{tenant}, func(scan scanner) error {
		var u Unlinked
		var pending int
		if err := scan(&u.ID, &u.Event, stamp{&u.At}, &pending); err != nil {
			return err
		}
		u.Pending = pending != 0
		return to.Unlinked(u)
	})
}

// DropViews forgets what was seen before a time: seeing it again makes an event.
func (s *System) DropViews(ctx context.Context, before time.Time) (int64, error) {
	var n int64
	err := s.Write(ctx, func(tx *Tx) (err error) {
		n, err = tx.systemExec("DELETE FROM audit_views WHERE at < $1", micros(before))
		return err
	})
	return n, err
}

// AuditCursor is how far along the chain a receiver has been told; 0: nothing.
func (tx *Tx) AuditCursor(receiver string) (int64, error) {
	var seq int64
	err := tx.row("SELECT seq FROM audit_cursors WHERE tenant_id = $1 AND receiver = $2", []any{receiver}, &seq)
	return seq, notFoundAs(err, nil)
}

// SetAuditCursor moves a receiver on; it never goes back.
func (tx *Tx) SetAuditCursor(receiver string, seq int64) error {
	_, err := tx.exec("INSERT INTO audit_cursors (tenant_id, receiver, seq) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, receiver) "+
		"DO UPDATE SET seq = excluded.seq WHERE audit_cursors.seq < excluded.seq", receiver, seq)
	return err
}
