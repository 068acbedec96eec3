package sealed_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"lotse/internal/sealed"
	"lotse/internal/sealed/blob/blobtest"
)

// zipOf makes an archive of n files of about 300 KB, half of which compress.
func zipOf(t testing.TB, n int) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.HuffmanOnly) })
	for i := range n {
		method := zip.Deflate
		content := blobtest.Random(uint64(i), 300_000+i)
		for k := range content {
			content[k] &= 0x0f
		}
		if i%2 == 0 {
			method = zip.Store
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("DICOM/%06d.dcm", i), Method: method})
		must(t, err)
		_, err = w.Write(content)
		must(t, err)
	}
	must(t, z.Close())
	return buf.Bytes()
}

// buffered reads through a buffer of 256 KiB, as those who inflate should.
func buffered(r io.Reader) io.Reader { return bufio.NewReaderSize(r, 256<<10) }

// How much is read of the blob store for what is wanted of an archive four times as
// large as the budget: twice the bytes at most, and when all is read in order, one
// request per MiB with a tenth to spare.
func TestAmountRead(t *testing.T) {
	b := newBench(t)
	archive := zipOf(t, 60)
	segments := b.write(t, "import-1", archive, 1<<20)

	for _, c := range []struct {
		name     string
		read     func(t *testing.T, r *sealed.Reader) (wanted int64)
		requests bool
	}{
		{"sequential, 32 KiB", func(t *testing.T, r *sealed.Reader) int64 { return sequential(t, r, 32<<10) }, true},
		{"sequential, 1 MB", func(t *testing.T, r *sealed.Reader) int64 { return sequential(t, r, 1_000_000) }, true},
		{"zip walk", walkZip, true},
		{"sorted random reads", sortedReads, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := b.tenantOf(t, b.open(3<<20+64<<10), "tenant-1").Reader("import-1", segments)
			b.count.Read()
			wanted := c.read(t, r)
			requests, got := b.count.Read()
			t.Logf("wanted %.1f MiB, read %.1f MiB in %d requests (%.2f per MiB)", mib(wanted), mib(got), requests, float64(requests)/mib(wanted))
			if got > 2*wanted {
				t.Errorf("read %d bytes for %d", got, wanted)
			}
			if c.requests && float64(requests) > 1.1*mib(wanted) {
				t.Errorf("%d requests for %.1f MiB", requests, mib(wanted))
			}
		})
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func sequential(t *testing.T, r *sealed.Reader, step int) int64 {
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.NewSectionReader(r, 0, r.Size())}, make([]byte, step))
	must(t, err)
	return n
}

func walkZip(t *testing.T, r *sealed.Reader) (n int64) {
	z, err := zip.NewReader(r, r.Size())
	must(t, err)
	for _, f := range z.File {
		n += readFile(t, r, f)
	}
	return n
}

// readFile inflates a file and says how many bytes it had in the archive.
func readFile(t *testing.T, r *sealed.Reader, f *zip.File) int64 {
	t.Helper()
	off, err := f.DataOffset()
	must(t, err)
	raw := buffered(io.NewSectionReader(r, off, int64(f.CompressedSize64)))
	if f.Method == zip.Deflate {
		rc, err := f.Open() // checks that what comes is right
		must(t, err)
		_, err = io.Copy(io.Discard, buffered(rc))
		must(t, err)
		must(t, rc.Close())
	}
	_, err = io.Copy(io.Discard, struct{ io.Reader }{raw})
	must(t, err)
	return int64(f.CompressedSize64)
}

// sortedReads reads six in ten of all ranges of 100 KiB, by chance, in their order.
func sortedReads(t *testing.T, r *sealed.Reader) (n int64) {
	rng := rand.New(rand.NewPCG(3, 4))
	p := make([]byte, 100<<10)
	for off := int64(0); off+int64(len(p)) <= r.Size(); off += int64(len(p)) {
		if rng.IntN(10) < 6 {
			k, err := r.ReadAt(p, off)
			must(t, err)
			n += int64(k)
		}
	}
	return n
}

// The budget bounds what is kept, however much is read.
func TestCacheBudget(t *testing.T) {
	b := newBench(t)
	plain := blobtest.Random(1, 8<<20)
	segments := b.write(t, "import-1", plain, 1<<20)
	const budget = 3 << 20
	r := b.tenantOf(t, b.open(budget), "tenant-1").Reader("import-1", segments)
	readAll(t, r)
	b.count.Read()
	p := make([]byte, 10)
	for i := 7; i >= 0; i-- {
		_, err := r.ReadAt(p, int64(i)<<20)
		must(t, err)
	}
	// The two newest of eight windows are still there.
	if reads, _ := b.count.Read(); reads != 6 {
		t.Errorf("%d of 8 windows were read again, want 6", reads)
	}
}
