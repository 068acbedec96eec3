package app

import (
	"testing"
	"time"

	"lotse/internal/importer"
)

// TestCreateOnce: a creation that has a name begins one import a day.
func TestCreateOnce(t *testing.T) {
	clock := &shift{}
	w := newWorld(t, t.TempDir(), clock, nil)
	seen := map[string]bool{}
	create := func(actor, once string, fresh bool) string {
		t.Helper()
		id, err := w.Create(t.Context(), Who{Tenant: w.who.Tenant, Actor: actor}, NewImport{Kind: KindUpload, Once: once})
		if err != nil {
			t.Fatal(err)
		}
		if seen[id] == fresh {
			t.Errorf("%q of %s: fresh is %v", once, actor, !fresh)
		}
		seen[id] = true
		return id
	}
	create("a", "1", true)
	create("a", "1", false)
	create("b", "1", true)
	create("a", "", true)
	create("a", "", true)
	erased := create("a", "2", true)
	if err := w.Delete(t.Context(), w.who, erased, 0); err != nil {
		t.Fatal(err)
	}
	w.until(erased, importer.Purged)
	create("a", "2", true)
	clock.add(onceFor + time.Minute)
	create("a", "1", true)
}
