package app

import (
	"errors"
	"testing"

	"lotse/internal/tus"
)

// TestUploadKey: a creation that is sent again makes nothing new.
func TestUploadKey(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	create := func(id, key string, length int64) (string, error) {
		metadata := map[string]string{"import": id, "path": "exam.zip"}
		if key != "" {
			metadata["key"] = key
		}
		return w.Uploads(w.who).Create(t.Context(), tus.Upload{Length: length, Metadata: metadata})
	}
	begin := func() string {
		id, err := w.Create(t.Context(), w.who, NewImport{Kind: KindUpload})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	id := begin()
	seen := map[string]bool{}
	for i, c := range []struct {
		id, key string
		length  int64
		fresh   bool
	}{
		{id, "a", 7, true}, {id, "a", 7, false}, {id, "b", 7, true}, {id, "", 7, true}, {id, "", 7, true}, {id, "b", 7, false}, {begin(), "a", 7, true},
	} {
		upload, err := create(c.id, c.key, c.length)
		if err != nil {
			t.Fatal(err)
		}
		if seen[upload] == c.fresh {
			t.Errorf("creation %d: fresh is %v", i, !c.fresh)
		}
		seen[upload] = true
	}
	if _, err := create(id, "a", 8); !errors.Is(err, tus.BadMetadata) {
		t.Errorf("the key of another file: %v", err)
	}
	if s, err := w.Snapshot(t.Context(), w.who, id); err != nil || s.Received.Parts != 4 {
		t.Errorf("%d parts, %v", s.Received.Parts, err)
	}
}
