package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"lotse/test/peer"
)

// dumped tells whether a process that gets SIGABRT leaves a core.
func dumped(t *testing.T, cmd *exec.Cmd, ready func() bool) bool {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peer.Await(t, patience, "the process to run", ready)
	if err := cmd.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was aborted
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		t.Fatalf("it was not ended by a signal: %v", cmd.ProcessState)
	}
	files, err := os.ReadDir(cmd.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "core") {
			return true
		}
	}
	return status.CoreDump()
}

// TestNoCore: a gateway that is aborted leaves no core, although the system would write
// one, and no other process of its user may read its memory.
func TestNoCore(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_CORE, &before) })
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: before.Max, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	cat := exec.Command("cat")
	cat.Dir = t.TempDir()
	in, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if !dumped(t, cat, func() bool { return true }) {
		t.Skip("skipped: this system writes no cores that a test could see")
	}

	s := startServer(t, nil)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok {
			f := strings.Fields(rest)
			found = f[0] == "0" && f[1] == "0"
		}
	}
	if !found {
		t.Errorf("the limits of a gateway are\n%s", limits)
	}

	out := &safeBuffer{}
	crash := exec.Command(binary, "serve")
	crash.Dir, crash.Stdout, crash.Stderr = t.TempDir(), out, out
	crash.Env = append(os.Environ(), append(s.env, "GOTRACEBACK=crash", "LOTSE_DATA_DIR=data", "LOTSE_LISTEN=127.0.0.1:0")...)
	if dumped(t, crash, func() bool { return strings.Contains(out.String(), "Lotse is ready") }) {
		t.Error("an aborted gateway leaves a core")
	}
}
