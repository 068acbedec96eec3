package inflate

import (
	"archive/zip"
	"bytes"
	stdlib "compress/flate"
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
			p := make([]byte, 32<<10)
			b.SetBytes(entries[0].size)
			i := 0
			for b.Loop() {
				source.Reset(entries[i%len(entries)].packed)
				i++
				r := c.reset()
				for {
					if _, err := r.Read(p); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkHead reads the first bytes of a slice, as an inspection does.
func BenchmarkHead(b *testing.B) {
	packed := slices(b)[0].packed
	source := bytes.NewReader(nil)
	own := New(nil)
	p := make([]byte, 512)
	for b.Loop() {
		source.Reset(packed)
		own.Reset(source)
		if _, err := io.ReadFull(own, p); err != nil {
			b.Fatal(err)
		}
	}
}
