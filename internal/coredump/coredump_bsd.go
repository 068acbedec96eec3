//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package coredump

// Off makes the kernel write no core of this process.
func Off() error { return noFile() }
