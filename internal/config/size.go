package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as 16MiB (or B, KiB, GiB, TiB, kB, MB, GB, TB).
type Size int64

// unit is one unit of Size.
type unit struct {
	name  string
	bytes int64
}

// units are all units, the larger first, and of what ends alike the longer first.
func units() []unit {
	return []unit{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
	}
}

// String writes the size with the largest binary unit that divides it.
func (s Size) String() string {
	for _, u := range units()[:4] {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText gives String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes, and the other units.
func (s *Size) UnmarshalText(text []byte) error {
	wrong := errors.New("is no size; write it as 16MiB, 2GB or 512KiB")
	number := strings.TrimSpace(string(text))
	factor := int64(0)
	for _, u := range units() {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	if number == "0" {
		factor = 1
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || factor == 0 || n > math.MaxInt64/factor {
		return wrong
	}
	*s = Size(n * factor)
	return nil
}
