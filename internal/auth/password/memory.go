package password

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// cgroupLimit is where Linux says how much memory a container may have.
const cgroupLimit = "/sys/fs/cgroup/memory.max"

// Budget is what all hashes at once should take on this computer, in bytes: a quarter of
// what the process may have (GOMEMLIMIT, the limit of its container), at most
// DefaultMemory.
func Budget() int64 {
	limit := debug.SetMemoryLimit(-1)
	if text, err := os.ReadFile(cgroupLimit); err == nil {
		limit = min(limit, container(string(text)))
	}
	return min(limit/4, DefaultMemory)
}

// container reads the limit of a container; "max" is none.
func container(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}
