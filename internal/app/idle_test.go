package app

import (
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/store"
	"lotse/internal/tus"
)

// some brings the first bytes of an upload, or more of them.
func (w *world) some(up string, content []byte) {
	w.t.Helper()
	ctx := w.t.Context()
	lease, err := w.Uploads(w.who).Lease(ctx, up)
	must(w.t, err)
	defer lease.Release()
	_, err = lease.Write(content)
	must(w.t, err)
	_, err = lease.Commit(ctx)
	must(w.t, err)
}

// TestIdleUploadsEnd lets imports by upload wait for bytes that do not come: a day after
// the last one they are cancelled, and not before.
func TestIdleUploadsEnd(t *testing.T) {
	w := newKeyWorld(t)
	ctx := t.Context()
	w.pass(0)
	begin := func(length int) (id, up string) {
		id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Files: 1})
		must(t, err)
		if length > 0 {
			up, err = w.Uploads(w.who).Create(ctx, tus.Upload{Length: int64(length), Metadata: map[string]string{"import": id, "path": "a"}})
			must(t, err)
		}
		return id, up
	}
	never, _ := begin(0)
	stopped, up := begin(100)
	w.some(up, make([]byte, 10))
	busy, more := begin(100)
	whole := w.bring("exam.zip", madeUp(t).ZIP)
	states := func(what string, want map[string]importer.State) {
		t.Helper()
		must(t, w.endIdle(ctx))
		for id, state := range want {
			if got := w.row(id).State; got != state {
				t.Errorf("%s: %s, want %s", what, got, state)
			}
		}
	}
	s, err := w.Snapshot(ctx, w.who, stopped)
	must(t, err)
	if s.IdleUntil == nil || s.IdleUntil.Sub(s.Created) < uploadIdle || s.IdleUntil.Sub(s.Created) > uploadIdle+time.Hour {
		t.Errorf("it does not say when it ends: %s", show(s))
	}
	if s, err := w.Snapshot(ctx, w.who, whole); err != nil || s.IdleUntil != nil || s.State != importer.Inspecting {
		t.Errorf("what is complete ends, too: %s, %v", show(s), err)
	}
	for range 23 {
		w.pass(time.Hour)
		w.some(more, []byte{1})
	}
	version := w.row(busy).Version
	w.some(more, []byte{1})
	if w.row(busy).Version != version {
		t.Error("bytes change what a person decides on")
	}
	states("before", map[string]importer.State{never: importer.Fetching, stopped: importer.Fetching, busy: importer.Fetching})
	w.pass(2 * time.Hour)
	states("after", map[string]importer.State{never: importer.Cancelled, stopped: importer.Cancelled, busy: importer.Fetching, whole: importer.Inspecting})
	s, err = w.Snapshot(ctx, w.who, stopped)
	must(t, err)
	if s.Problem == nil || s.Problem.Code != string(importer.ProblemIdle) || s.IdleUntil != nil || s.Purge.Sub(*s.Ended) > 24*time.Hour {
		t.Errorf("it does not say why it ended, or stays: %s", show(s))
	}
	must(t, w.db.Tenant("main").Read(ctx, func(tx *store.Tx) error {
		events, err := tx.Events(stopped)
		if last := events[len(events)-1]; last.Event != "import.cancelled" || last.Detail["reason"] != "idle" || last.Actor != machine {
			t.Errorf("the last event is %+v", last)
		}
		return err
	}))
	if _, err := w.Uploads(w.who).Create(ctx, tus.Upload{Length: 5, Metadata: map[string]string{"import": stopped, "path": "b"}}); err == nil {
		t.Error("it takes files still")
	}
	w.pass(25 * time.Hour)
	states("a day later", map[string]importer.State{busy: importer.Cancelled})
	checkTrail(t, w.world, busy)
}

// TestIdleByAWrongClock cancels nothing because the clock jumped.
func TestIdleByAWrongClock(t *testing.T) {
	w := newKeyWorld(t)
	ctx := t.Context()
	w.pass(0)
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Files: 1})
	must(t, err)
	w.clock.add(48 * time.Hour)
	must(t, w.endIdle(ctx))
	must(t, w.retention(ctx)) // which sees it, and pauses
	must(t, w.endIdle(ctx))
	if got := w.row(id).State; got != importer.Fetching {
		t.Errorf("it is %s", got)
	}
}
