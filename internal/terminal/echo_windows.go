package terminal

import "golang.org/x/sys/windows"

// silence turns the echo of a console off; Ctrl-C and the editing of lines stay.
func silence(fd int) (restore func(), err error) {
	var before uint32
	console := windows.Handle(fd)
	if err := windows.GetConsoleMode(console, &before); err != nil {
		return nil, err
	}
	if err := windows.SetConsoleMode(console, before&^windows.ENABLE_ECHO_INPUT); err != nil {
		return nil, err
	}
	return func() { _ = windows.SetConsoleMode(console, before) }, nil
}
