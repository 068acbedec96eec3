package archive

import (
	"fmt"
	"hash/crc32"
	"io"
)

// traditionalHeader is how many bytes come before the data of an entry with
// traditional encryption (APPNOTE 6.1.3).
const traditionalHeader = 12

// traditionalKeys is the state of PKWARE's traditional encryption (APPNOTE 6.1). It
// is weak, and a password is checked by one byte only: whether it was the right one,
// the checksum says at the end.
type traditionalKeys [3]uint32

// newTraditionalKeys prepares the keys from a password (6.1.5).
func newTraditionalKeys(password []byte) traditionalKeys {
	k := traditionalKeys{0x12345678, 0x23456789, 0x34567890}
	for _, b := range password {
		k.update(b)
	}
	return k
}

// update takes a byte of plaintext in (6.1.5).
func (k *traditionalKeys) update(b byte) {
	k[0] = crc32.IEEETable[byte(k[0])^b] ^ k[0]>>8
	k[1] = (k[1]+k[0]&0xff)*134775813 + 1
	k[2] = crc32.IEEETable[byte(k[2])^byte(k[1]>>24)] ^ k[2]>>8
}

// decipher replaces ciphertext by plaintext (6.1.6, 6.1.7). Each byte waits for the
// one before, so that about 100 MB/s is all there is.
func (k *traditionalKeys) decipher(p []byte) {
	for i, c := range p {
		t := k[2] | 2
		p[i] = c ^ byte(t*(t^1)>>8)
		k.update(p[i])
	}
}

// traditional reads an entry with traditional encryption.
type traditional struct {
	data io.Reader
	keys traditionalKeys
}

// newTraditional reads the encryption header (6.1.6), whose last byte has to be
// check. It returns errPassword when it is not.
func newTraditional(section io.Reader, password []byte, check byte) (*traditional, error) {
	t := &traditional{section, newTraditionalKeys(password)}
	var header [traditionalHeader]byte
	if _, err := io.ReadFull(t, header[:]); err != nil {
		return nil, unreadable(fmt.Errorf("archive: encryption header: %w", opaque(err)))
	}
	if header[traditionalHeader-1] != check {
		return nil, errPassword
	}
	return t, nil
}

func (t *traditional) Read(p []byte) (int, error) {
	n, err := t.data.Read(p)
	t.keys.decipher(p[:n])
	return n, err
}
