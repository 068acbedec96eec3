package logs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

const (
	// MaxKeep is the longest that a line is kept.
	MaxKeep = 14 * 24 * time.Hour
	// turn is how long a file is written to.
	turn = 24 * time.Hour
	// maxFile is how large a file becomes, in bytes, give or take a line.
	maxFile = 64 << 20
	// lookEvery is how often old files are looked for.
	lookEvery = time.Hour
	// form is the time in a file's name: when its first line can have been written.
	form = "20060102T150405Z"
)

// Files writes lines into files of a folder, a new one every day and whenever one is
// large, and deletes those whose first line is older than it may be. Any number of
// processes may share the folder: each has files of its own, and any of them deletes
// what is old. It is safe for concurrent use.
type Files struct {
	dir  string
	keep time.Duration
	now  func() time.Time

	mu    sync.Mutex
	file  *os.File
	begun time.Time
	size  int64
}

// Open begins a file in dir, which is made when needed. keep is at most MaxKeep.
func Open(dir string, keep time.Duration) (*Files, error) { return open(dir, keep, time.Now) }

func open(dir string, keep time.Duration, now func() time.Time) (*Files, error) {
	f := &Files{dir: dir, keep: min(keep, MaxKeep), now: now}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("log.dir: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.next(); err != nil {
		return nil, fmt.Errorf("log.dir: %w", err)
	}
	return f, f.drop()
}

// next begins a new file; the present one stays when that does not work.
func (f *Files) next() error {
	begun := f.now().UTC()
	name := "lotse-" + begun.Format(form) + "-" + rand.Text()[:8] + ".log"
	file, err := os.OpenFile(filepath.Join(f.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if f.file != nil {
		_ = f.file.Close() // its lines were written
	}
	f.file, f.begun, f.size = file, begun, 0
	return nil
}

// Write writes whole lines.
func (f *Files) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return 0, fs.ErrClosed
	}
	var turned error
	if age := f.now().Sub(f.begun); f.size > 0 && f.size+int64(len(p)) > maxFile || age >= turn || age < -turn {
		turned = f.next()
	}
	n, err := f.file.Write(p)
	f.size += int64(n)
	return n, errors.Join(err, turned)
}

// Run deletes what is old until ctx ends.
func (f *Files) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			f.tidy()
		}
	}
}

// tidy ends a file that nothing was written to for a day, and deletes what is old.
func (f *Files) tidy() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil && f.size > 0 && f.now().Sub(f.begun) >= turn {
		_ = f.next() // the next line tries again, and says so
	}
	_ = f.drop() // tried again in an hour
}

// drop deletes the files whose first line is older than it may be, also those of others.
func (f *Files) drop() error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	name := regexp.MustCompile(`^lotse-(\d{8}T\d{6}Z)-[A-Z2-7]{8}\.log$`)
	for _, e := range entries {
		m := name.FindStringSubmatch(e.Name())
		if m == nil {
			continue // not ours
		}
		begun, parsed := time.Parse(form, m[1])
		if parsed != nil || f.now().Sub(begun) < f.keep || f.file != nil && e.Name() == filepath.Base(f.file.Name()) {
			continue
		}
		if gone := os.Remove(filepath.Join(f.dir, e.Name())); gone != nil && !errors.Is(gone, fs.ErrNotExist) { // else another was faster
			err = errors.Join(err, gone)
		}
	}
	return err
}

// Close ends the present file.
func (f *Files) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
