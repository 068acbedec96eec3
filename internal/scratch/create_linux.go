package scratch

import (
	"os"

	"golang.org/x/sys/unix"
)

// create makes a file that never has a name (open(2), O_TMPFILE) and can get none
// (O_EXCL). File systems without that get one that loses its name at once.
func create(dir string) (f *os.File, discard func(), err error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return createNamed(dir)
	}
	return os.NewFile(uintptr(fd), "scratch"), func() {}, nil
}
