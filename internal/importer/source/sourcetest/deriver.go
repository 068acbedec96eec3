// Package sourcetest has what every implementation of a contract of package source
// must do, as suites that run against each.
package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
)

// Deriver is source.Deriver, which the tests of package source cannot import from here.
type Deriver interface {
	Derive(ctx context.Context, key string, fill func(io.Writer) error) (*io.SectionReader, error)
}

// RunDeriver runs the suite for a Deriver. open gives one that has nothing.
func RunDeriver(t *testing.T, open func(t *testing.T) Deriver) {
	for name, test := range map[string]func(*testing.T, Deriver){
		"Content": deriverContent, "Failure": deriverFailure, "Again": deriverAgain,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// filled writes b in uneven pieces.
func filled(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		for n := 1; len(b) > 0; n = n*3 + 1 {
			n = min(n, len(b))
			if _, err := w.Write(b[:n]); err != nil {
				return err
			}
			b = b[n:]
		}
		return nil
	}
}

func expect(t *testing.T, r *io.SectionReader, want []byte) {
	t.Helper()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) || r.Size() != int64(len(want)) {
		t.Fatalf("%d of %d bytes, declared %d: %v", len(got), len(want), r.Size(), err)
	}
	at := len(want) * 2 / 3
	p := make([]byte, len(want)-at)
	if n, err := r.ReadAt(p, int64(at)); n != len(p) || err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(p, want[at:]) {
		t.Fatalf("read %d bytes at %d: %v", n, at, err)
	}
}

func pattern(seed, n int) []byte {
	b := make([]byte, 0, n+32)
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "%d.%d ", seed, i)
	}
	return b[:n]
}

func deriverContent(t *testing.T, d Deriver) {
	sizes := []int{1, 70_000, 3 << 20, 17 << 20}
	readers := make([]*io.SectionReader, len(sizes))
	for i, size := range sizes {
		r, err := d.Derive(t.Context(), fmt.Sprint("archive.", i), filled(pattern(i, size)))
		if err != nil {
			t.Fatal(err)
		}
		readers[i] = r
	}
	for i, size := range sizes { // also after others were made
		expect(t, readers[i], pattern(i, size))
	}
}

func deriverFailure(t *testing.T, d Deriver) {
	broken := errors.New("it broke")
	_, err := d.Derive(t.Context(), "archive.1", func(w io.Writer) error {
		return errors.Join(filled(pattern(0, 17<<20))(w), broken)
	})
	if !errors.Is(err, broken) {
		t.Fatalf("what fill failed with is lost: %v", err)
	}
	want := pattern(1, 100_000)
	r, err := d.Derive(t.Context(), "archive.1", filled(want))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, r, want)
}

func deriverAgain(t *testing.T, d Deriver) {
	want := pattern(1, 100_000)
	for range 3 {
		calls := 0
		r, err := d.Derive(t.Context(), "archive.1.2", func(w io.Writer) error {
			calls++
			return filled(want)(w)
		})
		if err != nil || calls > 1 {
			t.Fatalf("filled %d times: %v", calls, err)
		}
		expect(t, r, want)
	}
}
