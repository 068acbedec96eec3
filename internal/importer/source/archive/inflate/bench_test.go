package inflate

import (
	"archive/zip"
	"bytes"
	stdlib "compress/flate"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/flate"

	"lotse/internal/synth" //nolint:depguard // data like that of the benchmark, in a test only
)

// entry is a compressed file and its size.
type entry struct {
	packed []byte
	size   int64
}

// slices are the entries of a ZIP with a few CT slices.
func slices(tb testing.TB) []entry {
	tb.Helper()
	var b bytes.Buffer
	if err := synth.CT(&b, synth.CTOptions{Seed: 1, Slices: 12}); err != nil {
		tb.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		tb.Fatal(err)
	}
	var entries []entry
	for _, f := range z.File {
		if f.Method != zip.Deflate || f.UncompressedSize64 < 100_000 {
			continue
		}
		r, err := f.OpenRaw()
		if err != nil {
			tb.Fatal(err)
		}
		packed, err := io.ReadAll(r)
		if err != nil {
			tb.Fatal(err)
		}
		entries = append(entries, entry{packed, int64(f.UncompressedSize64)})
	}
	return entries
}

// BenchmarkSlices reads CT slices through 32 KiB, as an import does.
func BenchmarkSlices(b *testing.B) {
	p := make([]byte, 32<<10)
	each(b, func(b *testing.B, r io.Reader, e entry) {
		b.SetBytes(e.size)
		for {
			if _, err := r.Read(p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkHead reads the first bytes of CT slices, as an inspection does.
func BenchmarkHead(b *testing.B) {
	p := make([]byte, 4<<10)
	each(b, func(b *testing.B, r io.Reader, _ entry) {
		if _, err := io.ReadFull(r, p); err != nil {
			b.Fatal(err)
		}
	})
}

// each hands slices in turn to f, inflated by us and by others, each used again.
func each(b *testing.B, f func(b *testing.B, r io.Reader, e entry)) {
	entries := slices(b)
	source := bytes.NewReader(nil)
	own := New(nil)
	theirs := flate.NewReader(source)
	standard := stdlib.NewReader(source)
	for _, c := range []struct {
		name  string
		reset func() io.Reader
	}{
		{"own", func() io.Reader { own.Reset(source); return own }},
		{"klauspost", func() io.Reader { _ = theirs.(flate.Resetter).Reset(source, nil); return theirs }},
		{"standard", func() io.Reader { _ = standard.(stdlib.Resetter).Reset(source, nil); return standard }},
	} {
		b.Run(c.name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				e := entries[i%len(entries)]
				i++
				source.Reset(e.packed)
				f(b, c.reset(), e)
			}
		})
	}
}
