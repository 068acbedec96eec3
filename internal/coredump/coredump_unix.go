//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package coredump

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// noFile lets the kernel write no file of a core, now and in what is started.
func noFile() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	return nil
}
