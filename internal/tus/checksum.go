package tus

import (
	"crypto/sha1" //nolint:gosec // the extension checksum demands it; it finds broken transfers, not forgers
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strings"
)

// algorithms is Tus-Checksum-Algorithm.
const algorithms = "sha256,sha1"

// checksum is what a PATCH says its bytes have; nil when it says nothing.
type checksum struct {
	hash.Hash
	want []byte
}

// parseChecksum reads Upload-Checksum: algorithm and value in base64.
func parseChecksum(values []string) (*checksum, error) {
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > 1 {
		return nil, BadChecksum
	}
	name, coded, _ := strings.Cut(values[0], " ")
	var c checksum
	switch name {
	case "sha256":
		c.Hash = sha256.New()
	case "sha1":
		c.Hash = sha1.New() //nolint:gosec // see the import
	case "":
		return nil, BadChecksum
	default:
		return nil, UnknownAlgorithm
	}
	want, err := base64.StdEncoding.Strict().DecodeString(coded)
	if err != nil || len(want) != c.Size() {
		return nil, BadChecksum
	}
	c.want = want
	return &c, nil
}

// right reports whether the bytes are those that were meant.
func (c *checksum) right() bool { return subtle.ConstantTimeCompare(c.Sum(nil), c.want) == 1 }
