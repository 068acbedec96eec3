package blobtest_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/blobtest"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/durable/durabletest"
)

func openUnsynced(t *testing.T, dir string) *blobtest.Unsynced {
	t.Helper()
	u, err := blobtest.OpenUnsynced(dir)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUnsyncedConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return openUnsynced(t, t.TempDir()) })
}

func TestFaultyConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return blobtest.NewFaulty(openUnsynced(t, t.TempDir())) })
}

// What was committed is there after a crash, with all its bytes; what was deleted is
// not; what was neither is as if it had never been.
func TestUnsyncedKeepsCommitted(t *testing.T) {
	dir := t.TempDir()
	u := openUnsynced(t, dir)
	for i := range 5 {
		blobtest.Put(t, u, fmt.Sprintf("t/i%d/s", i%2)+fmt.Sprint(i), blobtest.Random(uint64(i), 100_000))
	}
	// The folder of t/i0 goes and comes again: its name must be made durable again.
	if err := u.Delete(t.Context(), "t/i0/s0", "t/i0/s2", "t/i0/s4"); err != nil {
		t.Fatal(err)
	}
	blobtest.Put(t, u, "t/i0/s6", blobtest.Random(6, 1000))
	w, err := u.Create(t.Context(), "t/i0/open")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("not committed")); err != nil {
		t.Fatal(err)
	}
	check := func(s blob.Store) {
		t.Helper()
		if keys := blobtest.Keys(t, s, ""); !slices.Equal(keys, []string{"t/i0/s6", "t/i1/s1", "t/i1/s3"}) {
			t.Errorf("after the crash: %q", keys)
		}
		for i, key := range map[int]string{1: "t/i1/s1", 3: "t/i1/s3"} {
			if err := blob.Compare(t.Context(), s, key, blobtest.Random(uint64(i), 100_000)); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
	// What a killed process leaves is on the disk before anybody says so.
	left, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	check(left)
	if err := u.Crash(); err != nil {
		t.Fatal(err)
	}
	check(u)
	if err := w.Commit(t.Context()); err == nil {
		t.Error("a writer from before the crash commits")
	}
}

// The double would show a missing sync: each step left out loses the file.
func TestUnsyncedForgets(t *testing.T) {
	for _, c := range []struct {
		name                 string
		file, folder, parent bool
		want                 string
	}{
		{"all", true, true, true, "bytes"},
		{"file not synced", false, true, true, ""},
		{"folder not synced", true, false, true, "-"},
		{"folder's own name not synced", true, true, false, "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := durabletest.Open(t.TempDir())
			must(t, err)
			must(t, u.Mkdir("d"))
			f, err := u.Create("d/.temp")
			must(t, err)
			_, err = f.Write([]byte("bytes"))
			must(t, err)
			if c.file {
				must(t, f.Sync())
			}
			must(t, f.Close())
			must(t, u.Rename("d/.temp", "d/file"))
			if c.parent {
				must(t, u.SyncDir("."))
			}
			if c.folder {
				must(t, u.SyncDir("d"))
			}
			must(t, u.Crash())
			if got := content(t, u, "d/file"); got != c.want {
				t.Errorf("left %q, want %q", got, c.want)
			}
		})
	}
}

func content(t *testing.T, u *durabletest.Unsynced, name string) string {
	t.Helper()
	f, err := u.Open(name)
	if err != nil {
		return "-"
	}
	defer f.Close()
	b := make([]byte, 100)
	n, _ := f.ReadAt(b, 0)
	return string(b[:n])
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFaulty(t *testing.T) {
	f := blobtest.NewFaulty(openUnsynced(t, t.TempDir()))
	f.Fail(blobtest.Commit, 2, nil)
	f.FailAfter(blobtest.Commit, 3, blob.ErrFull)
	var errs []error
	for i := range 4 {
		w, err := f.Create(t.Context(), fmt.Sprint("t/", i))
		must(t, err)
		errs = append(errs, w.Commit(t.Context()))
	}
	if errs[0] != nil || !errors.Is(errs[1], blobtest.ErrInjected) || !errors.Is(errs[2], blob.ErrFull) || errs[3] != nil {
		t.Errorf("commits: %v", errs)
	}
	if keys := blobtest.Keys(t, f, ""); !slices.Equal(keys, []string{"t/0", "t/2", "t/3"}) {
		t.Errorf("left: %q", keys)
	}
	if !blob.Temporary(errs[1]) || !blob.Temporary(errs[2]) || f.Calls(blobtest.Commit) != 4 {
		t.Error("not temporary, or not counted")
	}
}
