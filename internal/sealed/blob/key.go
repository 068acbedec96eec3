package blob

import (
	"fmt"
	"strings"
)

const (
	maxKey  = 512 // bytes of a key
	maxPart = 128 // bytes between two slashes
)

// CheckKey says whether key may name a blob: one to eight parts with '/' between
// them, each of 1 to 128 lower-case letters a to z, digits, '-' or '_'. So a key is
// a path on every file system, never climbs out of a folder and never meets the
// names that stores use for themselves, which have a dot.
func CheckKey(key string) error {
	parts := strings.Split(key, "/")
	if len(key) > maxKey || len(parts) > 8 {
		return fmt.Errorf("%w: too long", ErrKey)
	}
	for _, part := range parts {
		if part == "" || len(part) > maxPart || !plain(part) {
			return fmt.Errorf("%w: %q", ErrKey, key)
		}
	}
	return nil
}

// CheckPrefix says whether prefix may begin keys. An empty one begins all.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckKey(strings.TrimSuffix(prefix, "/"))
}

func plain(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
