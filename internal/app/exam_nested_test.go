package app

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/importer/source"
	"lotse/internal/importer/source/sourcetest"
	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/keyring/file"
	"lotse/internal/store"
)

// packedIn is a ZIP of files, packed.
func packedIn(t *testing.T, content map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(content)) {
		f, err := w.Create(name)
		must(t, err)
		_, err = f.Write(content[name])
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

// nestedExam is an exam in an archive in an archive in an archive, and one beside it.
func nestedExam(t *testing.T) []byte {
	inner := packedIn(t, madeSlices(t, 1, 2))
	return packedIn(t, map[string][]byte{"a.zip": packedIn(t, map[string][]byte{"deep.zip": inner, "note.txt": []byte("a note")}),
		"b.zip": packedIn(t, madeSlices(t, 2, 1))})
}

// bring uploads one file into a new import.
func (w *world) bring(name string, content []byte) string {
	w.t.Helper()
	id, err := w.Create(w.t.Context(), w.who, NewImport{Kind: KindUpload, Files: 1, Priority: PriorityPerson})
	must(w.t, err)
	w.upload(id, name, content)
	return id
}

// always is a fence that holds.
func always(*store.Tx) error { return nil }

// opened lists an import's package as its next worker sees it.
func (w *world) opened(id string) ([]string, error) {
	w.t.Helper()
	ctx := w.t.Context()
	s, err := w.scope(ctx, w.who)
	must(w.t, err)
	im, err := s.read(ctx, id)
	must(w.t, err)
	pkg, err := s.assemble(ctx, always, im)
	if err != nil {
		return nil, err
	}
	defer pkg.Close()
	var list []string
	for i := range pkg.Len() {
		f := pkg.File(i)
		list = append(list, fmt.Sprint(i, f.Path, f.Size, f.Refused))
	}
	return list, pkg.Err()
}

// derivedParts are the derived parts whose key begins with a text.
func (w *world) derivedParts(id, prefix string) (out []store.Part) {
	w.t.Helper()
	must(w.t, w.db.Tenant("main").Read(w.t.Context(), func(tx *store.Tx) error {
		all, err := tx.Parts(id, roleDerived)
		out = slices.DeleteFunc(all, func(p store.Part) bool { return !strings.HasPrefix(p.Key, prefix) })
		return err
	}))
	return out
}

// strays counts the blobs of an import that no row names.
func (w *world) strays(id string) int {
	w.t.Helper()
	n := 0
	must(w.t, w.db.Tenant("main").Read(w.t.Context(), func(tx *store.Tx) error {
		n = 0
		return tx.SegmentIDs(id, func(string) error {
			n--
			return nil
		})
	}))
	must(w.t, w.blobs.List(w.t.Context(), "main/"+id+"/", func(blob.Info) error {
		n++
		return nil
	}))
	return n
}

// TestNestedArchives takes an exam out of packed archives in packed archives to its
// archive: no file is written that is not sealed, what was unpacked once is found by
// the next worker, and nothing of it outlives the import.
func TestNestedArchives(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", "/there is no folder for scratch files")
	w := newWorld(t, dir, nil, nil)
	id := w.bring("exam.zip", nestedExam(t))
	s := w.until(id, importer.Review)
	if s.Received.Instances != 3 || len(s.Patients) == 0 {
		t.Fatalf("the review shows %s", show(s))
	}
	parts := w.derivedParts(id, "nested ")
	if len(parts) != 3 {
		t.Fatalf("%d archives were derived: %+v", len(parts), parts)
	}
	for _, p := range parts {
		if !p.Complete || p.Size == 0 {
			t.Errorf("%s has %d bytes, complete: %v", p.Key, p.Size, p.Complete)
		}
	}
	first, err := w.opened(id)
	must(t, err)
	w.close()
	w = newWorld(t, dir, nil, nil)
	again, err := w.opened(id)
	must(t, err)
	if !slices.Equal(first, again) || len(again) != 7 {
		t.Errorf("at first\n%q\nthen\n%q", first, again)
	}
	if now := w.derivedParts(id, "nested "); len(now) != 3 || now[0].Created != parts[0].Created || now[2].Number != parts[2].Number {
		t.Errorf("they were derived again: %+v, before %+v", now, parts)
	}
	destination, path := w.folder()
	w.decideFor(s, destination)
	s = w.until(id, importer.Arrived)
	if files(t, path) != 3 {
		t.Errorf("%d files arrived: %s", files(t, path), show(s))
	}
	checkReceipt0(t, w, s)
	if n := w.strays(id); n != 0 {
		t.Errorf("%d blobs have no row", n)
	}
	must(t, w.Delete(t.Context(), w.who, id, 0))
	w.until(id, importer.Purged)
	if n := files(t, dir+"/blobs"); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
}

// unsteadyBlobs fail once, when the nth blob is begun.
type unsteadyBlobs struct {
	blob.Store
	mu   sync.Mutex
	left int // until then; 0: it does not fail
}

func (u *unsteadyBlobs) failAt(n int) (left int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	left, u.left = u.left, n
	return left
}

func (u *unsteadyBlobs) Create(ctx context.Context, key string) (blob.Writer, error) {
	u.mu.Lock()
	fail := u.left == 1
	u.left = max(u.left-1, 0)
	u.mu.Unlock()
	if fail {
		return nil, errLost
	}
	return u.Store.Create(ctx, key)
}

var errLost = errors.New("the store is lost here")

// TestDerivedIsWholeOrNotThere loses the node before each change of the database and
// after each that is committed, while archives are derived: the next worker finds the
// same files under the same numbers, what was whole is not made again, and what was
// not is collected.
func TestDerivedIsWholeOrNotThere(t *testing.T) {
	for _, stage := range []store.Stage{store.StageStatement, store.StageCommit, store.StageCommitted} {
		t.Run(fmt.Sprint(stage), func(t *testing.T) {
			w := newKeyWorld(t)
			trouble, ctx := w.trouble, t.Context()
			must(t, w.retention(ctx))
			id := w.bring("exam.zip", nestedExam(t))
			for at := 1; ; at++ {
				before := w.derivedParts(id, "nested ")
				trouble.arm(nthWrite(stage, at))
				_, err := w.opened(id)
				trouble.arm(nil)
				for _, p := range w.derivedParts(id, "nested ") {
					if !p.Complete {
						t.Fatalf("at %d: half a part", at)
					}
				}
				list, again := w.opened(id)
				must(t, again)
				now := w.derivedParts(id, "nested ")
				for _, p := range before {
					if !slices.ContainsFunc(now, func(q store.Part) bool { return p.Key == q.Key && p.Number == q.Number }) {
						t.Errorf("at %d: %s was made again", at, p.Key)
					}
				}
				if len(list) != 7 || len(now) != 3 {
					t.Fatalf("at %d: %d files, %d derived", at, len(list), len(now))
				}
				if err == nil {
					if at < 3 {
						t.Errorf("only %d changes", at)
					}
					break
				}
				w.dropNested(id)
			}
			w.pass(garbageAge + time.Hour)
			must(t, w.collect(ctx))
			if n := w.strays(id); n != 0 {
				t.Errorf("%d blobs without a row are left", n)
			}
			if list, err := w.opened(id); err != nil || len(list) != 7 {
				t.Errorf("after collecting: %q, %v", list, err)
			}
		})
	}
}

// nthWrite fails the nth statement, commit or answer of a change.
func nthWrite(stage store.Stage, n int) func(store.Point) error {
	return func(p store.Point) error {
		if p.Stage != stage || !p.Write {
			return nil
		}
		if n--; n > 0 {
			return nil
		}
		if stage == store.StageCommitted {
			return store.Fault(store.Unknown)
		}
		return store.Fault(store.Permanent)
	}
}

// dropNested takes derived archives away, as if they had not been made yet.
func (w *world) dropNested(id string) {
	w.t.Helper()
	for _, p := range w.derivedParts(id, "nested ") {
		must(w.t, w.db.Tenant("main").Write(w.t.Context(), func(tx *store.Tx) error {
			dropped, err := tx.DropPart(id, p.Number)
			for _, one := range dropped {
				err = errors.Join(err, w.blobs.Delete(w.t.Context(), "main/"+id+"/"+one.ID))
			}
			return err
		}))
	}
}

// TestDerivedBlobStoreFails fails the blob store at every segment: that is never read
// as a damaged archive, and nothing half stays.
func TestDerivedBlobStoreFails(t *testing.T) {
	dir := t.TempDir()
	stored, err := disk.Open(filepath.Join(dir, "blobs"))
	must(t, err)
	keys, err := file.Open(filepath.Join(dir, "keyring"), nil)
	must(t, err)
	blobs := &unsteadyBlobs{Store: stored}
	w := openWorld(t, dir, store.Config{Engine: store.SQLite, Path: filepath.Join(dir, "lotse.db")}, blobs, keys, nil)
	w.close()
	id := w.bring("exam.zip", nestedExam(t))
	for at := 1; ; at++ {
		blobs.failAt(at)
		_, err := w.opened(id)
		blobs.failAt(0)
		if err == nil {
			if at != 4 {
				t.Errorf("%d archives were derived", at-1)
			}
			break
		}
		if !errors.Is(err, errLost) {
			t.Fatalf("at %d: %v", at, err)
		}
		if n := w.strays(id); n != 0 {
			t.Errorf("at %d: %d blobs have no row", at, n)
		}
		w.dropNested(id)
	}
}

// TestDerivedDependsOnItsParts makes again what was made of other bytes.
func TestDerivedDependsOnItsParts(t *testing.T) {
	w := idle(t, nil, nil)
	id := w.bring("exam.zip", nestedExam(t))
	s, err := w.scope(t.Context(), w.who)
	must(t, err)
	derive := func(of, content string) string {
		n := &nested{s: s, fence: always, id: id, of: []byte(of)}
		r, err := n.Derive(t.Context(), "archive.1.1", func(w io.Writer) error {
			_, err := io.WriteString(w, content)
			return err
		})
		must(t, err)
		got, err := io.ReadAll(r)
		must(t, err)
		return string(got)
	}
	for _, c := range [][3]string{{"1", "one", "one"}, {"1", "not asked for", "one"}, {"2", "two", "two"}, {"1", "one again", "one again"}} {
		if got := derive(c[0], c[1]); got != c[2] {
			t.Errorf("of %s: %q, want %q", c[0], got, c[2])
		}
	}
	if n := len(w.derivedParts(id, "nested ")); n != 1 || w.strays(id) != 0 {
		t.Errorf("%d parts, %d strays", n, w.strays(id))
	}
}

// TestDerivedByTwo lets two workers derive the same at once: both read the same, and
// what the slower one made is gone.
func TestDerivedByTwo(t *testing.T) {
	w := idle(t, nil, nil)
	id := w.bring("exam.zip", nestedExam(t))
	var both, wg sync.WaitGroup
	both.Add(2)
	for range 2 {
		wg.Go(func() {
			s, err := w.scope(t.Context(), w.who)
			if err != nil {
				t.Error(err)
			}
			n := &nested{s: s, fence: always, id: id, of: []byte("1")}
			r, err := n.Derive(t.Context(), "archive.1.1", func(w io.Writer) error {
				both.Done()
				both.Wait()
				_, err := io.WriteString(w, "the same bytes")
				return err
			})
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != "the same bytes" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := len(w.derivedParts(id, "nested ")); n != 1 || w.strays(id) != 0 {
		t.Errorf("%d parts, %d strays", n, w.strays(id))
	}
}

// TestDerivedTooSlow lets a day pass while an archive is unpacked: its first segments
// may be collected, so it does not come to be.
func TestDerivedTooSlow(t *testing.T) {
	clock := &shift{}
	w := idle(t, clock, nil)
	id := w.bring("exam.zip", nestedExam(t))
	s, err := w.scope(t.Context(), w.who)
	must(t, err)
	n := &nested{s: s, fence: always, id: id, of: []byte("1")}
	for _, c := range []struct {
		takes time.Duration
		want  error
	}{{rowTime + time.Minute, errSlow}, {rowTime - time.Minute, nil}} {
		_, err := n.Derive(t.Context(), "archive.1.1", func(w io.Writer) error {
			clock.add(c.takes)
			_, err := io.WriteString(w, "slowly")
			return err
		})
		if !errors.Is(err, c.want) {
			t.Errorf("after %s: %v", c.takes, err)
		}
		if w.strays(id) != 0 {
			t.Errorf("after %s: %d strays", c.takes, w.strays(id))
		}
	}
}

func TestSealedDeriver(t *testing.T) {
	sourcetest.RunDeriver(t, func(t *testing.T) sourcetest.Deriver {
		w := idle(t, nil, nil)
		s, err := w.scope(t.Context(), w.who)
		must(t, err)
		return &nested{s: s, fence: always, id: w.bring("a", []byte("something")), of: []byte("1")}
	})
}

// TestNestedNeedsItsLease opens a package for a worker that has lost its lease: it
// makes nothing.
func TestNestedNeedsItsLease(t *testing.T) {
	w := idle(t, nil, nil)
	id := w.bring("exam.zip", nestedExam(t))
	s, err := w.scope(t.Context(), w.who)
	must(t, err)
	im, err := s.read(t.Context(), id)
	must(t, err)
	_, err = s.assemble(t.Context(), func(*store.Tx) error { return store.ErrLeaseLost }, im)
	var p *importer.Problem
	if !errors.Is(err, store.ErrLeaseLost) || !errors.As(err, &p) || p.Code != importer.ProblemInternal {
		t.Errorf("without its lease: %v", err)
	}
	if n := len(w.derivedParts(id, "")); n != 0 || w.strays(id) != 0 {
		t.Errorf("%d parts, %d strays", n, w.strays(id))
	}
}

var _ source.Deriver = sourcetest.Deriver(nil)
