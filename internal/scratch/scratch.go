// Package scratch keeps bytes for a while that must be read again at any offset,
// such as a download or an archive inside an archive.
//
// A [File] has no name that anyone could open, is gone with the process however
// that ends, and never holds plaintext: what reaches the disk is sealed with a key
// that exists in memory only. Use it for one process and one run; what must
// survive a restart does not belong here.
package scratch

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// window is how much plaintext is sealed at once, in bytes. Reading a single byte
// opens a whole one, so readers want buffers of several.
const window = 64 << 10

const sealedWindow = window + 16 // the tag of AES-GCM

// ErrFull reports that the disk, or the quota on it, is used up.
var ErrFull = errors.New("scratch: no space left")

// ErrDamaged reports that the disk gave back other bytes than were written.
var ErrDamaged = errors.New("scratch: the disk returned other bytes than were written")

// errClosed is os.ErrClosed in the words of this package.
var errClosed = fmt.Errorf("scratch: %w", os.ErrClosed)

// File is written once from the beginning and read at any offset, also while it is
// written and by several goroutines. Every full window is sealed with AES-256-GCM
// under its number as nonce and stored once; the last one, not yet full, stays in
// memory. So no nonce ever repeats under one key.
type File struct {
	disk    *os.File
	discard func() // removes the name where the system did not let go of it
	buffers sync.Pool

	mu     sync.RWMutex
	aead   cipher.AEAD
	sealed int64  // full windows on disk
	tail   []byte // plaintext after them, shorter than a window
	closed bool
}

// New creates an empty file in dir, or in the system's folder for temporary files
// when dir is empty. Only the owner could read it, and it has no name from the
// start or at once.
func New(dir string) (*File, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	disk, discard, err := create(dir)
	if err != nil {
		return nil, fmt.Errorf("scratch: create: %w", full(err))
	}
	f := &File{disk: disk, discard: discard, tail: make([]byte, 0, window)}
	f.buffers.New = func() any { return new([sealedWindow]byte) }
	if f.aead, err = newKey(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func newKey() (cipher.AEAD, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: it ends the process instead
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("scratch: key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("scratch: key: %w", err)
	}
	return aead, nil
}

// Write appends. After an error the bytes it reports as taken are held, and
// writing may be tried again; errors.Is(err, ErrFull) when there is no space.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, errClosed
	}
	taken := 0
	for len(p) > 0 {
		if len(f.tail) == window {
			if err := f.seal(); err != nil {
				return taken, err
			}
		}
		n := min(len(p), window-len(f.tail))
		f.tail = append(f.tail, p[:n]...)
		p, taken = p[n:], taken+n
	}
	return taken, nil
}

// seal moves a full tail to the disk. Where that fails and is tried again, the
// same bytes are sealed under the same nonce: that gives nothing away.
func (f *File) seal() error {
	buf := f.buffers.Get().(*[sealedWindow]byte)
	defer f.buffers.Put(buf)
	out := f.aead.Seal(buf[:0], nonce(f.sealed), f.tail, nil)
	if _, err := f.disk.WriteAt(out, f.sealed*sealedWindow); err != nil {
		return fmt.Errorf("scratch: write: %w", full(err))
	}
	f.sealed++
	f.tail = f.tail[:0]
	return nil
}

func nonce(number int64) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[4:], uint64(number))
	return n
}

// ReadAt implements io.ReaderAt. A window that does not open is ErrDamaged.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("scratch: negative offset")
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return 0, errClosed
	}
	done := 0
	for done < len(p) {
		number, within := (off+int64(done))/window, (off+int64(done))%window
		if number >= f.sealed {
			if number == f.sealed && within < int64(len(f.tail)) {
				done += copy(p[done:], f.tail[within:])
			}
			break
		}
		n, err := f.open(p[done:], number, within)
		done += n
		if err != nil {
			return done, err
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// open decrypts a window and copies what follows offset within of it.
func (f *File) open(p []byte, number, within int64) (int, error) {
	buf := f.buffers.Get().(*[sealedWindow]byte)
	defer f.buffers.Put(buf)
	if _, err := f.disk.ReadAt(buf[:], number*sealedWindow); err != nil {
		return 0, fmt.Errorf("scratch: read: %w", err)
	}
	plain, err := f.aead.Open(buf[:0], nonce(number), buf[:], nil)
	if err != nil {
		return 0, ErrDamaged
	}
	return copy(p, plain[within:]), nil
}

// Size is how many bytes were written.
func (f *File) Size() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.sealed*window + int64(len(f.tail))
}

// Reset drops everything. What is written then is sealed with another key, since
// it takes the places of what was there.
func (f *File) Reset() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	aead, err := newKey()
	if err != nil {
		return err
	}
	if err := f.disk.Truncate(0); err != nil {
		return fmt.Errorf("scratch: reset: %w", err)
	}
	f.aead, f.sealed, f.tail = aead, 0, f.tail[:0]
	return nil
}

// Close gives the space back. Closing twice is harmless; everything else after it
// fails with os.ErrClosed.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	clear(f.tail[:cap(f.tail)])
	f.aead, f.tail = nil, nil
	err := f.disk.Close()
	f.discard()
	if err != nil {
		return fmt.Errorf("scratch: close: %w", err)
	}
	return nil
}
