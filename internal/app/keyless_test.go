package app

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/keyring/file"
	"lotse/internal/store"
)

// keyWorld is a world without workers, whose clocks a test moves: the database's, and
// with it, unless it says otherwise, the one that nobody sets.
type keyWorld struct {
	*world
	clock, monotonic *shift
	trouble          *trouble
}

func newKeyWorld(t *testing.T) *keyWorld {
	clock, monotonic, trouble, dir := &shift{}, &shift{}, &trouble{}, t.TempDir()
	stored, err := disk.Open(filepath.Join(dir, "blobs"))
	must(t, err)
	keys, err := file.Open(filepath.Join(dir, "keyring"), nil)
	must(t, err)
	config := store.Config{Engine: store.SQLite, Path: filepath.Join(dir, "lotse.db"), Faults: trouble.at, Shift: clock.get}
	w := openWorld(t, dir, config, &datedBlobs{Store: stored, now: clock.get}, keys, func(o *GatewayOptions) {
		o.Monotonic = func() time.Time { return time.Now().Add(monotonic.get()) }
	})
	w.close()
	return &keyWorld{world: w, clock: clock, monotonic: monotonic, trouble: trouble}
}

// datedBlobs is a store whose clock is the one that a test moves.
type datedBlobs struct {
	blob.Store
	now  func() time.Duration
	born sync.Map // key → time.Duration by which the clock was moved then
}

func (d *datedBlobs) Create(ctx context.Context, key string) (blob.Writer, error) {
	d.born.Store(key, d.now())
	return d.Store.Create(ctx, key)
}

func (d *datedBlobs) List(ctx context.Context, prefix string, f func(blob.Info) error) error {
	return d.Store.List(ctx, prefix, func(b blob.Info) error {
		if by, ok := d.born.Load(b.Key); ok {
			b.Modified = b.Modified.Add(by.(time.Duration))
		}
		return f(b)
	})
}

// pass lets time pass, as the nodes see it that run.
func (w *keyWorld) pass(d time.Duration) {
	w.t.Helper()
	w.clock.add(d)
	w.monotonic.add(d)
	must(w.t, w.retention(w.t.Context()))
}

// collects has the hourly job run for some hours.
func (w *keyWorld) collects(hours int) {
	w.t.Helper()
	for range hours {
		must(w.t, w.collect(w.t.Context()))
		w.pass(time.Hour)
	}
	must(w.t, w.collect(w.t.Context()))
}

// hasKey reports whether an import's key is there.
func (w *world) hasKey(id string) bool {
	w.t.Helper()
	s, err := w.scope(w.t.Context(), w.who)
	must(w.t, err)
	_, err = s.v.ImportMade(w.t.Context(), id)
	if err != nil && !errors.Is(err, sealed.ErrErased) {
		w.t.Fatal(err)
	}
	return err == nil
}

// orphan makes a key whose import does not come to be.
func (w *keyWorld) orphan(once string) string {
	w.t.Helper()
	w.trouble.arm(atSQL("INSERT INTO imports"))
	if _, err := w.Create(w.t.Context(), w.who, NewImport{Kind: KindUpload, Once: once}); err == nil {
		w.t.Fatal("the row did not fail")
	}
	return w.onlyKeyless()
}

// onlyKeyless is the one key without an import.
func (w *world) onlyKeyless() (only string) {
	w.t.Helper()
	ctx := w.t.Context()
	s, err := w.scope(ctx, w.who)
	must(w.t, err)
	must(w.t, s.v.Imports(ctx, func(id string, _ time.Time) error {
		missing, err := s.missing(ctx, id)
		if missing && only != "" {
			w.t.Error("several keys have no import")
		}
		if missing {
			only = id
		}
		return err
	}))
	if only == "" {
		w.t.Fatal("no key without an import")
	}
	return only
}

func TestKeysWithoutImportAreCollected(t *testing.T) {
	w := newKeyWorld(t)
	ctx := t.Context()
	lives, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload})
	must(t, err)
	id := w.orphan("")
	w.collects(23)
	if !w.hasKey(id) {
		t.Fatal("destroyed before its time")
	}
	w.collects(4)
	if w.hasKey(id) {
		t.Error("the key of what never came to be is still there")
	}
	if !w.hasKey(lives) {
		t.Fatal("the key of an import was destroyed")
	}
	w.upload(lives, "a", []byte("some bytes"))
	if _, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload}); err != nil {
		t.Errorf("nothing can be created any more: %v", err)
	}
}

