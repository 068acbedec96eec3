package sealed

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"

	"github.com/minio/sio"

	"lotse/internal/sealed/keyring"
)

// A DARE package: its plaintext, what the format adds, and both.
const (
	payload  = 64 << 10
	header   = 16
	overhead = header + 16
	packet   = payload + overhead
)

// Segment is an immutable, sealed piece of a part.
type Segment struct {
	ID     string // 32 hex digits, random
	Offset int64  // of its first byte within the part
	Size   int64  // of the plaintext, in bytes
}

// newSegmentID gives 128 random bits.
func newSegmentID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// sealedSize is how long the blob of n bytes of plaintext is.
func sealedSize(n int64) int64 {
	packets := (n + payload - 1) / payload
	return n + packets*overhead
}

// cipherOf is how one segment is encrypted. The nonce is derived, not random, and
// known to whoever reads: the format alone would let someone with access to the
// blobs move packages within a segment unseen by a reader that begins between them.
type cipherOf struct {
	key   []byte
	nonce [12]byte
}

// segmentCipher derives the cipher from the import's key, the id and the place.
func segmentCipher(key keyring.Key, id string, offset int64) (*cipherOf, error) {
	b, err := derive(key, fmt.Sprintf("segment/%s/%d", id, offset), 32+12)
	if err != nil {
		return nil, err
	}
	return &cipherOf{key: b[:32], nonce: [12]byte(b[32:])}, nil
}

func (c *cipherOf) config(sequence uint32) sio.Config {
	return sio.Config{
		MinVersion: sio.Version20, MaxVersion: sio.Version20, CipherSuites: []byte{sio.AES_256_GCM},
		Key: c.key, Nonce: &c.nonce, SequenceNumber: sequence,
	}
}

// checkPacket says whether a package has the segment's nonce and is its last one
// exactly when it should be. Everything else about it is checked in decrypting.
func (c *cipherOf) checkPacket(p []byte, last bool) bool {
	if len(p) <= overhead {
		return false
	}
	want := c.nonce
	want[0] &= 0x7f
	if last {
		want[0] |= 0x80
	}
	return subtle.ConstantTimeCompare(p[4:header], want[:]) == 1
}
