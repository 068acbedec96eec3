package e2e

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lotse/internal/store"
	"lotse/internal/synth"
	"lotse/test/torture/gateway"
)

// nestedZIP is a packed archive in an archive, of so many slices that it takes a while.
func nestedZIP(t *testing.T, slices int) []byte {
	t.Helper()
	pack := func(method uint16, files map[string][]byte) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for name, content := range files {
			f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(content); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	files := map[string][]byte{}
	for n := range slices {
		slice, err := synth.Slice(synth.SliceOptions{Seed: 1, Number: n, Rows: 1024, Columns: 1024})
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Join("DICOM", string(rune('A'+n/26))+string(rune('A'+n%26)))] = slice
	}
	return pack(zip.Deflate, map[string][]byte{"medium.zip": pack(zip.Store, files)})
}

// TestKilledWhileUnpacking kills the gateway while it unpacks an archive in an archive:
// what it left is no part of the import, the next process makes all of it, and nothing
// is left when the import is erased.
func TestKilledWhileUnpacking(t *testing.T) {
	const slices, patch = 32, 8 << 20
	s := newSite(t, false).start().setUp()
	content := nestedZIP(t, slices)
	blobs := func(id string) (n int) {
		_ = filepath.WalkDir(filepath.Join(s.dir, "data", "blobs", "main", id), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				n++
			}
			return nil // they come and go
		})
		return n
	}
	caught := false
	for try := 0; !caught && try < 8; try++ {
		id := s.create()
		u := &gateway.Upload{Client: s.client, Import: id, Path: "exam.zip", Content: content, Patch: patch}
		if err := u.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		came := (len(content) + patch - 1) / patch
		for blobs(id) < came+2 && gateway.Wait(t.Context(), time.Millisecond) { // two more were made
		}
		s.node.Kill()
		complete, half := s.nested(id)
		caught = complete == 0 && blobs(id) > came
		if half > 0 {
			t.Errorf("%d parts are there by half", half)
		}
		s.start()
		if im := s.until(id, "review"); im.Received.Instances != slices {
			t.Errorf("%d of %d slices are found", im.Received.Instances, slices)
		}
		if complete, half := s.nested(id); complete != 1 || half != 0 {
			t.Errorf("%d archives were unpacked, %d by half", complete, half)
		}
		s.erase(id)
		if n := blobs(id); n > 0 {
			t.Errorf("%d blobs are left", n)
		}
	}
	if !caught {
		t.Error("it was never killed in the middle")
	}
}

// nested counts the parts that hold archives of archives.
func (s *site) nested(id string) (complete, half int) {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), store.Config{Engine: store.SQLite, Path: filepath.Join(s.dir, "data", "lotse.db")})
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	err = db.Tenant("main").Read(s.t.Context(), func(tx *store.Tx) error {
		complete, half = 0, 0
		parts, err := tx.Parts(id, store.RoleDerived)
		for _, p := range parts {
			switch {
			case !strings.HasPrefix(p.Key, "nested "):
			case p.Complete:
				complete++
			default:
				half++
			}
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return complete, half
}

// erase deletes an import and waits until it is gone.
func (s *site) erase(id string) {
	s.t.Helper()
	if status := s.status("DELETE", "/api/v1/imports/"+id); status != 202 && status != 204 && status != 200 {
		s.t.Fatalf("erasing: %d", status)
	}
	s.until(id, "purged")
}
