package scratch

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// createNamed makes a file and takes its name away at once. Where an open file
// cannot lose its name, discard does it after closing.
func createNamed(dir string) (f *os.File, discard func(), err error) {
	f, err = os.CreateTemp(dir, ".lotse-*") // 0600
	if err != nil {
		return nil, nil, err
	}
	name := f.Name()
	if os.Remove(name) == nil {
		return f, func() {}, nil
	}
	return f, func() { _ = os.Remove(name) }, nil
}

// full marks the errors of a disk or a quota that is used up.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
