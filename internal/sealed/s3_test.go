package sealed_test

import (
	"bytes"
	"sync"
	"testing"

	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/blob/blobtest"
	"lotse/internal/sealed/blob/s3"
	"lotse/internal/sealed/bucket"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/keyringtest"
	keys3 "lotse/internal/sealed/keyring/s3"
	"lotse/test/peer"
)

// Two nodes over one server: what one writes the other reads, more writers than
// there is memory for cut smaller segments and come to their end, reading in order
// takes one request per MiB, and what one erases the other cannot read.
func TestOverS3(t *testing.T) {
	gw := peer.VersityGW(t)
	config := bucket.Config{
		Endpoint: gw.Endpoint(), Region: gw.Region, Bucket: gw.Bucket(t), Prefix: "blobs",
		AccessKey: gw.AccessKey, SecretKey: gw.SecretKey, PathStyle: true,
	}
	node := func() (*sealed.Tenant, *blobtest.Counting) {
		store, err := s3.Open(config, s3.Options{Budget: blob.MaxSize})
		must(t, err)
		keysAt := config
		keysAt.Prefix = "keyring"
		keys, err := keys3.Open(t.Context(), keysAt, nil)
		must(t, err)
		count := &blobtest.Counting{Store: store}
		v := sealed.New(count, keyring.New(keys, keyringtest.Master(1)), sealed.Options{})
		must(t, v.CreateTenant(t.Context(), "t"))
		tenant, err := v.Tenant(t.Context(), "t")
		must(t, err)
		return tenant, count
	}
	one, _ := node()
	two, count := node()
	must(t, one.CreateImport(t.Context(), "i"))

	plain := blobtest.Random(1, 17<<20+4711)
	parts := make([]part, 4)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			w := one.Writer(t.Context(), "i", sealed.WriterOptions{Commit: parts[i].commit})
			for rest := plain; len(rest) > 0; {
				n := min(500_000, len(rest))
				if _, err := w.Write(rest[:n]); err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
				rest = rest[n:]
			}
			if err := w.Flush(t.Context()); err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i, p := range parts {
		if !bytes.Equal(readAll(t, two.Reader("i", p.segments)), plain) {
			t.Errorf("part %d of %d segments has other bytes", i, len(p.segments))
		}
	}

	segments := (&part{}).of(t, one, plain)
	if len(segments) != 2 {
		t.Errorf("a writer alone cut %d segments", len(segments))
	}
	count.Read()
	sequential(t, two.Reader("i", segments), 32<<10)
	requests, read := count.Read()
	if perMiB := float64(requests) / mib(int64(len(plain))); perMiB > 1.1 || read > 2*int64(len(plain)) {
		t.Errorf("%.2f requests per MiB, %d bytes for %d", perMiB, read, len(plain))
	}

	must(t, one.DestroyImport(t.Context(), "i"))
	three, _ := node()
	_, err := three.Reader("i", segments).ReadAt(make([]byte, 1), 0)
	want(t, "another node", err, sealed.ErrErased)
}

// of writes a part and gives its segments.
func (p *part) of(t *testing.T, tenant *sealed.Tenant, plain []byte) []sealed.Segment {
	t.Helper()
	w := tenant.Writer(t.Context(), "i", sealed.WriterOptions{Commit: p.commit})
	_, err := w.Write(plain)
	must(t, err)
	must(t, w.Flush(t.Context()))
	return p.segments
}
