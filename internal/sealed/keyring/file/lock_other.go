//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package file

// lockFolder does nothing: here, one process at a time may use a keyring.
func lockFolder(string) (unlock func(), err error) { return func() {}, nil }
