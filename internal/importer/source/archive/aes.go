package archive

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // WinZip's format has no other hash
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// WinZip's encryption with AES, "AE-1" and "AE-2" (APPNOTE Appendix E, and WinZip's
// own description of it). An entry is salt, verifier, ciphertext, code.
const (
	aesField      = 0x9901 // the extra field that describes it
	aesVerifier   = 2      // bytes that tell a wrong password, one in 65,536 excepted
	aesCode       = 10     // bytes of the authentication code
	aesIterations = 1000
	mostAESKey    = 32
)

// aesMarker reads WinZip's extra field: version, "AE", strength, compression method.
// AE-2 has no checksum. ok is false for what WinZip has not described.
func aesMarker(extra []byte) (enc encryption, method uint16, checksum, ok bool) {
	f := field(extra, aesField)
	if len(f) < 7 || f[2] != 'A' || f[3] != 'E' || f[4] < 1 || f[4] > 3 {
		return 0, 0, false, false
	}
	version := u16(f)
	return aes128 + encryption(f[4]-1), u16(f[5:]), version == 1, version == 1 || version == 2
}

// aesSecrets are what a password and an entry's salt give.
type aesSecrets struct {
	cipher, mac [mostAESKey]byte // of which as many bytes count as the key has
	verifier    [aesVerifier]byte
}

// newAESSecrets is dear by intention: about a millisecond.
func newAESSecrets(password, salt []byte, keySize int) (*aesSecrets, error) {
	derived, err := pbkdf2.Key(sha1.New, string(password), salt, aesIterations, 2*keySize+aesVerifier)
	if err != nil {
		return nil, fmt.Errorf("archive: derive a key: %w", err)
	}
	s := &aesSecrets{}
	copy(s.cipher[:], derived[:keySize])
	copy(s.mac[:], derived[keySize:2*keySize])
	copy(s.verifier[:], derived[2*keySize:])
	return s, nil
}

// aesReader reads an entry encrypted with AES. What it gave is genuine only after
// authenticate.
type aesReader struct {
	section io.Reader        // all that follows the verifier
	data    io.LimitedReader // of it the ciphertext
	mac     hash.Hash
	stream  keystream
}

func newAESReader(section io.Reader, length int64, secrets *aesSecrets, keySize int) (*aesReader, error) {
	block, err := aes.NewCipher(secrets.cipher[:keySize])
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	r := &aesReader{section: section, data: io.LimitedReader{R: section, N: length}}
	r.mac = hmac.New(sha1.New, secrets.mac[:keySize])
	r.stream.block = block
	r.stream.used = len(r.stream.bytes)
	return r, nil
}

func (r *aesReader) Read(p []byte) (int, error) {
	n, err := r.data.Read(p)
	_, _ = r.mac.Write(p[:n]) // it never fails; the code is over the ciphertext
	r.stream.apply(p[:n])
	return n, err
}

// authenticate reads what is left of the ciphertext and judges all of it.
func (r *aesReader) authenticate() error {
	if _, err := io.Copy(r.mac, &r.data); err != nil {
		return opaque(err)
	}
	var code [aesCode]byte
	if _, err := io.ReadFull(r.section, code[:]); err != nil {
		return opaque(err)
	}
	if !hmac.Equal(code[:], r.mac.Sum(nil)[:aesCode]) {
		return errTampered
	}
	return nil
}

// keystream is AES in counter mode as WinZip counts: from 1, little endian, which
// cipher.NewCTR does not do. No entry is long enough for more than 64 bits.
type keystream struct {
	block   cipher.Block
	count   uint64
	counter [aes.BlockSize]byte
	used    int // of bytes
	bytes   [32 * aes.BlockSize]byte
}

func (k *keystream) apply(p []byte) {
	for len(p) > 0 {
		if k.used == len(k.bytes) {
			k.refill()
		}
		n := subtle.XORBytes(p, p, k.bytes[k.used:])
		k.used += n
		p = p[n:]
	}
}

func (k *keystream) refill() {
	for at := 0; at < len(k.bytes); at += aes.BlockSize {
		k.count++
		binary.LittleEndian.PutUint64(k.counter[:], k.count)
		k.block.Encrypt(k.bytes[at:], k.counter[:])
	}
	k.used = 0
}
