package sealed_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/blobtest"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/file"
	"lotse/internal/sealed/keyring/keyringtest"
)

// clock is set by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bench is a vault with everything below it at hand.
type bench struct {
	dir    string
	faulty *blobtest.Faulty
	count  *blobtest.Counting
	ring   *keyring.Ring
	clock  *clock
	vault  *sealed.Vault
	tenant *sealed.Tenant
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), clock: &clock{at: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}}
	blobs, err := disk.Open(filepath.Join(b.dir, "blobs"))
	must(t, err)
	b.faulty = blobtest.NewFaulty(blobs)
	b.count = &blobtest.Counting{Store: b.faulty}
	keys, err := file.Open(filepath.Join(b.dir, "keyring"), nil)
	must(t, err)
	b.ring = keyring.New(keys, keyringtest.Master(1))
	b.vault = b.open(0)
	b.tenant = b.tenantOf(t, b.vault, "tenant-1")
	must(t, b.tenant.CreateImport(t.Context(), "import-1"))
	return b
}

// open makes another vault over the same storage, as another process would.
func (b *bench) open(cache int64) *sealed.Vault {
	return sealed.New(b.count, b.ring, sealed.Options{CacheBytes: cache, Now: b.clock.Now})
}

func (b *bench) tenantOf(t testing.TB, v *sealed.Vault, id string) *sealed.Tenant {
	t.Helper()
	must(t, v.CreateTenant(t.Context(), id))
	tenant, err := v.Tenant(t.Context(), id)
	must(t, err)
	return tenant
}

// part keeps what was committed of a part.
type part struct {
	segments []sealed.Segment
	calls    int
	fail     error
}

func (p *part) commit(_ context.Context, s []sealed.Segment) error {
	p.calls++
	if p.fail != nil {
		return p.fail
	}
	p.segments = append(p.segments, s...)
	return nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// write makes a part of these bytes.
func (b *bench) write(t testing.TB, importID string, plain []byte, step int) []sealed.Segment {
	t.Helper()
	var p part
	w := b.tenant.Writer(t.Context(), importID, sealed.WriterOptions{Commit: p.commit})
	for rest := plain; len(rest) > 0; {
		n := min(step, len(rest))
		k, err := w.Write(rest[:n])
		if err != nil || k != n {
			t.Fatalf("write = %d, %v", k, err)
		}
		rest = rest[n:]
	}
	must(t, w.Flush(t.Context()))
	return p.segments
}

func readAll(t testing.TB, r *sealed.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	must(t, err)
	return b
}

func TestWriteAndRead(t *testing.T) {
	b := newBench(t)
	for i, size := range []int{0, 1, 65535, 65536, 65537, 1 << 20, 1<<20 + 1, 16 << 20, 16<<20 + 1, 35<<20 + 777} {
		plain := blobtest.Random(uint64(i), size)
		for _, step := range []int{100_000, 1 << 20} {
			segments := b.write(t, "import-1", plain, step)
			if len(segments) != (size+sealed.MaxSegment-1)/sealed.MaxSegment {
				t.Errorf("%d bytes in %d segments", size, len(segments))
			}
			r := b.tenant.Reader("import-1", segments)
			if r.Size() != int64(size) || !bytes.Equal(readAll(t, r), plain) {
				t.Errorf("%d bytes in steps of %d: read back others", size, step)
			}
			for _, q := range [][2]int{{0, 1}, {size - 1, 1}, {65535, 2}, {65536, 10}, {1<<20 - 5, 10}, {1 << 20, 1 << 20}, {16<<20 - 70_000, 140_000}, {size - 3, 10}, {size, 1}, {size + 9, 3}} {
				testRange(t, r, plain, q[0], q[1])
			}
		}
	}
}

func testRange(t *testing.T, r *sealed.Reader, all []byte, off, n int) {
	t.Helper()
	if off < 0 {
		return
	}
	want := all[min(off, len(all)):min(off+n, len(all))]
	p := make([]byte, n)
	k, err := r.ReadAt(p, int64(off))
	if !bytes.Equal(p[:k], want) || (k < n) != (err != nil) || k < n && !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes at %d of %d: %d bytes, %v", n, off, len(all), k, err)
	}
}

