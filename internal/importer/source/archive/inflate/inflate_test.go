package inflate

import (
	"bytes"
	stdlib "compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/flate"
)

// contents are plain files of several kinds, by name.
func contents() map[string][]byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 150_000)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	image := make([]byte, 160_000) // 12 bits in 16
	level := 1000
	for i := 0; i < len(image); i += 2 {
		level = max(0, min(4095, level+rnd.IntN(41)-20))
		image[i], image[i+1] = byte(level), byte(level>>8)
	}
	skewed := make([]byte, 100_000) // codes of all lengths
	for i := range skewed {
		for skewed[i] < 200 && rnd.IntN(2) == 0 {
			skewed[i]++
		}
	}
	var text bytes.Buffer
	for i := range 5000 {
		fmt.Fprintf(&text, "line %d of a text, %d\n", i, rnd.IntN(1000))
	}
	far := append(append(bytes.Clone(noise[:32<<10]), noise[:32<<10]...), noise[:300]...)
	var periods []byte // matches of every distance below 20
	for n := 1; n < 20; n++ {
		periods = append(periods, bytes.Repeat(noise[:n], 2000/n)...)
	}
	return map[string][]byte{
		"empty": nil, "one": {7}, "noise": noise, "image": image, "skewed": skewed, "text": text.Bytes(),
		"far": far, "periods": periods, "zeros": make([]byte, 500_000),
	}
}

// compressor makes a stream.
type compressor interface {
	io.WriteCloser
	Flush() error
}

// compressors are those of both libraries, at all levels.
func compressors(tb testing.TB) map[string]func(io.Writer) compressor {
	all := map[string]func(io.Writer) compressor{
		"stateless": func(w io.Writer) compressor { return stateless{flate.NewStatelessWriter(w)} },
	}
	for level := stdlib.HuffmanOnly; level <= stdlib.BestCompression; level++ {
		all[fmt.Sprintf("standard %d", level)] = func(w io.Writer) compressor {
			z, err := stdlib.NewWriter(w, level)
			if err != nil {
				tb.Fatal(err)
			}
			return z
		}
		all[fmt.Sprintf("klauspost %d", level)] = func(w io.Writer) compressor {
			z, err := flate.NewWriter(w, level)
			if err != nil {
				tb.Fatal(err)
			}
			return z
		}
	}
	return all
}

type stateless struct{ io.WriteCloser }

func (stateless) Flush() error { return nil }

func pack(tb testing.TB, compress func(io.Writer) compressor, content []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := compress(&b)
	if _, err := z.Write(content); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func standard(w io.Writer) compressor {
	z, _ := stdlib.NewWriter(w, stdlib.DefaultCompression)
	return z
}

func TestCompressors(t *testing.T) {
	z := New(nil) // one for all, so that Reset is tested too
	for name, content := range contents() {
		for with, compress := range compressors(t) {
			z.Reset(bytes.NewReader(pack(t, compress, content)))
			got, err := io.ReadAll(z)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s with %s: %d bytes of %d, %v", name, with, len(got), len(content), err)
			}
			if n, err := z.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("%s with %s: after the end %d, %v", name, with, n, err)
			}
		}
	}
}

// TestReaders gives the input, and takes the output, in pieces of several sizes.
func TestReaders(t *testing.T) {
	for name, content := range contents() {
		packed := pack(t, standard, content)
		for with, wrap := range map[string]func(io.Reader) io.Reader{
			"one byte":    iotest.OneByteReader,
			"halves":      iotest.HalfReader,
			"early error": iotest.DataErrReader,
			"sevens":      func(r io.Reader) io.Reader { return sevens{r} },
		} {
			for _, size := range []int{minSize, DefaultSize} {
				for _, piece := range []int{1, 1000, 1 << 20} {
					got, err := readPieces(NewSize(wrap(bytes.NewReader(packed)), size), piece)
					if !errors.Is(err, io.EOF) || !bytes.Equal(got, content) {
						t.Fatalf("%s, input of %d by %s, output by %d: %d bytes, %v", name, size, with, piece, len(got), err)
					}
				}
			}
		}
	}
}

// sevens gives at most 7 bytes, and sometimes none.
type sevens struct{ io.Reader }

func (r sevens) Read(p []byte) (int, error) {
	if rand.IntN(4) == 0 {
		return 0, nil
	}
	return r.Reader.Read(p[:min(7, len(p))])
}

// readPieces reads with pieces of one size until an error.
func readPieces(r io.Reader, piece int) ([]byte, error) {
	var out []byte
	p := make([]byte, piece)
	for {
		n, err := r.Read(p)
		out = append(out, p[:n]...)
		if err != nil {
			return out, err
		}
	}
}