// TestKeysStayWhileTheClockIsDoubted: a clock that jumped makes keys look old, and so
// does one that no node looked at.
func TestKeysStayWhileTheClockIsDoubted(t *testing.T) {
	w := newKeyWorld(t)
	must(t, w.retention(t.Context()))
	id := w.orphan("")
	w.clock.add(48 * time.Hour)
	for range 5 {
		must(t, w.collect(t.Context())) // before retention has looked
		w.monotonic.add(time.Hour)
	}
	must(t, w.retention(t.Context()))
	if why, _ := w.ClockPaused(t.Context()); why == "" {
		t.Fatal("nobody doubts the clock")
	}
	for range 5 {
		must(t, w.collect(t.Context()))
		w.monotonic.add(time.Hour)
	}
	if !w.hasKey(id) {
		t.Error("destroyed by a clock that jumped")
	}
	must(t, w.ConfirmClock(t.Context(), w.who))
	w.collects(3)
	if w.hasKey(id) {
		t.Error("not destroyed after the clock was confirmed")
	}
}

// TestKeysOfAWrongClock has a keyring whose clock is two days behind: every key looks
// old at once, and none of an import that is being begun is destroyed.
func TestKeysOfAWrongClock(t *testing.T) {
	w := newKeyWorld(t)
	ctx := t.Context()
	w.pass(48 * time.Hour) // the files of the keyring keep the real time
	stop, cancel := context.WithCancel(ctx)
	var collecting sync.WaitGroup
	collecting.Go(func() {
		for stop.Err() == nil {
			if err := w.collect(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	var creating sync.WaitGroup
	var mu sync.Mutex
	var all []string
	for n := range 4 {
		creating.Go(func() {
			for range 15 {
				once := ""
				if n%2 == 0 {
					once = store.NewID()
				}
				id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Once: once})
				if err != nil {
					t.Error(err)
					return
				}
				if again, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Once: once}); once != "" && (err != nil || again != id) {
					t.Errorf("the same again is another: %v", err)
				} else if once == "" && err == nil {
					mu.Lock()
					all = append(all, again)
					mu.Unlock()
				}
				mu.Lock()
				all = append(all, id)
				mu.Unlock()
			}
		})
	}
	creating.Wait()
	cancel()
	collecting.Wait()
	w.collects(4)
	for _, id := range all {
		if !w.hasKey(id) {
			t.Fatal("an import lost its key")
		}
	}
	s, err := w.scope(ctx, w.who)
	must(t, err)
	must(t, s.v.Imports(ctx, func(id string, _ time.Time) error {
		missing, err := s.missing(ctx, id)
		if missing {
			t.Error("a key without an import is left")
		}
		return err
	}))
}

// TestBegunTooLongAgo holds an import between its key and its row until the key is
// collected: the row does not come to be.
func TestBegunTooLongAgo(t *testing.T) {
	for name, once := range map[string]string{"once": "the same request", "always": ""} {
		t.Run(name, func(t *testing.T) {
			w := newKeyWorld(t)
			ctx := t.Context()
			s, err := w.scope(ctx, w.who)
			must(t, err)
			im, err := s.begin(ctx, KindUpload, once)
			must(t, err)
			w.collects(28)
			if w.hasKey(im.ID) {
				t.Fatal("the key was not collected")
			}
			err = s.t.Write(ctx, func(tx *store.Tx) error { return s.insert(tx, im) })
			if !errors.Is(err, errOld) {
				t.Errorf("the row of an import without a key: %v", err)
			}
			if id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Once: once}); err != nil || w.row(id).State != importer.Fetching {
				t.Errorf("asked for again: %v", err)
			}
		})
	}
}

// TestOnceTakesUpItsKey asks again for what failed between key and row: soon, the key is
// taken up, later another is made, since the first may be being collected.
func TestOnceTakesUpItsKey(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration
		same  bool
	}{"at once": {0, true}, "after two hours": {2 * time.Hour, false}, "while it is collected": {25 * time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			w := newKeyWorld(t)
			ctx := t.Context()
			first := w.orphan("the same request")
			w.pass(c.after)
			must(t, w.collect(ctx))
			id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Once: "the same request"})
			must(t, err)
			if same := id == first; same != c.same {
				t.Errorf("the key was taken up: %v", same)
			}
			if c.same {
				again, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Once: "the same request"})
				if err != nil || again != id {
					t.Errorf("the same again is another: %v", err)
				}
			}
			w.collects(30)
			if !w.hasKey(id) || w.hasKey(first) != c.same {
				t.Errorf("keys: %v of the import, %v of the attempt", w.hasKey(id), w.hasKey(first))
			}
		})
	}
}
