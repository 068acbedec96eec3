package sealed_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"lotse/internal/sealed"
	"lotse/internal/sealed/blob/blobtest"
)

const benchSize = 128 << 20

func BenchmarkWritePlain(b *testing.B) {
	plain := blobtest.Random(1, 1<<20)
	dir := b.TempDir()
	b.SetBytes(benchSize)
	for i := range b.N {
		for k := range benchSize / sealed.MaxSegment {
			f, err := os.Create(filepath.Join(dir, fmt.Sprint(i, "-", k)))
			must(b, err)
			for range sealed.MaxSegment / len(plain) {
				_, err = f.Write(plain)
				must(b, err)
			}
			must(b, f.Sync())
			must(b, f.Close())
			must(b, os.Remove(f.Name()))
		}
	}
}

func BenchmarkWriteSealed(b *testing.B) {
	for _, digest := range []bool{false, true} {
		b.Run(fmt.Sprintf("digest=%v", digest), func(b *testing.B) {
			v := newBench(b)
			plain := blobtest.Random(1, 1<<20)
			b.SetBytes(benchSize)
			for b.Loop() {
				var p part
				w := v.tenant.Writer(b.Context(), "import-1", sealed.WriterOptions{Commit: p.commit, Digest: digest})
				for range benchSize / len(plain) {
					_, err := w.Write(plain)
					must(b, err)
				}
				must(b, w.Flush(b.Context()))
				for _, s := range p.segments {
					must(b, v.count.Delete(b.Context(), v.tenant.BlobKey("import-1", s.ID)))
				}
			}
		})
	}
}

func BenchmarkReadSealed(b *testing.B) {
	for _, step := range []int{4 << 10, 32 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dK", step>>10), func(b *testing.B) {
			v := newBench(b)
			segments := v.write(b, "import-1", blobtest.Random(1, benchSize), 1<<20)
			r := v.tenant.Reader("import-1", segments)
			p := make([]byte, step)
			b.SetBytes(benchSize)
			b.ReportAllocs()
			for b.Loop() {
				_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.NewSectionReader(r, 0, r.Size())}, p)
				must(b, err)
			}
		})
	}
}

func BenchmarkReadPlain(b *testing.B) {
	name := filepath.Join(b.TempDir(), "plain")
	must(b, os.WriteFile(name, blobtest.Random(1, benchSize), 0o600))
	f, err := os.Open(name)
	must(b, err)
	defer f.Close()
	p := make([]byte, 1<<20)
	b.SetBytes(benchSize)
	for b.Loop() {
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.NewSectionReader(f, 0, benchSize)}, p)
		must(b, err)
	}
}