// TestTruncation cuts streams everywhere: what was decoded before is given, then the error.
func TestTruncation(t *testing.T) {
	content := contents()["text"][:3000]
	fixed := contents()["text"][:40]
	for name, packed := range map[string][]byte{
		"dynamic": pack(t, standard, content),
		"fixed":   pack(t, standard, fixed),
		"stored":  pack(t, compressors(t)["standard 0"], content[:200]),
	} {
		for n := range packed {
			for _, r := range []io.Reader{bytes.NewReader(packed[:n]), iotest.OneByteReader(bytes.NewReader(packed[:n]))} {
				got, err := io.ReadAll(New(r))
				want, _ := io.ReadAll(stdlib.NewReader(bytes.NewReader(packed[:n])))
				if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(got, want) || len(got) > len(want)+20 {
					t.Fatalf("%s cut to %d: %d bytes, %v; the standard library: %d bytes", name, n, len(got), err, len(want))
				}
			}
		}
	}
}

// TestPrompt wants what was flushed without waiting for more, and little read for it.
func TestPrompt(t *testing.T) {
	var pipe impatient
	out := standard(&pipe)
	z := New(&pipe)
	for _, word := range []string{"first", "second", "first again", "first again and again"} {
		_, err := io.WriteString(out, word)
		if err := errors.Join(err, out.Flush()); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, len(word))
		if _, err := io.ReadFull(z, p); err != nil || string(p) != word {
			t.Fatalf("%q, %v", p, err)
		}
	}
	packed := pack(t, standard, contents()["image"])
	source := bytes.NewReader(packed)
	z.Reset(source)
	if _, err := io.ReadFull(z, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if read := len(packed) - source.Len(); read > firstRead {
		t.Errorf("%d bytes were read for the first 1000", read)
	}
}

// impatient is a pipe that must not be read when it is empty.
type impatient struct{ bytes.Buffer }

func (p *impatient) Read(b []byte) (int, error) {
	if p.Len() == 0 {
		return 0, errors.New("nothing is there yet")
	}
	return p.Buffer.Read(b)
}

// TestSourceError gives the source's error after what came before it.
func TestSourceError(t *testing.T) {
	broken := errors.New("broken")
	content := contents()["text"]
	packed := pack(t, standard, content)
	r := io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(broken))
	got, err := io.ReadAll(New(r))
	if !errors.Is(err, broken) || len(got) < len(content)/3 || !bytes.HasPrefix(content, got) {
		t.Errorf("%d bytes of %d, %v", len(got), len(content), err)
	}
	if _, err := New(silent{}).Read(make([]byte, 1)); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that gives nothing: %v", err)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

// TestDamage flips bits of longer streams, so that the fast decoder sees them.
func TestDamage(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	z := New(nil)
	for name, content := range contents() {
		packed := pack(t, standard, content)
		for range 50 {
			damaged := bytes.Clone(packed)
			damaged[rnd.IntN(len(damaged))] ^= 1 << rnd.IntN(8)
			compare(t, name, damaged, z)
		}
	}
}

// compare holds a Reader against the standard library: the same bytes, the same kind of
// error. Where the input ends that library gives up earlier: it waits for as many bits as
// the end of the block has, even for shorter codes.
func compare(t *testing.T, name string, stream []byte, z *Reader) {
	t.Helper()
	const most = 4 << 20
	want, theirs := io.ReadAll(io.LimitReader(stdlib.NewReader(bytes.NewReader(stream)), most))
	z.Reset(bytes.NewReader(stream))
	got, err := io.ReadAll(io.LimitReader(z, most))
	if errors.Is(theirs, io.ErrUnexpectedEOF) && err != nil && bytes.HasPrefix(got, want) {
		return
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes, %v; the standard library: %d bytes, %v", name, len(got), err, len(want), theirs)
	}
	if kind(err) != kind(theirs) {
		t.Fatalf("%s: %v; the standard library: %v", name, err, theirs)
	}
}

// kind puts the errors of both into the same words.
func kind(err error) string {
	var ours CorruptError
	var theirs stdlib.CorruptInputError
	switch {
	case errors.As(err, &ours) || errors.As(err, &theirs):
		return "corrupt"
	case err != nil:
		return err.Error()
	}
	return "none"
}

// FuzzInflate: the same as the standard library, of any bytes, in pieces of any size.
func FuzzInflate(f *testing.F) {
	for _, content := range contents() {
		content = content[:min(len(content), 3000)]
		for _, level := range []string{"standard 0", "standard 1", "standard 9", "standard -2", "klauspost 5"} {
			f.Add(pack(f, compressors(f)[level], content), uint16(100))
		}
	}
	z := New(nil)
	f.Fuzz(func(t *testing.T, stream []byte, piece uint16) {
		compare(t, "whole", stream, z)
		if len(stream) > 10_000 {
			return
		}
		z.Reset(bytes.NewReader(stream))
		want, theirs := io.ReadAll(io.LimitReader(z, 1<<20))
		small := NewSize(iotest.HalfReader(bytes.NewReader(stream)), minSize+int(piece)%500)
		got, err := readPieces(io.LimitReader(small, 1<<20), 1+int(piece))
		if errors.Is(err, io.EOF) {
			err = nil
		}
		if !bytes.Equal(got, want) || kind(err) != kind(theirs) {
			t.Fatalf("in pieces: %d bytes, %v; as a whole: %d bytes, %v", len(got), err, len(want), theirs)
		}
	})
}
