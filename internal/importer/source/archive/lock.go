package archive

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"lotse/internal/importer"
)

// encryption is how an entry is encrypted.
type encryption uint8

const (
	unencrypted encryption = iota
	pkware                 // traditional (APPNOTE 6.1)
	aes128                 // WinZip's (APPNOTE Appendix E), in three strengths
	aes192
	aes256
)

// encrypted reads from a central header how its entry is encrypted and makes method
// that of the data inside. ok is false where no password helps: strong encryption
// (APPNOTE 7), a masked directory, an AES that is not WinZip's.
func (e *entry) encrypted(flags uint16, extra []byte) (ok bool) {
	switch {
	case flags&(flagStrong|flagMasked) != 0:
		return false
	case e.method == methodAES:
		enc, method, checksum, ok := aesMarker(extra)
		if !ok {
			return false
		}
		e.encryption, e.method = enc, method
		if !checksum {
			e.crc = 0
		}
	case flags&flagEncrypted != 0:
		e.encryption = pkware
	}
	return true
}

// overhead is how many bytes of an entry are not its data.
func (e encryption) overhead() int64 {
	switch e {
	case unencrypted:
		return 0
	case pkware:
		return traditionalHeader
	}
	return int64(e.saltSize()) + aesVerifier + aesCode
}

// keySize is that of AES, in bytes.
func (e encryption) keySize() int { return 16 + 8*int(e-aes128) }

func (e encryption) saltSize() int { return e.keySize() / 2 }

// lock is the password of an archive.
type lock struct {
	password []byte
	// secrets are those of entries with AES, by position, once they are known: each
	// has a salt of its own.
	secrets []atomic.Pointer[aesSecrets]
}

func (a *Archive) newLock(password []byte) *lock {
	l := &lock{password: password}
	for i := range a.entries {
		if a.entries[i].encryption >= aes128 {
			l.secrets = make([]atomic.Pointer[aesSecrets], len(a.entries))
			break
		}
	}
	return l
}

// authentic is a reader that can tell, once it was read to its end, whether what it
// gave is genuine.
type authentic interface{ authenticate() error }

// packed returns the bytes of file i as they were compressed, deciphered: an
// *io.SectionReader where it is not encrypted. Where it is, and the verification
// bytes say that the password is wrong, the error is an OpenError of ReasonPassword.
func (a *Archive) packed(i int) (io.Reader, error) {
	e := &a.entries[i]
	if reason := a.refused(e); reason != "" {
		return nil, &importer.OpenError{Reason: reason, Err: errRefused}
	}
	at, check, err := a.data(e)
	if err != nil {
		return nil, err
	}
	section := io.NewSectionReader(a.r, at, e.packed)
	if e.encryption == unencrypted {
		return section, nil
	}
	r, err := a.decipher(i, section, check)
	if errors.Is(err, errPassword) {
		return nil, &importer.OpenError{Reason: importer.ReasonPassword, Err: err}
	}
	return r, err
}

func (a *Archive) decipher(i int, section *io.SectionReader, check byte) (io.Reader, error) {
	e := &a.entries[i]
	if e.encryption == pkware {
		return newTraditional(section, a.lock.password, check)
	}
	var head [16 + aesVerifier]byte
	salt, verifier := head[:e.encryption.saltSize()], head[e.encryption.saltSize():][:aesVerifier]
	if _, err := io.ReadFull(section, head[:len(salt)+aesVerifier]); err != nil {
		return nil, unreadable(fmt.Errorf("archive: salt: %w", opaque(err)))
	}
	secrets := a.lock.secrets[i].Load()
	if secrets == nil {
		var err error
		if secrets, err = newAESSecrets(a.lock.password, salt, e.encryption.keySize()); err != nil {
			return nil, unreadable(err)
		}
		a.lock.secrets[i].Store(secrets)
	}
	if string(secrets.verifier[:]) != string(verifier) {
		return nil, errPassword
	}
	r, err := newAESReader(section, e.packed-e.encryption.overhead(), secrets, e.encryption.keySize())
	if err != nil {
		return nil, unreadable(err)
	}
	return r, nil
}
