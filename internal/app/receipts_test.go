package app

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/keyring/file"
	"lotse/internal/store"
	"lotse/test/peer"
)

// TestReceiptsEnd lets ten years pass over the receipt of a purged import, on both
// engines: it is deleted then, not before, and the trail says so.
func TestReceiptsEnd(t *testing.T) {
	for _, engine := range []store.Engine{store.SQLite, store.PostgreSQL} {
		t.Run(string(engine), func(t *testing.T) {
			clock, dir := &shift{}, t.TempDir()
			config := store.Config{Engine: engine, Path: filepath.Join(dir, "lotse.db"), Shift: clock.get}
			if engine == store.PostgreSQL {
				config = store.Config{Engine: engine, DSN: peer.Postgres(t).DSN, Shift: clock.get}
			}
			stored, err := disk.Open(filepath.Join(dir, "blobs"))
			must(t, err)
			keys, err := file.Open(filepath.Join(dir, "keyring"), nil)
			must(t, err)
			w := openWorld(t, dir, config, stored, keys, func(o *GatewayOptions) {
				o.Now = func() time.Time { return time.Now().Add(clock.get()) }
				o.Monotonic = o.Now
			})
			id, _ := deliverDemo(t, w)
			delivery := w.until(id, importer.Arrived).Delivery[0].ID
			must(t, w.Delete(t.Context(), w.who, id, 0))
			w.until(id, importer.Purged)
			w.close()
			kept := func(what string, want bool) {
				t.Helper()
				must(t, w.ConfirmClock(t.Context(), w.who)) // ten years are a jump
				must(t, w.retention(t.Context()))
				must(t, w.endReceipts(t.Context()))
				_, err := w.Receipt(t.Context(), w.who, id, delivery)
				s, e := w.Snapshot(t.Context(), w.who, id)
				must(t, e)
				if want && err != nil || !want && !errors.Is(err, ErrNotFound) || s.Delivery[0].Receipt != want {
					t.Errorf("%s: %v, and it says %v", what, err, s.Delivery[0].Receipt)
				}
			}
			kept("at once", true)
			clock.add(w.opts.Receipts - time.Hour)
			kept("before ten years", true)
			events := w.events(id)
			clock.add(2 * time.Hour)
			must(t, w.endReceipts(t.Context())) // by a clock that nobody looked at
			if _, err := w.Receipt(t.Context(), w.who, id, delivery); err != nil {
				t.Errorf("by a clock that jumped: %v", err)
			}
			kept("after ten years", false)
			kept("again", false)
			if now := w.events(id); len(now) != len(events)+1 || now[len(now)-1].Event != "import.receipt-ended" {
				t.Errorf("the trail had %d events, and has %+v", len(events), now)
			}
		})
	}
}

// events are those of an import.
func (w *world) events(id string) (all []store.Event) {
	w.t.Helper()
	must(w.t, w.db.Tenant("main").Read(w.t.Context(), func(tx *store.Tx) (err error) {
		all, err = tx.Events(id)
		return err
	}))
	return all
}
