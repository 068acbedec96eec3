//go:build !linux

package scratch

import "os"

func create(dir string) (f *os.File, discard func(), err error) { return createNamed(dir) }
