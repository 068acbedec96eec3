package scratch

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func pattern(n int) []byte {
	line := []byte("MUSTERMANN^MAX 19700101 the quick brown fox\n")
	return bytes.Repeat(line, n/len(line)+1)[:n]
}

func newFile(t testing.TB, dir string) *File {
	t.Helper()
	f, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func fill(t testing.TB, f *File, b []byte, step int) {
	t.Helper()
	for len(b) > 0 {
		n := min(step, len(b))
		if got, err := f.Write(b[:n]); err != nil || got != n {
			t.Fatalf("Write = %d, %v", got, err)
		}
		b = b[n:]
	}
}

func TestReadAt(t *testing.T) {
	for _, size := range []int{0, 1, window - 1, window, window + 1, 3*window + 77} {
		for _, step := range []int{1000, window, 200_000} {
			want := make([]byte, size)
			_, _ = rand.Read(want)
			f := newFile(t, t.TempDir())
			fill(t, f, want, step)
			if f.Size() != int64(size) {
				t.Fatalf("Size = %d, want %d", f.Size(), size)
			}
			got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("size %d, step %d: content differs, %v", size, step, err)
			}
			for _, off := range []int{0, 1, window - 1, window, 2*window - 3, size - 1} {
				if off < 0 || off >= size {
					continue
				}
				p := make([]byte, min(window+5, size-off))
				if n, err := f.ReadAt(p, int64(off)); n != len(p) || err != nil || !bytes.Equal(p, want[off:off+n]) {
					t.Fatalf("size %d: ReadAt(%d) = %d, %v", size, off, n, err)
				}
			}
			if n, err := f.ReadAt(make([]byte, 1), int64(size)); n != 0 || !errors.Is(err, io.EOF) {
				t.Fatalf("at the end: %d, %v", n, err)
			}
			if n, err := f.ReadAt(make([]byte, 10), int64(max(size-5, 0))); n != min(5, size) || !errors.Is(err, io.EOF) {
				t.Fatalf("over the end: %d, %v", n, err)
			}
		}
	}
}

func TestConcurrentReadsWhileWriting(t *testing.T) {
	f := newFile(t, t.TempDir())
	want := pattern(8 * window)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			p := make([]byte, 5000)
			for round := range 200 {
				size := f.Size()
				off := int64(round*7919+i*131) % (size + 1)
				n, err := f.ReadAt(p, off)
				if err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(p[:n], want[off:off+int64(n)]) {
					t.Errorf("ReadAt(%d) = %d, %v", off, n, err)
					return
				}
			}
		})
	}
	fill(t, f, want, 3000)
	wg.Wait()
}

// disk returns what stands on the disk, through the open descriptor.
func disk(t *testing.T, f *File) ([]byte, fs.FileInfo) {
	t.Helper()
	path := fmt.Sprintf("/proc/self/fd/%d", f.disk.Fd())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.disk.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return b, info
}

func TestDiskHoldsNoNameAndNoPlaintext(t *testing.T) {
	create := map[string]func(string) (*os.File, func(), error){"unnamed": create, "unlinked": createNamed}
	for name, make := range create {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := newFile(t, dir)
			_ = f.disk.Close()
			var err error
			if f.disk, f.discard, err = make(dir); err != nil {
				t.Fatal(err)
			}
			fill(t, f, pattern(5*window+100), 10_000)
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 0 {
				t.Fatalf("the folder shows %v, %v", entries, err)
			}
			stored, info := disk(t, f)
			if len(stored) != 5*sealedWindow {
				t.Fatalf("%d bytes on disk", len(stored))
			}
			if bytes.Contains(stored, []byte("MUSTERMANN")) || bytes.Contains(stored, []byte("19700101")) {
				t.Fatal("plaintext on disk")
			}
			if info.Mode().Perm() != 0o600 {
				t.Fatalf("mode %v", info.Mode())
			}
			if nlink := info.Sys().(*syscall.Stat_t).Nlink; nlink != 0 {
				t.Fatalf("%d names", nlink)
			}
		})
	}
}

func TestResetUsesAnotherKey(t *testing.T) {
	f := newFile(t, t.TempDir())
	text := pattern(2*window + 5)
	fill(t, f, text, window)
	first, _ := disk(t, f)
	if err := f.Reset(); err != nil {
		t.Fatal(err)
	}
	if f.Size() != 0 {
		t.Fatalf("Size = %d", f.Size())
	}
	fill(t, f, text, window)
	second, _ := disk(t, f)
	if len(first) != len(second) || bytes.Equal(first[:64], second[:64]) {
		t.Fatal("the same bytes were sealed the same way twice")
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil || !bytes.Equal(got, text) {
		t.Fatalf("content differs, %v", err)
	}
}

func TestDamageShows(t *testing.T) {
	f := newFile(t, t.TempDir())
	fill(t, f, pattern(3*window), window)
	if _, err := f.disk.WriteAt([]byte{1}, sealedWindow+12345); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(make([]byte, 10), 0); err != nil {
		t.Fatalf("undamaged window: %v", err)
	}
	if _, err := f.ReadAt(make([]byte, 10), window); !errors.Is(err, ErrDamaged) {
		t.Fatalf("damaged window: %v", err)
	}
}

// TestDiskFull needs a file system of its own, so it needs to be root.
func TestDiskFull(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	f := newFile(t, dir)
	text := pattern(10 * window)
	n, err := f.Write(text)
	if !errors.Is(err, ErrFull) {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if f.Size() != int64(n) {
		t.Fatalf("took %d, holds %d", n, f.Size())
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil || !bytes.Equal(got, text[:n]) {
		t.Fatalf("what was taken differs, %v", err)
	}
}

func TestClosed(t *testing.T) {
	f := newFile(t, t.TempDir())
	fill(t, f, pattern(10), 10)
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	_, writeErr := f.Write([]byte("x"))
	_, readErr := f.ReadAt(make([]byte, 1), 0)
	for _, err := range []error{writeErr, readErr, f.Reset()} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestNewInMissingFolder(t *testing.T) {
	if _, err := New(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("New = %v", err)
	}
}

func BenchmarkSequential(b *testing.B) {
	f := newFile(b, b.TempDir())
	text := pattern(1 << 20)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if f.Size() > 256<<20 {
				_ = f.Reset()
			}
			fill(b, f, text, len(text))
		}
	})
	b.Run("read256K", func(b *testing.B) {
		p := make([]byte, 256<<10)
		b.SetBytes(int64(len(p)))
		b.ReportAllocs()
		for i := int64(0); b.Loop(); i++ {
			if _, err := f.ReadAt(p, i*int64(len(p))%(f.Size()-int64(len(p)))); err != nil {
				b.Fatal(err)
			}
		}
	})
}
