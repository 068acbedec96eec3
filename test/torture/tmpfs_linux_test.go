package torture

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"lotse/internal/synth"
	"lotse/test/torture/gateway"
)

// smallDisk keeps the data of a node in a small file system in memory, which only the
// process of the node sees and which is gone with it.
type smallDisk struct{ dir string }

// newSmallDisk skips the test where nothing can be mounted.
func newSmallDisk(t *testing.T) smallDisk {
	t.Helper()
	d := smallDisk{t.TempDir()}
	if out, err := d.mount("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", d.dir); err != nil {
		t.Skipf("a file system cannot be mounted here: %v %s", err, out)
	}
	return d
}

func (d smallDisk) mount(name string, args ...string) ([]byte, error) {
	return exec.Command(name, args...).CombinedOutput()
}

// wrap makes a program that runs another one with the disk mounted.
func (d smallDisk) wrap(t *testing.T, program, size string) string {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\nexec unshare --mount sh -c 'mount -t tmpfs -o size=%s tmpfs %s && exec %s \"$@\"' sh \"$@\"\n", size, d.dir, program)
	path := filepath.Join(t.TempDir(), "lotse")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// grow gives the disk of a running node another size.
func (d smallDisk) grow(t *testing.T, n *gateway.Node, size string) {
	t.Helper()
	out, err := d.mount("nsenter", "--target", strconv.Itoa(n.PID()), "--mount", "mount", "-o", "remount,size="+size, d.dir)
	if err != nil {
		t.Fatalf("grow the disk: %v\n%s", err, out)
	}
}

// TestRealDiskFull lets more come in than the file system of a node has room for. What
// does not fit waits, the node answers all the while, and with more room everything
// arrives.
func TestRealDiskFull(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	small := newSmallDisk(t)
	w := newWorld(t, "sqlite", 77, map[string]string{"DATA_DIR": small.dir}, func(program string) string { return small.wrap(t, program, "44m") })
	w.portal.change(func() { w.portal.cut, w.portal.later = 0, 0 })
	w.brim = true
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var feeding, deciding sync.WaitGroup
	for n, way := range []string{byLink, byUpload, byUpload} { // some 17 MB each
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
	small.grow(t, w.nodes[0], "300m")
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