func TestConcurrentReading(t *testing.T) {
	b := newBench(t)
	plain := blobtest.Random(1, 20<<20)
	r := b.tenant.Reader("import-1", b.write(t, "import-1", plain, 1<<20))
	b.count.Read()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := make([]byte, 300_000)
			for off := i * 1000; off < len(plain); off += 1 << 20 {
				n, err := r.ReadAt(p, int64(off))
				if err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(p[:n], plain[off:off+n]) {
					t.Errorf("at %d: %v, or other bytes", off, err)
				}
			}
		})
	}
	wg.Wait()
	if reads, _ := b.count.Read(); reads > 20 {
		t.Errorf("%d reads of 20 windows", reads)
	}
}

// A segment is durable before its row, and its row is there before more is taken.
func TestCommitOrder(t *testing.T) {
	b := newBench(t)
	var w *sealed.Writer
	var seen []int64
	w = b.tenant.Writer(t.Context(), "import-1", sealed.WriterOptions{Commit: func(ctx context.Context, s []sealed.Segment) error {
		if len(s) != 1 || s[0].Offset != sum(seen) {
			t.Errorf("segments %v after %v", s, seen)
		}
		if keys := blobtest.Keys(t, b.count, b.tenant.BlobKey("import-1", s[0].ID)); len(keys) != 1 {
			t.Error("the blob is not there when its row is made")
		}
		seen = append(seen, s[0].Size)
		return nil
	}})
	chunk := blobtest.Random(1, 5<<20)
	for range 4 {
		_, err := w.Write(chunk)
		must(t, err)
	}
	if w.Offset() != sealed.MaxSegment || w.Pending() != 4<<20 || !slices.Equal(seen, []int64{sealed.MaxSegment}) {
		t.Errorf("offset %d, pending %d, %v", w.Offset(), w.Pending(), seen)
	}
	b.clock.add(29 * time.Second)
	_, err := w.Write(chunk[:1])
	must(t, err)
	if len(seen) != 1 {
		t.Error("cut before its time")
	}
	b.clock.add(time.Second)
	_, err = w.Write(chunk[:100])
	must(t, err)
	if w.Offset() != 20<<20+1 || w.Pending() != 100 {
		t.Errorf("after 30 s: offset %d, pending %d", w.Offset(), w.Pending())
	}
	must(t, w.Flush(t.Context()))
	must(t, w.Flush(t.Context()))
	_, err = w.Write(chunk[:7])
	must(t, err)
	w.Abort()
	if _, err = w.Write(chunk); !errors.Is(err, sealed.ErrClosed) {
		t.Errorf("write after abort = %v", err)
	}
	if !slices.Equal(seen, []int64{16 << 20, 4<<20 + 1, 100}) {
		t.Errorf("segments of %v", seen)
	}
	if keys := blobtest.Keys(t, b.count, ""); len(keys) != 3 {
		t.Errorf("blobs %q", keys)
	}
}

func sum(a []int64) (s int64) {
	for _, v := range a {
		s += v
	}
	return s
}

func TestDigestResumes(t *testing.T) {
	b := newBench(t)
	plain := blobtest.Random(3, 17<<20+12345)
	var p part
	w := b.tenant.Writer(t.Context(), "import-1", sealed.WriterOptions{Commit: p.commit, Digest: true})
	_, err := w.Write(plain[:1000])
	must(t, err)
	must(t, w.Flush(t.Context()))
	_, err = w.Write(plain[1000:5000]) // is lost
	must(t, err)
	state := w.DigestState()
	if want := sha256.Sum256(plain[:1000]); !bytes.Equal(w.Digest(), want[:]) {
		t.Error("the digest is not of what is durable")
	}
	w.Abort()
	if bytes.Contains(state, plain[960:1000]) {
		t.Error("the state of the digest shows plaintext")
	}

	w = b.tenant.Writer(t.Context(), "import-1", sealed.WriterOptions{Offset: 1000, Commit: p.commit, Digest: true, DigestState: state})
	if want := sha256.Sum256(plain[:1000]); !bytes.Equal(w.Digest(), want[:]) {
		t.Error("the resumed digest is another")
	}
	_, err = w.Write(plain[1000:])
	must(t, err)
	must(t, w.Flush(t.Context()))
	if want := sha256.Sum256(plain); !bytes.Equal(w.Digest(), want[:]) {
		t.Error("the digest is another")
	}
	if !bytes.Equal(readAll(t, b.tenant.Reader("import-1", p.segments)), plain) {
		t.Error("the bytes are others")
	}
	w = b.tenant.Writer(t.Context(), "import-1", sealed.WriterOptions{Commit: p.commit, Digest: true, DigestState: append([]byte{1}, state...)})
	_, err = w.Write(plain)
	want(t, "writing with a spoilt state", err, sealed.ErrDamaged)
}

