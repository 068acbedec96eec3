package source

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"lotse/internal/importer"
)

// TestUnreadable reads as somebody who may not read everything.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "denied"), "x")
	write(t, filepath.Join(dir, "folder", "x"), "x")
	write(t, filepath.Join(dir, "open"), "x")
	err := errors.Join(os.Chmod(filepath.Join(dir, "denied"), 0), os.Chmod(filepath.Join(dir, "folder"), 0),
		os.Chmod(filepath.Join(dir, "open"), 0o644), os.Chmod(filepath.Dir(dir), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "folder"), 0o700) })
	scratch := t.TempDir()
	if os.Geteuid() == 0 {
		const nobody = 65534
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = syscall.Setfsuid(0) }()
	}
	o := must(t, Request{Sources: []string{dir}, ScratchDir: scratch}, Hooks{})
	wantListing(t, o, "denied !unreadable", "folder !unreadable", "open 1")
}

func TestDiskFull(t *testing.T) {
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	nested := zipped(t, file{"n", zipped(t, file{"big0", string(random(1 << 20))})})
	path := write(t, filepath.Join(t.TempDir(), "n"), nested)
	fails(t, importer.ProblemDiskFull, Request{Sources: []string{path}, ScratchDir: small}, Hooks{})
	_, link := serve(t, random(1<<20))
	req := request(link)
	req.ScratchDir = small
	fails(t, importer.ProblemDiskFull, req, Hooks{})
}
