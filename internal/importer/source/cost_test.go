package source

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// exam is an archive of n files of size bytes that pack to about half.
func exam(t testing.TB, n, size int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exam.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	content := random(size)
	for i := range content {
		content[i] &= 0x0f
	}
	for i := range n {
		out, err := w.Create(fmt.Sprintf("DICOM/STUDY001/SERIES%03d/IMG%05d.dcm", i/100, i))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = out.Write(content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMemory holds the package to what an exam of 4,000 files may cost.
func TestMemory(t *testing.T) {
	path := exam(t, 4000, 1000)
	before, begin := heap(), time.Now()
	o := must(t, Request{Sources: []string{path}}, Hooks{})
	walked := time.Since(begin)
	cost := int64(heap()) - int64(before)
	t.Logf("4,000 files: %d KiB, opened in %v", cost>>10, walked.Round(time.Millisecond))
	if cost > 2<<20 {
		t.Errorf("%d bytes", cost)
	}
	runtime.KeepAlive(o)
}

func BenchmarkOpen(b *testing.B) {
	path := exam(b, 1000, 20_000)
	o := must(b, Request{Sources: []string{path}}, Hooks{})
	b.Run("header", func(b *testing.B) { // as an inspection does
		b.ReportAllocs()
		p := make([]byte, 1024)
		for i := 0; b.Loop(); i++ {
			r, err := o.Open(i % o.Len())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(r, p); err != nil {
				b.Fatal(err)
			}
			_ = r.Close()
		}
	})
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(20_000)
		for i := 0; b.Loop(); i++ {
			r, err := o.Open(i % o.Len())
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, r)
			_ = r.Close()
		}
	})
}

func BenchmarkThroughput(b *testing.B) {
	const size = 8 << 20
	plain := must(b, Request{Sources: []string{exam(b, 1, size)}}, Hooks{})
	packed, err := os.ReadFile(exam(b, 1, size))
	if err != nil {
		b.Fatal(err)
	}
	nested := must(b, Request{Sources: []string{write(b, filepath.Join(b.TempDir(), "n"), zipped(b, file{"n", string(packed)}))}}, Hooks{})
	for name, read := range map[string]func() (io.ReadCloser, error){
		"local":  func() (io.ReadCloser, error) { return plain.Open(0) },
		"sealed": func() (io.ReadCloser, error) { return nested.Open(1) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				r, err := read()
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, r); n != size || err != nil {
					b.Fatal(n, err)
				}
				_ = r.Close()
			}
		})
	}
}