func TestFailures(t *testing.T) {
	plain := blobtest.Random(4, 1<<20)
	for _, op := range []blobtest.Op{blobtest.Create, blobtest.Write, blobtest.Commit} {
		for _, after := range []bool{false, true} {
			b := newBench(t)
			fail := b.faulty.Fail
			if after {
				fail = b.faulty.FailAfter
			}
			fail(op, 1, nil)
			var p part
			w := b.tenant.Writer(t.Context(), "import-1", sealed.WriterOptions{Commit: p.commit})
			_, err := w.Write(plain)
			if err == nil {
				err = w.Flush(t.Context())
			}
			want(t, string(op), err, blobtest.ErrInjected)
			if !blob.Temporary(err) || p.calls != 0 {
				t.Errorf("%s: not temporary, or committed", op)
			}
			if err2 := w.Flush(t.Context()); !errors.Is(err2, blobtest.ErrInjected) {
				t.Errorf("%s: the writer goes on: %v", op, err2)
			}
			w.Abort()
			left, err := os.ReadDir(filepath.Join(b.dir, "blobs", ".incomplete"))
			must(t, err)
			if len(left) > 0 {
				t.Errorf("%s: left %v", op, left)
			}
		}
	}
	b := newBench(t)
	p := part{fail: errors.New("no row")}
	w := b.tenant.Writer(t.Context(), "import-1", sealed.WriterOptions{Commit: p.commit})
	_, err := w.Write(plain)
	must(t, err)
	want(t, "flush", w.Flush(t.Context()), p.fail)
	if w.Offset() != 0 {
		t.Error("counts what has no row")
	}
	segments := b.write(t, "import-1", plain, len(plain))
	b.faulty.Fail(blobtest.Read, 1, nil)
	r := b.tenant.Reader("import-1", segments)
	_, err = r.ReadAt(make([]byte, 10), 0)
	want(t, "read", err, blobtest.ErrInjected)
	if !blob.Temporary(err) {
		t.Error("a failed read is not temporary")
	}
	if !bytes.Equal(readAll(t, r), plain) {
		t.Error("the read after it has other bytes")
	}
}

func TestErasure(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	plain := blobtest.Random(5, 3<<20)
	segments := b.write(t, "import-1", plain, len(plain))
	column, err := b.tenant.Seal(ctx, "import-1", "name", []byte("x"))
	must(t, err)
	r := b.tenant.Reader("import-1", segments)
	readAll(t, r)
	other := b.tenantOf(t, b.open(0), "tenant-1")
	readAll(t, other.Reader("import-1", segments))
	var p part
	open := b.tenant.Writer(ctx, "import-1", sealed.WriterOptions{Commit: p.commit})

	must(t, b.tenant.DestroyImport(ctx, "import-1"))
	must(t, b.tenant.DestroyImport(ctx, "import-1"))
	erased := func(what string, tenant *sealed.Tenant) {
		t.Helper()
		_, err := tenant.Reader("import-1", segments).ReadAt(make([]byte, 10), 0)
		want(t, what+": read", err, sealed.ErrErased)
		_, err = tenant.Open(ctx, "import-1", "name", column)
		want(t, what+": open", err, sealed.ErrErased)
		_, err = tenant.Seal(ctx, "import-1", "name", nil)
		want(t, what+": seal", err, sealed.ErrErased)
	}
	erased("at once", b.tenant)
	_, err = r.ReadAt(make([]byte, 10), 0)
	want(t, "a reader from before", err, sealed.ErrErased)
	_, err = open.Write(plain)
	want(t, "a writer from before", err, sealed.ErrErased)
	want(t, "create again", b.tenant.CreateImport(ctx, "import-1"), sealed.ErrErased)
	erased("a new process", b.tenantOf(t, b.open(0), "tenant-1"))
	b.clock.add(61 * time.Second)
	erased("another process, a minute later", other)
	_, err = b.tenant.Seal(ctx, "import-2", "name", nil)
	want(t, "an import that never was", err, sealed.ErrNoKey)

	must(t, b.tenant.CreateImport(ctx, "import-3"))
	must(t, b.tenant.CreateImport(ctx, "import-3"))
	_, err = b.tenant.Seal(ctx, "import-3", "name", nil)
	must(t, err)
	must(t, b.vault.DestroyTenant(ctx, "tenant-1"))
	_, err = b.tenant.Seal(ctx, "import-3", "name", nil)
	want(t, "an import of a destroyed tenant", err, sealed.ErrErased)
	_, err = b.tenant.MAC(ctx, "uid", "1.2.3")
	want(t, "MAC of a destroyed tenant", err, sealed.ErrErased)
	_, err = b.vault.Tenant(ctx, "tenant-1")
	want(t, "a destroyed tenant", err, sealed.ErrErased)
	want(t, "create it again", b.vault.CreateTenant(ctx, "tenant-1"), sealed.ErrErased)
	_, err = b.vault.Tenant(ctx, "tenant-2")
	want(t, "an unknown tenant", err, sealed.ErrNoKey)
}

