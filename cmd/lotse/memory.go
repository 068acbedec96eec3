package main

import (
	"os"
	"runtime/debug"
)

// tuneMemory keeps the heap of a command small: an exam streams through, what
// stays is little, and collecting it often costs next to nothing. GOGC and
// GOMEMLIMIT in the environment win.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}
