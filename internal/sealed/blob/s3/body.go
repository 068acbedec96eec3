package s3

import (
	"io"
	"io/fs"
	"sync"
)

// once is the body of a request. The HTTP client may go on reading it for a moment
// after the request has failed; end waits for that and refuses more, so that the
// memory can be used again.
type once struct {
	r io.ReadSeeker

	mu    sync.Mutex
	ended bool
}

func (b *once) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0, fs.ErrClosed
	}
	return b.r.Read(p)
}

func (b *once) Seek(off int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.r.Seek(off, whence)
}

func (b *once) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}
