package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/minio/sio"

	"lotse/internal/sealed/keyring"
)

// A sealed file begins with magic, the length of the wrapped key in one byte, and
// the wrapped key; then follows the DARE stream.
const (
	magic     = "LOTSE BACKUP 1\n"
	keySize   = 32
	maxHeader = len(magic) + 1 + 255
)

// A DARE package: its plaintext and what the format adds.
const (
	payload  = 64 << 10
	overhead = 32
)

var errSeal = errors.New("the file is damaged, or was not written with this key under this name")

// sealer seals and opens the files of a backup.
type sealer struct{ key keyring.Master }

func sealAAD(name string) []byte { return []byte("lotse backup " + name) }

// sealing writes the header of a file and returns what seals the rest; closing it
// ends the file.
func (s sealer) sealing(ctx context.Context, name string, w io.Writer) (io.WriteCloser, error) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	defer clear(key)
	wrapped, err := s.key.Wrap(ctx, sealAAD(name), key)
	if err != nil {
		return nil, fmt.Errorf("wrap the key of a file: %w", err)
	}
	if len(wrapped) > 255 {
		return nil, errors.New("wrap the key of a file: too long")
	}
	head := append(append([]byte(magic), byte(len(wrapped))), wrapped...)
	if _, err := w.Write(head); err != nil {
		return nil, err
	}
	return sio.EncryptWriter(struct{ io.Writer }{w}, dare(key)) // which would close w as well
}

// opening reads the header of a file and returns what opens the rest; it fails
// where that is not what was sealed, also where it ends too early.
func (s sealer) opening(ctx context.Context, name string, r io.Reader) (io.Reader, error) {
	head := make([]byte, len(magic)+1)
	if _, err := io.ReadFull(r, head); err != nil || string(head[:len(magic)]) != magic {
		return nil, errSeal
	}
	wrapped := make([]byte, head[len(magic)])
	if _, err := io.ReadFull(r, wrapped); err != nil {
		return nil, errSeal
	}
	key, err := s.key.Unwrap(ctx, sealAAD(name), wrapped)
	if err != nil || len(key) != keySize {
		return nil, errSeal
	}
	defer clear(key)
	return sio.DecryptReader(r, dare(key))
}

func dare(key []byte) sio.Config {
	return sio.Config{MinVersion: sio.Version20, MaxVersion: sio.Version20, CipherSuites: []byte{sio.AES_256_GCM}, Key: bytes.Clone(key)}
}

// seal seals bytes, at least one of them.
func (s sealer) seal(ctx context.Context, name string, plain []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(int(sealedSize(int64(len(plain)))) + maxHeader)
	w, err := s.sealing(ctx, name, &out)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write(plain); err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// open opens what seal made.
func (s sealer) open(ctx context.Context, name string, file []byte) ([]byte, error) {
	r, err := s.opening(ctx, name, bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	plain := bytes.NewBuffer(make([]byte, 0, len(file)))
	if _, err := plain.ReadFrom(r); err != nil || plain.Len() == 0 {
		return nil, errSeal
	}
	return plain.Bytes(), nil
}

// sealedSize is how long the DARE stream of n bytes is. The segments of packages are
// such streams, and are sealed once more as they are.
func sealedSize(n int64) int64 { return n + (n+payload-1)/payload*overhead }

// mine reports whether a file of a size begins with a key that ours opens and holds
// as much as it should: it was written whole, since files get their name last.
func (s sealer) mine(ctx context.Context, name string, file io.ReaderAt, size, plain int64) bool {
	head := make([]byte, maxHeader)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) || n <= len(magic) || string(head[:len(magic)]) != magic {
		return false
	}
	length := len(magic) + 1 + int(head[len(magic)])
	if n < length || size != int64(length)+sealedSize(plain) {
		return false
	}
	key, err := s.key.Unwrap(ctx, sealAAD(name), head[len(magic)+1:length])
	clear(key)
	return err == nil
}
