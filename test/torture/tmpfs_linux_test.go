package torture

import (
	"context"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lotse/internal/synth"
	"lotse/test/torture/gateway"
)

// tmpfs mounts a small file system in memory until the test ends, or skips the test.
func tmpfs(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// TestRealDiskFull lets more come in than the file system of a node has room for. What
// does not fit waits, the node answers all the while, and with more room everything
// arrives.
func TestRealDiskFull(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	small := tmpfs(t, "44m")
	w := newWorld(t, "sqlite", 77, map[string]string{"DATA_DIR": small})
	w.portal.change(func() { w.portal.cut, w.portal.later = 0, 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var feeding, deciding sync.WaitGroup
	for n, way := range []string{byLink, byUpload, byLink, byUpload} { // some 17 MB each
		k, err := w.task(way, synth.CTOptions{Seed: uint64(7001 + 3*n), Slices: 60, Series: 1})
		if err != nil {
			t.Fatal(err)
		}
		feeding.Go(func() {
			if err := w.bring(ctx, k); err != nil {
				w.fault("%s: %v", k.way, err)
			}
		})
	}
	working, stop := context.WithCancel(ctx)
	deciding.Go(func() { w.clerk(working) })
	for range 80 { // enough for all, were there room
		if !w.nodes[0].Healthy(ctx) {
			t.Fatalf("the node does not answer:\n%s", w.nodes[0].Tail(2000))
		}
		gateway.Wait(ctx, 100*time.Millisecond)
	}
	if !w.waiting() {
		t.Error("everything has arrived although there was no room")
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", unix.MS_REMOUNT, "size=300m"); err != nil {
		t.Fatal(err)
	}
	w.draining.Store(true)
	w.drain(ctx)
	feeding.Wait()
	stop()
	deciding.Wait()
	w.check(t.Context())
	for _, f := range w.faults {
		t.Error(f)
	}
}
