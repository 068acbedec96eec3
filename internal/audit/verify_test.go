package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"lotse/internal/audit"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

// trail is a chain of 30 links of a tenant, of which 10, 20 and 30 are signed, and the
// holder of its database.
type trail struct {
	*testing.T
	place  storetest.Place
	db     *store.DB
	clock  *storetest.Clock
	tenant *store.Tenant
	key    ed25519.PrivateKey
	heads  []store.Head // as they were exported
	raw    *sql.DB
}

const links = 30

func newTrail(t *testing.T, p storetest.Place) *trail {
	t.Helper()
	tr := &trail{T: t, place: p, clock: &storetest.Clock{}}
	tr.db = p.Migrated(t, tr.clock.Config)
	tr.tenant = storetest.Tenant(t, tr.db)
	_, tr.key, _ = ed25519.GenerateKey(nil)
	for i := range 3 {
		tr.add(i * 10)
		tr.link()
		tr.sign()
	}
	driver, dsn := "sqlite", "file:"+p.Config.Path
	if p.Config.Engine == store.PostgreSQL {
		driver, dsn = "pgx", p.AdminDSN
	}
	var err error
	tr.raw, err = sql.Open(driver, dsn)
	tr.must(err)
	tr.raw.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = tr.raw.Close() })
	return tr
}

func (tr *trail) must(err error) {
	tr.Helper()
	if err != nil {
		tr.Fatal(err)
	}
}

func (tr *trail) write(f func(tx *store.Tx) error) {
	tr.Helper()
	tr.must(tr.tenant.Write(tr.Context(), f))
}

