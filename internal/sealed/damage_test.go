package sealed_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lotse/internal/sealed"
	"lotse/internal/sealed/blob/blobtest"
)

const packet = 65536 + 32 // of DARE 2.0

// blobFile is where a segment is on the disk.
func (b *bench) blobFile(importID string, s sealed.Segment) string {
	return filepath.Join(b.dir, "blobs", filepath.FromSlash(b.tenant.BlobKey(importID, s.ID)))
}

// neverOther reads everything in all ways through a fresh vault and demands that
// what comes is either right or damaged, and that damage is found where it is.
func (b *bench) neverOther(t *testing.T, what string, segments []sealed.Segment, plain []byte, damaged bool) {
	t.Helper()
	tenant := b.tenantOf(t, b.open(0), "tenant-1")
	r := tenant.Reader("import-1", segments)
	found := false
	for _, step := range []int{1 << 22, 65536, 10_000} {
		from := 0
		if step < 1<<20 { // the fine steps only where the damage is
			from = max(0, len(plain)-3<<20)
		}
		for off := from; off < len(plain); off += max(step, 65536) {
			p := make([]byte, step)
			n, err := r.ReadAt(p, int64(off))
			if !bytes.Equal(p[:n], plain[off:min(off+n, len(plain))]) {
				t.Fatalf("%s: other bytes at %d", what, off)
			}
			if errors.Is(err, sealed.ErrDamaged) {
				found = true
			} else if err != nil && !errors.Is(err, io.EOF) {
				t.Fatalf("%s: at %d: %v", what, off, err)
			}
		}
	}
	if found != damaged {
		t.Errorf("%s: damage found: %v", what, found)
	}
}

func TestDamage(t *testing.T) {
	b := newBench(t)
	plain := blobtest.Random(7, 16<<20+5*65536+100)
	segments := b.write(t, "import-1", plain, 1<<20)
	small := segments[1]
	smallPlain := plain[16<<20:]
	whole := []sealed.Segment{{ID: small.ID, Offset: 0, Size: small.Size}}
	b.neverOther(t, "moved to another place of the part", whole, smallPlain, true)
	b.neverOther(t, "as it was", segments, plain, false)

	name := b.blobFile("import-1", small)
	good, err := os.ReadFile(name)
	must(t, err)
	spoil := func(what string, change func(b []byte) []byte) {
		t.Helper()
		must(t, os.WriteFile(name, change(bytes.Clone(good)), 0o600))
		b.neverOther(t, what, segments, plain, true)
		must(t, os.WriteFile(name, good, 0o600))
	}
	for _, i := range []int{0, 1, 2, 4, 15, 16, 1000, packet - 1, packet, packet + 5, 3*packet + 100, len(good) - 1} {
		spoil("one bit altered", func(b []byte) []byte { b[i] ^= 4; return b })
	}
	for _, n := range []int{0, 1, 16, packet - 1, packet, 2 * packet, len(good) - 1} {
		spoil("truncated", func(b []byte) []byte { return b[:n] })
	}
	spoil("longer", func(b []byte) []byte { return append(b, 0) })
	spoil("a package twice", func(b []byte) []byte { return append(b, b[:packet]...) })
	spoil("packages swapped", func(b []byte) []byte {
		copy(b[packet:], good[2*packet:3*packet])
		copy(b[2*packet:], good[packet:2*packet])
		return b
	})
	spoil("a package moved, its nonce made to fit", func(b []byte) []byte { return forge(b, 1, 3) })
	must(t, os.Remove(name))
	b.neverOther(t, "missing", segments, plain, true)
	must(t, os.WriteFile(name, good, 0o600))
	b.neverOther(t, "as it was again", segments, plain, false)
}

// forge puts one package in the place of another with such a nonce in its header
// that it decrypts there, for a reader that knows only what the header says.
func forge(b []byte, from, to int) []byte {
	moved := b[to*packet : (to+1)*packet]
	copy(moved, b[from*packet:(from+1)*packet])
	counter := moved[12:16]
	binary.LittleEndian.PutUint32(counter, binary.LittleEndian.Uint32(counter)^uint32(from)^uint32(to))
	return b
}

func TestSwapped(t *testing.T) {
	b := newBench(t)
	must(t, b.tenant.CreateImport(t.Context(), "import-2"))
	plain, other := blobtest.Random(8, 33<<20), blobtest.Random(9, 33<<20)
	segments := b.write(t, "import-1", plain, 1<<20)
	foreign := b.write(t, "import-2", other, 1<<20)

	reordered := slices.Clone(segments)
	reordered[0].ID, reordered[1].ID = reordered[1].ID, reordered[0].ID
	b.neverOther(t, "rows reordered", reordered, plain, true)
	backwards := []sealed.Segment{segments[1], segments[0], segments[2]}
	b.neverOther(t, "rows in another order", backwards, plain, true)
	b.neverOther(t, "a row missing", slices.Delete(slices.Clone(segments), 1, 2), plain, true)
	shorter := slices.Clone(segments)
	shorter[2].Size -= 65536
	b.neverOther(t, "a row that says less", shorter, plain[:len(plain)-65536], true)
	longer := slices.Clone(segments)
	longer[2].Size++
	b.neverOther(t, "a row that says more", longer, append(bytes.Clone(plain), 0), true)

	// The blob of another import, and of another segment, under the right name.
	name := b.blobFile("import-1", segments[0])
	good, err := os.ReadFile(name)
	must(t, err)
	for what, from := range map[string]string{
		"another import's blob":  b.blobFile("import-2", foreign[0]),
		"another segment's blob": b.blobFile("import-1", segments[1]),
	} {
		bad, err := os.ReadFile(from)
		must(t, err)
		must(t, os.WriteFile(name, bad, 0o600))
		b.neverOther(t, what, segments, plain, true)
	}
	must(t, os.WriteFile(name, good, 0o600))

	// The rows of another import, with its blobs where they would be looked for.
	for _, s := range foreign {
		bad, err := os.ReadFile(b.blobFile("import-2", s))
		must(t, err)
		must(t, os.WriteFile(b.blobFile("import-1", s), bad, 0o600))
	}
	b.neverOther(t, "another import's rows and blobs", foreign, plain, true)
}
