package gateway

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// attributes let a node die with this process, however that ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// start starts a program from a thread that lives as long as this process: the
// parent whose death kills it is a thread (prctl(2), PR_SET_PDEATHSIG).
func start(cmd *exec.Cmd) error {
	order := starting{cmd, make(chan error, 1)}
	starter() <- order
	return <-order.started
}

type starting struct {
	cmd     *exec.Cmd
	started chan error
}

var starter = sync.OnceValue(func() chan<- starting {
	orders := make(chan starting)
	go func() {
		runtime.LockOSThread()
		for o := range orders {
			o.started <- o.cmd.Start()
		}
	}()
	return orders
})

// peakMemory reads the largest resident set of a process, in bytes.
func peakMemory(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	_, _ = fmt.Sscan(line, &kilobytes) // 0 where it says nothing
	return kilobytes << 10
}