// add adds ten events, from e<from>.
func (tr *trail) add(from int) {
	tr.Helper()
	tr.write(func(tx *store.Tx) error {
		for i := from; i < from+10; i++ {
			if err := tx.Audit(store.Event{ID: fmt.Sprintf("e%03d", i+1), Actor: "lotse", Event: "x", Detail: map[string]any{"n": i}}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (tr *trail) link() {
	tr.Helper()
	tr.write(func(tx *store.Tx) error { _, err := tx.LinkEvents(1000); return err })
}

func (tr *trail) sign() {
	tr.Helper()
	tr.write(func(tx *store.Tx) error {
		last, err := tx.LastLink()
		if err != nil {
			return err
		}
		h := audit.SignHead(tr.key, tr.tenant.ID(), last.Seq, last.Hash, tx.Now())
		tr.heads = append(tr.heads, h)
		return tx.InsertHead(&h)
	})
}

// tamper is what the holder of the database does: nothing there stops him.
func (tr *trail) tamper(statements ...string) {
	tr.Helper()
	free := []string{"DROP TRIGGER IF EXISTS audit_events_unchanged", "DROP TRIGGER IF EXISTS audit_events_undeleted", "DROP TRIGGER IF EXISTS audit_links_unchanged",
		"DROP TRIGGER IF EXISTS audit_links_undeleted", "DROP TRIGGER IF EXISTS audit_heads_unchanged", "DROP TRIGGER IF EXISTS audit_heads_undeleted"}
	if tr.place.Config.Engine == store.PostgreSQL {
		free = nil
		for _, table := range []string{"audit_events", "audit_links", "audit_heads", "audit_pending"} {
			free = append(free, "ALTER TABLE "+table+" DISABLE TRIGGER ALL")
		}
	}
	for _, s := range append(free, statements...) {
		if _, err := tr.raw.Exec(s); err != nil {
			tr.Fatalf("%s: %v", s, err)
		}
	}
}

// recompute gives all links from a number on the hashes that fit.
func (tr *trail) recompute(from int64) {
	tr.Helper()
	var all []store.Link
	tr.must(tr.tenant.Read(tr.Context(), func(tx *store.Tx) (err error) {
		all, err = tx.Links(0, 1000)
		return err
	}))
	previous := ""
	for _, l := range all {
		if l.Seq >= from {
			l.Hash = l.Digest(tr.tenant.ID(), previous)
			tr.tamper(fmt.Sprintf("UPDATE audit_links SET hash = '%s' WHERE seq = %d", l.Hash, l.Seq))
		}
		previous = l.Hash
	}
}

func (tr *trail) verify(keys []string, exported []store.Head) *audit.Report {
	tr.Helper()
	v := audit.NewVerifier(tr.tenant.ID(), keys, nil)
	for _, h := range exported {
		tr.must(v.Compare(h))
	}
	at, err := tr.db.System().ReadChain(tr.Context(), tr.tenant.ID(), v)
	tr.must(err)
	return v.Report(at)
}

// said is what a report found, in short.
func said(r *audit.Report) string {
	var all []string
	for _, f := range r.Findings {
		text := string(f.Code)
		if f.Seq != 0 {
			text += fmt.Sprintf(" %d", f.Seq)
		}
		if f.Until > f.Seq {
			text += fmt.Sprintf("-%d", f.Until)
		}
		if f.Event != "" {
			text += " " + f.Event
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// TestTampering: whatever the holder of the database does to what was linked is found
// and named.
func TestTampering(t *testing.T) {
	swap := func(table, column, a, b, free string) []string { // through a value that is free
		set := func(from, to string) string {
			return fmt.Sprintf("UPDATE %[1]s SET %[2]s = %[4]s WHERE %[2]s = %[3]s", table, column, from, to)
		}
		return []string{set(a, free), set(b, a), set(free, b)}
	}
	for _, c := range []struct {
		name     string
		tamper   []string
		from     int64 // from where on the chain is computed anew; 0: not
		exported bool  // whether it is compared with exported heads
		want     string
	}{
		{name: "nothing", exported: true},
		{name: "a changed actor", tamper: []string{"UPDATE audit_events SET actor = 'other' WHERE id = 'e012'"}, want: "changed 12 e012"},
		{name: "a changed detail", tamper: []string{"UPDATE audit_events SET detail = '{\"n\":99}' WHERE id = 'e012'"}, want: "changed 12 e012"},
		{name: "a changed time", tamper: []string{"UPDATE audit_events SET at = at + 1 WHERE id = 'e001'"}, want: "changed 1 e001"},
		{name: "something sealed added", tamper: []string{"UPDATE audit_events SET personal = BYTES WHERE id = 'e030'"}, want: "changed 30 e030"},
		{name: "a changed hash", tamper: []string{"UPDATE audit_links SET hash = '00' WHERE seq = 5"}, want: "changed 5 e005, changed 6 e006"},
		{name: "a changed time of a link", tamper: []string{"UPDATE audit_links SET linked_at = 1 WHERE seq = 5"}, want: "changed 5 e005"},
		{name: "a removed event", tamper: []string{"DELETE FROM audit_events WHERE id = 'e012'"}, want: "event-missing 12 e012"},
		{name: "a removed event and link", tamper: []string{"DELETE FROM audit_links WHERE seq = 12", "DELETE FROM audit_events WHERE id = 'e012'"},
			want: "link-missing 12"},
		{name: "several removed", tamper: []string{"DELETE FROM audit_links WHERE seq > 11 AND seq < 15", "DELETE FROM audit_events WHERE id > 'e011' AND id < 'e015'"},
			want: "link-missing 12-14"},
		{name: "a removed link", tamper: []string{"DELETE FROM audit_links WHERE seq = 12"}, want: "inserted e012, link-missing 12"},
		{name: "two events in each other's place", tamper: swap("audit_links", "event_id", "'e012'", "'e017'", "'x'"), want: "reordered 12 e017, reordered 17 e012"},
		{name: "two links in each other's place", tamper: swap("audit_links", "seq", "12", "17", "-1"),
			want: "reordered 12 e017, changed 13 e013, reordered 17 e012, changed 18 e018"},
		{name: "an inserted event", tamper: []string{insertEvent("e999")}, want: "inserted e999"},
		{name: "an event in the place of another", tamper: []string{insertEvent("e999"), "UPDATE audit_links SET event_id = 'e999' WHERE seq = 12"},
			want: "inserted e012, changed 12 e999"},
		{name: "an old event that the linker never saw", tamper: []string{insertEvent("e999"), "INSERT INTO audit_pending (tenant_id, event_id) VALUES ('TENANT', 'e999')"},
			want: "passed-over e999"},
		{name: "a wrong signature", tamper: []string{"UPDATE audit_heads SET signature = 'AAAA' WHERE seq = 20"}, want: "head-forged 20"},
		{name: "a changed time of a head", tamper: []string{"UPDATE audit_heads SET signed_at = 1 WHERE seq = 20"}, want: "head-forged 20"},
		{name: "a chain computed anew", tamper: []string{"UPDATE audit_events SET actor = 'other' WHERE id = 'e015'"}, from: 15, exported: true,
			want: "exported-differs 20, head-differs 20, exported-differs 30, head-differs 30"},
		{name: "and its heads removed", tamper: []string{"UPDATE audit_events SET actor = 'other' WHERE id = 'e015'", "DELETE FROM audit_heads WHERE seq > 15"}, from: 15,
			exported: true, want: "exported-differs 20, exported-differs 30"},
		{name: "the tail replaced", tamper: []string{"UPDATE audit_events SET actor = 'other' WHERE id = 'e025'", "DELETE FROM audit_heads WHERE seq > 20"}, from: 25,
			exported: true, want: "exported-differs 30"},
		{name: "the tail cut off", tamper: []string{"DELETE FROM audit_heads WHERE seq > 20", "DELETE FROM audit_links WHERE seq > 25", "DELETE FROM audit_events WHERE id > 'e025'"},
			exported: true, want: "exported-beyond 30"},
		{name: "all cut off", tamper: []string{"DELETE FROM audit_heads", "DELETE FROM audit_links", "DELETE FROM audit_events"},
			exported: true, want: "exported-beyond 10-30"},
		{name: "links cut off and a head left", tamper: []string{"DELETE FROM audit_links WHERE seq > 25", "DELETE FROM audit_events WHERE id > 'e025'"}, want: "head-differs 30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, p storetest.Place) {
				tr := newTrail(t, p)
				bytes := "X'00'"
				if p.Config.Engine == store.PostgreSQL {
					bytes = "'\\x00'"
				}
				for _, s := range c.tamper {
					tr.tamper(strings.NewReplacer("TENANT", tr.tenant.ID(), "BYTES", bytes).Replace(s))
				}
				if c.from != 0 {
					tr.recompute(c.from)
				}
				var exported []store.Head
				if c.exported {
					exported = tr.heads
				}
				if got := said(tr.verify([]string{audit.PublicKey(tr.key)}, exported)); got != c.want {
					t.Errorf("found %q instead of %q", got, c.want)
				}
			})
		})
	}
}

func insertEvent(id string) string {
	return "INSERT INTO audit_events (tenant_id, id, at, actor, event) VALUES ('TENANT', '" + id + "', 1, 'x', 'y')"
}

// TestAnotherKey: the holder of the database makes a chain and a key of his own. The key
// that is known, or what was exported, tells.
func TestAnotherKey(t *testing.T) {
	tr := newTrail(t, storetest.SQLite(t))
	exported, known := tr.heads, []string{audit.PublicKey(tr.key)}
	_, tr.key, _ = ed25519.GenerateKey(nil)
	tr.tamper("UPDATE audit_events SET actor = 'other' WHERE id = 'e005'", "DELETE FROM audit_heads")
	tr.recompute(5)
	tr.sign()
	for name, c := range map[string]struct {
		keys     []string
		exported []store.Head
		want     string
	}{
		"nothing is known":   {nil, nil, ""},
		"the key is known":   {known, nil, "head-foreign 30"},
		"heads were":         {nil, exported, "exported-differs 10, exported-differs 20, exported-differs 30, head-foreign 30"},
		"one was":            {nil, exported[:1], "exported-differs 10, head-foreign 30"},
		"heads of the fraud": {known, tr.heads[3:], ""}, // whoever hands those to the auditor has to be asked
	} {
		r := tr.verify(c.keys, c.exported)
		if got := said(r); got != c.want || r.Pinned != (c.keys != nil || c.exported != nil) {
			t.Errorf("%s: found %q instead of %q, pinned %v", name, got, c.want, r.Pinned)
		}
	}
}

// TestTail: what is not linked or not signed yet is named and no finding, unless later
// events were.
func TestTail(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		tr := newTrail(t, p)
		tr.add(links)
		r := tr.verify(nil, tr.heads)
		if said(r) != "" || r.Unlinked != 10 || r.OldestUnlinked.IsZero() || r.Links != links || r.Signed != links || r.Heads != 3 || r.Exported != 3 || r.Last != links {
			t.Errorf("%+v", r)
		}
		tr.link()
		r = tr.verify(nil, nil)
		if said(r) != "" || r.Unlinked != 0 || r.Links != links+10 || r.Signed != links || r.At.IsZero() || r.LastHash == "" {
			t.Errorf("%+v", r)
		}
		tr.clock.Pass(time.Hour)
		tr.add(links + 10) // a node was killed, and another one began an hour later
		tr.link()
		if r := tr.verify(nil, nil); said(r) != "" {
			t.Errorf("%s", said(r))
		}
		for i := range 10 {
			tr.clock.Pass(time.Minute)
			tr.add(links + 20 + 10*i)
			tr.link()
		}
		if r := tr.verify(nil, nil); said(r) != fmt.Sprintf("heads-missing %d-%d", links+1, links+120) {
			t.Errorf("%s", said(r))
		}
	})
}

// TestReadHeads: exported heads are read as a node writes them, and as the API answers.
func TestReadHeads(t *testing.T) {
	_, key, _ := ed25519.GenerateKey(nil)
	want := []store.Head{audit.SignHead(key, "a", 1, "h1", time.Unix(1, 0)), audit.SignHead(key, "b", 2, "h2", time.Unix(2, 0))}
	one, _ := json.Marshal(want[0])
	list, _ := json.Marshal(map[string]any{"heads": want[1:], "next_cursor": "x"})
	var got []store.Head
	if err := audit.ReadHeads(bytes.NewReader(append(append(one, '\n'), list...)), func(h store.Head) error { got = append(got, h); return nil }); err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, h := range want {
		if !audit.Signed(h) {
			t.Error("a signature does not hold")
		}
		for _, change := range []func(*store.Head){func(h *store.Head) { h.Seq++ }, func(h *store.Head) { h.Hash += "0" }, func(h *store.Head) { h.Tenant = "c" },
			func(h *store.Head) { h.Signed++ }, func(h *store.Head) { h.Public = "" }, func(h *store.Head) { h.Signature = h.Signature[4:] }} {
			changed := h
			change(&changed)
			if audit.Signed(changed) {
				t.Errorf("%+v holds", changed)
			}
		}
	}
	for _, text := range []string{"{", "[]", "x", `{"seq":"1"}`} {
		if err := audit.ReadHeads(strings.NewReader(text), func(store.Head) error { return nil }); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}