func TestColumns(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	other := b.tenantOf(t, b.vault, "tenant-2")
	must(t, other.CreateImport(ctx, "import-1"))
	must(t, b.tenant.CreateImport(ctx, "import-2"))
	one, err := b.tenant.Seal(ctx, "import-1", "name", []byte("MUSTERMANN^MAX"))
	must(t, err)
	two, err := b.tenant.Seal(ctx, "import-1", "name", []byte("MUSTERMANN^MAX"))
	must(t, err)
	if bytes.Equal(one, two) || bytes.Contains(one, []byte("MUSTER")) {
		t.Error("sealed the same twice, or not at all")
	}
	if got, err := b.tenant.Open(ctx, "import-1", "name", one); err != nil || string(got) != "MUSTERMANN^MAX" {
		t.Errorf("open = %q, %v", got, err)
	}
	_, err = b.tenant.Open(ctx, "import-1", "birth", one)
	want(t, "another purpose", err, sealed.ErrDamaged)
	_, err = b.tenant.Open(ctx, "import-2", "name", one)
	want(t, "another import", err, sealed.ErrDamaged)
	_, err = other.Open(ctx, "import-1", "name", one)
	want(t, "another tenant", err, sealed.ErrDamaged)
	for i := range one {
		spoilt := bytes.Clone(one)
		spoilt[i] ^= 1
		_, err := b.tenant.Open(ctx, "import-1", "name", spoilt)
		want(t, "altered", err, sealed.ErrDamaged)
		_, err = b.tenant.Open(ctx, "import-1", "name", one[:i])
		want(t, "truncated", err, sealed.ErrDamaged)
	}
	shared, err := b.tenant.SealTenant(ctx, "password", []byte("p"))
	must(t, err)
	if got, err := b.tenant.OpenTenant(ctx, "password", shared); err != nil || string(got) != "p" {
		t.Errorf("open = %q, %v", got, err)
	}
	_, err = other.OpenTenant(ctx, "password", shared)
	want(t, "another tenant's", err, sealed.ErrDamaged)
}

func TestMAC(t *testing.T) {
	b := newBench(t)
	other := b.tenantOf(t, b.vault, "tenant-2")
	mac := func(tenant *sealed.Tenant, purpose, value string) string {
		m, err := tenant.MAC(t.Context(), purpose, value)
		must(t, err)
		return m
	}
	one := mac(b.tenant, "uid", "1.2.3")
	if len(one) != 64 || strings.ToLower(one) != one || one != mac(b.tenantOf(t, b.open(0), "tenant-1"), "uid", "1.2.3") {
		t.Errorf("MAC %q is not 64 digits, or another in another process", one)
	}
	for what, m := range map[string]string{
		"value": mac(b.tenant, "uid", "1.2.4"), "purpose": mac(b.tenant, "id", "1.2.3"), "tenant": mac(other, "uid", "1.2.3"),
	} {
		if m == one {
			t.Errorf("the same for another %s", what)
		}
	}
}

// Nothing below the vault ever has what was written, not even while it is written.
func TestNoPlaintextOnDisk(t *testing.T) {
	b := newBench(t)
	secret := []byte("MUSTERMANN^MAX 19700101")
	var p part
	w := b.tenant.Writer(t.Context(), "import-1", sealed.WriterOptions{Commit: p.commit, Digest: true})
	for range 20 {
		_, err := w.Write(bytes.Repeat(secret, 50_000))
		must(t, err)
	}
	search := func(wantFiles int) {
		t.Helper()
		files := 0
		must(t, filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files++
			content, err := os.ReadFile(path)
			if bytes.Contains(content, secret[:10]) {
				t.Errorf("%s has plaintext", path)
			}
			return err
		}))
		if files < wantFiles {
			t.Errorf("only %d files were searched", files)
		}
	}
	search(4) // two keys, a segment, an open one
	must(t, w.Flush(t.Context()))
	readAll(t, b.tenant.Reader("import-1", p.segments))
	search(4)
}
