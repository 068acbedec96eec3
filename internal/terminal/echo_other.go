//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package terminal

import "errors"

// silence is not known here; a password must not be typed in the open.
func silence(int) (restore func(), err error) { return nil, errors.ErrUnsupported }
